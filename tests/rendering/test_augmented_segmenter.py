"""The network sees mirror images and several scales; the result is their mean."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.config.settings import Settings
from livebg.demo import find_material
from livebg.factory import build_segmenter
from livebg.imaging.frame import Alpha
from livebg.interfaces import Segmenter
from livebg.rendering.augmented_segmenter import PHOTO_SCALES, AugmentedSegmenter, augmented
from livebg.rendering.photo import Photo
from tests.support.cli_runner import LivebgCli
from tests.support.segmenter_contract import SegmenterContract
from tests.support.toy_network import ToyNetwork

ON_CPU = Settings.model_validate({"model": {"provider": "cpu"}})


class LeftSegmenter:
    """Sees a person in the left half of every picture. ``sizes`` are those of the pictures that it got."""

    name, provider = "left", "none"

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return self.scaled_size(width, height, 1.0)

    def scaled_size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        return round(64 * scale), round(64 * height / width * scale)

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        height, width = image.shape[:2]
        self.sizes.append((width, height))
        return np.repeat((np.arange(width) < width // 2).astype(np.float32)[None], height, axis=0)


class TestAugmentedSegmenter(SegmenterContract):
    @pytest.fixture
    def segmenter(self) -> Segmenter:
        return augmented(build_segmenter(ON_CPU), ON_CPU, PHOTO_SCALES)


def test_alpha_is_mean_of_picture_and_mirror_image() -> None:
    alpha = AugmentedSegmenter(LeftSegmenter()).segment(np.zeros((48, 64, 3), np.uint8))
    np.testing.assert_array_equal(alpha, np.full((48, 64), 0.5, np.float32))


def test_picture_is_seen_at_all_scales() -> None:
    network = LeftSegmenter()
    both = AugmentedSegmenter(network, (1.5, 1.0, 0.5))
    size = both.input_size(640, 480)
    assert size == (96, 72)
    assert both.segment(np.zeros((*size[::-1], 3), np.uint8)).shape == size[::-1]
    assert network.sizes == [size, size, (64, 48), (64, 48), (32, 24), (32, 24)]


def test_mirrored_picture_gives_mirrored_alpha() -> None:
    both = augmented(build_segmenter(ON_CPU), ON_CPU, PHOTO_SCALES)
    photo = Photo(find_material().photo).rgb
    size = both.input_size(photo.shape[1], photo.shape[0])
    picture = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha, other = both.segment(picture), both.segment(np.ascontiguousarray(picture[:, ::-1]))
    assert np.abs(alpha - other[:, ::-1]).mean() < 1e-3


def test_photo_is_seen_at_larger_size() -> None:
    assert augmented(build_segmenter(ON_CPU), ON_CPU, PHOTO_SCALES).input_size(1280, 720) == (384, 224)


@pytest.mark.parametrize("model", [{"input_size": "256x144"}, {"name": "toy.onnx"}], ids=["input size", "other network"])
def test_chosen_size_or_network_runs_once_per_picture(
    model: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ToyNetwork().write(tmp_path / "toy.onnx")
    settings = Settings.model_validate({"model": {"provider": "cpu", **model}})
    network = build_segmenter(settings)
    assert augmented(network, settings, PHOTO_SCALES) is network


def test_photo_and_its_mirror_image_render_alike(cli: LivebgCli) -> None:
    photo = Photo(find_material().photo).rgb[..., ::-1]
    for name, picture in (("one", photo), ("other", photo[:, ::-1])):
        cv2.imwrite(str(cli.folder / f"{name}.png"), picture)
        done = cli.render(f"{name}.png", "--mode", "matte", "--quiet")
        assert done.code == 0, done.err
    one, other = (cv2.imread(str(cli.folder / f"{name}.matte.png"), cv2.IMREAD_GRAYSCALE) for name in ("one", "other"))
    assert one is not None
    assert other is not None
    assert np.abs(one.astype(int) - other[:, ::-1]).mean() < 1
