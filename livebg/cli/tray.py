"""``livebg tray``."""

import logging
import os
import sys
from contextlib import suppress
from typing import Annotated, Final

import typer

from livebg.cli.console import VerboseOption, be_verbose, spoken_errors
from livebg.daemon.runtime_dir import hold_lock, running_pid, runtime_folder
from livebg.errors import ConfigError, LivebgError

_LOG: Final = logging.getLogger(__name__)


def tray(
    wait: Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait for a panel that is still starting.")] = 5.0,
    verbose: VerboseOption = False,
) -> None:
    """Show the tray icon, and start livebg if it is not running."""
    be_verbose(verbose)
    with spoken_errors():
        try:
            renewing = _run(wait)
        except LivebgError as error:
            _say_on_the_desktop(str(error))
            raise
    if renewing:
        from livebg.setup.target import own_command

        command = own_command()
        os.execv(command[0], [*command, "tray"])


def _run(wait: float) -> bool:
    """Whether it is to be started anew."""
    folder = runtime_folder() / "tray"  # its lock is apart from the one of the livebg that runs
    other = running_pid(folder)
    if other is not None:
        raise ConfigError(f"the icon is in the tray already (pid {other}): use that one")
    from livebg.tray.backend import Desktop, find_place

    backend = find_place(Desktop(), wait)
    from platformdirs import user_state_path

    from livebg.setup.target import own_command
    from livebg.tray import dbus
    from livebg.tray.actions import Doer
    from livebg.tray.app import Tray
    from livebg.tray.autostart import Autostart
    from livebg.tray.icon import PystrayIcon
    from livebg.tray.launcher import Starter
    from livebg.tray.poller import Cameras, look

    command = own_command()
    autostart = Autostart.own(command)
    doer = Doer(command, Starter(command, user_state_path("livebg") / "run.log"), autostart)
    with hold_lock(folder):
        icon = Tray(lambda chosen: PystrayIcon(backend, chosen), doer, look, Cameras(), lambda: autostart.is_on, dbus.notify)
        icon.run()
    return icon.renewing


def _say_on_the_desktop(sentence: str) -> None:
    """Whoever started it from a menu sees no terminal."""
    if sys.stderr.isatty():
        return
    from livebg.tray.dbus import BusError, notify

    with suppress(BusError):
        notify(sentence)
