"""The kernel module v4l2loopback: merges livebg's options with existing ones, and creates the device without a reboot.

``modprobe`` joins the ``options`` lines of all files in the order of their file names, regardless of the folder (tested with
kmod 30), and the kernel uses the last value of each option. Lists are not merged: if OBS's usual ``devices=1 video_nr=10`` came
after livebg's line, there would be one device, and not livebg's. So livebg's line contains the devices of all files, and its file
name sorts last. Other files stay unchanged, so removing livebg's file undoes everything.
"""

import re
import shlex
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.errors import SetupError
from livebg.setup.target import Machine
from livebg.system.host import Host, install_module

MODULE: Final = "v4l2loopback"
_RELOAD: Final = f"modprobe -r {MODULE} && modprobe {MODULE}"
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


def configured(host: Host, besides: Collection[Path] = ()) -> Configured:
    """Return the configuration in all files other than ``besides``."""
    merged: dict[str, str] = {}
    files = []
    for path in _files(host):
        options = list(_options(path)) if path not in besides else []
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


def _files(host: Host) -> list[Path]:
    """Return the files in the order in which modprobe reads them."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in host.path(folder).glob("*.conf"):
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


@dataclass(frozen=True, slots=True)
class DeviceStep:
    """Shell commands for root that create (``create``) and remove (``remove``) the device; both empty if nothing is to do.

    ``blocked_by`` is a sentence that explains why the device cannot exist before the next reboot.
    """

    create: str = ""
    remove: str = ""
    blocked_by: str = ""


def require_module(machine: Machine) -> None:
    """Raise :class:`~livebg.errors.SetupError` with the install command if the kernel module is not installed."""
    index = machine.path(f"/lib/modules/{machine.release}/modules.dep")
    installed = index.is_file() and re.search(rf"(^|/){MODULE}\.ko", index.read_text(errors="replace"), re.MULTILINE)
    if not installed and not loaded(machine):
        how = install_module(machine)
        advice = f"Run `{how}`" if how.startswith("sudo") else how
        raise SetupError(
            f"The kernel module {MODULE} is not installed for kernel {machine.release}. {advice}, then run livebg setup again."
        )


def taken_numbers(machine: Machine, label: str) -> set[int]:
    """Return the numbers of all video devices other than those with ``label``."""
    found, nodes = _labels(machine.path("/sys/class/video4linux")), _labels(machine.path("/dev"))
    return {number for number in found.keys() | nodes.keys() if number is not None and found.get(number) != label}


def device_step(machine: Machine, label: str, devices: Iterable[DeviceOptions]) -> DeviceStep:
    """Return the step that creates the device ``label`` now. ``devices`` are those that the module creates when reloaded.

    A module in use is never unloaded.
    """
    if not loaded(machine):
        return DeviceStep(f"modprobe {MODULE}", f"modprobe -r {MODULE}")
    present = _labels(machine.path("/sys/devices/virtual/video4linux"))
    if label in present.values():
        return DeviceStep()
    devices = list(devices)
    if machine.path(f"/dev/{MODULE}").exists() and machine.commands.find("v4l2loopback-ctl"):
        number = next(device.number for device in devices if device.label == label)
        node = f"/dev/video{number}"
        return DeviceStep(f"v4l2loopback-ctl add -n {shlex.quote(label)} -x 1 {node}", f"v4l2loopback-ctl delete {node}")
    references = machine.path(f"/sys/module/{MODULE}/refcnt")  # missing if the kernel cannot unload modules
    unused = references.is_file() and references.read_text().strip() == "0"
    if unused and set(present.values()) <= {device.label for device in devices}:
        return DeviceStep(_RELOAD, _RELOAD)
    return DeviceStep(
        blocked_by=f"{MODULE} is loaded without a camera named {label}, and its devices are in use or would be lost. Reboot, or "
        f"close the programs that use them and run `sudo sh -c '{_RELOAD}'`, then run livebg setup again."
    )


def loaded(host: Host) -> bool:
    """Return whether the kernel module is loaded."""
    return host.path(f"/sys/module/{MODULE}").is_dir()


def _labels(folder: Path) -> dict[int | None, str]:
    """Return the labels of the video devices in a folder by their numbers; empty if unknown."""
    names = {_number(entry.name.removeprefix("video")): entry / "name" for entry in folder.glob("video*")}
    return {number: name.read_text(errors="replace").strip() if name.is_file() else "" for number, name in names.items()}
