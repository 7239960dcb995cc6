"""Builds the menu: a pure function of the status, testable without a display."""

import enum
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livebg import __version__
from livebg.config.choices import BUILTIN_BACKGROUNDS, LiveMode
from livebg.daemon.status import EffectStatus, PresetList
from livebg.live.stats import RecordingStatus
from livebg.tray.status import CameraChoice, TrayState, TrayStatus

MODES: Final[Mapping[LiveMode, str]] = {
    "portrait": "Blur",
    "greenscreen": "Green screen",
    "background": "Background",
    "matte": "Matte only",
}
BLURS: Final = {0.0125: "Slight", 0.025: "Soft", 0.05: "Strong", 0.1: "Maximum"}
"""Labels by blur radius, a fraction of the frame height."""
_MAX_LINE_CHARS: Final = 52
"""Maximum characters in a menu line."""


class LocalAction(enum.Enum):
    """An action that the tray performs itself."""

    START = enum.auto()
    RESTART = enum.auto()
    RESTART_TRAY = enum.auto()
    WINDOW = enum.auto()
    CHOOSE_BACKGROUND = enum.auto()
    PREVIEW = enum.auto()
    SHORTCUTS = enum.auto()
    LOGIN = enum.auto()
    LOG = enum.auto()
    DOCTOR = enum.auto()
    QUIT = enum.auto()
    STOP_AND_QUIT = enum.auto()


@dataclass(frozen=True, slots=True)
class DaemonCommand:
    """A command for the running livebg, with its arguments."""

    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Action = LocalAction | DaemonCommand


@dataclass(frozen=True, slots=True)
class Entry:
    """A menu item. ``checked`` is None if it has no check mark. Without an ``action`` it is only informative."""

    label: str
    action: Action | None = None
    checked: bool | None = None
    radio: bool = False
    enabled: bool = True
    default: bool = False
    """Whether clicking the icon itself triggers this item, on desktops that support it."""
    entries: tuple["Entry", ...] = ()


SEPARATOR: Final = Entry("")


@dataclass(frozen=True, slots=True)
class MenuContext:
    """Inputs of the menu other than livebg's status."""

    cameras: tuple[CameraChoice, ...] = ()
    presets: PresetList = field(default_factory=PresetList)
    at_login: bool = False
    busy_text: str | None = None
    """Short description of the action in progress."""
    error: str | None = None
    """Error message of the last action."""


def menu(view: TrayStatus, context: MenuContext) -> tuple[Entry, ...]:
    """Return the whole menu. Unavailable items stay in place, disabled."""
    return (
        Entry("Open livebg", LocalAction.WINDOW),
        SEPARATOR,
        *_status_items(view, context),
        SEPARATOR,
        *_control_items(view, context),
        SEPARATOR,
        Entry("Preview", LocalAction.PREVIEW, enabled=view.status is not None),
        Entry("Set up shortcuts...", LocalAction.SHORTCUTS, enabled=view.status is not None),
        Entry("Show this icon at login", LocalAction.LOGIN, checked=context.at_login),
        Entry("Open log", LocalAction.LOG),
        Entry("Run diagnostics", LocalAction.DOCTOR),
        SEPARATOR,
        Entry("Quit tray icon", LocalAction.QUIT),
        Entry("Stop livebg and quit", LocalAction.STOP_AND_QUIT, enabled=view.state is not TrayState.NOT_RUNNING),
    )


def _status_items(view: TrayStatus, context: MenuContext) -> list[Entry]:
    """Return disabled items with status and error, and an item that starts or restarts livebg if needed."""
    lines = [context.busy_text] if context.busy_text else textwrap.wrap(view.message, _MAX_LINE_CHARS)
    if view.status is not None and view.status.recording is not None:
        lines.append(_recording(view.status.recording))
    if context.error:
        lines += textwrap.wrap(f"✗ {context.error}", _MAX_LINE_CHARS)
    entries = [Entry(line, enabled=False) for line in lines]
    if view.state is TrayState.NOT_RUNNING:
        entries.append(Entry("Start livebg", LocalAction.START, default=True, enabled=context.busy_text is None))
    elif view.state is TrayState.RESTART_NEEDED:
        action = LocalAction.RESTART_TRAY if view.tray_outdated else LocalAction.RESTART
        entries.append(Entry("Restart livebg", action, default=True, enabled=context.busy_text is None))
    elif view.status is not None and view.status.version != __version__:
        entries.append(Entry("Restart livebg to finish the update", LocalAction.RESTART, enabled=context.busy_text is None))
    return entries


def _control_items(view: TrayStatus, context: MenuContext) -> tuple[Entry, ...]:
    status = view.status
    if status is None:
        checkable = ("Hide the room", "Pause camera")
        labels = ("Hide the room", "Mode", "Background", "Blur", "Preset", "Pause camera", "Camera", "Stop recording")
        return tuple(Entry(label, enabled=False, checked=False if label in checkable else None) for label in labels)
    mode = status.effect.mode if status.effect else status.mode
    on, paused = status.mode != "none", status.state == "paused"
    return (
        Entry("Hide the room", DaemonCommand("off" if on else "on"), checked=on, default=True),
        Entry(
            "Mode",
            entries=tuple(_choice(label, DaemonCommand("mode", {"mode": name}), name == mode) for name, label in MODES.items()),
        ),
        _backgrounds(status.effect),
        _blurs(status.effect),
        _presets(context.presets),
        Entry("Pause camera", DaemonCommand("resume" if paused else "pause"), checked=paused),
        _cameras(status.camera.requested, context.cameras),
        Entry("Stop recording", DaemonCommand("stop_recording"), enabled=status.recording is not None),
    )


def _recording(recording: RecordingStatus) -> str:
    sound = " with the microphone" if recording.audio else ""
    return f"● Recording {_shorten(Path(recording.path).name)}{sound}"


def _backgrounds(effect: EffectStatus | None) -> Entry:
    now = effect.background if effect else ""
    entries = [_choice(name.capitalize(), _background(name), name == now) for name in BUILTIN_BACKGROUNDS]
    if now and now not in BUILTIN_BACKGROUNDS:
        entries.append(_choice(_shorten(now if now.startswith("#") else Path(now).name), _background(now), True))
    return Entry("Background", entries=(*entries, SEPARATOR, Entry("Choose an image...", LocalAction.CHOOSE_BACKGROUND)))


def _background(name: str) -> DaemonCommand:
    return DaemonCommand("background", {"background": name})


def _blurs(effect: EffectStatus | None) -> Entry:
    now = effect.blur if effect else 0.0
    entries = [_choice(label, _set("effect.blur", share), abs(share - now) < 1e-6) for share, label in BLURS.items()]
    if effect and not any(entry.checked for entry in entries):
        entries.append(_choice(f"{now:g} of the frame height", _set("effect.blur", now), True))
    return Entry("Blur", entries=tuple(entries))


def _presets(presets: PresetList) -> Entry:
    entries = [
        _choice(entry.name.capitalize() if entry.builtin else entry.name, _use(entry.name), entry.name == presets.current)
        for entry in presets.presets
    ]
    return Entry("Preset", enabled=bool(entries), entries=tuple(entries) or (Entry("None", enabled=False),))


def _use(preset: str) -> DaemonCommand:
    return DaemonCommand("use_preset", {"name": preset})


def _cameras(requested: str, cameras: tuple[CameraChoice, ...]) -> Entry:
    known = (CameraChoice("Default camera", "auto"), *cameras)
    chosen = next((camera for camera in known if requested in (camera.value, camera.name)), None)
    others = () if chosen else (CameraChoice(_shorten(Path(requested).name or requested), requested),)
    return Entry(
        "Camera",
        entries=tuple(
            _choice(camera.name, _set("camera.device", camera.value), camera.value == (chosen.value if chosen else requested))
            for camera in (*known, *others)
        ),
    )


def _set(key: str, value: Any) -> DaemonCommand:
    return DaemonCommand("set", {"settings": {key: value}})


def _choice(label: str, action: Action, chosen: bool) -> Entry:
    return Entry(label, action, checked=chosen, radio=True)


def _shorten(text: str) -> str:
    return textwrap.shorten(text, 40, placeholder="...") if " " in text else f"{text[:37]}..." if len(text) > 40 else text
