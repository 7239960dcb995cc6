"""The sinks: their contract, the times in the file, and incompatible settings."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.errors import ConfigError, SinkError
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from livebg.sinks.stream_selection import CopyOptions
from livebg.sinks.virtual_camera import NullSink
from tests.support.recordings import Recording, frame_times, record
from tests.support.sink_contract import TIME_BASE, MakeSink, SinkContract, composite
from tests.support.sink_files import ENDINGS, FAST, FORMAT, write


class TestNullSink(SinkContract):
    @pytest.fixture
    def make_sink(self) -> MakeSink:
        return NullSink

    def test_null_sink_counts_frames(self) -> None:
        with NullSink() as sink:
            for pts in range(7):
                sink.send(composite(pts))
        assert sink.frames == 7


class TestFileSink(SinkContract):
    @pytest.fixture(params=[".mp4", ".mkv"])
    def make_sink(self, request: pytest.FixtureRequest, tmp_path: Path) -> MakeSink:
        return lambda: FileSink(tmp_path / f"out{request.param}", FORMAT, TIME_BASE, encoding=FAST)


def jittered(count: int) -> list[int]:
    """A phone's frame times: 30 fps in units of 1/90000 s with up to 15 ms of jitter and with pauses."""
    chance = np.random.default_rng(1)
    steps = chance.integers(1650, 4350, count) + (chance.random(count) < 0.01) * 60_000
    return [int(each) for each in np.cumsum(steps)]


def to_milliseconds(times: Sequence[Fraction]) -> list[Fraction]:
    return [Fraction(int(time * 1000 + Fraction(1, 2)), 1000) for time in times]


class TestTimes:
    @pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
    @pytest.mark.parametrize(
        ("pts", "time_base"),
        [
            (jittered(400), Fraction(1, 90_000)),
            (range(0, 400_400, 1001), Fraction(1, 30_000)),
            (range(400), Fraction(1001, 30_000)),
            (range(400), Fraction(1, 60)),
        ],
        ids=["jittered", "ntsc", "ntsc-frames", "60fps"],
    )
    def test_400_frames_keep_their_times(self, tmp_path: Path, pts: Sequence[int], time_base: Fraction, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        write(out, pts, time_base, replace(FAST, preset="veryfast"))  # with B-frames
        expected = [each * time_base for each in pts]
        assert frame_times(out) == (to_milliseconds(expected) if ending == ".mkv" else expected)

    def test_webm_keeps_times_to_the_millisecond(self, tmp_path: Path) -> None:
        pts = jittered(60)
        write(tmp_path / "out.webm", pts, Fraction(1, 90_000))
        assert frame_times(tmp_path / "out.webm") == to_milliseconds([each * Fraction(1, 90_000) for each in pts])

    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("first", [1, 333, 100_000])
    def test_late_start_is_kept(self, tmp_path: Path, ending: str, first: int) -> None:
        out = tmp_path / f"out{ending}"
        write(out, [first, first + 40, first + 90])
        assert frame_times(out) == [Fraction(pts, 1000) for pts in (first, first + 40, first + 90)]

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_negative_times_are_shifted_with_note(self, tmp_path: Path, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, FORMAT, TIME_BASE, encoding=FAST) as sink:
            for pts in (-167, -100, 0, 40):
                sink.send(composite(pts))
        assert frame_times(out) == [Fraction(pts, 1000) for pts in (0, 67, 167, 207)]
        assert any("0.167 s" in note for note in sink.notes)

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_start_becomes_zero(self, tmp_path: Path, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, FORMAT, Fraction(1, 30_000), encoding=FAST, copy_options=CopyOptions(10.01)) as sink:
            for pts in (300_300, 301_301, 302_302):
                sink.send(composite(pts, time_base=Fraction(1, 30_000)))
        expected = [Fraction(pts, 30_000) for pts in (0, 1001, 2002)]
        assert frame_times(out) == (to_milliseconds(expected) if ending == ".mkv" else expected)

    @pytest.mark.parametrize("ending", [".mp4", ".mov"])
    def test_nanoseconds_are_rounded_to_microseconds_in_mp4(self, tmp_path: Path, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        write(out, [0, 33_366_667, 5_000_000_499], Fraction(1, 10**9))
        assert frame_times(out) == [Fraction(microseconds, 10**6) for microseconds in (0, 33_367, 5_000_000)]

    def test_exact_time_base_conversion_is_accepted(self, tmp_path: Path) -> None:
        with FileSink(tmp_path / "out.mp4", FORMAT, Fraction(1, 600), encoding=FAST) as sink:
            for pts in range(3):
                sink.send(composite(pts, time_base=Fraction(1, 30)))
        assert frame_times(tmp_path / "out.mp4") == [Fraction(pts, 30) for pts in range(3)]

    def test_time_between_ticks_fails(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mp4", FORMAT, Fraction(1, 30), encoding=FAST)
        sink.send(composite(0))
        with pytest.raises(SinkError, match="is not a multiple"):
            sink.send(composite(40))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("codec", ["libx264", "ffv1"])
    def test_last_frame_duration_follows_input(self, tmp_path: Path, codec: str) -> None:
        source = record(tmp_path / "in.mp4", Recording(audio=(), fps=1, seconds=3))
        with FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=replace(FAST, codec=codec), copy_from=source) as sink:
            for pts in (0, 40, 80):
                sink.send(composite(pts))
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert container.duration == pytest.approx(3_000_000, abs=1000)


class TestConfiguration:
    @pytest.mark.parametrize(
        ("name", "encoding", "words"),
        [
            ("out.avi", FAST, ".avi"),
            ("out", FAST, "no extension"),
            ("out.mp4", Encoding(codec="nonsense"), "nonsense"),
            ("out.mp4", Encoding(codec="aac"), "aac"),
            ("out.mp4", Encoding(codec="libx264rgb"), "4:2:0"),
            ("out.webm", Encoding(codec="libx265"), "libx265"),
            ("out.mov", Encoding(codec="ffv1"), "ffv1"),
            ("out.mp4", Encoding(preset="speedy"), "speedy"),
            ("out.mp4", Encoding(crf=70), "70"),
        ],
    )
    def test_invalid_configuration_fails_before_writing(self, tmp_path: Path, name: str, encoding: Encoding, words: str) -> None:
        with pytest.raises(ConfigError) as caught:
            FileSink(tmp_path / name, FORMAT, TIME_BASE, encoding=encoding)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_webm_notes_vp9(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.webm", FORMAT, TIME_BASE, encoding=FAST)
        sink.abort()
        assert any("VP9" in note for note in sink.notes)

    def test_mp4_starts_with_index(self, tmp_path: Path) -> None:
        write(tmp_path / "out.mp4", range(0, 400, 40))
        content = (tmp_path / "out.mp4").read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")
