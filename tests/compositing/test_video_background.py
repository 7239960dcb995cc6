"""Video backgrounds: timing, looping, and unreadable files."""

import gc
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livebg.compositing.video_background import VideoBackground
from livebg.errors import ConfigError, SourceError
from livebg.imaging.frame import BT601, BT709, ColorSpec, Frame, Matte, planes
from tests.support.media import FAST, Clip, flat, read_stamp
from tests.support.pipeline_fakes import UNTAGGED, grey_frame

NOBODY = Matte(np.zeros((48, 64), np.uint8), 0.0, 0.0)


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """Ten numbered pictures, 10 per second."""
    return Clip(count=10, rate=Fraction(10), options=FAST).write(tmp_path / "ten.mp4")


def at(milliseconds: int, color: ColorSpec = UNTAGGED) -> Frame:
    return Frame(grey_frame().data.copy(), milliseconds, Fraction(1, 1000), color)


def shown(background: VideoBackground, milliseconds: int) -> int:
    return read_stamp(planes(background.picture(at(milliseconds), NOBODY))[0])


def test_a_file_gets_the_picture_that_is_due_over_and_over(ten: Path) -> None:
    background = VideoBackground(ten)
    times = [5000, 5033, 5099, 5100, 5450, 5999, 6000, 6100, 7050, 12_250]
    assert [shown(background, each) for each in times] == [0, 0, 0, 1, 4, 9, 0, 1, 0, 2]


def test_a_faster_frame_rate_repeats_and_a_slower_one_skips(ten: Path) -> None:
    fast, slow = VideoBackground(ten), VideoBackground(ten)
    assert [shown(fast, number * 25) for number in range(9)] == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert [shown(slow, number * 300) for number in range(5)] == [0, 3, 6, 9, 2]


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    clip = Clip(count=3, rate=Fraction(10), pts=(0, 100, 700), time_base=Fraction(1, 1000), options=FAST)
    background = VideoBackground(clip.write(tmp_path / "uneven.mkv"))
    assert [shown(background, each) for each in (0, 90, 100, 650, 700)] == [0, 0, 1, 1, 2]


def test_the_same_picture_is_made_once(ten: Path) -> None:
    background = VideoBackground(ten)
    first = background.picture(at(0), NOBODY)
    assert background.picture(at(50), NOBODY) is first
    assert background.picture(at(100), NOBODY) is not first


def test_a_call_never_waits_and_gets_there(ten: Path) -> None:
    background = VideoBackground(ten, live=True)
    seen, deadline, number = {shown(background, 0)}, time.monotonic() + 20, 0
    while seen != set(range(10)) and time.monotonic() < deadline:
        number += 1
        seen.add(shown(background, number * 20))
        time.sleep(0.002)
    assert seen == set(range(10))
    background.close()


def test_after_a_pause_a_call_goes_on_where_it_was(ten: Path) -> None:
    background = VideoBackground(ten, live=True)
    assert shown(background, 0) == 0
    assert shown(background, 3_600_000) <= 10
    assert shown(background, 10) <= 10
    background.close()


def test_nothing_is_left_of_it_when_nobody_holds_it(ten: Path) -> None:
    background = VideoBackground(ten, live=True)
    background.picture(at(0), NOBODY)
    assert any(thread.name == "background" for thread in threading.enumerate())
    del background
    gc.collect()
    assert not any(thread.name == "background" for thread in threading.enumerate())


def test_colours_are_the_frames(tmp_path: Path) -> None:
    clip = Clip(count=2, picture=flat(81, 90, 240), color=(BT601, BT601, BT601, 1), options=FAST)  # red in BT.601
    background = VideoBackground(clip.write(tmp_path / "red.mp4"))
    for color in (ColorSpec(BT601), ColorSpec(BT709), ColorSpec(BT709, full_range=True)):
        frame = at(0, color)
        rgb = Frame(background.picture(frame, NOBODY).copy(), 0, frame.time_base, color).rgb((4, 4))
        assert np.abs(rgb.astype(int) - [255, 0, 0]).max() <= 6


def test_a_wide_video_fills_or_fits(tmp_path: Path) -> None:
    path = Clip(count=2, width=128, height=48, picture=flat(200), options=FAST).write(tmp_path / "wide.mp4")
    fill, fit = (VideoBackground(path, fit=how).picture(at(0), NOBODY) for how in ("fill", "fit"))
    assert (planes(fill)[0] >= 198).all()
    luma = planes(fit)[0]
    assert (luma[14:34] >= 198).all()
    assert (luma[:8] <= 130).all()
    assert (luma[40:] <= 130).all()


def test_what_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ConfigError, match=r"The background cannot be used: .*text.mp4 cannot be read as a video"):
        VideoBackground(tmp_path / "text.mp4")
    with pytest.raises(ConfigError, match=r"The background cannot be used: .*none.mp4 does not exist"):
        VideoBackground(tmp_path / "none.mp4")


def test_a_video_that_vanishes_ends_a_file_and_stands_still_in_a_call(ten: Path) -> None:
    offline, live = VideoBackground(ten), VideoBackground(ten, live=True)
    assert shown(offline, 0) == shown(live, 0) == 0
    ten.unlink()
    with pytest.raises(SourceError, match="does not exist"):
        shown(offline, 1500)
    deadline, number = time.monotonic() + 20, 0
    while shown(live, number * 50) != 9 and time.monotonic() < deadline:
        number += 1
        time.sleep(0.002)
    assert shown(live, number * 50 + 900) == 9
    live.close()
