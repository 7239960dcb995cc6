"""Plans all files and commands of setup, so that they can be shown before anything is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.setup.device import DeviceStep, device_step, require_module, taken_numbers
from livebg.setup.modprobe_options import FILE, MODULE, add_livebg, configured, options_line
from livebg.setup.resources import AUTOSTART, desktop_entry, packaged_text, service_unit, tray_entry
from livebg.setup.target import Machine

UNIT: Final = "livebg.service"
_LOAD_FILE: Final = "/etc/modules-load.d/livebg.conf"
_HEADER: Final = "# Written by `livebg setup`. To remove it, run `livebg setup --undo`.\n"
_ICONS: Final = {"scalable/apps/livebg.svg": "livebg.svg", "symbolic/apps/livebg-symbolic.svg": "livebg-symbolic.svg"}


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file to write. ``after`` is the new content, ``before`` the current one, None if it does not exist."""

    path: Path
    as_root: bool
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps to apply. Files that are already up to date are left out."""

    files: tuple[FileChange, ...]
    device: DeviceStep
    service: bool
    """Whether to enable and start the service."""
    restart_wireplumber: bool
    """Whether to restart WirePlumber: it probes a device only once, and has probed the new one before its first frame."""
    notes: tuple[str, ...]
    """Notes to show beforehand, one sentence each."""
    restart_service: bool = False
    """Whether to restart a running service because of changes outside its unit file."""

    @property
    def needs_root(self) -> bool:
        """Whether any step needs root."""
        return bool(self.device.create) or any(file.as_root for file in self.files)

    @property
    def user_commands(self) -> tuple[tuple[str, ...], ...]:
        """Commands to run as the user after all files are written, in this order."""
        return tuple(self._user_commands())

    @property
    def best_effort_commands(self) -> tuple[tuple[str, ...], ...]:
        """Commands to run as the user after that; they may fail."""
        return (("systemctl", "--user", "try-restart", "wireplumber.service"),) if self.restart_wireplumber else ()

    def _user_commands(self) -> Iterator[tuple[str, ...]]:
        if not self.service:
            return
        unit_changed = any(file.path.name == UNIT for file in self.files)
        if unit_changed:
            yield ("systemctl", "--user", "daemon-reload")
        yield ("systemctl", "--user", "enable", UNIT)
        if not self.device.blocked_by:
            yield (
                "systemctl",
                "--user",
                "restart" if unit_changed or self.restart_service or self.device.create else "start",
                UNIT,
            )


def make_plan(machine: Machine, label: str, service: bool) -> Plan:
    """Plan the missing steps for the camera ``label`` and, with ``service``, for the user service.

    Changes nothing. Raises :class:`~livebg.errors.SetupError` if the kernel module is not installed, there are too many devices,
    or ``label`` is invalid.
    """
    require_module(machine)
    own = machine.path(FILE)
    others = configured(machine, besides=own)
    wanted = others.devices
    devices = add_livebg(wanted, label, taken_numbers(machine, label))
    remarks = []
    if others.files:
        names = " and ".join(str(path) for path in others.files)
        remarks.append(f"{names} stays unchanged. livebg's line includes its devices, because only the last line takes effect.")
    step = device_step(machine, label, devices)
    if step.blocked_by:
        remarks.append(step.blocked_by)
    service = with_systemd(machine, service, remarks)
    root_files = {machine.path(_LOAD_FILE): f"{_HEADER}{MODULE}\n", own: _modprobe_text(options_line(devices), others.files)}
    changes = [*_changes(root_files, as_root=True), *user_changes(machine, service)]
    look_again = bool(step.create) and service and machine.commands.find("wireplumber")
    return Plan(tuple(changes), step, service, look_again, tuple(remarks))


def with_systemd(machine: Machine, service: bool, remarks: list[str]) -> bool:
    """Return whether to install the service. If systemd is missing, add a note to ``notes``."""
    if service and not machine.has_systemd:
        remarks.append("systemd is not running, so no service is installed. Start the camera with `livebg run`.")
        return False
    return service


def user_changes(machine: Machine, service: bool) -> tuple[FileChange, ...]:
    """Return the user's files for any kind of camera."""
    return tuple(_changes(_user_files(machine, service), as_root=False))


def _modprobe_text(line: str, others: tuple[Path, ...]) -> str:
    names = ", ".join(path.name for path in others)
    comment = (
        f"# This file sorts last and only the last line takes effect, so it includes the devices of {names}.\n" if others else ""
    )
    return f"{_HEADER}{comment}{line}\n"


def _user_files(machine: Machine, service: bool) -> dict[Path, str]:
    files = {machine.units / UNIT: service_unit(machine.command)} if service else {}
    files[machine.data / "applications" / "livebg.desktop"] = desktop_entry(machine.command)
    if service:  # without the service, the user starts livebg manually, and so the icon
        files[machine.config / AUTOSTART] = tray_entry(machine.command)
    return files | {machine.data / "icons" / "hicolor" / place: packaged_text(name) for place, name in _ICONS.items()}


def _changes(files: dict[Path, str], as_root: bool) -> Iterator[FileChange]:
    for path, text in files.items():
        before = path.read_bytes() if path.is_file() else None
        after = text.encode("utf-8", "surrogateescape")
        if before != after:
            yield FileChange(path, as_root, before, after)
