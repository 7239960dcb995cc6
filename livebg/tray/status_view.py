"""Maps the status of the running livebg to an icon state and a short description."""

import enum
from dataclasses import dataclass

from livebg.daemon.protocol import VERSION, OtherVersion
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
    TROUBLE = "trouble"
    """The camera is lost, the network or the output hangs, or livebg does not respond: no camera picture is sent."""
    NOT_RUNNING = "not running"
    OUTDATED = "outdated"
    """livebg was updated, so the running daemon or this tray speaks another protocol version."""


@dataclass(frozen=True, slots=True)
class View:
    """What the tray shows. ``sentence`` fits in a tooltip; ``status`` is None if livebg does not respond."""

    state: TrayState
    sentence: str
    status: Status | None = None
    tray_is_old: bool = False
    """True if the tray, not the running livebg, is the older version."""


_STATES = {
    "live": TrayState.LIVE,
    "asleep": TrayState.ASLEEP,
    "waking": TrayState.WAKING,
    "camera lost": TrayState.TROUBLE,
    "stalled": TrayState.TROUBLE,
    "stopping": TrayState.NOT_RUNNING,
}
_MODE_TEXTS = {
    "portrait": "background blurred",
    "greenscreen": "solid-color background",
    "background": "background replaced",
    "matte": "matte only",
}


def view(told: Status | LivebgError, *, held: bool = False) -> View:
    """Return the view of a status, or of the error that prevented one.

    ``held`` is true if a livebg holds the lock, so it is running, starting or stopping.
    """
    match told:
        case Status():
            return View(_state(told), _describe(told), told)
        case OtherVersion():
            old = told.found is not None and told.found > VERSION
            return View(TrayState.OUTDATED, "livebg was updated. Restart it.", tray_is_old=old)
        case NotRunningError():
            if held:
                return View(TrayState.WAKING, "livebg is starting or stopping")
            return View(TrayState.NOT_RUNNING, "livebg is not running")
    return View(TrayState.TROUBLE, str(told))


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
