"""A video file in place of the camera."""

import itertools
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.clock import Clock
from livebg.errors import SourceError
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import BT601, BT709, ColorSpec, Frame, rgb_to_i420
from livebg.interfaces import LiveSource, Source
from livebg.sources.looping_file import LoopingFile
from tests.support.media import Clip, flat, read_stamp, yuv_picture
from tests.support.pipeline_fakes import HandClock, InstantClock
from tests.support.source_contract import SourceContract
from tests.support.source_frames import frames_of, stamps

DEADLINE = 20
"""Seconds after which a thread counts as hung."""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return Clip(count=5).write(tmp_path / "clip.mp4")


def frames_from(source: LiveSource, count: int) -> list[Frame]:
    with source:
        return list(itertools.islice(source, count))


class TestContract(SourceContract):
    @pytest.fixture(params=[Clock, InstantClock])
    def open_source(self, request: pytest.FixtureRequest, clip: Path) -> Callable[[], Source]:
        return lambda: LoopingFile(clip, request.param())


def test_looping_file_is_live_source_with_description(clip: Path) -> None:
    with LoopingFile(clip) as source:
        assert isinstance(source, LiveSource)
        assert (source.name, source.mode) == ("clip.mp4 in a loop", "64x48 at 25 fps")
        assert source.now() == 0


def test_first_loop_equals_file(clip: Path) -> None:
    _, expected = frames_of(clip)
    got = frames_from(LoopingFile(clip, InstantClock()), 5)
    assert [(frame.pts, frame.time_base, frame.color) for frame in got] == [
        (frame.pts, frame.time_base, frame.color) for frame in expected
    ]
    assert all(np.array_equal(frame.data, other.data) for frame, other in zip(got, expected, strict=True))


def test_file_loops_and_time_continues(clip: Path) -> None:
    frames = frames_from(LoopingFile(clip, InstantClock()), 13)
    assert stamps(frames) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(number, 25) for number in range(13)]


def test_uneven_times_repeat_in_every_loop(tmp_path: Path) -> None:
    """Frames at 3, 5 and 10 hundredths of a second; the first is not at 0."""
    path = Clip(count=3, rate=Fraction(20), pts=[3, 5, 10], time_base=Fraction(1, 100)).write(tmp_path / "vfr.mkv")
    with LoopingFile(path, InstantClock()) as source:
        step = round(100 / source.format.frame_rate)
        hundredths = [round(frame.time * 100) for frame in itertools.islice(source, 7)]
    length = 7 + step
    assert hundredths == [3, 5, 10, 3 + length, 5 + length, 10 + length, 3 + 2 * length]


def test_frames_are_never_early(clip: Path) -> None:
    with LoopingFile(clip) as source:
        for frame in itertools.islice(source, 8):
            assert source.now() >= frame.time
        assert source.skipped == 0


def test_late_frames_are_skipped(tmp_path: Path) -> None:
    clock = HandClock()
    with LoopingFile(Clip(count=60).write(tmp_path / "a.mp4"), clock) as source:
        frames = iter(source)
        assert read_stamp(next(frames).y) == 0
        clock.seconds += 1.0
        # A delay of exactly one second is still in time.
        assert read_stamp(next(frames).y) == 1
        clock.seconds += 1.0
        assert read_stamp(next(frames).y) == 25
        assert source.skipped == 23
        assert source.now() == 2.0


def test_missed_loops_are_skipped_and_counted(clip: Path) -> None:
    clock = HandClock()
    with LoopingFile(clip, clock) as source:
        frames = iter(source)
        next(frames)
        clock.seconds += 1_000_001
        frame = next(frames)
        assert frame.time == 1_000_000
        assert read_stamp(frame.y) == 0
        assert source.skipped == 25_000_000 - 1


def read_in_thread(frames: Iterator[Frame]) -> tuple[threading.Thread, list[Frame]]:
    got: list[Frame] = []
    thread = threading.Thread(target=lambda: got.extend(frames), daemon=True)
    thread.start()
    return thread, got


def test_close_ends_wait_in_other_thread(clip: Path) -> None:
    """With a stopped clock, the second frame is never due."""
    source = LoopingFile(clip, HandClock())
    frames = iter(source)
    next(frames)
    thread, got = read_in_thread(frames)
    source.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert got == []


def test_close_at_any_time_ends_iteration(clip: Path) -> None:
    for _ in range(20):
        source = LoopingFile(clip, InstantClock())
        thread, got = read_in_thread(iter(source))
        while not got:
            assert thread.is_alive()
        source.close()
        thread.join(DEADLINE)
        assert not thread.is_alive()


@pytest.mark.parametrize("name", ["missing.mp4", "text.mp4"])
def test_unreadable_file_fails_on_open(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(SourceError, match=name):
        LoopingFile(tmp_path / name)


def test_file_removed_before_next_loop_fails(clip: Path) -> None:
    with LoopingFile(clip, InstantClock()) as source:
        frames = iter(source)
        next(frames)
        clip.unlink()
        with pytest.raises(SourceError, match="does not exist"):
            list(frames)


def test_file_replaced_with_other_size_fails(clip: Path) -> None:
    with LoopingFile(clip, InstantClock()) as source:
        frames = iter(source)
        next(frames)
        Clip(count=5, width=32).write(clip)
        with pytest.raises(SourceError, match="was replaced"):
            list(frames)


LIMITED_709, FULL_601, LIMITED_601 = (1, 1, 1, 1), (5, 2, 2, 2), (6, 6, 6, 1)


def lossless(path: Path, color: tuple[int, int, int, int] | None, picture: tuple[int, int, int] = (120, 90, 180)) -> Path:
    return Clip(count=3, codec="ffv1", picture=flat(*picture), color=color).write(path)


@pytest.mark.parametrize("color", [None, LIMITED_601, (5, 5, 6, 1)])
def test_limited_bt601_is_unchanged(tmp_path: Path, color: tuple[int, int, int, int] | None) -> None:
    path = lossless(tmp_path / "a.mkv", color)
    _, expected = frames_of(path)
    got = frames_from(LoopingFile(path, InstantClock()), 3)
    assert got[0].color == expected[0].color
    assert all(np.array_equal(frame.data, other.data) for frame, other in zip(got, expected, strict=True))


@pytest.mark.parametrize("color", [LIMITED_709, FULL_601, (9, 9, 14, 1), (1, 1, 1, 2)])
def test_other_colors_become_limited_bt601(tmp_path: Path, color: tuple[int, int, int, int]) -> None:
    path = lossless(tmp_path / "a.mkv", color)
    frame = frames_from(LoopingFile(path, InstantClock()), 1)[0]
    assert (frame.color.matrix, frame.color.full_range) == (BT601, False)
    assert (frame.color.primaries, frame.color.transfer) == (color[1], color[2])
    before = frames_of(path)[1][0].rgb((64, 48)).astype(int)
    assert np.abs(frame.rgb((64, 48)).astype(int) - before).max() <= 3
    with LoopingFile(path) as source:
        assert source.format.color == frame.color


@pytest.mark.parametrize("given", [ColorSpec(BT709), ColorSpec(BT709, full_range=True), ColorSpec(BT601, full_range=True)])
def test_converted_picture_keeps_its_colors(given: ColorSpec) -> None:
    grid = np.random.default_rng(1).integers(0, 256, (12, 16, 3), np.uint8)
    rgb = np.kron(grid, np.ones((4, 4, 1), np.uint8))
    wanted = ColorSpec(BT601)
    made = convert_i420(rgb_to_i420(rgb, given), given, wanted)
    # Chroma is subsampled 2x2 and blends at block edges, so compare inside the blocks.
    difference = np.abs(made.astype(int) - rgb_to_i420(rgb, wanted))
    assert difference[:48].reshape(12, 4, 16, 4)[:, 1:3, :, 1:3].max() <= 6
    assert difference[48:].max() <= 1


def test_full_range_black_and_white_become_limits() -> None:
    full, limited = ColorSpec(BT601, full_range=True), ColorSpec(BT601)
    data = np.full((72, 64), 128, np.uint8)
    data[:24], data[24:48] = 0, 255
    made = convert_i420(data, full, limited)
    assert (set(made[:24].ravel().tolist()), set(made[24:48].ravel().tolist()), set(made[48:].ravel().tolist())) == (
        {16},
        {235},
        {128},
    )


def test_webcam_jpeg_keeps_its_colors(tmp_path: Path) -> None:
    """Full-range 4:2:2 Motion JPEG, as webcams send it, within the codec's own error."""

    def picture(_: int, width: int, height: int) -> av.VideoFrame:
        chroma = [np.full((height, width // 2), level, np.uint8) for level in (110, 170)]
        return yuv_picture([np.full((height, width), 90, np.uint8), *chroma], "yuvj422p")

    clip = Clip(count=3, codec="mjpeg", pix_fmt="yuvj422p", picture=picture).write(tmp_path / "webcam.mkv")
    (frame, *_) = frames_from(LoopingFile(clip, InstantClock()), 3)
    expected = (16 + 90 * 219 / 255, 128 + (110 - 128) * 224 / 255, 128 + (170 - 128) * 224 / 255)
    assert (frame.color.matrix, frame.color.full_range) == (BT601, False)
    for plane, level in zip(frame.planes, expected, strict=True):
        assert np.abs(plane.astype(float) - level).max() <= 2
