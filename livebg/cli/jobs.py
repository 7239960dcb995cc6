"""``livebg jobs``."""

import json
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from livebg.cli.console import CheckedCommand, confirm, errors, output, print_error
from livebg.cli.options import completion
from livebg.errors import LivebgError

if TYPE_CHECKING:
    from livebg.rendering.interrupted_jobs import InterruptedJob

_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60))


def _outputs() -> Iterable[str]:
    from livebg.rendering.job_files import find_jobs

    return (folder.name[1:].removesuffix(".livebg") for folder in find_jobs(Path()))


RecursiveOption = Annotated[bool, typer.Option("--recursive", "-r", help="Include subfolders.")]
app = typer.Typer(help="List and remove interrupted renders.")


@app.callback(invoke_without_command=True)
def jobs(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        jobs_list([Path()])


@app.command("list", cls=CheckedCommand)
def jobs_list(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", readable=False, help="Default: the current folder.", show_default=False),
    ] = None,
    recursive: RecursiveOption = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List interrupted and running renders. The command that started one continues it."""
    named = folders or [Path()]
    found = _described(named, recursive)
    if json_lines:
        for job in found:
            output().print(json.dumps(_facts(job)), markup=False)
        return
    for job in found:
        output().print(_line(job), markup=False)
    if not found:
        output().print(f"No interrupted renders in {_names(named)}.", markup=False)


@app.command("clean", cls=CheckedCommand)
def jobs_clean(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="OUTPUT|FOLDER",
            readable=False,
            help="Outputs of renders, or folders; default: the current folder.",
            autocompletion=completion(_outputs),
            show_default=False,
        ),
    ] = None,
    recursive: RecursiveOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove what interrupted renders have finished so far. Running ones are kept."""
    from livebg.rendering.job_files import is_job_folder

    named = paths or [Path()]
    folders = [path for path in named if path.is_dir() and not is_job_folder(path)]
    found, in_folders = _described(named, recursive), _described(folders, recursive)
    if not found:
        output().print(f"No interrupted renders in {_names(named)}.", markup=False)
    if idle := [job for job in in_folders if job.holder is None]:
        for job in idle:
            errors().print(_line(job), markup=False, soft_wrap=True)
        confirm(f"Remove {'this job' if len(idle) == 1 else f'these {len(idle)} jobs'}?", yes)
    running = [job for job in in_folders if job.holder]
    for job in running:
        output().print(f"Kept {job.folder}: {job.output.name} is being rendered ({job.holder}).", markup=False)
    _remove([job for job in found if job not in running])


def _remove(jobs: "Sequence[InterruptedJob]") -> None:
    """Remove as many jobs as possible. Exits with the code of the first error."""
    from livebg.rendering.interrupted_jobs import remove_job

    failed: LivebgError | None = None
    for job in jobs:
        try:
            remove_job(job.folder)
        except LivebgError as error:
            failed = failed or error
            print_error(str(error))
        else:
            output().print(f"Removed {job.folder} ({_size(job)}).", markup=False)
    if failed:
        raise typer.Exit(failed.exit_code)


def _described(paths: Sequence[Path], recursive: bool) -> "list[InterruptedJob]":
    """Return the jobs of outputs and in folders, each of them once."""
    from livebg.rendering.interrupted_jobs import describe_job, named_jobs

    return [describe_job(folder) for folder in dict.fromkeys(each for path in paths for each in named_jobs(path, recursive))]


def _line(job: "InterruptedJob") -> str:
    """Return one line on a job: ``talk.portrait.mp4: 1:23:40 of 2:00:00 (69 %) of /videos/talk.mp4, 412.0 MB, 3 hours ago``."""
    from livebg.rendering.report_text import format_time

    if job.problem:
        state = f"{job.folder.name} {job.problem}"
    else:
        share = f" ({job.seconds / job.duration:.0%})".replace("%", " %") if job.duration else ""
        state = f"{format_time(job.seconds)} of {format_time(job.duration)}{share} of {job.source}"
    running = f"running ({job.holder})" if job.holder else f"stopped {_ago(time.time() - job.modified)}"
    return f"{job.output}: {state}, {_size(job)}, {running}"


def _ago(seconds: float) -> str:
    for name, length in _UNITS:
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "just now"


def _size(job: "InterruptedJob") -> str:
    from livebg.rendering.report_text import format_size

    return format_size(job.size)


def _facts(job: "InterruptedJob") -> dict[str, object]:
    return {
        "output": str(job.output),
        "source": job.source and str(job.source),
        "folder": str(job.folder),
        "seconds": round(job.seconds, 3),
        "duration": round(job.duration, 3),
        "bytes": job.size,
        "modified": datetime.fromtimestamp(job.modified, UTC).isoformat(timespec="seconds"),
        "running": job.holder is not None,
        "problem": job.problem or None,
    }


def _names(paths: Sequence[Path]) -> str:
    return ", ".join("the current folder" if path == Path() else str(path) for path in paths)
