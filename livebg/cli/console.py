"""Console output and error reporting."""

import errno
import itertools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup, TyperOption

from livebg.errors import Cancelled, ConfigError, LivebgError, SinkError, SourceError
from livebg.platform.interrupts import Interrupt, interruptible

_STREAM_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def _known_error(error: BaseException, interrupt: Interrupt) -> LivebgError | None:
    """Return the error to report; None for a bug and for the exit of a command."""
    match error:
        case LivebgError():
            return error
        case PermissionError():
            return SourceError(f"No permission to access {error.filename}.", "Change the permissions of the file or its folder.")
        case OSError(errno=errno.ENAMETOOLONG):
            return ConfigError(f"The name {error.filename} is too long for a file.", "Use a shorter one.")
        case FileNotFoundError(filename=None):  # os.getcwd() names no file
            return ConfigError("The current folder does not exist any more.", "Change to another one.")
    # An extension module turns an interrupt during its import into an ImportError.
    stopped = isinstance(error, KeyboardInterrupt) or (interrupt.requested and not isinstance(error, typer.Exit))
    return Cancelled("Stopped.") if stopped else None


def _with_flag_defaults(parameters: list[Any]) -> list[Any]:
    """Typer imports pydantic to check a flag whose value is None, as those of help and shell completion.

    None means something for a flag that can be negated: the setting decides.
    """
    for parameter in parameters:
        if (
            isinstance(parameter, TyperOption)
            and parameter.is_flag
            and not parameter.secondary_opts
            and parameter.default is None
        ):
            parameter.default = False
    return parameters


class CheckedGroup(TyperGroup):
    """Starts without importing pydantic. Prints an error as one line on standard error and exits with its code.

    Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt once; the cleanup is not interrupted.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_flag_defaults(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        with interruptible() as interrupt:
            try:
                return super().invoke(ctx)
            except (KeyboardInterrupt, Exception) as error:
                known = _known_error(error, interrupt)
                if known is None:
                    raise
                print_error(str(known))
                raise typer.Exit(known.exit_code) from None


class CheckedCommand(TyperCommand):
    """Rejects empty arguments and option values: an empty path would mean the current directory."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_flag_defaults(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for number, (previous, argument) in enumerate(itertools.pairwise(["", *args]), 1):
            if argument.startswith("-") and argument.endswith("="):
                raise ConfigError(f"The value of {argument[:-1]} is empty.", "Write a value or leave it out.")
            if not argument:
                place = f"The argument after {previous}" if previous else f"Argument {number} of {ctx.command_path}"
                raise ConfigError(f"{place} is empty.", "Write a value or leave it out.")
        return super().parse_args(ctx, args)


def output() -> Console:
    """Return a console on standard output, for results. Raises :class:`~livebg.errors.SinkError` if that is closed."""
    if sys.stdout is None:
        raise SinkError("Standard output is closed.", "Redirect it to a file, or to /dev/null.")
    return _Output(highlight=False, emoji=False, soft_wrap=True)


class _Output(Console):
    """Keeps working when the reader closes the pipe, and raises SinkError if the output cannot be written."""

    def print(self, *objects: Any, **options: Any) -> None:
        with writable_output():
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        with suppress(SystemExit):
            super().on_broken_pipe()


@contextmanager
def writable_output() -> Iterator[None]:
    """Convert the errors of standard output to :class:`~livebg.errors.SinkError`."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in _STREAM_ERRORS:
            raise
        with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # what is still buffered would fail again at exit
        raise SinkError(f"Cannot write to standard output ({error.strerror}).", "Redirect it elsewhere.") from error


class LossyStream(TextIOWrapper):
    """Drops what cannot be written. For standard error: a log on a full disk must not end a call or a render."""

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def errors() -> Console:
    """Return a console on standard error, for everything that is not a result."""
    return Console(stderr=True, highlight=False, emoji=False)


def print_error(sentence: str) -> None:
    """Print an error message on standard error, after ``livebg:``."""
    errors().print(f"[red]livebg:[/] {escape(sentence)}", soft_wrap=True)


def confirm(question: str, yes: bool) -> bool:
    """Ask the user unless ``yes``; Enter means no. Raises :class:`~livebg.errors.Cancelled` if the user declines."""
    if yes:
        return True
    errors().print(f"\n{question} [y/N] ", end="", markup=False)
    answer = sys.stdin.readline()
    if not answer:
        raise ConfigError("Cannot prompt: not a terminal.", "Pass --yes.")
    confirmed = answer.strip().casefold() in ("y", "yes")
    if not confirmed:
        raise Cancelled("Nothing was changed.")
    return confirmed


@contextmanager
def exit_despite_threads() -> Iterator[None]:
    """Let a SystemExit in the ``with`` block end the process at once, without finalizing Python, if daemon threads are running.

    While it finalizes, Python ends such a thread as soon as it needs the GIL. The C++ code of OpenCV and onnxruntime that asked
    for it cannot be unwound and aborts the process ("exception not rethrown", "terminate called").
    """
    try:
        yield
    except SystemExit as error:
        if any(thread.daemon for thread in threading.enumerate()) and not isinstance(error.code, str):
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(error.code or 0)
        raise
