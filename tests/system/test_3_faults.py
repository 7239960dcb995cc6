"""Faults during a call: the camera disappears, livebg crashes, the machine sleeps, while a client watches."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system.call import CAMERA, NODE, Call

_DRIVER = "/sys/bus/platform/drivers/vivid"


def test_unplugged_camera_returns(call: Call) -> None:
    daemon = call.running()
    with call.watching() as watcher:
        watcher.sees("composite")
        with unplugged(call):
            lost = call.becomes("camera lost")
            assert lost["camera"]["name"] is None
            watcher.sees("placeholder", 5)
            assert call.faces() >= {"Capture"}
        watcher.sees("composite", 5)
        assert watcher.program.err == "", "the reader's stream was never disturbed"
    assert daemon.code is None
    call.load_camera()


@contextmanager
def unplugged(call: Call) -> Iterator[None]:
    """The camera is gone for as long as the context lasts."""
    call.guest.shell(f"echo vivid.0 > {_DRIVER}/unbind")
    try:
        yield
    finally:
        call.guest.shell(f"echo vivid.0 > {_DRIVER}/bind")


@pytest.mark.parametrize("control", ["inject_fatal_streaming_error=1", "percentage_of_dropped_buffers=50"])
def test_driver_error_is_recovered(call: Call, control: str) -> None:
    call.running()
    with call.watching() as watcher:
        watcher.sees("composite")
        opened = call.status()["camera"]["opened"]
        call.camera_control(control)
        if "fatal" in control:
            call.guest.wait_for("it is opened again", lambda: call.status()["camera"]["opened"] > opened)
        watcher.sees("composite", 5)
    call.camera_control("percentage_of_dropped_buffers=0")


def test_busy_camera_is_waited_for(call: Call) -> None:
    call.running()
    call.becomes("asleep")
    busy = call.guest.background("v4l2-ctl", "-d", CAMERA, "--stream-mmap", "--stream-to=/dev/null")
    with busy as other, call.watching() as watcher:
        call.guest.wait_for("another program has the camera", lambda: "<" in other.err + other.out, alive=other)
        lost = call.becomes("camera lost")
        assert lost["reason"].startswith(f"The camera vivid ({CAMERA}) is in use by v4l2-ctl (process {other.pid})")
        watcher.sees("placeholder")
        other.stop()
        watcher.sees("composite")


def test_killed_daemon_can_be_restarted(call: Call) -> None:
    killed = call.running()
    with call.watching() as watcher:
        watcher.sees("composite")
        killed.stop(signal.SIGKILL)
        watcher.recording.pictures()
        call.guest.wait_for("the node is free for the next writer", lambda: "Output" in call.faces())
        call.start()
        watcher.sees("placeholder", 1)
        watcher.sees("composite")
        assert watcher.program.code is None


def test_suspend_is_survived(call: Call) -> None:
    """Tasks are frozen for five seconds, as on the way to sleep. Devices are not: the guest's own do not survive it."""
    daemon = call.running()
    with call.watching() as watcher:
        watcher.sees("composite")
        call.guest.shell("echo freezer > /sys/power/pm_test; echo mem > /sys/power/state; echo none > /sys/power/pm_test")
        assert "PM: suspend debug: Waiting for 5 second(s)" in call.guest.shell("dmesg | tail -n 30")
        call.counted("sent", 5)  # what waited in the node's buffers is no sign of life
        watcher.sees("composite")
    assert daemon.code is None


def test_blur_hides_room_during_effect_changes(call: Call) -> None:
    """Bars with sharp edges are blurred, from the first picture on and after changes of the background."""
    call.running()
    with call.watching() as watcher:
        watcher.sees("composite")
        assert call.guest.run("livebg", "mode", "portrait").code == 0
        blurred = watcher.sees("composite", 5)
        assert call.guest.run("livebg", "mode", "background").code == 0
        colored = watcher.sees("composite", 5)
    assert blurred[-1].data.tobytes() != colored[-1].data.tobytes()


def test_stop_releases_device(call: Call) -> None:
    daemon = call.running()
    with call.watching() as watcher:
        watcher.sees("composite")
        assert call.guest.run("livebg", "stop").code == 0
        assert daemon.wait().code == 0
    call.guest.wait_for("the node is free", lambda: call.faces(NODE) == {"Output"})
    assert call.guest.run("livebg", "status").code == 6
