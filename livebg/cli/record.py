"""``livebg record``."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from livebg.cli.console import output
from livebg.daemon.client import request
from livebg.errors import ConfigError, NotRunningError, SinkError
from livebg.platform.user_paths import expand_user

_POLL_INTERVAL_S: Final = 0.25
_START_TIMEOUT_S: Final = 10.0
_STOP_TIMEOUT_S: Final = 15.0


def record(
    file: Annotated[Path | None, typer.Argument(metavar="OUT.mkv|OUT.mp4", help="The file to write.", show_default=False)] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Stop after this many seconds.", show_default=False)] = None,
    audio: Annotated[
        str | None,
        typer.Option("--audio", metavar="SOURCE", help="Record a microphone too: default, or its name.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    original: Annotated[bool, typer.Option("--original", help="Record your room too while the effect is off.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Complete the running recording.")] = False,
) -> None:
    """Record the picture that apps receive, until Ctrl-C.

    A recording turns the camera on. While the effect is off, it contains the placeholder, unless you pass --original. Exit code 6
    if livebg is not running.
    """
    if stop:
        others = {str(file): file, "--seconds": seconds, "--audio": audio, "--overwrite": overwrite, "--original": original}
        if given := [name for name, value in others.items() if value is not None and value is not False]:
            what = f"--stop completes the running recording and takes no other argument, but found {', '.join(given)}."
            raise ConfigError(what, "Leave it out.")
        _print_summary(_Recording.parse(request("stop_recording", timeout=_STOP_TIMEOUT_S)))
        return
    if file is None:
        raise ConfigError("There is no file to record to.", "Example: `livebg record talk.mkv`.")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ConfigError(f"--seconds is {seconds:g}.", "Pass a number above 0.")
    path = expand_user(str(file)).absolute()
    arguments = {"path": str(path), "overwrite": overwrite, "seconds": seconds, "audio": audio}
    with _signals_as_interrupt():
        request("record_original" if original else "record", arguments, timeout=_START_TIMEOUT_S)
        try:
            _wait_for_end(path)
        except KeyboardInterrupt:
            pass  # Ctrl-C is the normal end
        except NotRunningError:
            output().print(f"livebg stopped. The recording is in {path}.", markup=False)
            return
        _print_summary(_Recording.parse(request("stop_recording", timeout=_STOP_TIMEOUT_S)))


@dataclass(frozen=True)
class _Recording:
    path: str
    seconds: float
    frames: int
    problem: str | None

    @classmethod
    def parse(cls, fields: Any) -> "_Recording":
        return cls(str(fields["path"]), float(fields["seconds"]), int(fields["frames"]), fields.get("problem"))


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Complete the recording, too, if the terminal is closed or the command terminated."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_end(path: Path) -> None:
    """Show the elapsed time until the recording ends by itself."""
    from rich.progress import Progress, SpinnerColumn, TextColumn  # slow to import

    columns = (SpinnerColumn(), TextColumn("Recording {task.fields[time]}. Press Ctrl-C to stop.", markup=False))
    with Progress(*columns, console=output(), transient=True) as progress:
        line = progress.add_task("", time=timedelta(0))
        while (now := request("status").get("recording")) is not None and now["path"] == str(path):
            progress.update(line, time=timedelta(seconds=int(now["seconds"])))
            time.sleep(_POLL_INTERVAL_S)


def _print_summary(done: _Recording) -> None:
    """Raise :class:`~livebg.errors.SinkError` if a problem ended the recording."""
    summary = f"{done.path}: {done.seconds:.1f} s, {done.frames} frames"
    if done.problem:
        raise SinkError(f"{summary}. {done.problem}")
    output().print(summary, markup=False)
