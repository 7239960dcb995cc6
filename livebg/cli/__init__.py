"""The command line: one thin function per command. Only this package prints or exits."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated, Final

import typer
from rich.logging import RichHandler

from livebg import __version__
from livebg.cli import bench, camera, control, jobs, models, preset
from livebg.cli.console import (
    CheckedCommand,
    CheckedGroup,
    LossyStream,
    errors,
    exit_despite_threads,
    output,
    print_error,
    writable_output,
)
from livebg.cli.demo import demo
from livebg.cli.devices import devices
from livebg.cli.doctor import doctor
from livebg.cli.help import help_
from livebg.cli.options import VerboseOption
from livebg.cli.preview import preview, snapshot
from livebg.cli.record import record
from livebg.cli.render import render
from livebg.cli.run import run
from livebg.cli.score import score
from livebg.cli.setup import setup
from livebg.cli.status import status
from livebg.cli.tray import tray
from livebg.cli.window import window
from livebg.errors import LivebgError

app = typer.Typer(
    cls=CheckedGroup,
    help="Blur or replace your webcam background, in video calls and in recorded files.",
    epilog="`livebg help` lists the help topics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PANELS: Final[dict[str, tuple[Callable[..., None], ...]]] = {
    "Calls": (
        run,
        *(control.on, control.off, control.toggle, control.pause, control.resume),
        *(control.mode, control.background, control.set_, control.reload),
        *(status, window, preview, snapshot, record, control.stop, tray),
    ),
    "Files": (render, score, demo),
    "Setup and troubleshooting": (setup, doctor, devices, help_),
}
_NEED_ARGUMENTS: Final = (control.mode, control.set_, snapshot, record, render, score)
"""Commands that show their help if there are no arguments."""

for panel, functions in _PANELS.items():
    for function in functions:
        app.command(
            function.__name__.removesuffix("_"),
            cls=control.SetCommand if function is control.set_ else CheckedCommand,
            no_args_is_help=function in _NEED_ARGUMENTS,
            rich_help_panel=panel,
        )(function)
_GROUPS: Final = {
    "Calls": {"preset": preset, "camera": camera},
    "Files": {"jobs": jobs},
    "Networks": {"models": models, "bench": bench},
}
for panel, groups in _GROUPS.items():
    for name, module in groups.items():
        app.add_typer(module.app, name=name, rich_help_panel=panel)


_LIBRARIES: Final = "on Debian and Ubuntu, run `sudo apt install libgl1 libglib2.0-0 libxcb1`"


def _print_version(requested: bool) -> None:
    if requested:
        output().print(f"livebg {__version__}")
        raise typer.Exit


VersionOption = Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)]


@app.callback()
def common(
    _version: VersionOption = False,
    _verbose: VerboseOption = False,
) -> None:
    console = errors()
    if console.is_terminal:
        handler = RichHandler(console=console, show_time=False, show_path=False)
        logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    else:  # a file or the journal, in which a message is one line
        logging.basicConfig(level=logging.WARNING, format="%(levelname)-8s %(message)s")


@exit_despite_threads()
def main() -> None:
    """Entry point. Reports an exception other than LivebgError as an internal error; -v logs its traceback."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings are for developers
    _prepare_terminal()
    try:
        with writable_output():
            try:
                app(prog_name="livebg")
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
    except LivebgError as error:
        print_error(str(error))
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        logging.getLogger("livebg").debug("internal error", exc_info=error)
        library = re.match(r"lib\S+\.so\S*(?=: cannot open shared object file)", str(error))
        if isinstance(error, ImportError) and library:
            print_error(f"The system library {library[0]} is missing, and OpenCV needs it. Install it ({_LIBRARIES}).")
        else:
            print_error(f"Internal error ({type(error).__name__}: {error}). Run again with -v and report it.")
        raise SystemExit(LivebgError.exit_code) from None


def _prepare_terminal() -> None:
    """Make text appear whatever the terminal claims: a width of 0 columns, or an encoding that lacks some characters.

    Messages that cannot be written are dropped.
    """
    columns = os.environ.get("COLUMNS", "1")
    if not columns.isdecimal() or not int(columns):
        del os.environ["COLUMNS"]
    if isinstance(sys.stdout, TextIOWrapper) and (sys.stdout.errors == "strict" or sys.stdout.encoding != "utf-8"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr = LossyStream(sys.stderr.buffer, sys.stderr.encoding, "backslashreplace", line_buffering=True)
