"""Scoring files: how they are read, and inputs that do not match."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from livebg.errors import ConfigError, SourceError
from livebg.imaging.frame import _SEAL, Alpha8, ColorSpec, Composite, VideoFormat, empty_i420, planes
from livebg.metrics.files import score_blind, score_with_truth
from livebg.metrics.statistics import Score
from livebg.sinks.codecs import Content, Encoding
from livebg.sinks.file import FileSink
from tests.support.media import Clip, flat, yuv_picture
from tests.support.moving_person import HEIGHT, WIDTH, picture, true_alpha

TIME_BASE = Fraction(1, 1000)
COLOR = ColorSpec(1, 1, 1)


def alpha_at(time: float) -> Alpha8:
    return np.asarray(np.rint(true_alpha(time) * 255), np.uint8)


def mean(score: Score, name: str) -> float:
    summary = score.summaries[name]
    assert summary is not None
    return summary.mean


def write_video(path: Path, lumas: list[NDArray[np.uint8]], alphas: list[Alpha8] | None = None, *, full_range: bool) -> Path:
    """Write lumas at 25 frames per second, as a matte or as a cutout with the alphas."""
    color = replace(COLOR, full_range=full_range)
    encoding = Encoding(content=Content.MATTE if alphas is None else Content.CUTOUT, crf=4, preset="ultrafast")
    with FileSink(path, VideoFormat(WIDTH, HEIGHT, Fraction(25), color), TIME_BASE, encoding=encoding) as sink:
        for number, luma in enumerate(lumas):
            data = empty_i420(WIDTH, HEIGHT)
            y, u, v = planes(data)
            y[:], u[:], v[:] = luma, 128, 128
            alpha = None if alphas is None else alphas[number]
            sink.send(Composite(data, number * 40, TIME_BASE, color, alpha, _SEAL))
    return path


def matte(path: Path, delay: float = 0, count: int = 5) -> Path:
    return write_video(path, [alpha_at(number - delay) for number in range(count)], full_range=True)


def save(path: Path, pixels: NDArray[np.generic]) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


class TestWithTruth:
    @pytest.mark.parametrize("ending", [".mkv", ".mp4", ".webm"])
    def test_matte_is_full_range_luma(self, tmp_path: Path, ending: str) -> None:
        mine, folder = matte(tmp_path / f"mine{ending}"), tmp_path / "true"
        for number in range(5):
            save(folder / f"{number}.png", alpha_at(number))
        assert mean(score_with_truth(mine, folder), "mad") == 0

    @pytest.mark.parametrize(("ending", "error"), [(".mov", 0), (".webm", 4)])
    @pytest.mark.parametrize("full_range", [False, True])
    def test_cutout_is_its_alpha_channel(self, tmp_path: Path, ending: str, error: float, full_range: bool) -> None:
        alphas = [alpha_at(number) for number in range(5)]
        lumas = [np.where(alpha == 0, np.uint8(16), np.uint8(150)) for alpha in alphas]
        mine = write_video(tmp_path / f"mine{ending}", lumas, alphas, full_range=full_range)
        found = score_with_truth(mine, matte(tmp_path / "true.mkv"))
        assert mean(found, "mad") <= error
        assert mean(found, "iou") > 0.99
        assert len(found.values["mad"]) == 5

    def test_limited_range_is_expanded(self, tmp_path: Path) -> None:
        white, black = (Clip(count=3, picture=flat(luma), codec="ffv1").write(tmp_path / f"{luma}.mkv") for luma in (235, 16))
        assert mean(score_with_truth(white, black), "mad") == 1000

    def test_delay_is_measured(self, tmp_path: Path) -> None:
        found = score_with_truth(matte(tmp_path / "mine.mkv", 2, count=40), matte(tmp_path / "true.mkv", count=40))
        assert mean(found, "edge_lag") == pytest.approx(2, abs=0.1)
        assert mean(found, "dtssd") > 1

    def test_single_pictures_are_compared(self, tmp_path: Path) -> None:
        alpha = alpha_at(0)
        cutout = save(tmp_path / "me.png", np.dstack([np.full_like(alpha, 90)] * 3 + [alpha]))
        found = score_with_truth(cutout, save(tmp_path / "true.png", 255 - alpha))
        assert mean(found, "mad") == pytest.approx(np.abs(2.0 * alpha - 255).mean() / 255 * 1e3, rel=1e-5)
        assert "dtssd" not in found.summaries

    def test_gray_of_any_depth_and_opaque_rgba_are_accepted(self, tmp_path: Path) -> None:
        alpha = alpha_at(0)
        true = save(tmp_path / "true.png", alpha)
        deep = save(tmp_path / "deep.png", alpha.astype(np.uint16) * 257)
        opaque = save(tmp_path / "opaque.png", np.dstack([alpha] * 3 + [np.full_like(alpha, 255)]))
        assert mean(score_with_truth(deep, true), "mad") == 0
        assert mean(score_with_truth(opaque, true), "mad") == 0

    def test_folders_are_paired_by_name(self, tmp_path: Path) -> None:
        for number, name in enumerate(["2", "10", "anna"]):
            save(tmp_path / "true" / f"{name}.png", alpha_at(5 * number))
            save(tmp_path / "mine" / f"{name}{['', '.matte', '.cutout'][number]}.png", alpha_at(5 * number))
        found = score_with_truth(tmp_path / "mine", tmp_path / "true")
        assert found.values["mad"].tolist() == [0, 0, 0]
        assert "dtssd" not in found.summaries

    def test_sequence_is_ordered_by_number(self, tmp_path: Path) -> None:
        for number in range(12):
            save(tmp_path / "true" / f"{number}.png", alpha_at(0))
            save(tmp_path / "mine" / f"{number}.png", alpha_at(0) // (1 if number < 9 else 2))
        found = score_with_truth(tmp_path / "mine", tmp_path / "true", sequence=True)
        assert (found.values["dtssd"][1:] > 0).tolist() == [False] * 8 + [True] + [False] * 2


class TestWithoutTruth:
    def test_matte_is_scored_with_its_picture(self, tmp_path: Path) -> None:
        original = write_video(tmp_path / "original.mkv", [picture(number) for number in range(40)], full_range=False)
        found = score_blind(matte(tmp_path / "mine.mkv", 1, count=40), original)
        assert mean(found, "edge_lag") == pytest.approx(1, abs=0.12)

    def test_cutout_is_scored_with_its_own_picture(self, tmp_path: Path) -> None:
        chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)

        def shown(number: int, _width: int, _height: int) -> av.VideoFrame:
            return yuv_picture([picture(number), chroma, chroma, alpha_at(number - 1)], "yuva420p")

        whole = Clip(count=40, width=WIDTH, height=HEIGHT, codec="ffv1", pix_fmt="yuva420p", picture=shown)
        assert mean(score_blind(whole.write(tmp_path / "mine.mkv")), "edge_lag") == pytest.approx(1, abs=0.12)

    def test_folder_is_scored_with_its_picture(self, tmp_path: Path) -> None:
        original = write_video(tmp_path / "original.mkv", [picture(0, still=True)] * 3, full_range=False)
        for number in range(3):
            save(tmp_path / "mine" / f"{number}.png", np.full((HEIGHT, WIDTH), 100 * (number % 2), np.uint8))
        assert mean(score_blind(tmp_path / "mine", original), "still_change") == pytest.approx(100 / 255 * 1e3)

    def test_black_cutout_requires_picture(self, tmp_path: Path) -> None:
        alphas = [alpha_at(number) for number in range(3)]
        lumas = [np.where(alpha == 0, np.uint8(16), np.uint8(150)) for alpha in alphas]
        mine = write_video(tmp_path / "mine.mov", lumas, alphas, full_range=False)
        with pytest.raises(ConfigError, match=r"black where it is transparent.*--picture"):
            score_blind(mine)
        original = write_video(tmp_path / "original.mkv", [picture(number) for number in range(3)], full_range=False)
        assert mean(score_blind(mine, original), "warp_error") > 0

    def test_matte_requires_reference_or_picture(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"no alpha channel to score\. Add --truth, or .* --picture"):
            score_blind(matte(tmp_path / "mine.mkv"))

    def test_single_picture_requires_reference(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="single picture"):
            score_blind(save(tmp_path / "me.png", alpha_at(0)))


class TestMismatch:
    def test_color_picture_is_not_a_matte(self, tmp_path: Path) -> None:
        colored = Clip(count=5, width=WIDTH, height=HEIGHT, picture=flat(100, blue=200)).write(tmp_path / "talk.mp4")
        with pytest.raises(ConfigError, match=r"talk\.mp4 is in color .* not a matte"):
            score_with_truth(colored, matte(tmp_path / "true.mkv"))
        with pytest.raises(ConfigError, match=r"talk\.mp4 is in color .* not a matte"):
            score_with_truth(matte(tmp_path / "mine.mkv"), colored)

    def test_different_sizes_fail(self, tmp_path: Path) -> None:
        other = Clip(count=5, width=80, height=60, picture=flat(235)).write(tmp_path / "small.mp4")
        with pytest.raises(ConfigError, match=r"mine\.mkv is 160x96 at 0\.000 s but .*small\.mp4 is 80x60"):
            score_with_truth(matte(tmp_path / "mine.mkv"), other)

    def test_different_lengths_fail(self, tmp_path: Path) -> None:
        mine, true = matte(tmp_path / "mine.mkv", count=4), matte(tmp_path / "true.mkv", count=6)
        with pytest.raises(ConfigError, match=r"mine\.mkv ends after 4 frames but .*true\.mkv continues"):
            score_with_truth(mine, true)
        with pytest.raises(ConfigError, match=r"mine\.mkv ends after 4 frames but .*true\.mkv continues"):
            score_with_truth(true, mine)

    def test_different_times_fail(self, tmp_path: Path) -> None:
        even = Clip(count=5, picture=flat(235)).write(tmp_path / "even.mkv")
        gap = Clip(count=5, picture=flat(235), pts=[0, 1, 2, 4, 5]).write(tmp_path / "gap.mkv")
        with pytest.raises(ConfigError, match=r"Frame 3 is at 0\.160 s in .*gap\.mkv and 0\.040 s off in .*even\.mkv"):
            score_with_truth(gap, even)

    def test_later_start_is_allowed(self, tmp_path: Path) -> None:
        early = Clip(count=5, picture=flat(235)).write(tmp_path / "early.mkv")
        late = Clip(count=5, picture=flat(235), pts=[7, 8, 9, 10, 11]).write(tmp_path / "late.mkv")
        assert mean(score_with_truth(late, early), "mad") == 0

    def test_missing_names_fail(self, tmp_path: Path) -> None:
        for name in "abc":
            save(tmp_path / "true" / f"{name}.png", alpha_at(0))
        save(tmp_path / "mine" / "a.png", alpha_at(0))
        with pytest.raises(ConfigError, match=r"mine contains no picture named b \(nor 1 more"):
            score_with_truth(tmp_path / "mine", tmp_path / "true")

    def test_unreadable_input_fails(self, tmp_path: Path) -> None:
        true = save(tmp_path / "true.png", alpha_at(0))
        (tmp_path / "empty").mkdir()
        (tmp_path / "text.png").write_text("no picture")
        (tmp_path / "cut.png").write_bytes(true.read_bytes()[:-300])
        for name, sentence in {
            "no.mkv": "does not exist",
            "no.png": "does not exist",
            "empty": "contains no pictures",
            "text.png": "not a readable picture",
            "cut.png": "damaged or truncated",
        }.items():
            with pytest.raises(SourceError, match=sentence):
                score_with_truth(tmp_path / name, true)
