"""Maps the status of the running livebg to an icon state and a short description."""

import enum
from dataclasses import dataclass

from livebg.daemon.protocol import VERSION, VersionMismatch
from livebg.daemon.status import Status
from livebg.errors import LivebgError, NotRunningError


class TrayState(enum.Enum):
    """State of the icon. Each has a distinct shape, for color-blind users."""

    LIVE = "live"
    EFFECT_OFF = "effect off"
    """The room is visible, or will be as soon as an app uses the camera."""
    ASLEEP = "asleep"
    WAKING = "waking"
    PAUSED = "paused"
    ERROR = "trouble"
    """The camera is lost, the network or the output hangs, or livebg does not respond: no camera picture is sent."""
    NOT_RUNNING = "not running"
    RESTART_NEEDED = "outdated"
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
