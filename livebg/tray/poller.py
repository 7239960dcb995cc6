"""Polls the inputs of the menu. A poll costs less than 1 ms of CPU time, here and in the running livebg."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from livebg.daemon.client import request
from livebg.daemon.runtime_dir import running_pid
from livebg.daemon.status import Status
from livebg.errors import LivebgError
from livebg.tray.menu import CameraChoice
from livebg.tray.status_view import TrayStatus, summarize

_RECHECK_AFTER_POLLS: Final = 3
"""Polls after a device change until the devices are listed again: udev sets permissions shortly after a device appears."""


def poll_status(request: Callable[[str], Any] = request, find_pid: Callable[[], int | None] = running_pid) -> TrayStatus:
    """Return the state of the running livebg, or why there is none."""
    try:
        return summarize(Status.from_dict(request("status")))
    except LivebgError as error:
        return summarize(error, lock_held=_held(find_pid))


def _held(holder: Callable[[], int | None]) -> bool:
    try:
        return holder() is not None
    except LivebgError:
        return False


class Cameras:
    """Lists the cameras. Opens devices only after one was added or removed, because opening wakes suspended cameras."""

    def __init__(self, nodes: Path = Path("/dev"), survey: Callable[[], tuple[CameraChoice, ...]] | None = None) -> None:
        self._nodes, self._list_cameras = nodes, survey or list_cameras
        self._last_modified_ns = 0
        self._polls_since_change = _RECHECK_AFTER_POLLS
        self._cameras: tuple[CameraChoice, ...] = ()

    def __call__(self) -> tuple[CameraChoice, ...]:
        modified_ns = self._modified_ns()
        self._polls_since_change = self._polls_since_change + 1 if modified_ns == self._last_modified_ns else 0
        self._last_modified_ns = modified_ns
        if self._polls_since_change in (0, _RECHECK_AFTER_POLLS):
            self._cameras = self._list_cameras()
        return self._cameras

    def _modified_ns(self) -> int:
        try:
            return self._nodes.stat().st_mtime_ns
        except OSError:
            return 0


def list_cameras() -> tuple[CameraChoice, ...]:
    """Return the cameras that the kernel lists. Empty on systems other than Linux, where only the default camera is offered."""
    if not sys.platform.startswith("linux"):
        return ()
    from livebg.v4l2.device import enumerate_devices

    found = [device for device in enumerate_devices()[0] if device.captures and not device.is_loopback]
    first = {(device.card, device.bus): device for device in reversed(found)}  # a camera has several nodes
    count = Counter(card for card, _ in first)
    return tuple(
        CameraChoice(device.card, device.card) if count[device.card] == 1 else CameraChoice(str(device), str(device.path))
        for device in reversed(first.values())
    )
