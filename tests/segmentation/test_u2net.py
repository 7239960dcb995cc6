"""U2NetSegmenter: contract, sizes, values and normalization."""

import sys
from pathlib import Path

import numpy as np
import pytest

from livebg.errors import ModelError
from livebg.interfaces import Segmenter
from livebg.models import REGISTRY, ModelCard
from livebg.models.registry import unknown_card
from livebg.segmentation.u2net import U2NetSegmenter
from tests.support.segmenter_contract import SegmenterContract, noise
from tests.support.toy_network import CARD, MEAN, STD, ToyNetwork, WriteToy


class TestFreeSizes(SegmenterContract):
    @pytest.fixture
    def segmenter(self, write_toy: WriteToy) -> Segmenter:
        return U2NetSegmenter(write_toy(ToyNetwork(batch="batch")), CARD)


class TestFixedSize(SegmenterContract):
    @pytest.fixture
    def segmenter(self, write_toy: WriteToy) -> Segmenter:
        return U2NetSegmenter(write_toy(ToyNetwork(size=(32, 32), rigid=True)), CARD)


class TestMinMax(SegmenterContract):
    @pytest.fixture
    def segmenter(self, write_toy: WriteToy) -> Segmenter:
        return U2NetSegmenter(write_toy(ToyNetwork(size=(32, 32), gain=0.2)), CARD, normalization="minmax")


class TestOutOfRange(SegmenterContract):
    @pytest.fixture
    def segmenter(self, write_toy: WriteToy) -> Segmenter:
        return U2NetSegmenter(write_toy(ToyNetwork(gain=4, offset=-1.5)), CARD, input_size=(48, 32))


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ((1280, 720), (256, 144)),
        ((640, 480), (224, 160)),
        ((480, 640), (160, 224)),
        ((100, 100), (192, 192)),
        ((10_000, 2), (384, 96)),
        ((2, 10_000), (96, 384)),
    ],
)
def test_default_size_follows_aspect_ratio(write_toy: WriteToy, frame: tuple[int, int], expected: tuple[int, int]) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork()), REGISTRY["u2netp"])
    assert segmenter.input_size(*frame) == expected


def test_custom_network_keeps_its_pixel_count(write_toy: WriteToy) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork(size=(320, 320))), unknown_card("toy.onnx"))
    assert segmenter.input_size(640, 640) == (320, 320)
    assert segmenter.input_size(1280, 720) == (432, 240)


def test_scaled_size_keeps_aspect_in_steps_of_stride(write_toy: WriteToy) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork()), CARD)
    whole, most, half = (segmenter.scaled_size(1280, 720, scale) for scale in (1.0, 0.75, 0.5))
    assert whole == segmenter.input_size(1280, 720)
    for size, scale in ((most, 0.75), (half, 0.5)):
        assert all(abs(now - scale * was) <= CARD.stride / 2 for now, was in zip(size, whole, strict=True))
        assert not any(side % CARD.stride for side in size)
    assert U2NetSegmenter(write_toy(ToyNetwork()), CARD, input_size=(96, 64)).scaled_size(1280, 720, 0.5) == (96, 64)


@pytest.mark.parametrize("network", [ToyNetwork(), ToyNetwork(size=(320, 320)), ToyNetwork(size=(320, 320), lists_weights=True)])
def test_requested_size_applies_to_every_frame(write_toy: WriteToy, network: ToyNetwork) -> None:
    segmenter = U2NetSegmenter(write_toy(network), CARD, input_size=(50, 34))
    assert segmenter.input_size(1280, 720) == segmenter.input_size(480, 640) == (50, 34)
    image = noise((50, 34), 0)
    np.testing.assert_allclose(segmenter.segment(image), network.alpha(image), atol=1e-6)


def test_rigid_network_runs_only_at_its_size(write_toy: WriteToy) -> None:
    path = write_toy(ToyNetwork(size=(40, 24), rigid=True))
    assert U2NetSegmenter(path, CARD).input_size(1280, 720) == (40, 24)
    assert U2NetSegmenter(path, CARD, input_size=(40, 24)).input_size(640, 480) == (40, 24)
    with pytest.raises(ModelError, match=r"runs at 40x24 only, not at 64x64\. Choose 40x24"):
        U2NetSegmenter(path, CARD, input_size=(64, 64))


@pytest.mark.parametrize("size", [(32, 32), None])
def test_alpha_is_first_output_with_fixed_scale(write_toy: WriteToy, size: tuple[int, int] | None) -> None:
    network = ToyNetwork(size=size, gain=0.5, offset=0.1)
    image = noise((32, 32), 1)
    alpha = U2NetSegmenter(write_toy(network), CARD, input_size=(32, 32)).segment(image)
    np.testing.assert_allclose(alpha, network.alpha(image), atol=1e-6)


def test_card_sets_input_normalization(write_toy: WriteToy) -> None:
    card = ModelCard("toy", "toy.onnx", "MIT", "a toy", mean=(0.1, 0.2, 0.3), std=(1, 2, 4))
    image = noise((32, 32), 2)
    alpha = U2NetSegmenter(write_toy(ToyNetwork()), card, input_size=(32, 32)).segment(image)
    mean = ((image / 255 - [0.1, 0.2, 0.3]) / [1, 2, 4]).mean(axis=2)
    np.testing.assert_allclose(alpha, 1 / (1 + np.exp(-mean)), atol=1e-6)


def test_metadata_overrides_card(write_toy: WriteToy) -> None:
    """The metadata that livebg's training exports."""
    metadata = {"design": "slim", "input": "RGB, 0..1", "stride": "32"}
    segmenter = U2NetSegmenter(write_toy(ToyNetwork(gain=0.4, metadata=metadata)), unknown_card("toy.onnx"))
    assert segmenter.name == "toy"
    assert segmenter.input_size(1280, 720) == (256, 128), "multiples of 32"
    image = noise((256, 128), 2)
    np.testing.assert_allclose(segmenter.segment(image), 0.4 / (1 + np.exp(-(image / 255).mean(axis=2))), atol=1e-6)


@pytest.mark.parametrize("metadata", [{}, {"input": "RGB, mean and deviation"}, {"stride": "32"}, {"author": "somebody"}])
def test_file_without_metadata_is_treated_as_u2net(write_toy: WriteToy, metadata: dict[str, str]) -> None:
    network = ToyNetwork(metadata=metadata)
    segmenter = U2NetSegmenter(write_toy(network), unknown_card("toy.onnx"))
    assert segmenter.input_size(1280, 720) == (256, 144)
    image = noise((256, 144), 2)
    np.testing.assert_allclose(segmenter.segment(image), network.alpha(image), atol=1e-6)


@pytest.mark.parametrize("stride", ["0", "-16", "sixteen", ""])
def test_invalid_stride_is_ignored(write_toy: WriteToy, stride: str) -> None:
    metadata = {"input": "0..1", "stride": stride}
    assert U2NetSegmenter(write_toy(ToyNetwork(metadata=metadata)), CARD).input_size(640, 640) == (64, 64)


class TestWithoutOnnx:
    """Without the extra livebg[resize]."""

    @pytest.fixture
    def path(self, write_toy: WriteToy, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = write_toy(ToyNetwork(size=(48, 32)))
        monkeypatch.setitem(sys.modules, "onnx", None)  # importing it raises the same error as a missing package
        return path

    def test_fixed_size_network_runs_at_its_size(self, path: Path) -> None:
        for segmenter in (U2NetSegmenter(path, CARD), U2NetSegmenter(path, CARD, input_size=(48, 32))):
            assert segmenter.input_size(1280, 720) == (48, 32)
            assert segmenter.segment(noise((48, 32), 1)).shape == (32, 48)

    def test_other_size_error_names_extra(self, path: Path) -> None:
        with pytest.raises(ModelError, match=r"has the fixed input size 48x32, and onnx.* Run `pip install onnx`"):
            U2NetSegmenter(path, CARD, input_size=(64, 64))


def test_values_are_clipped_to_0_and_1(write_toy: WriteToy) -> None:
    network = ToyNetwork(gain=4, offset=-1.5)
    image = noise((32, 32), 3)
    alpha = U2NetSegmenter(write_toy(network), CARD, input_size=(32, 32)).segment(image)
    assert alpha.min() == 0
    assert alpha.max() == 1
    np.testing.assert_allclose(alpha, network.alpha(image).clip(0, 1), atol=1e-6)


def test_minmax_stretches_input_and_output(write_toy: WriteToy) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork(gain=0.02)), CARD, input_size=(32, 32), normalization="minmax")
    image = noise((32, 32), 5) // 2
    mean = ((image / image.max() - MEAN) / STD).mean(axis=2)
    raw = 1 / (1 + np.exp(-mean))
    np.testing.assert_allclose(segmenter.segment(image), (raw - raw.min()) / (raw.max() - raw.min()), atol=1e-4)


@pytest.mark.parametrize("level", [0, 90])
def test_minmax_keeps_uniform_picture(write_toy: WriteToy, level: int) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork(gain=0.02)), CARD, input_size=(32, 32), normalization="minmax")
    alpha = segmenter.segment(np.full((32, 32, 3), level, np.uint8))
    assert 0 <= alpha.max() < 0.02


def test_empty_room_stays_empty_at_fixed_scale(write_toy: WriteToy) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork(gain=0.02)), CARD, input_size=(32, 32))
    assert segmenter.segment(noise((32, 32), 6)).max() < 0.02
