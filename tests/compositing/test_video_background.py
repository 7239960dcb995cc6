"""Video backgrounds: timing, looping, and unreadable files."""

import gc
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livebg.compositing.video_background import VideoBackground
from livebg.errors import ConfigError, SourceError
from livebg.imaging.frame import BT601, BT709, ColorSpec, Frame, Matte, planes
from livebg.sources.file import FileSource
from tests.support.color_profiles import WIDE, rgb_profile, shown
from tests.support.media import FAST, Clip, flat, read_stamp
from tests.support.pipeline_fakes import UNTAGGED, gray_frame

NOBODY = Matte(np.zeros((48, 64), np.uint8), 0.0, 0.0)


@pytest.fixture
def ten_pictures(tmp_path: Path) -> Path:
    """Ten numbered pictures, 10 per second."""
    return Clip(count=10, rate=Fraction(10), options=FAST).write(tmp_path / "ten.mp4")


def frame_at(milliseconds: int, color: ColorSpec = UNTAGGED) -> Frame:
    return Frame(gray_frame().data.copy(), milliseconds, Fraction(1, 1000), color)


def stamp_at(background: VideoBackground, milliseconds: int) -> int:
    return read_stamp(planes(background.picture(frame_at(milliseconds), NOBODY))[0])


def test_picture_follows_time_and_loops(ten_pictures: Path) -> None:
    background = VideoBackground(ten_pictures)
    times = [5000, 5033, 5099, 5100, 5450, 5999, 6000, 6100, 7050, 12_250]
    assert [stamp_at(background, each) for each in times] == [0, 0, 0, 1, 4, 9, 0, 1, 0, 2]


def test_frame_rates_are_matched_by_repeating_or_skipping(ten_pictures: Path) -> None:
    fast, slow = VideoBackground(ten_pictures), VideoBackground(ten_pictures)
    assert [stamp_at(fast, number * 25) for number in range(9)] == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert [stamp_at(slow, number * 300) for number in range(5)] == [0, 3, 6, 9, 2]


def test_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    clip = Clip(count=3, rate=Fraction(10), pts=(0, 100, 700), time_base=Fraction(1, 1000), options=FAST)
    background = VideoBackground(clip.write(tmp_path / "uneven.mkv"))
    assert [stamp_at(background, each) for each in (0, 90, 100, 650, 700)] == [0, 0, 1, 1, 2]


def test_same_picture_is_converted_once(ten_pictures: Path) -> None:
    background = VideoBackground(ten_pictures)
    first = background.picture(frame_at(0), NOBODY)
    assert background.picture(frame_at(50), NOBODY) is first
    assert background.picture(frame_at(100), NOBODY) is not first


def test_live_background_never_blocks(ten_pictures: Path) -> None:
    background = VideoBackground(ten_pictures, live=True)
    seen, deadline, number = {stamp_at(background, 0)}, time.monotonic() + 20, 0
    while seen != set(range(10)) and time.monotonic() < deadline:
        number += 1
        seen.add(stamp_at(background, number * 20))
        time.sleep(0.002)
    assert seen == set(range(10))
    background.close()


def test_live_background_continues_after_pause(ten_pictures: Path) -> None:
    background = VideoBackground(ten_pictures, live=True)
    assert stamp_at(background, 0) == 0
    assert stamp_at(background, 3_600_000) <= 10
    assert stamp_at(background, 10) <= 10
    background.close()


def test_thread_ends_when_background_is_deleted(ten_pictures: Path) -> None:
    background = VideoBackground(ten_pictures, live=True)
    background.picture(frame_at(0), NOBODY)
    assert any(thread.name == "background" for thread in threading.enumerate())
    del background
    gc.collect()
    assert not any(thread.name == "background" for thread in threading.enumerate())


def test_colors_match_frame(tmp_path: Path) -> None:
    clip = Clip(count=2, picture=flat(81, 90, 240), color=(BT601, BT601, BT601, 1), options=FAST)  # red in BT.601
    background = VideoBackground(clip.write(tmp_path / "red.mp4"))
    for color in (ColorSpec(BT601), ColorSpec(BT709), ColorSpec(BT709, full_range=True)):
        frame = frame_at(0, color)
        rgb = Frame(background.picture(frame, NOBODY).copy(), 0, frame.time_base, color).rgb((4, 4))
        assert np.abs(rgb.astype(int) - [255, 0, 0]).max() <= 6


@pytest.mark.parametrize("space", sorted(WIDE))
def test_colors_match_photo_in_a_wide_color_space(space: str, tmp_path: Path) -> None:
    clip = Clip(count=2, picture=flat(114, 101, 182), color=(BT601, BT601, BT601, 1), options=FAST)  # (200, 80, 60) in sRGB
    background = VideoBackground(clip.write(tmp_path / "brick.mp4"))
    photo = frame_at(0, ColorSpec(BT601, icc=rgb_profile(space)))
    rgb = Frame(background.picture(photo, NOBODY).copy(), 0, photo.time_base, photo.color).rgb((4, 4))
    image = Image.fromarray(rgb)
    image.info["icc_profile"] = photo.color.icc
    assert np.abs(shown(image).astype(int) - [200, 80, 60]).max() <= 6


def test_wide_video_fills_or_fits(tmp_path: Path) -> None:
    path = Clip(count=2, width=128, height=48, picture=flat(200), options=FAST).write(tmp_path / "wide.mp4")
    fill, fit = (VideoBackground(path, fit=how).picture(frame_at(0), NOBODY) for how in ("fill", "fit"))
    assert (planes(fill)[0] >= 198).all()
    luma = planes(fit)[0]
    assert (luma[14:34] >= 198).all()
    assert (luma[:8] <= 130).all()
    assert (luma[40:] <= 130).all()


def test_unreadable_video_fails_immediately(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ConfigError, match=r"The background cannot be used: .*text.mp4 cannot be read as a video"):
        VideoBackground(tmp_path / "text.mp4")
    with pytest.raises(ConfigError, match=r"The background cannot be used: .*none.mp4 does not exist"):
        VideoBackground(tmp_path / "none.mp4")


def test_removed_video_fails_offline_and_freezes_live(ten_pictures: Path) -> None:
    offline, live = VideoBackground(ten_pictures), VideoBackground(ten_pictures, live=True)
    assert stamp_at(offline, 0) == stamp_at(live, 0) == 0
    ten_pictures.unlink()
    with pytest.raises(SourceError, match="does not exist"):
        stamp_at(offline, 1500)
    deadline, number = time.monotonic() + 20, 0
    while stamp_at(live, number * 50) != 9 and time.monotonic() < deadline:
        number += 1
        time.sleep(0.002)
    assert stamp_at(live, number * 50 + 900) == 9
    live.close()


def long_video(path: Path, **values: object) -> Path:
    """A numbered video of 8.3 s, 25 pictures per second, with B-frames and a key frame every second."""
    options = {"preset": "veryfast", "bf": "3", "g": "25"}
    return Clip(**{"count": 207, "rate": Fraction(25), "options": options, **values}).write(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "b_frames.avi"])
def test_any_frame_gets_the_picture_of_a_run_from_the_start(name: str, tmp_path: Path) -> None:
    """Where seeking is exact and where the video has to be decoded from its start, within a loop and after some."""
    path = long_video(tmp_path / name)
    times = list(range(4000, 45_000, 130))
    run = VideoBackground(path, start=4.0)
    expected = {time: stamp_at(run, time) for time in times}
    assert [expected[time] for time in times[:50]] == [(time - 4000) // 40 for time in times[:50]]
    assert set(expected.values()) == set(range(207))
    for begin in (4130, 9850, 20_250, 44_910):
        worker = VideoBackground(path, start=4.0)
        own = [time for time in times if time >= begin][:20]
        assert {time: stamp_at(worker, time) for time in own} == {time: expected[time] for time in own}
    anywhere = VideoBackground(path, start=4.0)
    for each in np.random.default_rng(1).permutation(times)[:12].tolist():
        assert stamp_at(anywhere, each) == expected[each]


def test_seek_gives_the_bytes_of_a_run_from_the_start(tmp_path: Path) -> None:
    path = long_video(tmp_path / "a.mp4", width=128, height=96)
    run, late = VideoBackground(path), VideoBackground(path, start=0.0)
    for each in range(0, 7500, 40):
        picture = run.picture(frame_at(each), NOBODY)
    assert (late.picture(frame_at(7480), NOBODY) == picture).all()
    assert (late.picture(frame_at(7480 + 3 * 8280), NOBODY) == picture).all()


def test_distant_position_is_reached_without_decoding_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = long_video(tmp_path / "a.mp4")
    yielded = []
    iterate = FileSource.__iter__

    def counted(source: FileSource) -> Iterator[Frame]:
        for frame in iterate(source):
            yielded.append(frame.pts)
            yield frame

    monkeypatch.setattr(FileSource, "__iter__", counted)
    assert stamp_at(VideoBackground(path, start=0.0), 1_000_000 * 8280 + 7480) == 187
    assert len(yielded) < 10


def test_video_starts_with_the_frame_at_the_start(ten_pictures: Path) -> None:
    background = VideoBackground(ten_pictures, start=3.0)
    assert [stamp_at(background, each) for each in (2000, 3000, 3150, 4250, 3950)] == [0, 0, 1, 2, 9]


def test_single_picture_stays(tmp_path: Path) -> None:
    background = VideoBackground(Clip(count=1, options=FAST).write(tmp_path / "one.mp4"), start=0.0)
    assert [stamp_at(background, each) for each in (0, 39, 40, 5000, 3_600_000)] == [0] * 5
