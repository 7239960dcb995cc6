"""Finds the step that creates the virtual camera without a reboot."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from livebg.errors import SetupError
from livebg.setup.modprobe_options import MODULE, DeviceOptions
from livebg.setup.target import Machine
from livebg.system.distribution import install_module
from livebg.system.host import Host

_RELOAD = f"modprobe -r {MODULE} && modprobe {MODULE}"


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
        how = install_module(Host(root=machine.root, release=machine.release))
        advice = f"Run `{how}`" if how.startswith("sudo") else how
        raise SetupError(
            f"The kernel module {MODULE} is not installed for kernel {machine.release}. {advice}, then run livebg setup again."
        )


def taken_numbers(machine: Machine, label: str) -> set[int]:
    """Return the numbers of all video devices other than those with ``label``."""
    found = {_number(entry): _label(entry) for entry in machine.path("/sys/class/video4linux").glob("video*")}
    nodes = {_number(entry) for entry in machine.path("/dev").glob("video*")}
    return {number for number in found.keys() | nodes if number is not None and found.get(number) != label}


def device_step(machine: Machine, label: str, devices: Iterable[DeviceOptions]) -> DeviceStep:
    """Return the step that creates the device ``label`` now. ``devices`` are those that the module creates when reloaded.

    A module in use is never unloaded.
    """
    if not loaded(machine):
        return DeviceStep(f"modprobe {MODULE}", f"modprobe -r {MODULE}")
    present = {_number(entry): _label(entry) for entry in machine.path("/sys/devices/virtual/video4linux").glob("video*")}
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


def loaded(machine: Machine) -> bool:
    """Whether the kernel module is loaded."""
    return machine.path(f"/sys/module/{MODULE}").is_dir()


def _number(entry: Path) -> int | None:
    digits = entry.name.removeprefix("video")
    return int(digits) if digits.isdigit() else None


def _label(entry: Path) -> str:
    name = entry / "name"
    return name.read_text(errors="replace").strip() if name.is_file() else ""
