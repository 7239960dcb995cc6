"""What the answer of the running livebg means, at a glance."""

import enum
from dataclasses import dataclass

from livebg.daemon.protocol import VERSION, OtherVersion
from livebg.daemon.status import Status
from livebg.errors import LivebgError, NotRunningError


class TrayState(enum.Enum):
    """What the icon shows. Each has a shape of its own, for whoever sees no colours."""

    LIVE = "live"
    EFFECT_OFF = "effect off"
    """The room is seen, or will be as soon as somebody watches."""
    ASLEEP = "asleep"
    WAKING = "waking"
    PAUSED = "paused"
    TROUBLE = "trouble"
    """The camera is lost, the network or the output hangs, or livebg does not answer: no picture of the camera leaves."""
    NOT_RUNNING = "not running"
    OUTDATED = "outdated"
    """livebg was updated, and the one that runs cannot be talked to, or this tray is the old one."""


@dataclass(frozen=True, slots=True)
class View:
    """``sentence`` is for people, short enough for a tooltip; ``status`` is there while livebg answers."""

    state: TrayState
    sentence: str
    status: Status | None = None
    tray_is_old: bool = False
    """Whether it is this program, and not the livebg that runs, that was updated meanwhile."""


_STATES = {
    "live": TrayState.LIVE,
    "asleep": TrayState.ASLEEP,
    "waking": TrayState.WAKING,
    "camera lost": TrayState.TROUBLE,
    "stalled": TrayState.TROUBLE,
    "stopping": TrayState.NOT_RUNNING,
}
_SEEN = {
    "portrait": "you, before the room softly blurred",
    "greenscreen": "you, before one colour",
    "background": "you, before another background",
    "matte": "the matte alone",
}


def view(told: Status | LivebgError, *, held: bool = False) -> View:
    """What was told, a status or why there is none; ``held`` is whether some livebg holds the lock, and so runs or starts."""
    match told:
        case Status():
            return View(_state(told), _sentence(told), told)
        case OtherVersion():
            old = told.found is not None and told.found > VERSION
            return View(TrayState.OUTDATED, "livebg was updated: restart it", tray_is_old=old)
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


def _sentence(status: Status) -> str:
    match _state(status):
        case TrayState.EFFECT_OFF:
            return f"effect off: the room is seen{_while(status)}"
        case TrayState.LIVE:
            return f"live: {_SEEN.get(status.mode, status.mode)}"
        case TrayState.PAUSED:
            return "paused: nobody sees you, the camera is free"
        case TrayState.ASLEEP:
            return "asleep: nobody watches, the camera is free"
        case TrayState.NOT_RUNNING:
            return "livebg is stopping"
    return f"{status.state}: {status.reason or 'the picture will be there in a moment'}"


def _while(status: Status) -> str:
    """What stands between the room and being seen."""
    match status.state:
        case "live":
            return ""
        case "asleep":
            return " once somebody watches"
    return f" once the picture is back ({status.state})"
