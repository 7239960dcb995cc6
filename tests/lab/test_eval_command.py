"""``python -m livebg.lab eval``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.cli_runner import CommandResult, LivebgCli
from tests.support.evaluation_data import save, save_pair
from tests.support.media import FAST, Clip
from tests.support.toy_network import ToyNetwork


@pytest.fixture
def data(cli: LivebgCli) -> Path:
    """Returns small data sets that the toy network can segment: white people in black rooms."""
    folder = cli.folder / "data"
    for number in range(3):
        save_pair(folder / "portraits" / "test", f"{number}", people=20 + 10 * number)
        save_pair(folder / "portraits" / "train", f"{number}", people=0)
    for number in range(11):
        save(folder / "backgrounds" / "halls" / f"{number:02}.png", np.zeros((36, 64, 3), np.uint8))
    (folder / "video").mkdir()
    Clip(count=6, width=64, height=48, options=FAST).write(folder / "video" / "book.mkv")
    return Path("data")


def sections(result: CommandResult) -> dict[str, dict[str, Any]]:
    assert (result.code, result.err) == (0, "")
    return {section["section"]: section for section in json.loads(result.out)["sections"]}


def test_eval_compares_all_sections(cli: LivebgCli, data: Path) -> None:
    ToyNetwork(gain=0.0).write(cli.folder / "nobody.onnx")
    options = ("--data", str(data), "--against", "nobody.onnx", "--clips", "2", "--frames", "2", "--json")
    result = cli.lab("eval", "toy.onnx", *options, "--teacher", "toy.onnx")
    found = sections(result)
    assert list(found) == [
        "portraits/test",
        "empty rooms",
        "moving truth, slow",
        "moving truth, fast",
        "real clips",
        "CPU",
    ]
    portraits = found["portraits/test"]
    assert portraits["count"] == 3
    assert portraits["networks"]["toy"]["iou"]["mean"] > 0.95
    assert portraits["networks"]["nobody"]["iou"]["mean"] == 0
    assert portraits["differences"]["nobody"]["iou"]["low"] > 0.9
    assert found["empty rooms"]["count"] == 2
    assert found["empty rooms"]["networks"]["nobody"]["clear"]["mean"] == 100
    assert list(found["moving truth, slow"]["networks"]) == ["toy", "nobody"]
    assert found["real clips"]["networks"]["toy"]["teacher_iou"]["mean"] == 1
    assert found["CPU"]["reference"] == "nobody"
    assert (json.loads(result.out)["network"], json.loads(result.out)["against"]) == ("toy", ["nobody"])


def test_eval_without_data_uses_procedural_people(cli: LivebgCli) -> None:
    ToyNetwork().write(cli.folder / "own.onnx")
    chosen = ("--motion", "two", "--clips", "2", "--frames", "2", "--json")
    found = sections(cli.lab("eval", "own.onnx", *chosen))
    skipped = {name: section["skipped"] for name, section in found.items() if "skipped" in section}
    assert skipped == dict.fromkeys(("pictures", "empty rooms", "real clips"), "no --data folder given")
    assert "procedural people over procedural rooms" in found["moving truth, two"]["about"]
    assert found["CPU"]["networks"]["own"]["ratio"] == 1


def test_tables_contain_every_network_and_section(cli: LivebgCli, data: Path) -> None:
    ToyNetwork(gain=0.0).write(cli.folder / "nobody.onnx")
    chosen = ("--section", "pictures", "--section", "cost", "--step", "2")
    result = cli.lab("eval", "toy.onnx@64x48", "--data", str(data), "--against", "nobody.onnx", *chosen)
    assert (result.code, result.err) == (0, "")
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert any(line.startswith("portraits/test: 2 pictures; one inference, input 256x144") for line in lines)
    assert any(line.startswith("IoU toy@64x48 1 ± 0 1 .. 1 1") for line in lines)
    assert any(line.startswith("nobody 0 ± 0 0 .. 0 0 +1 (+1 .. +1)") for line in lines)
    assert any(line.startswith("toy@64x48 64x48 ") for line in lines)


def test_section_without_data_is_skipped(cli: LivebgCli) -> None:
    (cli.folder / "empty").mkdir()
    result = cli.lab("eval", "toy.onnx", "--data", "empty", "--section", "pictures", "--section", "real")
    assert result.out.splitlines() == [
        "pictures: skipped, no folders with images and masks in empty",
        "real clips: skipped, no held-out clips in empty/video",
    ]


def test_sheets_are_written(cli: LivebgCli, data: Path) -> None:
    chosen = ("--section", "pictures", "--section", "rooms", "--sheets", "sheets")
    assert cli.lab("eval", "toy.onnx", "--data", str(data), *chosen).code == 0
    assert {path.name for path in (cli.folder / "sheets").iterdir()} == {"portraits-test.png", "empty-rooms.png"}
    with Image.open(cli.folder / "sheets" / "portraits-test.png") as image:
        assert image.size == (4 * 224, 184)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ("toy.onnx", "--section", "color"),
            2,
            "Unknown section 'color'. Choose from pictures, rooms, moving, real, cost.",
        ),
        (("toy.onnx", "--section", "prior"), 2, "Unknown section 'prior'. Choose from pictures, rooms, moving, real, cost."),
        (("toy.onnx", "--motion", "jump"), 2, "Unknown motion 'jump'. Choose from still, slow, fast"),
        (
            ("toy.onnx", "--against", "toy.onnx"),
            2,
            "Two networks have the name toy. Rename one of the files",
        ),
        (
            ("toy.onnx", "--data", "nowhere"),
            3,
            "nowhere does not exist. Specify the folder that contains the data sets",
        ),
        (("toy.onnx", "--data", "toy.onnx"), 3, "toy.onnx is a file. Specify the folder that contains the data sets"),
        (("other.onnx",), 5, "The model file other.onnx does not exist"),
        (("u2netq",), 5, "Unknown model 'u2netq'. Did you mean u2netp?"),
    ],
)
def test_invalid_arguments_fail_with_clear_message(arguments: tuple[str, ...], code: int, sentence: str, cli: LivebgCli) -> None:
    result = cli.lab("eval", *arguments)
    assert result.code == code
    assert result.error_line.startswith(sentence)


def test_damaged_picture_fails_with_clear_message(cli: LivebgCli, data: Path) -> None:
    (data / "portraits" / "test" / "images" / "1.png").write_text("no picture")
    result = cli.lab("eval", "toy.onnx", "--data", str(data), "--section", "pictures")
    assert (result.code, result.error_line) == (
        3,
        "data/portraits/test/images/1.png is not a readable photo. Use JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or JPEG 2000.",
    )


def test_models_eval_names_new_command(cli: LivebgCli) -> None:
    result = cli.livebg("models", "eval", "toy.onnx", "--data", "sets", "--json")
    assert result.code == 2
    assert result.error_line == (
        "`livebg models eval` is not part of the package. Run `python -m livebg.lab eval` in a clone of the repository."
    )
