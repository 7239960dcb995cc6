"""All that setup will write and run, so that it can be shown before anything is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.setup.device import DeviceStep, device_step, require_module, taken_numbers
from livebg.setup.modprobe_options import FILE, MODULE, configured, options_line, with_livebg
from livebg.setup.resources import AUTOSTART, carried, desktop_entry, service_unit, tray_entry
from livebg.setup.target import Machine

UNIT: Final = "livebg.service"
_LOAD_FILE: Final = "/etc/modules-load.d/livebg.conf"
_SIGNED: Final = "# Written by `livebg setup`; `livebg setup --undo` takes it away.\n"
_ICONS: Final = {"scalable/apps/livebg.svg": "livebg.svg", "symbolic/apps/livebg-symbolic.svg": "livebg-symbolic.svg"}


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that will hold ``after``. ``before`` is what it holds, None where there is none."""

    path: Path
    as_root: bool
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done; files that are right already are not in it."""

    files: tuple[FileChange, ...]
    device: DeviceStep
    service: bool
    """Whether the service is to be enabled and started."""
    look_again: bool
    """Whether WirePlumber is to look at the cameras anew: it has seen a new device before anybody wrote to it, and looks once."""
    remarks: tuple[str, ...]
    """What people should know beforehand, a sentence each."""
    anew: bool = False
    """Whether a service that runs has to begin anew for what is written beside its unit."""

    @property
    def needs_root(self) -> bool:
        return bool(self.device.make) or any(file.as_root for file in self.files)

    @property
    def user_commands(self) -> tuple[tuple[str, ...], ...]:
        """What is run as the user in the end, in this order."""
        return tuple(self._user_commands())

    @property
    def courtesies(self) -> tuple[tuple[str, ...], ...]:
        """What is run as the user after that, and may fail."""
        return (("systemctl", "--user", "try-restart", "wireplumber.service"),) if self.look_again else ()

    def _user_commands(self) -> Iterator[tuple[str, ...]]:
        if not self.service:
            return
        renewed = any(file.path.name == UNIT for file in self.files)
        if renewed:
            yield ("systemctl", "--user", "daemon-reload")
        yield ("systemctl", "--user", "enable", UNIT)
        if not self.device.hindrance:
            yield ("systemctl", "--user", "restart" if renewed or self.anew or self.device.make else "start", UNIT)


def make_plan(machine: Machine, label: str, service: bool) -> Plan:
    """What a machine lacks for the camera ``label``, and with ``service`` for the user service too.

    Changes nothing. Raises :class:`~livebg.errors.SetupError` when the kernel's module is not installed, when there is no room
    for one more device, or when ``label`` cannot be one's name.
    """
    require_module(machine)
    own = machine.path(FILE)
    others = configured(machine, besides=own)
    wanted = others.devices
    devices = with_livebg(wanted, label, taken_numbers(machine, label))
    remarks = []
    if others.files:
        names = " and ".join(str(path) for path in others.files)
        remarks.append(f"{names} stays as it is; its devices are in livebg's line as well, since only the last line counts")
    step = device_step(machine, label, devices)
    if step.hindrance:
        remarks.append(step.hindrance)
    service = with_systemd(machine, service, remarks)
    root_files = {machine.path(_LOAD_FILE): f"{_SIGNED}{MODULE}\n", own: _modprobe_text(options_line(devices), others.files)}
    changes = [*_changes(root_files, as_root=True), *user_changes(machine, service)]
    look_again = bool(step.make) and service and machine.commands.find("wireplumber")
    return Plan(tuple(changes), step, service, look_again, tuple(remarks))


def with_systemd(machine: Machine, service: bool, remarks: list[str]) -> bool:
    """Whether there will be a service, as it is wanted and can be; what keeps it from being is added to the remarks."""
    if service and not machine.has_systemd:
        remarks.append("no systemd runs here, so there is no service: start the camera with `livebg run`")
        return False
    return service


def user_changes(machine: Machine, service: bool) -> tuple[FileChange, ...]:
    """What is written as the user for any camera."""
    return tuple(_changes(_user_files(machine, service), as_root=False))


def _modprobe_text(line: str, others: tuple[Path, ...]) -> str:
    names = ", ".join(path.name for path in others)
    why = (
        f"# Its name makes it the last to be read, and the last line counts: it holds the devices of {names} too.\n"
        if others
        else ""
    )
    return f"{_SIGNED}{why}{line}\n"


def _user_files(machine: Machine, service: bool) -> dict[Path, str]:
    files = {machine.units / UNIT: service_unit(machine.command)} if service else {}
    files[machine.data / "applications" / "livebg.desktop"] = desktop_entry(machine.command)
    if service:  # who does without the service starts livebg himself, and so he does the icon
        files[machine.config / AUTOSTART] = tray_entry(machine.command)
    return files | {machine.data / "icons" / "hicolor" / place: carried(name) for place, name in _ICONS.items()}


def _changes(files: dict[Path, str], as_root: bool) -> Iterator[FileChange]:
    for path, text in files.items():
        before = path.read_bytes() if path.is_file() else None
        after = text.encode("utf-8", "surrogateescape")
        if before != after:
            yield FileChange(path, as_root, before, after)
