"""Networks with altered bytes, sizes and parts: they run, or are refused in one sentence; no crash, no hang, no wrong matte."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from tests.support.fuzzing import is_sentence, mutate, seeds
from tests.support.toy_network import ToyNetwork

Rounds = Callable[[int], int]
PATIENCE = 300
"""Seconds for all of a round's files."""


def outcomes(folder: Path) -> dict[str, str]:
    """What came of each file, by its name."""
    command = [sys.executable, "-m", "tests.support.run_networks", str(folder)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=root, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    last = lines[-1]["file"] if lines else "the first"
    assert done.returncode == 0, f"exit code {done.returncode} at {last}: {done.stderr[-2000:]}"
    assert done.stderr == "", done.stderr
    return {line["file"]: line["outcome"] for line in lines if "outcome" in line}


def check_outcomes(found: dict[str, str], files: int) -> None:
    assert len(found) == files
    for name, text in found.items():
        assert is_sentence(text), f"{name}: {text}"
    assert any(text != "runs" for text in found.values())


def test_mutated_bytes_run_or_are_rejected(tmp_path: Path, rounds: Rounds) -> None:
    whole = ToyNetwork(metadata={"author": "somebody"}).write(tmp_path / "whole.onnx").read_bytes()
    folder = tmp_path / "altered"
    folder.mkdir()
    for number, chance in enumerate(seeds(rounds(120), "model")):
        (folder / f"{number:06}.onnx").write_bytes(mutate(whole, chance))
    found = outcomes(folder)
    check_outcomes(found, rounds(120))
    assert "runs" in found.values()


def test_truncated_network_is_rejected(tmp_path: Path, rounds: Rounds) -> None:
    whole = ToyNetwork().write(tmp_path / "whole.onnx").read_bytes()
    folder = tmp_path / "cut"
    folder.mkdir()
    lengths = range(1, len(whole), max(1, len(whole) // rounds(60)))
    for length in lengths:
        (folder / f"{length:06}.onnx").write_bytes(whole[:length])
    check_outcomes(outcomes(folder), len(lengths))


def test_mutated_graph_runs_or_is_rejected(tmp_path: Path, rounds: Rounds) -> None:
    """The format stays intact, its contents do not."""
    kinds = [ToyNetwork(), ToyNetwork(lists_weights=True), ToyNetwork(shrink=True), ToyNetwork(size=(64, 48), rigid=True)]
    folder = tmp_path / "nonsense"
    folder.mkdir()
    for number, chance in enumerate(seeds(rounds(80), "nonsense")):
        model = onnx.load(str(chance.choice(kinds).write(tmp_path / "whole.onnx")))
        for _ in range(chance.choice((1, 1, 2, 4))):
            chance.choice(TURNS)(model, chance)
        (folder / f"{number:06}.onnx").write_bytes(model.SerializeToString())
    check_outcomes(outcomes(folder), rounds(80))


def _dimension(model: Any, chance: random.Random) -> None:
    entry = chance.choice([*model.graph.input, *model.graph.output])
    if entry.type.tensor_type.shape.dim:
        chance.choice(entry.type.tensor_type.shape.dim).dim_value = chance.choice((0, -1, 1, 2, 7, 2**31, 2**62))


def _weight(model: Any, chance: random.Random) -> None:
    weight = chance.choice(model.graph.initializer)
    match chance.randrange(4):
        case 0:
            weight.dims.append(chance.choice((0, 1, 3, -2, 2**40)))
        case 1:
            weight.data_type = chance.randrange(0, 20)
        case 2:
            weight.raw_data = chance.randbytes(chance.randrange(9))
        case _:
            del weight.float_data[:]
            weight.float_data.append(chance.choice((float("nan"), float("inf"), -1e38, 0.0)))


def _wire(model: Any, chance: random.Random) -> None:
    node = chance.choice(model.graph.node)
    names = [name for each in model.graph.node for name in (*each.input, *each.output)]
    ends = node.input if chance.random() < 0.6 else node.output
    if ends:
        ends[chance.randrange(len(ends))] = chance.choice([*names, "", "nowhere"])


def _operator(model: Any, chance: random.Random) -> None:
    chance.choice(model.graph.node).op_type = chance.choice(
        ("Relu", "Conv", "Loop", "If", "Zebra", "Concat", "Softmax", "Resize")
    )


def _attribute(model: Any, chance: random.Random) -> None:
    node = chance.choice([each for each in model.graph.node if each.attribute] or list(model.graph.node))
    if node.attribute:
        attribute = chance.choice(node.attribute)
        attribute.i = chance.choice((-1, 0, 5, 99, 2**62))
        attribute.type = chance.randrange(0, 12)


def _left_out(model: Any, chance: random.Random) -> None:
    part = chance.choice((model.graph.node, model.graph.initializer, model.graph.input, model.graph.output, model.opset_import))
    if part:
        del part[chance.randrange(len(part))]


def _version(model: Any, chance: random.Random) -> None:
    if model.opset_import and chance.random() < 0.5:
        model.opset_import[0].version = chance.choice((0, 1, 6, 13, 99, 2**40))
    else:
        model.ir_version = chance.choice((0, 1, 3, 99, 2**40))


def _scaling(model: Any, chance: random.Random) -> None:
    """The description of the input as livebg's own training writes it."""
    model.metadata_props.add(key="input", value="0..1")
    model.metadata_props.add(key="stride", value=chance.choice(STRIDES))


STRIDES = ("", "0", "-8", "1", "8.5", "NaN", "999999999", "9" * 5000, "\u0663", "\u00b2", " 8", "8\n")


TURNS: tuple[Callable[[Any, random.Random], None], ...] = (
    _dimension,
    _weight,
    _wire,
    _operator,
    _attribute,
    _left_out,
    _version,
    _scaling,
)


def test_huge_input_size_is_rejected(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    for number, size in enumerate([(2**31, 48), (64, 2**40), (100_000, 100_000), (64, 0)]):
        ToyNetwork(size=size).write(folder / f"{number}.onnx")
    found = outcomes(folder)
    assert len(found) == 4
    assert all("expects an input of 1x3x" in text for text in found.values()), found


def test_invalid_stride_metadata_is_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    for number, stride in enumerate((*STRIDES, "16")):
        ToyNetwork(metadata={"input": "0..1", "stride": stride}).write(folder / f"{number:02}.onnx")
    assert set(outcomes(folder).values()) == {"runs"}, "a stride that cannot be is none"
