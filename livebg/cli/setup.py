"""``livebg setup``."""

import difflib
from typing import TYPE_CHECKING, Annotated

import typer

from livebg.cli.console import confirm, output
from livebg.cli.options import ConfigOption
from livebg.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from livebg.setup.journal import FileChange, Journal
    from livebg.setup.plan import Plan
    from livebg.setup.target import Machine


def setup(
    service: Annotated[bool, typer.Option("--service/--no-service", help="Start livebg at every login.")] = True,
    pipewire: Annotated[
        bool, typer.Option("--pipewire", help="PipeWire camera: no kernel module, no root, not in every app.")
    ] = False,
    both: Annotated[
        bool, typer.Option("--both", help="v4l2loopback and PipeWire cameras at the same time, listed once in each app.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    take_back: Annotated[bool, typer.Option("--undo", help="Undo all changes of setup.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes without making them.")] = False,
    config: ConfigOption = None,
) -> None:
    """Create the virtual camera and the service, or undo that.

    Shows every change and asks before it writes.
    """
    from livebg.config.loading import default_config_path, load_settings, read_config
    from livebg.setup.target import Machine

    if take_back:  # without the settings, which may be invalid: users undo the setup before they remove livebg
        undo_setup(Machine.own(), yes=yes, dry_run=dry_run)
        return
    written = read_config(config)
    settings = load_settings({}, written).output
    if pipewire and both:
        raise ConfigError("--pipewire and --both exclude each other.", "Use one of them.")
    backend = "pipewire" if pipewire else "both" if both else settings.backend
    path = written.path.absolute() if written.path else None  # for the journal and the service, which run in another folder
    machine = Machine.own(path if path != default_config_path() else None)
    chosen = path if backend in ("pipewire", "both") else None
    set_up(machine, settings.label, service=service, yes=yes, dry_run=dry_run, settings=chosen, both=backend == "both")


def set_up(
    machine: "Machine",
    label: str,
    *,
    service: bool,
    yes: bool,
    dry_run: bool,
    settings: "Path | None" = None,
    both: bool = False,
) -> None:
    """Show the changes, ask for confirmation and apply them.

    ``settings`` is the configuration file for a PipeWire camera, with ``both`` beside v4l2loopback; None for v4l2loopback alone.
    Raises :class:`~livebg.errors.LivebgError`.
    """
    from livebg.setup.apply import apply
    from livebg.setup.plan import make_pipewire_plan, make_plan

    if settings and not both:
        plan = make_pipewire_plan(machine, settings, service)
    else:
        plan = make_plan(machine, label, service, settings)
    _show_plan(plan, machine)
    if dry_run or not confirm("Apply these changes?", yes):
        return
    for note in apply(plan, machine):
        _print(f"Note: {note}")
    _print_done(plan, label)


def undo_setup(machine: "Machine", *, yes: bool, dry_run: bool) -> None:
    """Show the changes, ask for confirmation and undo them. Raises :class:`~livebg.errors.LivebgError`."""
    from livebg.setup.apply import undo
    from livebg.setup.journal import read_journal

    journal = read_journal(machine.state)
    if journal is None:
        raise ConfigError("There is nothing to undo. livebg setup has changed nothing here, or was undone already.")
    _show_undo(journal)
    if dry_run or not confirm("Undo these changes?", yes):
        return
    for note in undo(journal, machine):
        _print(f"Note: {note}")
    _print("Setup undone.")


def _show_plan(plan: "Plan", machine: "Machine") -> None:
    for note in plan.notes:
        _print(f"Note: {note}")
    if plan.needs_root:
        _print(f"\nAs root{f', with {machine.way_to_root[0]}' if machine.way_to_root else ''}:")
        _show_files([file for file in plan.files if file.as_root])
        if plan.device.create:
            _print(f"  run {plan.device.create}")
    _print("\nAs your user:")
    _show_files([file for file in plan.files if not file.as_root])
    for file in plan.obsolete:
        _print(f"  {'remove' if file.before is None else 'restore'} {file.path}")
    for command in (*plan.user_commands, *plan.best_effort_commands):
        _print(f"  run {' '.join(command)}")
    if plan.changes_nothing:
        _print("  nothing to change")


def _show_files(files: "list[FileChange]") -> None:
    for file in files:
        before = (file.before or b"").decode("utf-8", "replace").splitlines()
        after = file.after.decode("utf-8", "replace").splitlines()
        _print(f"  {'write' if file.before is None else 'change'} {file.path}")
        if file.path.suffix == ".svg":  # pages of coordinates would hide the changes and the notes above them
            continue
        lines = after if file.before is None else list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
        for line in lines:
            _print(f"    {line}")


def _show_undo(journal: "Journal") -> None:
    if journal.service:
        _print("Stop and disable livebg.service")
    if journal.unmake_device:
        _print(f"As root, run {journal.unmake_device}")
    for file in journal.files:
        action = "remove" if file.before is None else "restore"
        _print(f"{f'As root, {action}' if file.as_root else action.capitalize()} {file.path}")


def _print_done(plan: "Plan", label: str) -> None:
    if plan.device.blocked_by:
        _print(f"\nAlmost done: {plan.device.blocked_by}")
    elif plan.service:
        _print(f"\nDone. Select the camera {label} in your app. `livebg status` shows its state, `livebg doctor` finds problems.")
    else:
        _print(f"\nDone. Start it with `livebg run`, and select the camera {label} in your app.")


def _print(text: str) -> None:
    output().print(text, markup=False, soft_wrap=True)
