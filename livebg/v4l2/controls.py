"""The controls of a camera, such as exposure, focus and zoom: reads, checks and writes them. Keys are those of v4l2-ctl."""

import difflib
import errno
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from livebg.errors import ConfigError
from livebg.v4l2 import abi
from livebg.v4l2.device import printable
from livebg.v4l2.syscalls import Syscalls

_TYPES: Final[dict[int, Literal["integer", "boolean", "menu"]]] = {
    abi.CTRL_TYPE_INTEGER: "integer",
    abi.CTRL_TYPE_INTEGER64: "integer",
    abi.CTRL_TYPE_BOOLEAN: "boolean",
    abi.CTRL_TYPE_MENU: "menu",
    abi.CTRL_TYPE_INTEGER_MENU: "menu",
}
"""Buttons, texts and arrays are no settings of a picture."""
_CLASSES: Final = (abi.CTRL_CLASS_USER, abi.CTRL_CLASS_CAMERA)
_SKIPPED: Final = abi.CTRL_FLAG_DISABLED | abi.CTRL_FLAG_WRITE_ONLY | abi.CTRL_FLAG_HAS_PAYLOAD
_MAX_CONTROLS: Final = 500
"""A driver with more never ends its list."""
_MAX_MENU: Final = 100
_GONE: Final = (errno.ENODEV, errno.ENXIO)
_SWITCHES: Final = {"0": 0, "off": 0, "false": 0, "no": 0, "1": 1, "on": 1, "true": 1, "yes": 1}
_MAX_SHOWN: Final = 80
"""Characters of user input that a message repeats."""

_AUTO_EXPOSURE: Final = (abi.CID_CAMERA + 1, 1)
_AUTO_WHITE_BALANCE: Final = (abi.CID_USER + 12, 0)
_AUTO_GAIN: Final = (abi.CID_USER + 18, 0)
_AUTOS: Final[dict[int, tuple[tuple[int, int], ...]]] = {
    abi.CID_CAMERA + 2: (_AUTO_EXPOSURE,),  # exposure time
    abi.CID_CAMERA + 10: ((abi.CID_CAMERA + 12, 0),),  # focus
    abi.CID_CAMERA + 23: ((abi.CID_CAMERA + 24, 0),),  # ISO sensitivity
    abi.CID_USER: ((abi.CID_USER + 32, 0),),  # brightness
    abi.CID_USER + 3: ((abi.CID_USER + 25, 0),),  # hue
    abi.CID_USER + 14: (_AUTO_WHITE_BALANCE,),  # red balance
    abi.CID_USER + 15: (_AUTO_WHITE_BALANCE,),  # blue balance
    abi.CID_USER + 17: (_AUTO_EXPOSURE, _AUTO_GAIN),  # exposure of older drivers
    abi.CID_USER + 19: (_AUTO_GAIN, _AUTO_EXPOSURE),  # gain
    abi.CID_USER + 26: (_AUTO_WHITE_BALANCE,),  # white balance temperature
}
"""By control: the automatic controls that replace it, and the value that switches each off."""
AUTOMATIC: Final = frozenset(number for autos in _AUTOS.values() for number, _ in autos)
"""The numbers of the automatic controls. They are set before the controls that they deactivate."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control and its current value, for a boolean 0 or 1.

    ``menu`` holds the choices of a menu by value, otherwise it is None. A control that is not ``active`` has no effect while an
    automatic control replaces it: ``activate`` is the setting (``auto_exposure=1``) that ends that, None if unknown.
    """

    id: int
    key: str
    name: str
    type: Literal["integer", "boolean", "menu"]
    minimum: int
    maximum: int
    step: int
    default: int
    value: int
    menu: Mapping[int, str] | None
    active: bool
    read_only: bool
    wide: bool
    """Whether the value has 64 bits."""
    activate: str | None = None

    def text(self, value: int) -> str:
        """Return a value for people: the name of a menu's choice, ``on`` and ``off`` for a boolean."""
        if self.menu is not None:
            return self.menu.get(value, str(value))
        return ("on" if value else "off") if self.type == "boolean" else str(value)

    def parse(self, given: object) -> int:
        """Return the value for what the user gave: a number, ``on`` or ``off``, the name of a choice, or ``default``.

        Raises :class:`~livebg.errors.ConfigError` if the control does not have it, with the values that it has.
        """
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        text = str(int(given) if isinstance(given, bool) else given).strip()
        number = {"default": self.default}.get(text.lower(), self._number(text))
        if number is None or not self._has(number):
            raise ConfigError(f"Invalid value {text[:_MAX_SHOWN]!r} for {self.key}.", f"Use {self._choices()}.")
        return number

    def _number(self, text: str) -> int | None:
        if self.type == "boolean":
            return _SWITCHES.get(text.lower())
        if re.fullmatch(r"[+-]?[0-9]{1,19}", text):
            return int(text)
        return {name.casefold(): value for value, name in (self.menu or {}).items()}.get(text.casefold())

    def _has(self, value: int) -> bool:
        return value in self.menu if self.menu is not None else self.minimum <= value <= self.maximum

    def _choices(self) -> str:
        if self.menu is not None:
            return "one of " + ", ".join(f"{value} ({name})" for value, name in self.menu.items())
        if self.type == "boolean":
            return "0 or 1"
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.minimum} to {self.maximum}{steps}; the default is {self.default}"


def read_controls(fd: int, kernel: Syscalls) -> dict[str, Control]:
    """Return the user and camera controls of an open device by key, in the driver's order.

    Controls that cannot be read are left out. Raises ``OSError`` if the device is gone.
    """
    found: dict[str, Control] = {}
    for query in _queries(fd, kernel):
        key = "_".join(re.findall("[a-z0-9]+", printable(query.name).lower()))
        value = _read_value(fd, kernel, query)
        if key and value is not None:
            found.setdefault(key, _control(fd, kernel, query, key, value))
    by_id = {control.id: control for control in found.values()}
    return {key: control if control.active else _with_activation(control, by_id) for key, control in found.items()}


def find_control(controls: Mapping[str, Control], key: str) -> Control:
    """Return the control ``key``. Raises :class:`~livebg.errors.ConfigError`, with the closest key, if there is none."""
    if key in controls:
        return controls[key]
    near = difflib.get_close_matches(key[:_MAX_SHOWN], controls, 1)
    hint = f"Did you mean {near[0]}?" if near else "`livebg camera list` lists all."
    raise ConfigError(f"The camera has no control {key[:_MAX_SHOWN]!r}.", hint)


def check_settable(control: Control, controls: Mapping[str, Control]) -> None:
    """Raise :class:`~livebg.errors.ConfigError` if the control cannot be set now, with what deactivates it."""
    if control.read_only:
        raise ConfigError(f"{control.key} is read-only.", "Set another control.")
    if control.active:
        return
    if control.activate is None:
        raise ConfigError(f"{control.key} is inactive.", "Switch off the automatic mode that replaces it.")
    auto = controls[control.activate.partition("=")[0]]
    raise ConfigError(
        f"{control.key} is inactive because {auto.key} is {auto.text(auto.value)}.",
        f"Set {control.activate} first.",
    )


def write_control(fd: int, kernel: Syscalls, control: Control, value: int) -> None:
    """Set a control. Drivers round the value to the control's step. Raises ``OSError``."""
    entry = abi.ControlValue(id=control.id)
    if control.wide:
        entry.value64 = value
    else:
        entry.value = value
    _exchange(fd, kernel, abi.S_EXT_CTRLS, entry)


def _queries(fd: int, kernel: Syscalls) -> Iterator[abi.QueryControl]:
    last = 0
    for _ in range(_MAX_CONTROLS):
        query = abi.QueryControl(id=last | abi.CTRL_FLAG_NEXT_CTRL)
        if not kernel.try_ioctl(fd, abi.QUERY_EXT_CTRL, query) or query.id <= last:
            return
        last = query.id
        if query.id & abi.CTRL_CLASS_MASK in _CLASSES and query.type in _TYPES and not query.flags & _SKIPPED:
            yield query


def _control(fd: int, kernel: Syscalls, query: abi.QueryControl, key: str, value: int) -> Control:
    kind = _TYPES[query.type]
    return Control(
        id=query.id,
        key=key,
        name=printable(query.name),
        type=kind,
        minimum=query.minimum,
        maximum=query.maximum,
        step=query.step,
        default=query.default_value,
        value=value,
        menu=_menu(fd, kernel, query) if kind == "menu" else None,
        active=not query.flags & (abi.CTRL_FLAG_INACTIVE | abi.CTRL_FLAG_READ_ONLY | abi.CTRL_FLAG_GRABBED),
        read_only=bool(query.flags & abi.CTRL_FLAG_READ_ONLY),
        wide=query.type == abi.CTRL_TYPE_INTEGER64,
    )


def _menu(fd: int, kernel: Syscalls, query: abi.QueryControl) -> dict[int, str]:
    """Return the choices of a menu by value; drivers leave some out."""
    found = {}
    for index in range(max(query.minimum, 0), min(query.maximum, query.minimum + _MAX_MENU) + 1):
        item = abi.MenuItem(id=query.id, index=index)
        if kernel.try_ioctl(fd, abi.QUERYMENU, item):
            found[index] = str(item.value) if query.type == abi.CTRL_TYPE_INTEGER_MENU else printable(item.name)
    return found


def _read_value(fd: int, kernel: Syscalls, query: abi.QueryControl) -> int | None:
    entry = abi.ControlValue(id=query.id)
    try:
        _exchange(fd, kernel, abi.G_EXT_CTRLS, entry)
    except OSError as error:
        if error.errno in _GONE:
            raise
        return None  # some cameras announce controls that they do not have
    return entry.value64 if query.type == abi.CTRL_TYPE_INTEGER64 else entry.value


def _exchange(fd: int, kernel: Syscalls, request: int, entry: abi.ControlValue) -> None:
    """Read or write one value; ``entry`` receives the driver's answer."""
    entries = (abi.ControlValue * 1)(entry)
    kernel.ioctl(fd, request, abi.ControlValues(count=1, controls=entries))
    entry.value64 = entries[0].value64


def _with_activation(control: Control, by_id: Mapping[int, Control]) -> Control:
    for number, off in _AUTOS.get(control.id, ()):
        auto = by_id.get(number)
        if auto is not None and auto.value != off:
            return replace(control, activate=f"{auto.key}={off}")
    return control
