"""The options of the kernel module, merged with those that are there already.

``modprobe`` joins the ``options`` lines of all files, in the order of the files' names whatever folder they lie in (tried with
kmod 30), and the kernel takes the last value of each option. Lists are not joined: with OBS's usual ``devices=1 video_nr=10``
read after livebg's line there would be one device, and not livebg's. So livebg's line holds the devices of everybody, and its
file has a name that is read last. The other files stay as they are: taking livebg's away is all that there is to undo.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.errors import SetupError
from livebg.setup.target import Machine

MODULE: Final = "v4l2loopback"
FOLDERS: Final = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
"""Of files with the same name only that in the first of these folders counts."""
FILE: Final = "/etc/modprobe.d/zz-livebg.conf"
HIGHEST: Final = 63
"""Firefox looks for cameras up to this number."""
_PREFERRED: Final = 42
_MOST: Final = 8
"""Devices that the module makes at most."""
_LONGEST_LABEL: Final = 31
_OF_DEVICES: Final = ("devices", "video_nr", "card_label", "exclusive_caps")
_TRUE: Final = ("1", "y", "Y", "t", "T", "on")


@dataclass(frozen=True, slots=True)
class Loopback:
    """One device of the module. ``number`` is None where the kernel chooses, ``label`` empty where the module does."""

    number: int | None
    label: str
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Configured:
    """What files other than livebg's own say of the module: their paths, and the devices that come of it."""

    files: tuple[Path, ...]
    devices: tuple[Loopback, ...]


def configured(machine: Machine, besides: Path) -> Configured:
    """What is configured already in files other than ``besides``."""
    said: dict[str, str] = {}
    files = []
    for path in _files(machine):
        options = list(_options(_text(path))) if path != besides else []
        if options:
            files.append(path)
            said |= dict(options)
    return Configured(tuple(files), tuple(_devices(said)) if said.keys() & set(_OF_DEVICES) else ())


def with_livebg(devices: Iterable[Loopback], label: str, taken: Iterable[int]) -> tuple[Loopback, ...]:
    """All devices, livebg's own among them: where one has its label it becomes livebg's, else it comes last.

    ``taken`` are numbers that others have. Raises :class:`~livebg.errors.SetupError` when there is no room, or for a label that
    cannot be a device's.
    """
    if len(label.encode()) > _LONGEST_LABEL or set(label) & set(',"\\\n') or not label.strip():
        raise SetupError(
            f"a loopback device cannot be called {label!r} (output.label): use up to 31 letters, without commas or quotes"
        )
    devices = list(devices)
    own = next((place for place, device in enumerate(devices) if _plain(device.label) == label), len(devices))
    if own >= _MOST:
        raise SetupError(
            f"{len(devices)} loopback devices are configured, and v4l2loopback makes {_MOST} at most: remove one of them"
        )
    others = {device.number for place, device in enumerate(devices) if place != own} | set(taken)
    wanted = devices[own].number if own < len(devices) else None
    devices[own:] = [Loopback(_free(wanted, others), label, True), *devices[own + 1 :]]
    return tuple(devices)


def options_line(devices: Iterable[Loopback]) -> str:
    """The line for modprobe. One pair of quotes goes around all labels: the kernel would take more for a part of them."""
    devices = list(devices)
    numbers = ",".join(str(-1 if device.number is None else device.number) for device in devices)
    exclusive = ",".join(str(int(device.exclusive)) for device in devices)
    labels = ",".join(device.label for device in devices)
    return f'options {MODULE} devices={len(devices)} video_nr={numbers} card_label="{labels}" exclusive_caps={exclusive}'


def _free(wanted: int | None, others: Iterable[int | None]) -> int:
    numbers = [*([wanted] if wanted is not None else []), *range(_PREFERRED, HIGHEST + 1), *range(_PREFERRED)]
    free: int | None = next((number for number in numbers if number <= HIGHEST and number not in others), None)
    if free is None:
        raise SetupError(f"all numbers for cameras up to {HIGHEST} are taken: remove some loopback devices")
    return free


def _files(machine: Machine) -> list[Path]:
    """In the order in which modprobe reads them."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in machine.path(folder).glob("*.conf"):
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:  # a folder, or not for this user's eyes: modprobe's business
        return ""


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Names and values that a file gives to the module's options."""
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split(maxsplit=2)
        if len(words) == 3 and words[0] == "options" and words[1].replace("-", "_") == MODULE:
            for match in re.finditer(r'(?:[^\s"]|"[^"]*"?)+', words[2]):
                name, equals, value = match[0].strip('"').partition("=") if match[0][0] == '"' else match[0].partition("=")
                yield name, _unquoted(value) if equals else ""


def _unquoted(value: str) -> str:
    """As the kernel does it: a quote at the beginning goes, and with it one at the end, but none between."""
    return value[1:].removesuffix('"') if value.startswith('"') else value


def _devices(said: Mapping[str, str]) -> Iterator[Loopback]:
    numbers = [_number(text) for text in _list(said, "video_nr")]
    labels, exclusive = _list(said, "card_label"), _list(said, "exclusive_caps")
    count = _number(said.get("devices", ""))
    if count is None:  # as the module counts: up to the last device with a number, one if there is none
        count = max((place for place, number in enumerate(numbers, 1) if number is not None), default=1)
    for place in range(min(count, _MOST)):
        yield Loopback(
            numbers[place] if place < len(numbers) else None,
            labels[place] if place < len(labels) else "",
            place < len(exclusive) and exclusive[place] in _TRUE,
        )


def _list(said: Mapping[str, str], name: str) -> list[str]:
    return said[name].split(",") if name in said else []


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _plain(label: str) -> str:
    return label.strip('" ')
