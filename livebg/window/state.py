"""What the window shows of the status: state, text, and what the buttons do. Needs no GTK."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from livebg import __version__
from livebg.daemon.protocol import VersionMismatch
from livebg.daemon.status import PresetEntry, Status
from livebg.errors import LivebgError, NotRunningError
from livebg.window.i18n import marked, translate


class Level(enum.Enum):
    """How good or bad a state is. The value is the name of its style class."""

    GOOD = "success"
    IDLE = "dim-label"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CameraControl:
    """A control of the real camera, such as its exposure."""

    key: str
    name: str
    type: str
    minimum: int
    maximum: int
    step: int
    default: int
    value: int
    menu: Mapping[int, str]
    active: bool

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Parse a control of the command ``camera_controls``. Raises KeyError, TypeError and ValueError if it is invalid."""
        menu = {int(number): str(label) for number, label in (data.get("menu") or {}).items()}
        numbers = {name: int(data[name]) for name in ("minimum", "maximum", "step", "default", "value")}
        active = bool(data.get("active", True))
        return cls(str(data["key"]), str(data["name"]), str(data["type"]), **numbers, menu=menu, active=active)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one poll found out.

    ``status`` is None if livebg does not respond, and ``error`` is the reason. ``values`` and ``settable`` are the result of the
    command ``settings``. ``presets`` and ``controls`` are None if the running livebg does not know them; ``controls`` also
    while its camera is closed. ``recording`` is the object of that name in the status.
    """

    status: Status | None = None
    error: LivebgError | None = None
    starting: bool = False
    """Whether a livebg that does not respond is starting or stopping."""
    values: Mapping[str, Any] = field(default_factory=dict)
    settable: tuple[str, ...] = ()
    presets: tuple[PresetEntry, ...] | None = None
    preset: str | None = None
    controls: tuple[CameraControl, ...] | None = None
    recording: Mapping[str, Any] | None = None
    can_record: bool = False


@dataclass(frozen=True, slots=True)
class StateView:
    """The state as a line of text with more details, and what the main buttons do."""

    level: Level
    title: str
    detail: str = ""
    running: bool = True
    paused: bool = False
    room_visible: bool = False
    recording: bool = False
    restart_advised: bool = False
    """Whether livebg was updated and has to be restarted."""


_MODE_TEXTS: Final = {
    "portrait": marked("background blurred"),
    "greenscreen": marked("solid-color background"),
    "background": marked("background replaced"),
    "matte": marked("matte only"),
}
_STATE_TITLES: Final = {
    "asleep": marked("Asleep: no app uses the camera"),
    "waking": marked("The camera is starting"),
    "camera lost": marked("Camera lost"),
    "stalled": marked("The picture is frozen"),
    "stopping": marked("livebg is stopping"),
}
_LEVELS: Final = {"asleep": Level.IDLE, "waking": Level.IDLE, "stopping": Level.IDLE}


def state_view(snapshot: Snapshot) -> StateView:
    """Return what to show of a snapshot."""
    status = snapshot.status
    if status is None:
        return _without_status(snapshot)
    room = status.mode == "none"
    common: dict[str, Any] = {
        "paused": status.state == "paused",
        "room_visible": room,
        "recording": snapshot.recording is not None,
        "restart_advised": status.version != __version__,
    }
    if status.state == "paused":
        return StateView(Level.IDLE, translate("Paused: others see a placeholder"), **common)
    if room and status.state == "live":
        return StateView(Level.WARNING, translate("Your room is visible"), _rates(status), **common)
    if status.state == "live":
        mode = translate(_MODE_TEXTS.get(status.mode, status.mode))
        return StateView(Level.GOOD, translate("Live: {mode}").format(mode=mode), _rates(status), **common)
    level = _LEVELS.get(status.state, Level.ERROR)
    detail = status.reason or ""
    if room:
        level, detail = Level.WARNING, translate("Your room will be visible when the picture is back")
    return StateView(level, translate(_STATE_TITLES[status.state]), detail, **common)


def notices(snapshot: Snapshot) -> tuple[str, ...]:
    """Return what is worth a warning while livebg runs besides its state, most important first."""
    status = snapshot.status
    if status is None:
        return ()
    found = []
    if (snapshot.recording or {}).get("audio"):
        found.append(translate("The microphone is being recorded."))
    if status.version != __version__:
        found.append(translate("livebg was updated. Restart it to use the new version."))
    if status.degraded:
        found.append(translate("Reduced quality: {what}").format(what=", ".join(status.degraded)))
    return tuple(found)


def _without_status(snapshot: Snapshot) -> StateView:
    if snapshot.error is None or snapshot.starting:
        return StateView(Level.IDLE, translate("Connecting to livebg…"), running=snapshot.error is None)
    if isinstance(snapshot.error, VersionMismatch):
        text = translate("livebg was updated. Restart it to use the new version.")
        return StateView(Level.ERROR, translate("Restart needed"), text, running=False, restart_advised=True)
    if isinstance(snapshot.error, NotRunningError):
        return StateView(Level.IDLE, translate("livebg is not running"), running=False)
    return StateView(Level.ERROR, translate("livebg does not respond"), str(snapshot.error), running=False)


def _rates(status: Status) -> str:
    parts = [f"{status.output.width}×{status.output.height}", f"{status.fps_out:.0f} fps"]
    if status.latency is not None:
        parts.append(f"{status.latency.p50_ms:.0f} ms")
    return " · ".join(parts)
