"""Clients of the camera: which program uses it, what it sees, and when the real camera is on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from livebg.compositing.placeholder import draw_placeholder
from tests.system.call import NODE, SIZE, Call
from tests.system.desktop import screen
from tests.system.network import COLUMNS
from tests.system.network import SIZE as NETWORK
from tests.system.pictures import BARS, COLOR, LEVELS, ROOM, PictureClassifier, ReceivedPicture, person, planes, room_mask

Pictures = np.ndarray[tuple[int, ...], np.dtype[np.int_]]
_GST = "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgst"
READERS = {
    "ffmpeg": f"ffmpeg -nostdin -loglevel error -f v4l2 -i {NODE} "
    "-frames:v 200 -fps_mode passthrough -f rawvideo -pix_fmt rgb24 -y {file}",
    # Under emulation it would load and examine all of its plugins for minutes.
    "gstreamer": f"mkdir -p /run/gst; ln -sf {_GST}video4linux2.so {_GST}videoconvertscale.so {_GST}coreelements.so /run/gst; "
    "export GST_PLUGIN_SYSTEM_PATH_1_0=/run/gst GST_REGISTRY_FORK=no GST_REGISTRY=/run/gst/registry; "
    f"gst-launch-1.0 -q v4l2src device={NODE} num-buffers=200 ! "
    "videoconvert ! video/x-raw,format=RGB ! filesink location={file}",
}
"""Shell commands that write 200 pictures as RGB."""


def test_camera_is_listed_before_first_reader(call: Call) -> None:
    call.stop()
    call.running(cold=True)
    call.guest.wait_for("the node is a camera, and nothing else", lambda: call.faces() == {"Capture"})
    method = "event" if call.has_events else "inotify"
    call.guest.wait_for("it finds out how to know who looks", lambda: call.status()["watched_by"] == method)
    status = call.becomes("asleep")
    assert status["camera"]["opened"] == 0
    assert (status["output"]["device"], status["output"]["width"], status["output"]["height"]) == (NODE, *SIZE)
    assert not call.camera_is_open()
    listed = call.guest.run("v4l2-ctl", "--list-devices").out  # it opens all devices, and may count as a reader
    assert "livebg (platform:v4l2loopback-" in listed


def test_camera_is_on_only_while_watched(call: Call) -> None:
    call.running()
    call.becomes("asleep")
    opened = call.status()["camera"]["opened"]
    raw = call.camera_picture()
    assert PictureClassifier(*SIZE).kind(np.frombuffer(raw, np.uint8)) == "leak", "the judge knows the room when it sees it"
    with call.watching() as watcher:
        composites = watcher.sees("composite", 8)
        assert call.camera_is_open()
        assert call.status()["camera"]["opened"] == opened + 1
        recording = watcher.recording
    assert (recording.width, recording.height, recording.pixel_format) == (*SIZE, "YU12")
    assert_person_equals_camera(composites[-1], raw)
    call.becomes("asleep")
    call.guest.wait_for("the camera is free", lambda: not call.camera_is_open())


def assert_person_equals_camera(shown: ReceivedPicture, raw: bytes) -> None:
    """Where alpha is 1 the bytes equal the camera's."""
    region = person(*SIZE)
    found, wanted = planes(shown.data, *SIZE), planes(np.frombuffer(raw, np.uint8), *SIZE)
    for plane, other, part in zip(found, wanted, (region.luma, region.chroma, region.chroma), strict=True):
        assert np.array_equal(plane[part], other[part])


def test_picture_moves(call: Call) -> None:
    call.running()
    call.camera_control("horizontal_movement=1")
    with call.watching() as watcher:
        watcher.sees("composite")
        call.guest.wait_for("different composites", lambda: len({rows(each) for each in watcher.composites}) >= 4)
    call.camera_control("horizontal_movement=3")
    call.becomes("asleep")  # the picture returns to its place when the camera is opened again


def rows(shown: ReceivedPicture) -> bytes:
    """Of the person."""
    return planes(shown.data, *SIZE)[0][person(*SIZE).luma].tobytes()


@pytest.mark.parametrize(
    "reader",
    [
        "ffmpeg",
        pytest.param("gstreamer", marks=pytest.mark.skipif(not Path(f"{_GST}video4linux2.so").exists(), reason="no v4l2src")),
    ],
)
def test_reader_sees_right_colors(call: Call, reader: str) -> None:
    """A client's conversion to RGB, by the range and matrix that the device reports."""
    call.running()
    width, height = SIZE
    file = call.guest.share / "pictures.rgb"
    call.guest.shell(READERS[reader].format(file=f"/run/share/{file.name}"))
    pictures = np.fromfile(file, np.uint8).reshape(-1, height, width, 3).astype(int)
    seen = composites(pictures)
    assert len(seen), "none has the selected color in place of the room"
    assert_bars(seen[-1], LEVELS + 2 if reader == "gstreamer" else LEVELS)  # its videoconvert calculates in 8 bits


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_ffplay_shows_right_colors(call: Call) -> None:
    """On a screen, of which ffmpeg takes pictures."""
    call.running()
    width, height = SIZE
    file = call.guest.share / "screen.rgb"
    with screen(call.guest, width, height) as display:
        grab = f"ffmpeg -nostdin -loglevel error -f x11grab -draw_mouse 0 -video_size {width}x{height} -i {display} -frames:v 1"
        options = "-loglevel error -an -noborder -left 0 -top 0 -f v4l2"
        variables = f"DISPLAY={display} SDL_AUDIODRIVER=dummy SDL_RENDER_DRIVER=software"
        with call.guest.background("sh", "-c", f"{variables} exec ffplay {options} {NODE}") as player:

            def shown() -> list[Pictures]:
                call.guest.shell(f"{grab} -f rawvideo -pix_fmt rgb24 -y /run/share/{file.name}")
                picture = np.fromfile(file, np.uint8).reshape(1, height, width, 3).astype(int)
                return list(composites(picture)) if picture.any() else []  # black before ffplay's first picture

            seen = call.guest.wait_for("ffplay shows a composite", shown, alive=player)
    assert_bars(seen[0])


def composites(pictures: Pictures) -> Pictures:
    """Those with the selected color in place of the room; all others must be the placeholder."""
    height, width = pictures.shape[1:3]
    mask = room_mask(width, height, 1)
    colored = np.abs(pictures - ROOM).max(axis=3) <= LEVELS
    to_luma = COLOR.rgb_to_yuv(height)[0]
    calm = np.abs(pictures @ to_luma[:3] + to_luma[3] - draw_placeholder(width, height, COLOR)[:height]) <= LEVELS
    assert (colored | calm)[:, mask].all(), "there is something of the room in a picture"
    found: Pictures = pictures[colored[:, mask].all(axis=1)]
    return found


def assert_bars(picture: Pictures, levels: int = LEVELS) -> None:
    """In the middle of the person's bars, the standard's colors."""
    height, width = picture.shape[:2]
    first, last = (round(COLUMNS.start * 8 / NETWORK[0]) + 1, round(COLUMNS.stop * 8 / NETWORK[0]) - 1)
    for bar in range(first, last):
        found = picture[height * 5 // 9, (2 * bar + 1) * width // 16]
        assert np.abs(found - BARS[bar]).max() <= levels, (bar, found)


def test_v4l2_ctl_receives_pictures(call: Call) -> None:
    call.running()
    file = call.guest.share / "pictures.yuv"
    call.guest.shell(f"v4l2-ctl -d {NODE} --stream-mmap --stream-count=40 --stream-to=/run/share/{file.name}")
    pictures = np.fromfile(file, np.uint8).reshape(-1, SIZE[0] * SIZE[1] * 3 // 2)
    kinds = [PictureClassifier(*SIZE).kind(each) for each in pictures]
    assert len(kinds) == 40
    assert "leak" not in kinds
    form = call.guest.run("v4l2-ctl", "-d", NODE, "--get-fmt-video").out
    assert "320/180" in form
    assert "'YU12'" in form


def test_second_reader_is_rejected_or_served(call: Call) -> None:
    call.running()
    with call.watching() as first:
        first.sees("composite")
        if call.has_events:
            refused = call.guest.run("python", "-m", "tests.system.inside.recorder", NODE, "/run/share/second")
            assert refused.code == 1
            assert "Device or resource busy" in refused.err
        else:
            with call.watching() as second:
                second.sees("composite")
        first.sees("composite")
        assert first.program.err == ""


def test_200_successive_readers_leave_nothing_open(call: Call) -> None:
    daemon = call.running()
    before, after = (vitals_after(call, cycles) for cycles in (20, 200))
    assert daemon.code is None
    assert after["descriptors"] <= before["descriptors"]
    assert after["threads"] <= before["threads"]
    assert after["kilobytes"] <= before["kilobytes"] * 1.05 + 4096


def vitals_after(call: Call, cycles: int) -> dict[str, int]:
    """Once so many watchers have come and gone, and the camera is free, the least of some readings: connections come and go."""
    done = call.guest.run("python", "-m", "tests.system.inside.cycles", NODE, str(cycles))
    assert (done.code, done.out.strip()) == (0, str(cycles)), done
    call.becomes("asleep")
    call.guest.wait_for("the camera is free", lambda: not call.camera_is_open())
    readings = [(call.guest.shell("sleep 2"), vitals(call))[1] for _ in range(5)]
    return {name: min(reading[name] for reading in readings) for name in readings[0]}


def vitals(call: Call) -> dict[str, int]:
    """Of the process that runs livebg."""
    assert call.daemon is not None
    place = f"/proc/{call.daemon.pid}"
    reported = dict(line.split(":", 1) for line in call.guest.call("read", path=f"{place}/status").splitlines() if ":" in line)
    return {
        "descriptors": len(call.guest.call("links", folder=f"{place}/fd")),
        "threads": int(reported["Threads"]),
        "kilobytes": int(reported["VmRSS"].split()[0]),
    }


def test_listing_devices_wakes_nothing(call: Call) -> None:
    call.running()
    opened = call.becomes("asleep")["camera"]["opened"]
    for _ in range(5):
        call.guest.run("v4l2-ctl", "--list-devices")
        call.guest.run("v4l2-ctl", "-d", NODE, "--all")
    if call.has_events:
        assert call.status()["camera"]["opened"] == opened
    call.becomes("asleep")
