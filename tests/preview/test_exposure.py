"""A window that stays black is mapped again, on a real X server."""

import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from livebg.preview.exposure import ExposureGuard
from tests.support.tray_desktop import x_server

if TYPE_CHECKING:
    from Xlib.display import Display
    from Xlib.xobject.drawable import Window

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="requires an X server on Linux"),
]
TITLE = "a preview"
WHITE, BLACK = 0xFFFFFF, 0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator["Display"]:
    from Xlib.display import Display

    with x_server("400x300x24") as name:
        monkeypatch.setenv("DISPLAY", name)
        display = Display(name)
        yield display
        display.close()


def opened(display: "Display", color: int, owner: int) -> "Window":
    """A window of that color and process, in a frame like that of a window manager."""
    from Xlib import X, Xatom

    root = display.screen().root
    frame = root.create_window(0, 0, 220, 120, 0, X.CopyFromParent, background_pixel=WHITE)
    window = frame.create_window(10, 10, 200, 100, 0, X.CopyFromParent, background_pixel=color, event_mask=X.StructureNotifyMask)
    window.set_wm_name(TITLE)
    window.change_property(display.intern_atom("_NET_WM_PID"), Xatom.CARDINAL, 32, [owner])
    frame.map()
    window.map()
    display.sync()
    maps(display)
    return window


def maps(display: "Display") -> int:
    """How often a window was mapped since the last call."""
    from Xlib import X

    display.sync()
    return sum(display.next_event().type == X.MapNotify for _ in range(display.pending_events()))


def run(clock: Clock, seconds: int) -> None:
    guard = ExposureGuard(TITLE, clock)
    for _ in range(10 * seconds):
        clock.now += 0.1
        guard.check()


@pytest.mark.parametrize(
    ("color", "owner", "times"), [(BLACK, os.getpid(), 5), (WHITE, os.getpid(), 0), (BLACK, os.getpid() + 1, 0)]
)
def test_black_window_is_mapped_again(display: "Display", color: int, owner: int, times: int) -> None:
    opened(display, color, owner)
    run(Clock(), 9)
    assert maps(display) == times


def test_painted_window_is_left_alone_from_then_on(display: "Display") -> None:
    window, clock = opened(display, BLACK, os.getpid()), Clock()
    guard = ExposureGuard(TITLE, clock)
    clock.now += 2
    guard.check()
    assert maps(display) == 1
    window.change_attributes(background_pixel=WHITE)
    window.clear_area()
    display.sync()
    clock.now += 2
    guard.check()
    window.change_attributes(background_pixel=BLACK)
    window.clear_area()
    display.sync()
    for _ in range(9):
        clock.now += 2
        guard.check()
    assert maps(display) == 0
