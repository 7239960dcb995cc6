"""``livebg setup``."""

import difflib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from livebg.cli.console import ConfigOption, errors, output, spoken_errors
from livebg.config.loading import load_settings, read_config
from livebg.errors import ConfigError, Stopped

if TYPE_CHECKING:
    from pathlib import Path

    from livebg.setup.journal import Journal
    from livebg.setup.plan import FileChange, Plan
    from livebg.setup.target import Machine


def setup(
    service: Annotated[bool, typer.Option("--service/--no-service", help="Start livebg at every login.")] = True,
    pipewire: Annotated[
        bool, typer.Option("--pipewire", help="PipeWire camera: no kernel module, no root, not in every app.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    take_back: Annotated[bool, typer.Option("--undo", help="Undo all changes of setup.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes without making them.")] = False,
    config: ConfigOption = None,
) -> None:
    """Create the virtual camera and the service, or undo that.

    Shows every change and asks before it writes.
    """
    from livebg.setup.target import Machine

    with spoken_errors():
        written = read_config(config)
        settings = load_settings({}, written).output
        chosen = written.path if pipewire or settings.backend == "pipewire" else None
        machine = Machine.own()
        if take_back:
            undo_setup(machine, yes=yes, dry_run=dry_run)
        else:
            set_up(machine, settings.label, service=service, yes=yes, dry_run=dry_run, settings=chosen)


def set_up(machine: "Machine", label: str, *, service: bool, yes: bool, dry_run: bool, settings: "Path | None" = None) -> None:
    """Show, ask, do; for PipeWire with ``settings``, the configuration file. Raises :class:`~livebg.errors.LivebgError`."""
    from livebg.setup.apply import carry_out
    from livebg.setup.pipewire import make_pipewire_plan
    from livebg.setup.plan import make_plan

    plan = make_pipewire_plan(machine, settings, service) if settings else make_plan(machine, label, service)
    _show_plan(plan, machine)
    if dry_run or not _agreed("Do this?", yes):
        return
    for remark in carry_out(plan, machine):
        _say(f"note: {remark}")
    _say_done(plan, label)


def undo_setup(machine: "Machine", *, yes: bool, dry_run: bool) -> None:
    """Show, ask, undo. Raises :class:`~livebg.errors.LivebgError`."""
    from livebg.setup.apply import undo
    from livebg.setup.journal import read_journal

    journal = read_journal(machine.state)
    if journal is None:
        raise ConfigError("there is nothing to undo: livebg setup has done nothing here, or it was taken back already")
    _show_undo(journal)
    if dry_run or not _agreed("Take this back?", yes):
        return
    for remark in undo(journal, machine):
        _say(remark)
    _say("everything that livebg setup has done was taken back")


def _show_plan(plan: "Plan", machine: "Machine") -> None:
    for remark in plan.remarks:
        _say(f"note: {remark}")
    if plan.needs_root:
        _say(f"\nas root{f', by {machine.way_to_root[0]}' if machine.way_to_root else ''}:")
        _show_files([file for file in plan.files if file.as_root])
        if plan.device.make:
            _say(f"  run {plan.device.make}")
    _say("\nas you:")
    _show_files([file for file in plan.files if not file.as_root])
    for command in (*plan.user_commands, *plan.courtesies):
        _say(f"  run {' '.join(command)}")
    if not plan.files and not plan.device.make:
        _say("  everything is written already")


def _show_files(files: "list[FileChange]") -> None:
    for file in files:
        before = (file.before or b"").decode("utf-8", "replace").splitlines()
        after = file.after.decode("utf-8", "replace").splitlines()
        _say(f"  {'write' if file.before is None else 'change'} {file.path}")
        lines = after if file.before is None else list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
        for line in lines:
            _say(f"    {line}")


def _show_undo(journal: "Journal") -> None:
    if journal.service:
        _say("stop and disable livebg.service")
    if journal.unmake_device:
        _say(f"as root, run {journal.unmake_device}")
    for file in journal.files:
        who = "as root, " if file.as_root else ""
        _say(f"{who}{'remove' if file.before is None else 'bring back'} {file.path}")


def _say_done(plan: "Plan", label: str) -> None:
    if plan.device.hindrance:
        _say(f"\nalmost done: {plan.device.hindrance}")
    elif plan.service:
        _say(f"\ndone: choose the camera {label} in the call; `livebg status` says how it is, `livebg doctor` what is wrong")
    else:
        _say(f"\ndone: start it with `livebg run`, and choose the camera {label} in the call")


def _agreed(question: str, yes: bool) -> bool:
    """Whether the user says so; Enter says no."""
    if yes:
        return True
    errors().print(f"\n{question} [y/N] ", end="", markup=False)
    answer = sys.stdin.readline()
    if not answer:
        raise ConfigError("nobody is here to answer whether that is right: say --yes, or run it in a terminal")
    agreed = answer.strip().casefold() in ("y", "yes")
    if not agreed:
        raise Stopped("nothing was changed")
    return agreed


def _say(text: str) -> None:
    output().print(text, markup=False, soft_wrap=True)
