"""Cameras of unusual sizes and colors."""

import json
from contextlib import ExitStack

import pytest

from tests.system.call import CAMERA, OTHER, SIZE, Call
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


def test_controls_are_set_saved_and_restored(call: Call) -> None:
    """Those of the kernel's test camera: while livebg runs, when it opens the camera, and while none runs."""
    call.running()
    call.becomes("asleep")
    try:
        done = call.guest.run("livebg", "camera", "set", "gain_automatic=off", "gain=33", "brightness=140")
        assert (done.code, done.out) == (0, "gain_automatic is off.\ngain is 33.\nbrightness is 140.\n"), done
        assert values(call, "gain", "brightness") == {"gain": 33, "brightness": 140}
        assert call.guest.run("livebg", "camera", "save").code == 0
        call.camera_control("brightness=128,gain_automatic=1")
        refused = call.guest.run("livebg", "camera", "set", "gain=5")
        assert (refused.code, refused.err) == (
            2,
            "livebg: gain is inactive because gain_automatic is on. Set gain_automatic=0 first.\n",
        )
        with call.watching() as watcher:
            watcher.sees("composite", 3)
            assert values(call, "gain_automatic", "gain", "brightness") == {"gain_automatic": 0, "gain": 33, "brightness": 140}
            assert call.guest.run("livebg", "camera", "set", "brightness=130").code == 0, "of the open camera"
            watcher.sees("composite", 3)
        call.stop()
        listed = json.loads(call.guest.run("livebg", "camera", "list", "--json").out)
        found = {each["key"]: each for each in listed["controls"]}
        assert listed["camera"] == f"vivid ({CAMERA})"
        assert (found["brightness"]["value"], found["gain"]["active"]) == (130, True)
        assert (found["gain"]["minimum"], found["gain"]["maximum"], found["gain_automatic"]["type"]) == (0, 255, "boolean")
        outside = call.guest.run("livebg", "camera", "set", "gain=256")
        assert (outside.code, outside.err) == (2, "livebg: Invalid value '256' for gain. Use 0 to 255; the default is 100.\n")
    finally:
        call.guest.shell("rm -f /run/home/.local/state/livebg/cameras.json")
        call.camera_control("brightness=128,gain_automatic=1")


def values(call: Call, *keys: str) -> dict[str, int]:
    """The present values of controls, by v4l2-ctl."""
    lines = call.guest.shell(f"v4l2-ctl -d {CAMERA} -C {','.join(keys)}").splitlines()
    return {key: int(value) for key, _, value in (line.partition(": ") for line in lines)}


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
