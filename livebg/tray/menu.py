"""What the menu offers: a pure function of what is seen, so that it is tested without a display."""

import enum
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livebg import __version__
from livebg.daemon.status import EffectStatus, Status
from livebg.tray.status_view import TrayState, View

BUILT_IN: Final = ("dawn", "dusk", "slate", "paper", "lights", "leaves")
"""The backgrounds of :mod:`livebg.compositing.builtin_backgrounds`, whose import would bring OpenCV into this small
process; a test compares them."""
MODES: Final = {"portrait": "Blur", "greenscreen": "Green screen", "background": "Background", "matte": "Matte alone"}
BLURS: Final = {0.0125: "Slight", 0.025: "Soft", 0.05: "Strong", 0.1: "As far as it goes"}
"""Shares of the frame's height."""
_WIDTH: Final = 52
"""Characters of a line in the menu."""


class Deed(enum.Enum):
    """What is done here, and not by a word to the running livebg."""

    START = enum.auto()
    RESTART = enum.auto()
    RENEW_TRAY = enum.auto()
    CHOOSE_BACKGROUND = enum.auto()
    PREVIEW = enum.auto()
    LOGIN = enum.auto()
    LOG = enum.auto()
    DOCTOR = enum.auto()
    QUIT = enum.auto()
    STOP_AND_QUIT = enum.auto()


@dataclass(frozen=True, slots=True)
class Tell:
    """A command for the running livebg, with its arguments."""

    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Action = Deed | Tell


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the menu. ``checked`` is None where there is nothing to check; without an ``action`` it only tells something."""

    label: str
    action: Action | None = None
    checked: bool | None = None
    radio: bool = False
    enabled: bool = True
    default: bool = False
    """Whether a click on the icon itself does it, on desktops that have such a click."""
    entries: tuple["Entry", ...] = ()


SEPARATOR: Final = Entry("")


@dataclass(frozen=True, slots=True)
class Camera:
    """``name`` is for people, ``value`` what the setting ``camera.device`` takes."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the menu depends on besides the running livebg."""

    cameras: tuple[Camera, ...] = ()
    at_login: bool = False
    busy: str | None = None
    """What is under way, in a few words."""
    trouble: str | None = None
    """Why the last click did nothing."""


def menu(view: View, around: Surroundings) -> tuple[Entry, ...]:
    """The whole menu. What cannot be done just now stays in its place, greyed out."""
    return (
        *_words(view, around),
        SEPARATOR,
        *_steering(view, around),
        SEPARATOR,
        Entry("Preview", Deed.PREVIEW, enabled=view.status is not None),
        Entry("Show this icon at login", Deed.LOGIN, checked=around.at_login),
        Entry("Open log", Deed.LOG),
        Entry("What is wrong? (doctor)", Deed.DOCTOR),
        SEPARATOR,
        Entry("Quit this icon", Deed.QUIT),
        Entry("Stop livebg and quit", Deed.STOP_AND_QUIT, enabled=view.state is not TrayState.NOT_RUNNING),
    )


def _words(view: View, around: Surroundings) -> list[Entry]:
    """How it is, and what went wrong: lines that cannot be clicked, but for what mends it."""
    lines = [around.busy] if around.busy else textwrap.wrap(view.sentence, _WIDTH)
    if around.trouble:
        lines += textwrap.wrap(f"✗ {around.trouble}", _WIDTH)
    entries = [Entry(line, enabled=False) for line in lines]
    if view.state is TrayState.NOT_RUNNING:
        entries.append(Entry("Start livebg", Deed.START, default=True, enabled=around.busy is None))
    elif view.state is TrayState.OUTDATED:
        action = Deed.RENEW_TRAY if view.tray_is_old else Deed.RESTART
        entries.append(Entry("Restart livebg", action, default=True, enabled=around.busy is None))
    elif view.status is not None and view.status.version != __version__:
        entries.append(Entry("livebg was updated: restart it", Deed.RESTART, enabled=around.busy is None))
    return entries


def _steering(view: View, around: Surroundings) -> tuple[Entry, ...]:
    status = view.status
    if status is None:
        labels = ("Hide the room", "Mode", "Background", "Blur", "Pause: nobody sees you", "Camera")
        return tuple(Entry(label, enabled=False, checked=False if label[0] in "HP" else None) for label in labels)
    on, paused = status.mode != "none", status.state == "paused"
    return (
        Entry("Hide the room", Tell("off" if on else "on"), checked=on, default=True),
        _modes(status),
        _backgrounds(status.effect),
        _blurs(status.effect),
        Entry("Pause: nobody sees you", Tell("resume" if paused else "pause"), checked=paused),
        _cameras(status.camera.requested, around.cameras),
    )


def _modes(status: Status) -> Entry:
    now = status.effect.mode if status.effect else status.mode
    return Entry(
        "Mode", entries=tuple(_choice(label, Tell("mode", {"mode": name}), name == now) for name, label in MODES.items())
    )


def _backgrounds(effect: EffectStatus | None) -> Entry:
    now = effect.background if effect else ""
    entries = [_choice(name.capitalize(), _background(name), name == now) for name in BUILT_IN]
    if now and now not in BUILT_IN:
        entries.append(_choice(_shortened(now if now.startswith("#") else Path(now).name), _background(now), True))
    return Entry("Background", entries=(*entries, SEPARATOR, Entry("Choose a picture...", Deed.CHOOSE_BACKGROUND)))


def _background(name: str) -> Tell:
    return Tell("background", {"background": name})


def _blurs(effect: EffectStatus | None) -> Entry:
    now = effect.blur if effect else 0.0
    entries = [_choice(label, _set("effect.blur", share), abs(share - now) < 1e-6) for share, label in BLURS.items()]
    if effect and not any(entry.checked for entry in entries):
        entries.append(_choice(f"{now:g} of the height", _set("effect.blur", now), True))
    return Entry("Blur", entries=tuple(entries))


def _cameras(asked: str, cameras: tuple[Camera, ...]) -> Entry:
    known = (Camera("The first one", "auto"), *cameras)
    chosen = next((camera for camera in known if asked in (camera.value, camera.name)), None)
    others = () if chosen else (Camera(_shortened(Path(asked).name or asked), asked),)
    return Entry(
        "Camera",
        entries=tuple(
            _choice(camera.name, _set("camera.device", camera.value), camera.value == (chosen.value if chosen else asked))
            for camera in (*known, *others)
        ),
    )


def _set(key: str, value: Any) -> Tell:
    return Tell("set", {"settings": {key: value}})


def _choice(label: str, action: Action, chosen: bool) -> Entry:
    return Entry(label, action, checked=chosen, radio=True)


def _shortened(text: str) -> str:
    return textwrap.shorten(text, 40, placeholder="...") if " " in text else f"{text[:37]}..." if len(text) > 40 else text
