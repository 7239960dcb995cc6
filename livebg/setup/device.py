"""What gives the camera now, without waiting for the machine's next start."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from livebg.errors import SetupError
from livebg.setup.modprobe_options import MODULE, Loopback
from livebg.setup.target import Machine
from livebg.system.distribution import install_module
from livebg.system.host import Host

_RELOAD = f"modprobe -r {MODULE} && modprobe {MODULE}"


@dataclass(frozen=True, slots=True)
class DeviceStep:
    """What root runs to make the device, and what takes it away again; both empty where there is nothing to do.

    ``hindrance`` says, in a sentence for people, why the device cannot be there before the machine's next start.
    """

    make: str = ""
    unmake: str = ""
    hindrance: str = ""


def require_module(machine: Machine) -> None:
    """Raises :class:`~livebg.errors.SetupError` with the command to run where the kernel's module is not installed."""
    index = machine.path(f"/lib/modules/{machine.release}/modules.dep")
    installed = index.is_file() and re.search(rf"(^|/){MODULE}\.ko", index.read_text(errors="replace"), re.MULTILINE)
    if not installed and not loaded(machine):
        how = install_module(Host(root=machine.root, release=machine.release))
        said = f"run `{how}`" if how.startswith("sudo") else how
        raise SetupError(
            f"the kernel module {MODULE} is not installed for the kernel {machine.release}: {said}, then livebg setup again"
        )


def taken_numbers(machine: Machine, label: str) -> set[int]:
    """Numbers of the video devices that there are, but for those called ``label``."""
    found = {_number(entry): _label(entry) for entry in machine.path("/sys/class/video4linux").glob("video*")}
    nodes = {_number(entry) for entry in machine.path("/dev").glob("video*")}
    return {number for number in found.keys() | nodes if number is not None and found.get(number) != label}


def device_step(machine: Machine, label: str, devices: Iterable[Loopback]) -> DeviceStep:
    """How the device called ``label`` comes into being now; ``devices`` are those that the module makes when it is loaded anew.

    A module that somebody uses is never unloaded.
    """
    if not loaded(machine):
        return DeviceStep(f"modprobe {MODULE}", f"modprobe -r {MODULE}")
    there = {_number(entry): _label(entry) for entry in machine.path("/sys/devices/virtual/video4linux").glob("video*")}
    if label in there.values():
        return DeviceStep()
    devices = list(devices)
    if machine.path(f"/dev/{MODULE}").exists() and machine.commands.find("v4l2loopback-ctl"):
        number = next(device.number for device in devices if device.label == label)
        node = f"/dev/video{number}"
        return DeviceStep(f"v4l2loopback-ctl add -n {shlex.quote(label)} -x 1 {node}", f"v4l2loopback-ctl delete {node}")
    if _unused(machine) and set(there.values()) <= {device.label for device in devices}:
        return DeviceStep(_RELOAD, _RELOAD)
    return DeviceStep(
        hindrance=f"{MODULE} is loaded without a camera called {label}, and its devices are in use or would be lost: start the "
        f"machine anew, or close what uses them and run `sudo sh -c '{_RELOAD}'`, then livebg setup again"
    )


def loaded(machine: Machine) -> bool:
    """Whether the kernel has the module at the moment."""
    return machine.path(f"/sys/module/{MODULE}").is_dir()


def _unused(machine: Machine) -> bool:
    """Only a count of 0 says so: a kernel that cannot unload modules has none."""
    count = machine.path(f"/sys/module/{MODULE}/refcnt")
    return count.is_file() and count.read_text().strip() == "0"


def _number(entry: Path) -> int | None:
    digits = entry.name.removeprefix("video")
    return int(digits) if digits.isdigit() else None


def _label(entry: Path) -> str:
    name = entry / "name"
    return name.read_text(errors="replace").strip() if name.is_file() else ""
