"""Looking at what the menu depends on. Cheap: a look costs under a millisecond of CPU time, here and in the livebg that runs."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from livebg.daemon.client import ask
from livebg.daemon.runtime_dir import running_pid
from livebg.daemon.status import Status
from livebg.errors import LivebgError
from livebg.tray.menu import Camera
from livebg.tray.status_view import View, view

_AGAIN: Final = 3
"""Looks after which a change among the devices is looked at once more: their rights are set a moment after they appear."""


def look(asked: Callable[[str], Any] = ask, holder: Callable[[], int | None] = running_pid) -> View:
    """How the running livebg is, if there is one."""
    try:
        return view(Status.from_dict(asked("status")))
    except LivebgError as error:
        return view(error, held=_held(holder))


def _held(holder: Callable[[], int | None]) -> bool:
    try:
        return holder() is not None
    except LivebgError:
        return False


class Cameras:
    """The cameras there are. No device is opened unless one has come or gone: that would wake sleeping ones each second."""

    def __init__(self, nodes: Path = Path("/dev"), survey: Callable[[], tuple[Camera, ...]] | None = None) -> None:
        self._nodes, self._survey = nodes, survey or surveyed
        self._seen = 0
        self._due = 0
        self._cameras: tuple[Camera, ...] = ()

    def __call__(self) -> tuple[Camera, ...]:
        changed = self._changed()
        if changed != self._seen:
            self._seen, self._due = changed, _AGAIN
            self._cameras = self._survey()
        elif self._due:
            self._due -= 1
            if not self._due:
                self._cameras = self._survey()
        return self._cameras

    def _changed(self) -> int:
        try:
            return self._nodes.stat().st_mtime_ns
        except OSError:
            return 0


def surveyed() -> tuple[Camera, ...]:
    """What the kernel says; nothing on systems that are no Linux, where the first camera is the only choice."""
    if not sys.platform.startswith("linux"):
        return ()
    from livebg.v4l2.device import survey

    found = [device for device in survey()[0] if device.captures and not device.is_loopback]
    first = {(device.card, device.bus): device for device in reversed(found)}  # a camera has several nodes
    alike = Counter(card for card, _ in first)
    return tuple(
        Camera(device.card, device.card) if alike[device.card] == 1 else Camera(str(device), str(device.path))
        for device in reversed(first.values())
    )
