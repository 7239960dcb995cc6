"""Doing what was planned, each step noted before it is done; and taking all of it back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from livebg.errors import SetupError
from livebg.setup.device import loaded
from livebg.setup.journal import NAME, Journal, Written, read_journal
from livebg.setup.plan import UNIT, FileChange, Plan
from livebg.setup.target import Machine
from livebg.system import files

_SYSTEMCTL: Final = ("systemctl", "--user")
_PATH: Final = "PATH=$PATH:/usr/sbin:/sbin"
"""Where modprobe lies; not every root looks there."""


def carry_out(plan: Plan, machine: Machine) -> tuple[str, ...]:
    """Do it: root's part first, so that nothing is half done when the password is refused. What there is to say, a sentence each.

    Raises :class:`~livebg.errors.SetupError` at the first step that fails; what was done until then is noted.
    """
    journal = read_journal(machine.state) or Journal()
    journal.note_folders(machine.state, as_root=False)
    if plan.needs_root:
        privileged = [file for file in plan.files if file.as_root]
        _note(journal, privileged)
        journal.unmake_device = plan.device.unmake or journal.unmake_device
        journal.save(machine.state)
        machine.run_as_root(root_script(plan))
    own = [file for file in plan.files if not file.as_root]
    _note(journal, own)
    if plan.service and not _enabled(machine):
        journal.note_folders(_wants(machine), as_root=False)
        journal.service = True
    journal.save(machine.state)
    for file in own:
        files.write(file.path, file.after)
    for command in plan.user_commands:
        machine.commands.run(*command)
    return tuple(remark for command in plan.courtesies for remark in _tried(machine, *command))


def root_script(plan: Plan) -> str:
    """All that root does, as one shell script for one question for the password."""
    lines = [_PATH, "umask 022"]
    for file in plan.files:
        if file.as_root:
            lines += files.script_to_write(file.path, file.after.decode("utf-8", "surrogateescape"))
    return "\n".join([*lines, plan.device.make]).strip() + "\n"


def undo_script(journal: Journal, machine: Machine) -> str:
    """All that root does to take its part back; empty where there is nothing."""
    lines = [files.script_to_restore(file.path, file.before) for file in journal.files if file.as_root and not _settled(file)]
    lines += [
        files.script_to_remove_empty(made.path) for made in reversed(journal.folders) if made.as_root and made.path.is_dir()
    ]
    if journal.unmake_device and loaded(machine):  # what is in use stays until the machine's next start
        lines.append(f"({journal.unmake_device}) || true")
    return "".join(f"{line}\n" for line in [_PATH, *lines]) if lines else ""


def undo(journal: Journal, machine: Machine) -> tuple[str, ...]:
    """Take everything back that the journal notes, and the journal itself; what there is to say about it, a sentence each.

    Files that were changed since are left as they are. Raises :class:`~livebg.errors.SetupError` when a step fails; then the
    journal stays, and undoing can be tried again.
    """
    remarks = [f"{file.path} was changed since and stays as it is" for file in journal.files if _changed(file)]
    remarks += _end_service(journal, machine)
    script = undo_script(journal, machine)
    if script:
        machine.run_as_root(script)
    for file in reversed(journal.files):
        if not file.as_root and not _settled(file):
            _restore(file)
    remarks += _tell_systemd(journal, machine)
    files.remove(machine.state / NAME)
    files.remove_empty(made.path for made in reversed(journal.folders) if not made.as_root)
    return tuple(remarks)


def _note(journal: Journal, changes: list[FileChange]) -> None:
    for file in changes:
        journal.note_folders(file.path.parent, file.as_root)
        journal.note_file(file.path, file.as_root, file.before, file.after)


def _restore(file: Written) -> None:
    if file.before is None:
        files.remove(file.path)
    else:
        files.write(file.path, file.before)


def _settled(file: Written) -> bool:
    """Whether there is nothing to take back: it was never written, or somebody else has changed it."""
    return files.read(file.path) != file.after


def _changed(file: Written) -> bool:
    return files.read(file.path) not in (file.after, file.before)


def _end_service(journal: Journal, machine: Machine) -> Iterator[str]:
    if journal.service:
        yield from _tried(machine, *_SYSTEMCTL, "disable", "--now", UNIT)
        link = _wants(machine) / UNIT
        if link.is_symlink():  # systemd could not be asked
            files.remove(link)


def _tell_systemd(journal: Journal, machine: Machine) -> Iterator[str]:
    units = [file for file in journal.files if file.path.name == UNIT]
    if units:
        yield from _tried(machine, *_SYSTEMCTL, "daemon-reload")
    settings = any(file.path.suffix == ".toml" for file in journal.files)
    if not journal.service and (settings or any(file.before is not None for file in units)):
        yield from _tried(machine, *_SYSTEMCTL, "try-restart", UNIT)


def _tried(machine: Machine, *command: str) -> Iterator[str]:
    """Run what may fail: that is no reason to leave the rest undone."""
    try:
        machine.commands.run(*command)
    except SetupError as error:
        yield str(error)


def _wants(machine: Machine) -> Path:
    return machine.units / "default.target.wants"


def _enabled(machine: Machine) -> bool:
    return (_wants(machine) / UNIT).is_symlink()
