"""U2NetSegmenter: every way in which a file can be no U²-Net, and a picture no picture."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from livebg.errors import ModelError
from livebg.segmentation.u2net import U2NetSegmenter
from tests.toy_network import CARD, ToyNetwork, WriteToy


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (ToyNetwork(inputs=2), r"takes 2 inputs \(picture, extra1\) where a U²-Net takes one"),
        (ToyNetwork(channels=5), "takes an input of 1x5xheightxwidth where a U²-Net takes 1x3xHxW or 1x4xHxW"),
        (ToyNetwork(batch=2), "takes an input of 2x3xheightxwidth"),
        (ToyNetwork(rank=3), "takes an input of 3xheightxwidth"),
        (ToyNetwork(dtype=TensorProto.UINT8), r"takes tensor\(uint8\) where livebg feeds tensor\(float\)"),
        (ToyNetwork(dtype=TensorProto.FLOAT16), r"takes tensor\(float16\)"),
        (ToyNetwork(shrink=True), "gives float32 1x1x16x16 where 1x1x32x32 of floats are expected for a picture of 32x32"),
        (ToyNetwork(gain=float("nan")), "numbers that are not finite"),
        (ToyNetwork(gain=float("inf")), "numbers that are not finite"),
        (ToyNetwork(size=(32, 32), gain=float("nan")), "numbers that are not finite"),
    ],
)
def test_another_kind_of_network_is_refused(write_toy: WriteToy, network: ToyNetwork, sentence: str) -> None:
    path = write_toy(network)
    with pytest.raises(ModelError, match=sentence) as caught:
        U2NetSegmenter(path, CARD, input_size=(32, 32))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_on_a_later_picture_is_an_error_and_not_an_alpha(write_toy: WriteToy) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork(activation="Sqrt")), CARD, input_size=(32, 32))
    assert segmenter.segment(np.full((32, 32, 3), 160, np.uint8)).min() > 0
    with pytest.raises(ModelError, match="not finite"):
        segmenter.segment(np.zeros((32, 32, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: download or copy it again"),
        (b"<!DOCTYPE html><title>404</title>", "is no ONNX network, or damaged"),
        (b"\x00" * 1000, "is no ONNX network, or damaged"),
        (None, r"cannot be read \(No such file or directory\)"),
    ],
)
def test_no_network_at_all(tmp_path: Path, content: bytes | None, sentence: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        U2NetSegmenter(path, CARD)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_truncated_file(write_toy: WriteToy, share: float) -> None:
    path = write_toy(ToyNetwork())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="is no ONNX network, or damaged"):
        U2NetSegmenter(path, CARD)


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        U2NetSegmenter(tmp_path, CARD)


@pytest.mark.parametrize(
    ("image", "prior"),
    [
        (np.zeros((32, 32), np.uint8), None),
        (np.zeros((32, 32, 4), np.uint8), None),
        (np.zeros((32, 32, 3), np.uint8), np.zeros((32, 31), np.float32)),
        (np.zeros((32, 32, 3), np.float32), None),
    ],
)
def test_what_is_no_picture_is_the_callers_mistake(
    write_toy: WriteToy, image: NDArray[np.uint8], prior: NDArray[np.float32] | None
) -> None:
    with pytest.raises(ValueError, match=r"needs uint8|must be of"):
        U2NetSegmenter(write_toy(ToyNetwork()), CARD, input_size=(32, 32)).segment(image, prior)
