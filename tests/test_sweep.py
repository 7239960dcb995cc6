"""The sweep itself: it must see what livebg would do wrong, or it could not fail."""

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import sweep
from tests.support.media import Clip
from tests.sweep import Outcome

needs_ffprobe = pytest.mark.skipif(not (shutil.which("ffprobe") and shutil.which("ffmpeg")), reason="ffmpeg is not installed")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    return Clip(count=8, rate=Fraction(10)).write(folder / "clip.mp4")


@needs_ffprobe
def test_sweep_renders_media_and_reports_refused_files(clip: Path) -> None:
    (clip.parent / "notes.mp4").write_text("not a video")
    results = {result.file.name: result for result in sweep.sweep(clip.parent, "none")}
    assert results["clip.mp4"].outcome is Outcome.OK, results["clip.mp4"].detail
    assert results["notes.mp4"].outcome is Outcome.REFUSED
    assert "notes.mp4" in results["notes.mp4"].detail


@needs_ffprobe
def test_missing_frames_and_shifted_timestamps_are_differences(clip: Path, tmp_path: Path) -> None:
    shorter = Clip(count=7, rate=Fraction(10)).write(tmp_path / "shorter.mp4")
    slower = Clip(count=8, rate=Fraction(9)).write(tmp_path / "slower.mp4")
    assert list(sweep.video_differences(clip, clip)) == []
    assert any("7 frames, expected 8" in problem for problem in sweep.video_differences(clip, shorter))
    assert any("expected" in problem for problem in sweep.video_differences(clip, slower))


@pytest.mark.parametrize(("turn", "mirror"), [(1, False), (2, False), (0, True)])
def test_rotated_and_mirrored_photos_are_differences(turn: int, mirror: bool, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (6, 6, 3), np.uint8).repeat(20, 0).repeat(20, 1)
    turned = np.rot90(np.fliplr(pixels) if mirror else pixels, turn)
    for name, picture in (("upright.png", pixels), ("turned.png", np.ascontiguousarray(turned))):
        Image.fromarray(picture).save(tmp_path / name)
    assert list(sweep.photo_differences(tmp_path / "upright.png", tmp_path / "upright.png")) == []
    problems = list(sweep.photo_differences(tmp_path / "upright.png", tmp_path / "turned.png"))
    assert len(problems) == 1
    assert "degrees" in problems[0]


def test_internal_errors_hangs_and_leftovers_fail_the_sweep(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep, "RENDER_TIMEOUT_S", 0.01)
    assert sweep.main([str(clip.parent), "--jobs", "1"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 ok, 0 refused, 0 internal error, 1 hang, 0 differs"
