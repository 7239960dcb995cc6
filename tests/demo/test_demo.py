"""The demo: its animated photo, its two files, and cleanup after failures."""

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from livebg.config.loading import load_settings
from livebg.demo import Demo, Material, animate_photo
from livebg.errors import ModelError, SinkError, SourceError
from livebg.factory import build_segmenter
from tests.support.decoding import rgb_of, samples_of
from tests.support.demo_material import BLACK, BRIGHT, DARK, FRAMES, GREEN, WHITE, close_to, make, write_photo
from tests.support.media import Clip
from tests.support.pipeline_fakes import LumaSegmenter
from tests.support.recordings import frame_times
from tests.support.toy_network import ToyNetwork

OUTPUTS = ["demo.mp4", "demo.png"]


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
    """The folder for temporary folders."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class TestAnimatedPhoto:
    def test_photo_becomes_moving_clip(self, material: Material, tmp_path: Path) -> None:
        received: list[int] = []
        clip = tmp_path / "clip.mp4"
        animate_photo(material.photo, clip, 20, received.append)
        assert received == list(range(1, 21))
        assert frame_times(clip) == pytest.approx([number / 30 for number in range(20)], abs=1e-4)
        shots = rgb_of(clip)
        assert {shot.shape for shot in shots} == {(720, 1280, 3)}
        assert close_to(shots[0][:, :400], DARK)
        assert close_to(shots[0][:, 900:], BRIGHT)
        edges = [int((shot[360, :, 0] < 140).sum()) for shot in shots]
        assert len(set(edges)) > 5, "the edge between the halves must move with the camera"

    def test_clip_has_quiet_audio_of_same_length(self, material: Material, tmp_path: Path) -> None:
        clip = tmp_path / "clip.mp4"
        animate_photo(material.photo, clip, 30, lambda _: None)
        wave = samples_of(clip)
        assert wave.shape[0] == 2
        assert wave.shape[1] == pytest.approx(48_000, abs=1024)
        assert 0.02 < np.abs(wave).max() < 0.3
        spectrum = np.abs(np.fft.rfft(wave[0, 2000:17_000]))
        assert np.argmax(spectrum) * 48_000 / 15_000 == pytest.approx(261.6, abs=4), "the melody starts on C"

    def test_clip_has_color_tags(self, material: Material, tmp_path: Path) -> None:
        clip = tmp_path / "clip.mp4"
        animate_photo(material.photo, clip, 2, lambda _: None)
        with av.open(str(clip)) as container:
            context = container.streams.video[0].codec_context
            assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)

    def test_invalid_photo_fails(self, tmp_path: Path) -> None:
        photo = tmp_path / "photo.png"
        photo.write_text("no photo")
        with pytest.raises(SourceError, match="cannot be read"):
            animate_photo(photo, tmp_path / "clip.mp4", 2, lambda _: None)
        assert not (tmp_path / "clip.mp4").exists()


class TestDemo:
    def test_demo_writes_exactly_two_files(self, demo: Demo) -> None:
        assert sorted(path.name for path in demo.video.parent.iterdir()) == OUTPUTS
        assert (demo.video.name, demo.sheet.name, demo.frames) == (*OUTPUTS, FRAMES + 5)

    def test_video_shows_both_clips_at_their_own_rates(self, demo: Demo) -> None:
        with av.open(str(demo.video)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.width, context.height) == ("h264", 1280, 720)
        wanted = [number / 30 for number in range(FRAMES + 1)] + [FRAMES / 30 + number * 1001 / 30_000 for number in range(1, 5)]
        assert frame_times(demo.video) == pytest.approx(wanted, abs=1e-5)

    def test_audio_comes_from_first_clip(self, demo: Demo, material: Material, tmp_path: Path) -> None:
        animate_photo(material.photo, tmp_path / "clip.mp4", FRAMES, lambda _: None)
        wave = samples_of(demo.video)
        assert np.abs(wave).max() > 0.005
        assert np.array_equal(wave, samples_of(tmp_path / "clip.mp4"))

    def test_cells_show_source_portrait_green_screen_and_matte(self, demo: Demo) -> None:
        picture = rgb_of(demo.video)[0]
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

    def test_sheet_has_three_moments_of_each_clip(self, demo: Demo) -> None:
        with Image.open(demo.sheet) as image:
            sheet = np.asarray(image.convert("RGB"))
        assert sheet.shape[1] == 4 * (480 + 8) + 8
        heights = 3 * (270 + 8) + 3 * (360 + 8)
        heading = sheet.shape[0] - heights
        first = sheet[heading : heading + 270]
        green = first[20:250, 2 * 488 + 28 : 2 * 488 + 150]
        assert close_to(green, GREEN, 3)
        assert close_to(first[20:250, 3 * 488 + 350 : 3 * 488 + 460], WHITE, 3)

    def test_network_runs_once_per_frame(self, material: Material, tmp_path: Path) -> None:
        segmenter = LumaSegmenter()
        make(tmp_path, material, segmenter)
        assert segmenter.looks == FRAMES + 5

    def test_progress_reaches_total(self, material: Material, tmp_path: Path) -> None:
        received: list[tuple[str, int, int]] = []
        make(tmp_path, material, progress=lambda *facts: received.append(facts))
        assert [facts for facts in received if facts[1] == facts[2]] == [
            ("animating", FRAMES, FRAMES),
            ("astronaut", FRAMES, FRAMES),
            ("head", 5, 5),
        ]

    def test_demo_works_with_onnxruntime(self, material: Material, tmp_path: Path) -> None:
        network = ToyNetwork().write(tmp_path / "toy.onnx")
        demo = make(tmp_path, material, build_segmenter(load_settings({"model.name": str(network)})))
        assert len(rgb_of(demo.video)) == FRAMES + 5


class TestFailure:
    @pytest.mark.parametrize("name", OUTPUTS)
    def test_existing_output_fails_before_work(self, name: str, material: Material, tmp_path: Path) -> None:
        (tmp_path / name).write_text("mine")
        received: list[str] = []
        with pytest.raises(SinkError, match=rf"{name} already exists.*--overwrite"):
            make(tmp_path, material, progress=lambda what, *_: received.append(what))
        assert received == []
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "mine"

    def test_overwrite_replaces_both_files(self, material: Material, tmp_path: Path) -> None:
        for name in OUTPUTS:
            (tmp_path / name).write_text("old")
        demo = make(tmp_path, material, overwrite=True)
        assert len(rgb_of(demo.video)) == FRAMES + 5
        assert demo.sheet.read_bytes()[:4] == b"\x89PNG"

    def test_missing_folder_fails(self, material: Material, tmp_path: Path) -> None:
        with pytest.raises(SinkError, match=r"does not exist\. Create the folder first"):
            make(tmp_path / "none", material)

    @pytest.mark.parametrize("fails_at", [0, FRAMES - 1, FRAMES + 2])
    def test_network_failure_leaves_nothing(self, fails_at: int, material: Material, tmp_path: Path, scratch: Path) -> None:
        with pytest.raises(ModelError, match="the network failed"):
            make(tmp_path, material, LumaSegmenter(fails_at))
        assert list(tmp_path.iterdir()) == []
        assert list(scratch.iterdir()) == []

    @pytest.mark.parametrize("stage", ["animating", "astronaut", "head"])
    def test_ctrl_c_keeps_previous_files(self, stage: str, material: Material, tmp_path: Path, scratch: Path) -> None:
        for name in OUTPUTS:
            (tmp_path / name).write_text("old")

        def interrupt(what: str, done: int, total: int) -> None:
            if what == stage and done == total - 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, material, progress=interrupt, overwrite=True)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(OUTPUTS, "old")
        assert list(scratch.iterdir()) == []

    def test_invalid_video_fails_before_network_runs(self, material: Material, tmp_path: Path) -> None:
        broken, segmenter = Material(material.photo, write_text(tmp_path / "no.mp4")), LumaSegmenter()
        with pytest.raises(SourceError, match=r"no\.mp4"):
            make(tmp_path, broken, segmenter)
        assert segmenter.looks == 0
        assert [path.name for path in tmp_path.iterdir()] == ["no.mp4"]


def write_text(path: Path) -> Path:
    path.write_text("no video")
    return path
