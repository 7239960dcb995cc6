"""FileSource's times: exact times for all frames, and no frame outside the range."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livebg.errors import ConfigError, SourceError
from livebg.sources.decoder import Timestamps
from livebg.sources.file import FileSource
from tests.support.media import FAST, Clip, read_stamp
from tests.support.source_frames import frames_of, stamps, times

FAST_VP9 = {"deadline": "realtime", "cpu-used": "8"}


class TestTime:
    def test_1000_jittered_frames_keep_their_times(self, tmp_path: Path) -> None:
        jitter = np.random.default_rng(7).integers(500, 9000, 1000)
        pts = (np.cumsum(jitter) - jitter[0]).tolist()
        clip = Clip(count=1000, pts=pts, time_base=Fraction(1, 90_000), options=FAST, audio="aac")
        source, frames = frames_of(clip.write(tmp_path / "vfr.mp4"))
        assert stamps(frames) == list(range(1000))
        assert times(frames) == [Fraction(tick, 90_000) for tick in pts]
        assert source.notes == ()

    @pytest.mark.parametrize("rate", [Fraction(30_000, 1001), Fraction(60)])
    def test_1000_frames_with_b_frames_keep_their_times(self, tmp_path: Path, rate: Fraction) -> None:
        source, frames = frames_of(
            Clip(count=1000, rate=rate, options={"preset": "veryfast", "bf": "3"}).write(tmp_path / "a.mp4")
        )
        assert stamps(frames) == list(range(1000))
        assert times(frames) == [number / rate for number in range(1000)]
        assert source.format.frame_rate == rate
        assert source.frame_estimate == 1000
        assert source.duration == pytest.approx(float(1000 / rate), abs=0.05)

    @pytest.mark.parametrize(
        ("name", "clip"),
        [
            ("a.mkv", Clip(audio="aac")),
            ("a.mov", Clip(audio="aac")),
            ("a.webm", Clip(codec="libvpx-vp9", options=FAST_VP9, audio="libopus")),
            ("b_frames.avi", Clip(options={"bf": "3"})),
            ("mjpeg.avi", Clip(codec="mjpeg", pix_fmt="yuvj420p")),
            ("a.gif", Clip(codec="gif", pix_fmt="rgb8")),
            ("a.ts", Clip()),
            ("tiny.mp4", Clip(width=8, height=8)),
        ],
    )
    def test_constant_rate_is_exact_in_every_container(self, tmp_path: Path, name: str, clip: Clip) -> None:
        _, frames = frames_of(clip.write(tmp_path / name))
        assert stamps(frames) == list(range(30))
        steps = {after - before for before, after in zip(times(frames), times(frames)[1:], strict=False)}
        assert steps == {Fraction(1, 25)}

    def test_video_that_starts_after_audio_keeps_its_time(self, tmp_path: Path) -> None:
        clip = Clip(count=10, pts=list(range(20, 30)), audio="aac")
        _, frames = frames_of(clip.write(tmp_path / "late.mp4"))
        assert times(frames) == [Fraction(tick, 25) for tick in range(20, 30)]

    def test_raw_h264_gets_times(self, tmp_path: Path) -> None:
        source, frames = frames_of(Clip(options={"bf": "3"}).write(tmp_path / "raw.h264"))
        assert stamps(frames) == list(range(30))
        assert [float(time) for time in times(frames)] == pytest.approx([number / 25 for number in range(30)])
        assert "corrected 30 timestamps, missing or out of order" in source.notes

    def test_repeated_and_reversed_timestamps_are_corrected(self) -> None:
        clock = Timestamps(step=10, second=1000, decode_order_only=False)
        assert [clock.frame(pts) for pts in (0, 10, 10, 5, 20, None, 40)] == [0, 10, 11, 12, 20, 30, 40]
        assert clock.corrected == 3

    def test_restarted_timestamps_continue(self) -> None:
        clock = Timestamps(step=10, second=1000, decode_order_only=False)
        assert [clock.frame(pts) for pts in (5000, 5010, 0, 10, 20)] == [5000, 5010, 5020, 5030, 5040]
        assert clock.corrected == 1

    @pytest.mark.parametrize(("start", "end"), [(1, 2), (2.5, 3.5), (3.5, 5), (5.5, None)])
    def test_range_of_joined_recordings_has_its_own_pictures(self, tmp_path: Path, start: float, end: float | None) -> None:
        part = Clip(75, options={"g": "10"}).write(tmp_path / "part.ts")
        joined = tmp_path / "joined.ts"
        joined.write_bytes(part.read_bytes() * 2)
        whole = frames_of(joined)[1]
        expected = [frame for frame in whole if start <= frame.time - whole[0].time < (end or 9)]
        found = frames_of(joined, start, end)[1]
        assert len(whole) == 150
        assert [(frame.pts, read_stamp(frame.y)) for frame in found] == [(frame.pts, read_stamp(frame.y)) for frame in expected]

    def test_late_pictures_do_not_restart_the_clock(self) -> None:
        """A damaged stream can give a picture long after those that follow it."""
        clock = Timestamps(step=10, second=1000, decode_order_only=False)
        assert [clock.frame(pts) for pts in (5000, 5010, 3000, 5020, 5030, 2000, 5040)] == [
            5000,
            5010,
            5020,
            5021,
            5030,
            5040,
            5041,
        ]
        assert clock.corrected == 4

    def test_decoding_times_replace_missing_timestamps(self) -> None:
        clock = Timestamps(step=10, second=1000, decode_order_only=True)
        for pts, dts in ((1, 0), (4, 1), (2, 2)):
            clock.packet(pts, dts)
        assert [clock.frame(pts) for pts in (1, 4, 2)] == [0, 1, 2]
        assert clock.corrected == 0


class TestRange:
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.gif", "a.ts"])
    def test_range_selects_frames(self, tmp_path: Path, name: str) -> None:
        gif = name.endswith("gif")
        clip = Clip(
            count=120,
            codec="gif" if gif else "libx264",
            pix_fmt="rgb8" if gif else "yuv420p",
            rate=Fraction(20),
            options={} if gif else {"g": "15"},
        )
        _, frames = frames_of(clip.write(tmp_path / name), start=3.1, end=4.0)
        assert stamps(frames) == list(range(62, 80))
        origin = Fraction(0) if not name.endswith("ts") else times(frames)[0] - Fraction(62, 20)
        assert times(frames) == [Fraction(number, 20) + origin for number in range(62, 80)]

    def test_adjacent_ranges_have_no_gap_or_overlap(self, tmp_path: Path) -> None:
        path = Clip(count=90, rate=Fraction(30_000, 1001), options={"g": "12"}).write(tmp_path / "a.mp4")
        joined = [
            number
            for start in (0.0, 1.0, 2.002)
            for number in stamps(frames_of(path, start, start + 1.0 + 0.002 * (start == 1.0))[1])
        ]
        assert joined == list(range(90))

    def test_range_counts_from_start_of_file(self, tmp_path: Path) -> None:
        path = Clip(count=60, pts=list(range(1000, 1060))).write(tmp_path / "late.ts")
        _, frames = frames_of(path, start=1.0, end=1.2)
        assert stamps(frames) == [25, 26, 27, 28, 29]

    def test_duration_and_estimate_follow_range(self, tmp_path: Path) -> None:
        source, _ = frames_of(Clip(count=100, options=FAST).write(tmp_path / "a.mp4"), start=1.0, end=3.0)
        assert source.duration == pytest.approx(2.0)
        assert source.frame_estimate == 50

    @pytest.mark.parametrize("start", [1.2, 5.0, 1000.0])
    def test_start_after_end_of_file_fails(self, tmp_path: Path, start: float) -> None:
        path = Clip().write(tmp_path / "a.mkv")
        with pytest.raises(SourceError, match=r"a\.mkv is at 1\.160 s, before --start"):
            FileSource(path, start=start)

    @pytest.mark.parametrize(("start", "end"), [(2.0, 1.0), (1.0, 1.0), (-1.0, None), (None, float("nan"))])
    def test_invalid_range_fails(self, tmp_path: Path, start: float | None, end: float | None) -> None:
        with pytest.raises(ConfigError, match=r"start|end"):
            FileSource(Clip(count=3).write(tmp_path / "a.mp4"), start, end)
