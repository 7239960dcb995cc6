"""U2NetSegmenter: every kind of invalid model file and invalid picture."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from livebg.errors import ModelError
from livebg.segmentation.u2net import U2NetSegmenter
from tests.support.toy_network import CARD, ToyNetwork, WriteToy


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (ToyNetwork(inputs=2), r"has 2 inputs \(picture, extra1\) but a U²-Net has one"),
        (
            ToyNetwork(channels=5),
            r"expects an input of 1x5xheightxwidth but livebg provides RGB, 1x3xHxW\. Choose another network\.$",
        ),
        (ToyNetwork(batch=2), "expects an input of 2x3xheightxwidth"),
        (ToyNetwork(rank=3), "expects an input of 3xheightxwidth"),
        (ToyNetwork(dtype=TensorProto.UINT8), r"expects tensor\(uint8\) but livebg provides tensor\(float\)"),
        (ToyNetwork(dtype=TensorProto.FLOAT16), r"expects tensor\(float16\)"),
        (ToyNetwork(shrink=True), "returned float32 1x1x16x16 instead of 1x1x32x32 floats for a picture of 32x32"),
        (ToyNetwork(gain=float("nan")), "values that are not finite"),
        (ToyNetwork(gain=float("inf")), "values that are not finite"),
        (ToyNetwork(size=(32, 32), gain=float("nan")), "values that are not finite"),
    ],
)
def test_other_kind_of_network_is_rejected(write_toy: WriteToy, network: ToyNetwork, sentence: str) -> None:
    path = write_toy(network)
    with pytest.raises(ModelError, match=sentence) as caught:
        U2NetSegmenter(path, CARD, input_size=(32, 32))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (ToyNetwork(channels=4), "1x4xheightxwidth"),
        (ToyNetwork(channels=4, size=(32, 32)), "1x4x32x32"),
        (ToyNetwork(channels=4, size=(48, 32), rigid=True), "1x4x32x48"),
        (ToyNetwork(channels=4, batch="batch", metadata={"input": "RGB and prior alpha, 0..1"}), "batchx4xheightxwidth"),
    ],
)
@pytest.mark.parametrize("size", [(32, 32), None])
def test_network_with_fourth_channel_is_rejected(
    write_toy: WriteToy, network: ToyNetwork, shape: str, size: tuple[int, int] | None
) -> None:
    """Earlier exports had the previous picture's alpha there; other four-channel inputs are unknown as well."""
    path = write_toy(network)
    with pytest.raises(ModelError) as caught:
        U2NetSegmenter(path, CARD, input_size=size)
    assert str(caught.value) == (
        f"{path} expects an input of {shape} but livebg provides RGB, 1x3xHxW."
        " Export the network for RGB only, or choose another one."
    )


def test_nan_on_later_picture_fails(write_toy: WriteToy) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork(activation="Sqrt")), CARD, input_size=(32, 32))
    assert segmenter.segment(np.full((32, 32, 3), 160, np.uint8)).min() > 0
    with pytest.raises(ModelError, match="not finite"):
        segmenter.segment(np.zeros((32, 32, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"is empty\. Download or copy it again"),
        (b"<!DOCTYPE html><title>404</title>", "is not an ONNX network or is damaged"),
        (b"\x00" * 1000, "is not an ONNX network or is damaged"),
        (None, r"cannot be read \(No such file or directory\)"),
    ],
)
def test_file_that_is_not_a_network_fails(
    tmp_path: Path, content: bytes | None, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        U2NetSegmenter(path, CARD)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_file_fails(write_toy: WriteToy, share: float) -> None:
    path = write_toy(ToyNetwork())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="is not an ONNX network or is damaged"):
        U2NetSegmenter(path, CARD)


def test_folder_fails(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        U2NetSegmenter(tmp_path, CARD)


@pytest.mark.parametrize(
    "image", [np.zeros((32, 32), np.uint8), np.zeros((32, 32, 4), np.uint8), np.zeros((32, 32, 3), np.float32)]
)
def test_invalid_picture_is_rejected(write_toy: WriteToy, image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="needs uint8"):
        U2NetSegmenter(write_toy(ToyNetwork()), CARD, input_size=(32, 32)).segment(image)
