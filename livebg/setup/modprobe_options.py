"""Merges livebg's options for the kernel module with existing ones.

``modprobe`` joins the ``options`` lines of all files in the order of their file names, regardless of the folder (tested with
kmod 30), and the kernel uses the last value of each option. Lists are not merged: if OBS's usual ``devices=1 video_nr=10`` came
after livebg's line, there would be one device, and not livebg's. So livebg's line contains the devices of all files, and its file
name sorts last. Other files stay unchanged, so removing livebg's file undoes everything.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.errors import SetupError
from livebg.setup.target import Machine

MODULE: Final = "v4l2loopback"
FOLDERS: Final = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
"""In order of precedence: a file hides files of the same name in later folders."""
FILE: Final = "/etc/modprobe.d/zz-livebg.conf"
MAX_DEVICE_NUMBER: Final = 63
"""Highest device number that Firefox checks for cameras."""
_PREFERRED_NUMBER: Final = 42
_MAX_DEVICES: Final = 8
"""Maximum number of devices that the module creates."""
_MAX_LABEL_BYTES: Final = 31
_DEVICE_OPTIONS: Final = ("devices", "video_nr", "card_label", "exclusive_caps")
_TRUE: Final = ("1", "y", "Y", "t", "T", "on")


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """A device of the module. ``number`` is None if the kernel chooses it, ``label`` is empty if the module chooses it."""

    number: int | None
    label: str
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Configured:
    """Existing configuration of the module: paths of the files other than livebg's, and the resulting devices."""

    files: tuple[Path, ...]
    devices: tuple[DeviceOptions, ...]


def configured(machine: Machine, besides: Path) -> Configured:
    """Return the configuration in all files other than ``besides``."""
    merged: dict[str, str] = {}
    files = []
    for path in _files(machine):
        options = list(_options(path)) if path != besides else []
        if options:
            files.append(path)
            merged |= dict(options)
    return Configured(tuple(files), tuple(_devices(merged)) if merged.keys() & set(_DEVICE_OPTIONS) else ())


def add_livebg(devices: Iterable[DeviceOptions], label: str, taken: Iterable[int]) -> tuple[DeviceOptions, ...]:
    """Return all devices including livebg's. A device with its label is reused, otherwise livebg's is appended.

    ``taken`` are numbers used by other devices. Raises :class:`~livebg.errors.SetupError` if there are too many devices or the
    label is invalid.
    """
    if len(label.encode()) > _MAX_LABEL_BYTES or set(label) & set(',"\\\n') or not label.strip():
        raise SetupError(
            f"Invalid name {label!r} for a loopback device (output.label).", "Use at most 31 bytes, without commas or quotes."
        )
    devices = list(devices)
    own = next((place for place, device in enumerate(devices) if device.label.strip('" ') == label), len(devices))
    if own >= _MAX_DEVICES:
        raise SetupError(
            f"{len(devices)} loopback devices are configured, but v4l2loopback supports at most {_MAX_DEVICES}.", "Remove one."
        )
    others = {device.number for place, device in enumerate(devices) if place != own} | set(taken)
    wanted = devices[own].number if own < len(devices) else None
    devices[own:] = [DeviceOptions(_free_number(wanted, others), label, True), *devices[own + 1 :]]
    return tuple(devices)


def options_line(devices: Iterable[DeviceOptions]) -> str:
    """Return the options line for modprobe. One pair of quotes encloses all labels; the kernel keeps further quotes."""
    devices = list(devices)
    numbers = ",".join(str(-1 if device.number is None else device.number) for device in devices)
    exclusive = ",".join(str(int(device.exclusive)) for device in devices)
    labels = ",".join(device.label for device in devices)
    return f'options {MODULE} devices={len(devices)} video_nr={numbers} card_label="{labels}" exclusive_caps={exclusive}'


def _free_number(wanted: int | None, others: Container[int | None]) -> int:
    numbers: tuple[int | None, ...] = (wanted, *range(_PREFERRED_NUMBER, MAX_DEVICE_NUMBER + 1), *range(_PREFERRED_NUMBER))
    for number in numbers:
        if number is not None and number <= MAX_DEVICE_NUMBER and number not in others:
            return number
    raise SetupError(f"All camera numbers up to {MAX_DEVICE_NUMBER} are taken.", "Remove some loopback devices.")


def _files(machine: Machine) -> list[Path]:
    """Return the files in the order in which modprobe reads them."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in machine.path(folder).glob("*.conf"):
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def _options(path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and value of the module's options in a file."""
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except OSError:  # a folder, or unreadable for this user
        return
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split(maxsplit=2)
        if len(words) == 3 and words[0] == "options" and words[1].replace("-", "_") == MODULE:
            for match in re.finditer(r'(?:[^\s"]|"[^"]*"?)+', words[2]):
                name, _, value = match[0].strip('"').partition("=") if match[0][0] == '"' else match[0].partition("=")
                # Like the kernel: strip a leading quote and then a trailing one, but none in between.
                yield name, value[1:].removesuffix('"') if value.startswith('"') else value


def _devices(options: Mapping[str, str]) -> Iterator[DeviceOptions]:
    numbers = [_number(text) for text in _list(options, "video_nr")]
    labels, exclusive = _list(options, "card_label"), _list(options, "exclusive_caps")
    count = _number(options.get("devices", ""))
    if count is None:  # like the module: up to the last device with a number, at least one
        count = max((place for place, number in enumerate(numbers, 1) if number is not None), default=1)
    for place in range(min(count, _MAX_DEVICES)):
        yield DeviceOptions(
            numbers[place] if place < len(numbers) else None,
            labels[place] if place < len(labels) else "",
            place < len(exclusive) and exclusive[place] in _TRUE,
        )


def _list(options: Mapping[str, str], name: str) -> list[str]:
    return options[name].split(",") if name in options else []


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
