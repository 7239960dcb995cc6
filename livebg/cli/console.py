"""Console output, error reporting and the options that several commands share."""

import errno
import itertools
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup, TyperOption

from livebg.cli.completion import complete_model
from livebg.errors import Cancelled, ConfigError, LivebgError, SinkError, SourceError
from livebg.platform.interrupts import Interrupt, interruptible

_STREAM_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
ConfigOption = Annotated[
    Path | None, typer.Option("--config", readable=False, help="Configuration file to use instead of the default one.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME|FILE", help="A name from `livebg models`, or an ONNX file.", autocompletion=complete_model
    ),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Verbose logging on standard error.")]


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print an error as one line on standard error and exit with its code, without a traceback.

    Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt once; the cleanup is not interrupted.
    """
    with interruptible() as interrupt, _printed_errors(interrupt):
        yield


@contextmanager
def _printed_errors(interrupt: Interrupt) -> Iterator[None]:
    try:
        yield
    except LivebgError as error:
        print_error(str(error))
        raise typer.Exit(error.exit_code) from None
    except PermissionError as error:
        print_error(f"No permission to access {error.filename}. Change the permissions of the file or its folder.")
        raise typer.Exit(SourceError.exit_code) from None
    except (KeyboardInterrupt, Exception) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            print_error(f"The name {error.filename} is too long for a file. Use a shorter one.")
            raise typer.Exit(ConfigError.exit_code) from None
        if isinstance(error, FileNotFoundError) and error.filename is None:  # os.getcwd() names no file
            print_error("The current folder does not exist any more. Change to another one.")
            raise typer.Exit(ConfigError.exit_code) from None
        # An extension module turns an interrupt during its import into an ImportError.
        if not isinstance(error, KeyboardInterrupt) and (not interrupt.requested or isinstance(error, typer.Exit)):
            raise
        print_error("Stopped.")
        raise typer.Exit(Cancelled.exit_code) from None


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


class QuickGroup(TyperGroup):
    """Starts without importing pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_flag_defaults(super().get_params(ctx))


class CheckedCommand(TyperCommand):
    """Rejects empty arguments and option values: an empty path would mean the current directory."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_flag_defaults(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with exit_on_error():
            for number, (previous, argument) in enumerate(itertools.pairwise(["", *args]), 1):
                if argument.startswith("-") and argument.endswith("="):
                    raise ConfigError(f"The value of {argument[:-1]} is empty.", "Write a value or leave it out.")
                if not argument:
                    place = f"The argument after {previous}" if previous else f"Argument {number} of {ctx.command_path}"
                    raise ConfigError(f"{place} is empty.", "Write a value or leave it out.")
        return super().parse_args(ctx, args)


def output() -> Console:
    """Returns a console on standard output, for results. Raises :class:`~livebg.errors.SinkError` if that is closed."""
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


def errors() -> Console:
    """Returns a console on standard error, for everything that is not a result."""
    return Console(stderr=True, highlight=False, emoji=False)


def print_error(sentence: str) -> None:
    """Print an error message on standard error, after ``livebg:``."""
    errors().print(f"[red]livebg:[/] {escape(sentence)}", soft_wrap=True)


def set_verbosity(verbose: bool) -> None:
    """Log debug messages of livebg if ``verbose``."""
    if verbose:
        logging.getLogger("livebg").setLevel(logging.DEBUG)


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
