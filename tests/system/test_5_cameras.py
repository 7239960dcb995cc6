"""Cameras of unusual sizes and colors."""

from contextlib import ExitStack

import pytest

from tests.system.call import OTHER, SIZE, Call
from tests.system.pictures import BARS, LEVELS, ReceivedPicture, expected, planes

_WIDE = (426, 242)
_ODD = (427, 241)


@pytest.mark.parametrize("size", [_WIDE, _ODD])
def test_unusual_size_is_shown_and_odd_size_rejected(call: Call, size: tuple[int, int]) -> None:
    """A size that encoders dislike is shown completely; an odd size is refused in a sentence and never shown."""
    call.stop()
    call.load_loopback("devices=2 video_nr=42,11 card_label=livebg,Other exclusive_caps=1,1")
    writing = call.guest.background("python", "-m", "tests.system.inside.writer", OTHER, *map(str, size), "YUYV")
    with writing as camera, ExitStack() as readers:
        took = call.guest.wait_for("it gives pictures", lambda: camera.out.split(), alive=camera)
        readers.callback(call.stop)
        call.start("--camera", OTHER, "--output-size", "320x180")
        watcher = readers.enter_context(call.watching())
        if int(took[0]) % 2 or int(took[1]) % 2:
            assert f"{size[0]}x{size[1]}, but livebg reads only even sizes" in call.becomes("camera lost")["reason"]
            watcher.sees("placeholder")
        else:
            shown = watcher.sees("composite")[-1]
            assert_bars(shown)
            assert call.status()["camera"]["size"] == list(size)


@pytest.mark.parametrize(("encoding", "quantization"), [(2, 2), (1, 1), (2, 1)])
def test_camera_colors_become_limited_bt601(call: Call, encoding: int, quantization: int) -> None:
    """For any matrix and range of the camera, readers get limited-range BT.601."""
    call.running()
    call.becomes("asleep")
    call.camera_control(f"y_cbcr_encoding={encoding},quantization={quantization}")
    with call.watching() as watcher:
        shown = watcher.sees("composite", 5)[-1]
    call.camera_control("y_cbcr_encoding=0,quantization=0")
    assert_bars(shown)


def assert_bars(shown: ReceivedPicture) -> None:
    """In the middle of two bars, the standard's colors in limited-range BT.601."""
    y, u, v = planes(shown.data, *SIZE)
    for bar in (3, 4):
        column = (2 * bar + 1) * SIZE[0] // 16
        found = y[100, column], u[50, column // 2], v[50, column // 2]
        wanted = expected(BARS[bar], SIZE[1])
        assert max(abs(int(one) - other) for one, other in zip(found, wanted, strict=True)) <= LEVELS, (bar, found, wanted)


def test_no_picture_showed_the_room(call: Call) -> None:
    """For the whole run with its faults; each reader's pictures were checked when it ended."""
    assert call.tally.kinds.get("leak", 0) == 0
    assert call.tally.kinds["composite"] > 0
    assert call.tally.kinds["placeholder"] > 0
