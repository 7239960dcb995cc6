"""Plans all files and commands of setup, so that they can be shown before anything is done."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import tomlkit
import tomlkit.items

from livebg.errors import SetupError
from livebg.setup.journal import FileChange, Journal, read_journal
from livebg.setup.loopback import (
    FILE,
    MODULE,
    DeviceStep,
    add_livebg,
    configured,
    device_step,
    options_line,
    require_module,
    taken_numbers,
)
from livebg.setup.package import OPTIONS_FILE, is_enabled_for_all, provides_module, without_provided
from livebg.setup.resources import APP_ID, APPLICATION, AUTOSTART, UNIT, desktop_entry, former_path, packaged_text, service_unit
from livebg.setup.target import Machine
from livebg.setup.wireplumber import RESTART, obsolete_rules, rule
from livebg.system import files

_LOAD_FILE: Final = "/etc/modules-load.d/livebg.conf"
_HEADER: Final = "# Written by `livebg setup`. To remove it, run `livebg setup --undo`.\n"
_BYTE_ORDER_MARK: Final = "\ufeff"
_VISIBILITY_NOTE: Final = (
    "Only programs that use PipeWire see this camera: Chromium with chrome://flags/#enable-webrtc-pipewire-camera, Firefox with "
    "media.webrtc.camera.allow-pipewire in about:config, OBS and GNOME apps, but not Zoom or other programs that use /dev/video*."
)


SinkChoice = Literal["pipewire", "both"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps to apply. Files that are already up to date are left out."""

    files: tuple[FileChange, ...]
    obsolete: tuple[FileChange, ...]
    """livebg's files under former names, to undo."""
    device: DeviceStep
    service: bool
    """Whether to enable and start the service."""
    notes: tuple[str, ...]
    """Notes to show beforehand, one sentence each."""
    best_effort_commands: tuple[tuple[str, ...], ...] = ()
    """Commands to run as the user at the end; they may fail."""
    restart_service: bool = False
    """Whether to restart a running service because of changes outside its unit file."""
    enabled_for_all: bool = False
    """Whether a package has enabled the service already, for all users."""

    @property
    def needs_root(self) -> bool:
        """Whether any step needs root."""
        return bool(self.device.create) or any(file.as_root for file in self.files)

    @property
    def changes_nothing(self) -> bool:
        """Whether all files and the device are up to date already."""
        return not (self.files or self.obsolete or self.device.create)

    @property
    def user_commands(self) -> tuple[tuple[str, ...], ...]:
        """Commands to run as the user after all files are written, in this order."""
        if not self.service:
            return ()
        unit_changed = any(file.path.name == UNIT for file in (*self.files, *self.obsolete))
        restart = unit_changed or self.restart_service or self.device.create
        commands = [
            *([("daemon-reload",)] if unit_changed else []),
            *([] if self.enabled_for_all else [("enable", UNIT)]),
            *([] if self.device.blocked_by else [("restart" if restart else "start", UNIT)]),
        ]
        return tuple(("systemctl", "--user", *command) for command in commands)


def make_plan(machine: Machine, label: str, service: bool, both: Path | None = None) -> Plan:
    """Plan the missing steps for the camera ``label`` and, with ``service``, for the user service.

    ``both`` is the configuration file for a PipeWire camera at the same time, None for v4l2loopback alone.

    Changes nothing. Raises :class:`~livebg.errors.SetupError` if the kernel module is not installed, there are too many devices,
    or ``label`` is invalid.
    """
    require_module(machine)
    own = machine.path(FILE)
    others = configured(machine, besides=(own, machine.path(OPTIONS_FILE)))
    devices = add_livebg(others.devices, label, taken_numbers(machine, label))
    step = device_step(machine, label, devices)
    comment, notes = "", [step.blocked_by] if step.blocked_by else []
    if others.files:
        names = ", ".join(path.name for path in others.files)
        comment = f"# This file sorts last and only the last line takes effect, so it includes the devices of {names}.\n"
        paths = " and ".join(map(str, others.files))
        notes.insert(0, f"{paths} stays unchanged. livebg's line includes its devices, because only the last line takes effect.")
    root_files = {} if provides_module(machine) else {machine.path(_LOAD_FILE): f"{_HEADER}{MODULE}\n"}
    if own.exists() or not machine.path(OPTIONS_FILE).is_file() or configured(machine).devices != devices:
        root_files[own] = f"{_HEADER}{comment}{options_line(devices)}\n"
    plan = user_plan(machine, service)
    chosen = _with_pipewire_too(machine, label, both) if both else []
    obsolete = tuple(obsolete_rules(machine, rule(machine, label)[0] if both else None))
    # WirePlumber reads its rules at the start. It probes a device only once, and has probed the new one before its first frame.
    restart = (step.create and plan.service) or obsolete or any(file.path != both for file in chosen)
    return replace(
        plan,
        files=(*_changes(root_files, as_root=True), *chosen, *plan.files),
        obsolete=(*plan.obsolete, *obsolete),
        notes=(*notes, *plan.notes),
        device=step,
        best_effort_commands=(RESTART,) if restart and machine.has_wireplumber else (),
        restart_service=any(file.path == both for file in chosen),
    )


def _with_pipewire_too(machine: Machine, label: str, settings: Path) -> list[FileChange]:
    """Return the changes of the user's files for both cameras. Raises :class:`~livebg.errors.SetupError` without PipeWire."""
    _require_pipewire(machine, "--both")
    path, text = rule(machine, label)
    return [*_backend_change(settings, "both"), *_changes({path: text}, as_root=False)]


def user_plan(machine: Machine, service: bool) -> Plan:
    """Plan the user's files and, with ``service``, the user service, for any kind of camera. Changes nothing."""
    notes = []
    if service and not machine.has_systemd:
        service = False
        notes.append("systemd is not running, so no service is installed. Start the camera with `livebg run`.")
    all_texts = _user_files(machine)
    texts = without_provided(machine, all_texts)
    obsolete = {file.path: file for file in _former_files(machine, all_texts, notes)}
    obsolete |= {file.path: file for file in _replaced_files(machine, all_texts.keys() - texts.keys(), notes)}
    by_service = (machine.units / UNIT, machine.config / AUTOSTART)  # without it, the user starts livebg and the icon manually
    wanted = {path: text for path, text in texts.items() if service or path not in by_service or former_path(path) in obsolete}
    changes, former = tuple(_changes(wanted, as_root=False)), tuple(obsolete.values())
    return Plan(changes, former, DeviceStep(), service, tuple(notes), enabled_for_all=is_enabled_for_all(machine))


def _user_files(machine: Machine) -> dict[Path, str]:
    icons = machine.data / "icons" / "hicolor"
    return {
        machine.units / UNIT: service_unit(machine.command, machine.settings),
        machine.data / "applications" / APPLICATION: desktop_entry(machine.command),
        machine.config / AUTOSTART: desktop_entry(machine.command, AUTOSTART),
        icons / "scalable" / "apps" / f"{APP_ID}.svg": packaged_text(f"{APP_ID}.svg"),
        icons / "symbolic" / "apps" / f"{APP_ID}-symbolic.svg": packaged_text(f"{APP_ID}-symbolic.svg"),
    }


def _former_files(machine: Machine, texts: dict[Path, str], notes: list[str]) -> Iterator[FileChange]:
    """Yield the files that livebg wrote under former names, recorded or not. Those changed since are kept, with a note."""
    journal = read_journal(machine.state) or Journal()
    recorded = {file.path: file for file in journal.files}
    for path, text in texts.items():
        former = former_path(path)
        content = files.read(former) if former != path else None
        written = text.replace(APP_ID, "livebg").encode("utf-8", "surrogateescape")
        file = recorded.get(former) or FileChange(path=former, as_root=False, before=None, after=written)
        if content in (file.after, written):
            yield file
        elif former in recorded and content not in (None, file.before):
            notes.append(f"{former} was changed since setup and is kept. {path} replaces it.")


def _replaced_files(machine: Machine, provided: Iterable[Path], notes: list[str]) -> Iterator[FileChange]:
    """Yield the user's files that setup wrote before a package provided them; they would hide the package's."""
    journal = read_journal(machine.state) or Journal()
    recorded = {file.path: file for file in journal.files}
    for path in sorted(provided):
        content = files.read(path)
        if path in recorded and content == recorded[path].after:
            yield recorded[path]
        elif content is not None:
            notes.append(f"{path} is kept. It replaces the file of the package livebg.")


def _changes(texts: dict[Path, str], as_root: bool) -> Iterator[FileChange]:
    for path, text in texts.items():
        before = files.read(path)
        if before is None and path.exists():  # root's part would write to the device, without an effect or an error
            found = f"a link to {path.readlink()}" if path.is_symlink() else "a folder or a device"
            raise SetupError(f"{path} is {found}, not a file.", "Remove it, then run livebg setup again.")
        after = text.encode("utf-8", "surrogateescape")
        if before != after:
            yield FileChange(path=path, as_root=as_root, before=before, after=after)


def make_pipewire_plan(machine: Machine, settings: Path, service: bool) -> Plan:
    """Plan the missing steps for the camera and, with ``service``, for the user service. ``settings`` is the configuration file.

    Changes nothing. Raises :class:`~livebg.errors.SetupError` if PipeWire is not installed or the file cannot be read.
    """
    _require_pipewire(machine, "--pipewire")
    notes = [_VISIBILITY_NOTE]
    if machine.path(FILE).exists():
        notes.append("The v4l2loopback camera remains, without a picture. To remove it, run `livebg setup --undo` first.")
    changed = _backend_change(settings, "pipewire")
    plan, obsolete = user_plan(machine, service), tuple(obsolete_rules(machine, None))
    return replace(
        plan,
        files=(*changed, *plan.files),
        obsolete=(*plan.obsolete, *obsolete),
        notes=(*notes, *plan.notes),
        best_effort_commands=(RESTART,) if obsolete and machine.has_wireplumber else (),
        restart_service=bool(changed),
    )


def _require_pipewire(machine: Machine, option: str) -> None:
    if not machine.commands.find("pipewire"):
        raise SetupError("PipeWire is not installed.", f"Install pipewire and wireplumber, then run livebg setup {option} again.")


def _backend_change(settings: Path, backend: SinkChoice) -> list[FileChange]:
    before = files.read(settings)
    after = with_backend((before or b"").decode(), backend).encode()
    return [FileChange(path=settings, as_root=False, before=before, after=after)] if before != after else []


def with_backend(text: str, backend: SinkChoice) -> str:
    """Return a configuration with this ``output.backend`` and everything else unchanged, including comments.

    ``text`` must be valid TOML, possibly after a byte order mark; if it has ``output``, that is a table.
    """
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    document = tomlkit.parse(text.removeprefix(mark))
    output = document.setdefault("output", tomlkit.table())
    assert isinstance(output, dict), "the settings have been read, so it is a table"
    if output.get("backend") == backend:
        return text
    output["backend"] = backend
    return mark + tomlkit.dumps(document)
