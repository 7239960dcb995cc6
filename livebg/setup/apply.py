"""Applies a plan, recording each step in the journal first, and undoes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from livebg.errors import SetupError
from livebg.setup.journal import NAME, FileChange, Journal, read_journal
from livebg.setup.loopback import loaded
from livebg.setup.plan import Plan
from livebg.setup.resources import UNIT
from livebg.setup.target import Machine
from livebg.setup.wireplumber import RESTART, is_rule
from livebg.system import files

_SYSTEMCTL: Final = ("systemctl", "--user")
_SET_PATH: Final = "PATH=$PATH:/usr/sbin:/sbin"
"""Adds the folders of modprobe, which are not in the PATH of every root account."""


def apply(plan: Plan, machine: Machine) -> tuple[str, ...]:
    """Apply ``plan`` and return notes for the user, one sentence each.

    Root's part comes first, so nothing is half done if the password is wrong. Raises :class:`~livebg.errors.SetupError` at the
    first step that fails; the steps done until then are in the journal.
    """
    journal = read_journal(machine.state) or Journal()
    journal.record_folders(machine.state, as_root=False)
    if plan.needs_root:
        journal.record_files(file for file in plan.files if file.as_root)
        journal.unmake_device = plan.device.remove or journal.unmake_device
        journal.save(machine.state)
        machine.run_as_root(root_script(plan))
    user_files = [file for file in plan.files if not file.as_root]
    journal.record_files(user_files)
    if plan.service and not plan.enabled_for_all and not _enabled_link(machine).is_symlink():
        journal.record_folders(_enabled_link(machine).parent, as_root=False)
        journal.service = True
    journal.save(machine.state)
    for file in user_files:
        files.write(file.path, file.after)
    if plan.obsolete:  # after the files that replace them, so that an interruption leaves both
        for file in plan.obsolete:
            _restore(file)
        journal.forget_files(plan.obsolete)
        journal.save(machine.state)
    for command in plan.user_commands:
        machine.run(*command)
    return tuple(note for command in plan.best_effort_commands for note in _try_run(machine, *command))


def root_script(plan: Plan) -> str:
    """Return root's part as one shell script, so that the password is requested only once."""
    lines = [_SET_PATH, "umask 022"]
    for file in plan.files:
        if file.as_root:
            lines += files.script_to_write(file.path, file.after.decode("utf-8", "surrogateescape"))
    return "\n".join([*lines, plan.device.create]).strip() + "\n"


def undo_script(journal: Journal, machine: Machine) -> str:
    """Return the shell script that undoes root's part, or an empty string if there is nothing to undo."""
    changed = [file for file in journal.files if file.as_root and not _nothing_to_restore(file)]
    lines = [files.script_to_restore(file.path, file.before) for file in changed]
    created = [folder.path for folder in reversed(journal.folders) if folder.as_root and folder.path.is_dir()]
    lines += [files.script_to_remove_empty(path) for path in created]
    if journal.unmake_device and loaded(machine):  # a device in use stays until the next reboot
        lines.append(f"({journal.unmake_device}) || true")
    return "".join(f"{line}\n" for line in [_SET_PATH, *lines]) if lines else ""


def undo(journal: Journal, machine: Machine) -> tuple[str, ...]:
    """Undo everything recorded in the journal, remove the journal and return notes for the user, one sentence each.

    Files changed since setup are kept. Raises :class:`~livebg.errors.SetupError` if a step fails; the journal then remains, so
    that undo can be repeated.
    """
    changed = [file.path for file in journal.files if files.read(file.path) not in (file.after, file.before)]
    notes = [f"{path} was changed since setup and is kept." for path in changed]
    notes += _disable_service(journal, machine)
    script = undo_script(journal, machine)
    if script:
        machine.run_as_root(script)
    for file in reversed(journal.files):
        if not file.as_root and not _nothing_to_restore(file):
            _restore(file)
    notes += _reload_systemd(journal, machine)
    if machine.has_wireplumber and any(is_rule(file.path) for file in journal.files):
        notes += _try_run(machine, *RESTART)
    files.remove(machine.state / NAME)
    files.remove_empty(folder.path for folder in reversed(journal.folders) if not folder.as_root)
    return tuple(notes)


def _restore(file: FileChange) -> None:
    if file.before is None:
        files.remove(file.path)
    else:
        files.write(file.path, file.before)


def _nothing_to_restore(file: FileChange) -> bool:
    """Return whether there is nothing to restore: the file was never written, or was changed since."""
    return files.read(file.path) != file.after


def _disable_service(journal: Journal, machine: Machine) -> Iterator[str]:
    if journal.service:
        yield from _try_run(machine, *_SYSTEMCTL, "disable", "--now", UNIT)
        files.remove(_enabled_link(machine))  # if systemctl failed


def _reload_systemd(journal: Journal, machine: Machine) -> Iterator[str]:
    units = [file for file in journal.files if file.path.name == UNIT]
    if units:
        yield from _try_run(machine, *_SYSTEMCTL, "daemon-reload")
    settings = machine.has_systemd and any(file.path.suffix == ".toml" for file in journal.files)
    if not journal.service and (settings or any(file.before is not None for file in units)):
        yield from _try_run(machine, *_SYSTEMCTL, "try-restart", UNIT)


def _try_run(machine: Machine, *command: str) -> Iterator[str]:
    """Run a command and yield its error, if any. A failure does not stop the remaining steps."""
    try:
        machine.run(*command)
    except SetupError as error:
        yield str(error)


def _enabled_link(machine: Machine) -> Path:
    """Return the path of the link that enables the service."""
    return machine.units / "default.target.wants" / UNIT
