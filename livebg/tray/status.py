"""Polls the inputs of the menu: the status of livebg, as icon state and short description, and the cameras.

A poll costs less than 1 ms of CPU time, here and in the running livebg.
"""

import enum
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livebg.daemon.client import request
from livebg.daemon.protocol import VERSION, VersionMismatch
from livebg.daemon.runtime_dir import running_pid
from livebg.daemon.status import PresetList, Status
from livebg.errors import LivebgError, NotRunningError

_RECHECK_AFTER_POLLS: Final = 3
"""Polls after a device change until the devices are listed again: udev sets permissions shortly after a device appears."""


class TrayState(enum.Enum):
    """State of the icon. Each has a distinct shape, for color-blind users."""

    LIVE = "live"
    EFFECT_OFF = "effect off"
    """The room is visible, or will be as soon as an app uses the camera."""
    ASLEEP = "asleep"
    WAKING = "waking"
    PAUSED = "paused"
    ERROR = "error"
    """The camera is lost, the network or the output hangs, or livebg does not respond: no camera picture is sent."""
    NOT_RUNNING = "not running"
    RESTART_NEEDED = "restart needed"
    """livebg was updated, so the running daemon or this tray speaks another protocol version."""


@dataclass(frozen=True, slots=True)
class TrayStatus:
    """What the tray shows. ``message`` fits in a tooltip; ``status`` is None if livebg does not respond."""

    state: TrayState
    message: str
    status: Status | None = None
    tray_outdated: bool = False
    """True if the tray, not the running livebg, is the older version."""


_STATES = {
    "live": TrayState.LIVE,
    "asleep": TrayState.ASLEEP,
    "waking": TrayState.WAKING,
    "camera lost": TrayState.ERROR,
    "stalled": TrayState.ERROR,
    "stopping": TrayState.NOT_RUNNING,
}
_MODE_TEXTS = {
    "portrait": "background blurred",
    "greenscreen": "solid-color background",
    "background": "background replaced",
    "matte": "matte only",
}


def summarize(response: Status | LivebgError, *, lock_held: bool = False) -> TrayStatus:
    """Return the view of a status, or of the error that prevented one.

    ``lock_held`` is true if a livebg holds the lock, so it is running, starting or stopping.
    """
    match response:
        case Status():
            return TrayStatus(_state(response), _describe(response), response)
        case VersionMismatch():
            old = response.found is not None and response.found > VERSION
            return TrayStatus(TrayState.RESTART_NEEDED, "livebg was updated. Restart it.", tray_outdated=old)
        case NotRunningError():
            if lock_held:
                return TrayStatus(TrayState.WAKING, "livebg is starting or stopping")
            return TrayStatus(TrayState.NOT_RUNNING, "livebg is not running")
    return TrayStatus(TrayState.ERROR, str(response))


def _state(status: Status) -> TrayState:
    if status.state == "paused":
        return TrayState.PAUSED
    if status.mode == "none" and status.state != "stopping":
        return TrayState.EFFECT_OFF
    return _STATES[status.state]


def _describe(status: Status) -> str:
    match _state(status):
        case TrayState.EFFECT_OFF:
            return f"Effect off: {_visibility(status)}"
        case TrayState.LIVE:
            return f"Live: {_MODE_TEXTS.get(status.mode, status.mode)}"
        case TrayState.PAUSED:
            return "Paused"
        case TrayState.ASLEEP:
            return "Asleep: no app is using the camera"
        case TrayState.NOT_RUNNING:
            return "livebg is stopping"
    return f"{status.state.capitalize()}: {status.reason or 'the camera is starting'}"


def _visibility(status: Status) -> str:
    match status.state:
        case "live":
            return "your room is visible"
        case "asleep":
            return "your room will be visible when an app uses the camera"
    return f"your room will be visible when the picture is back ({status.state})"


def poll_status(request: Callable[[str], Any] = request, find_pid: Callable[[], int | None] = running_pid) -> TrayStatus:
    """Return the state of the running livebg, or why there is none."""
    try:
        return summarize(Status.from_dict(request("status")))
    except LivebgError as error:
        return summarize(error, lock_held=is_lock_held(find_pid))


def poll_presets() -> PresetList:
    """Return the presets. Empty if livebg does not respond, or is too old to have presets."""
    try:
        return PresetList.from_dict(request("presets"))
    except LivebgError:
        return PresetList()


def is_lock_held(find_pid: Callable[[], int | None] = running_pid) -> bool:
    """Return whether a livebg runs, starts or stops; False if its folder cannot be read."""
    try:
        return find_pid() is not None
    except LivebgError:
        return False


@dataclass(frozen=True, slots=True)
class CameraChoice:
    """A camera: ``name`` is displayed, ``value`` is the value for the setting ``camera.device``."""

    name: str
    value: str


class Cameras:
    """Lists the cameras. Opens devices only after one was added or removed, because opening wakes suspended cameras."""

    def __init__(self, nodes: Path = Path("/dev"), listing: Callable[[], tuple[CameraChoice, ...]] | None = None) -> None:
        self._nodes, self._list_cameras = nodes, listing or list_cameras
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
