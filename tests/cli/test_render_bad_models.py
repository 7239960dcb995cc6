"""Invalid or missing networks: a clear message, the correct exit code, no files left behind."""

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.support.cli_runner import LivebgCli, render_error
from tests.support.invalid_files import empty, noise, text
from tests.support.toy_network import ToyNetwork

pytestmark = pytest.mark.usefixtures("silent_libraries")


def halved(path: Path) -> None:
    ToyNetwork().write(path)
    os.truncate(path, path.stat().st_size // 2)


def two_numbers(path: Path) -> None:
    """A network with an unrelated input and output."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["a"], ["b"])], "x", [value("a", 1, [2])], [value("b", 1, [2])]
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), str(path))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (text, "net.onnx is not an ONNX network or is damaged. Download or copy it again."),
        (noise, "net.onnx is not an ONNX network or is damaged. Download or copy it again."),
        (halved, "net.onnx is not an ONNX network or is damaged. Download or copy it again."),
        (empty, "The model file net.onnx is empty. Download or copy it again."),
        (two_numbers, "net.onnx expects an input of 2 but livebg provides RGB, 1x3xHxW. Choose another network."),
        (
            ToyNetwork(inputs=2).write,
            "net.onnx has 2 inputs (picture, extra1) but a U²-Net has one. Choose another network.",
        ),
        (
            ToyNetwork(channels=4).write,
            "net.onnx expects an input of 1x4xheightxwidth but livebg provides RGB, 1x3xHxW. Export the network for RGB only",
        ),
        (ToyNetwork(channels=5).write, "net.onnx expects an input of 1x5x"),
        (ToyNetwork(rank=3).write, "net.onnx expects an input of 3x"),
        (ToyNetwork(batch=2).write, "net.onnx expects an input of 2x3x"),
        (
            ToyNetwork(dtype=onnx.TensorProto.DOUBLE).write,
            "net.onnx expects tensor(double) but livebg provides tensor(float). Export",
        ),
        (ToyNetwork(shrink=True).write, "net.onnx returned float32 1x1x"),
        (
            ToyNetwork(activation="Sqrt").write,
            "net.onnx returned values that are not finite (NaN or infinity). Choose another network.",
        ),
        (Path.mkdir, "The model file net.onnx is not a file. Give the path of an .onnx file, or one of livebg-u2"),
    ],
)
def test_invalid_model_file_fails(make: Callable[[Path], object], sentence: str, cli: LivebgCli, clip: Path, photo: Path) -> None:
    make(cli.folder / "net.onnx")
    for name in (clip, photo):
        assert render_error(cli, 5, str(name), "--model", "net.onnx").startswith(sentence)


def test_fixed_size_model_rejects_other_input_size(cli: LivebgCli, photo: Path) -> None:
    ToyNetwork(size=(64, 48), rigid=True).write(cli.folder / "net.onnx")
    sentence = render_error(cli, 5, str(photo), "--model", "net.onnx", "--input-size", "128x96")
    assert sentence == "net.onnx runs at 64x48 only, not at 128x96. Choose 64x48, or no input size."
    assert cli.render(str(photo), "--model", "net.onnx").code == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--model", "u2netq"), "Unknown model 'u2netq'. Did you mean u2netp? Or set model.name to the path of an .onnx file."),
        (
            ("--model", "u2net_human_seg"),
            "The model u2net_human_seg is not installed. Run `livebg models pull u2net_human_",
        ),
        (("--provider", "cuda"), ""),
        (("--provider", "zebra"), ""),
    ],
)
def test_missing_model_or_provider_fails(options: tuple[str, str], sentence: str, cli: LivebgCli, photo: Path) -> None:
    if options[1] == "cuda":
        onnxruntime = pytest.importorskip("onnxruntime")
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this machine has CUDA")
    output = render_error(cli, 5, str(photo), *options)
    assert output.startswith(sentence)
    assert options[1] in output.lower()
