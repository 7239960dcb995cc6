"""``livebg tray``."""

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from livebg.cli.options import VerboseOption
from livebg.daemon.runtime_dir import hold_lock, running_pid, runtime_dir
from livebg.errors import ConfigError, LivebgError
from livebg.platform.user_paths import user_folder


def tray(
    wait: Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait for a panel that is still starting.")] = 5.0,
    _verbose: VerboseOption = False,
) -> None:
    """Show the tray icon, and start livebg if it is not running."""
    try:
        restart = _run(wait)
    except LivebgError as error:
        notify_desktop(str(error))
        raise
    if restart:
        from livebg.setup.target import own_command

        command = own_command()
        os.execv(command[0], [*command, "tray"])


def _run(wait: float) -> bool:
    """Run the tray icon. Returns True if it must be restarted."""
    folder = runtime_dir() / "tray"  # a separate lock from the one of `livebg run`
    other = running_pid(folder)
    if other is not None:
        raise ConfigError(f"The tray icon is already running (pid {other}).", "Use that one.")
    from livebg.tray.desktop import DesktopProbe, find_backend

    backend = find_backend(DesktopProbe(), wait)
    from livebg.setup.target import own_command
    from livebg.tray.actions import ActionRunner, Autostart
    from livebg.tray.app import Tray
    from livebg.tray.launcher import DaemonLauncher

    command = own_command()
    launcher = DaemonLauncher(command, (user_folder("state") or folder) / "run.log")
    with hold_lock(folder):
        icon = Tray(backend, ActionRunner(command, launcher, Autostart(command)))
        icon.run()
    return icon.restart_requested


def notify_desktop(sentence: str) -> None:
    """Show the error as a desktop notification if livebg was not started from a terminal."""
    if sys.stderr.isatty():
        return
    from livebg.system.session_bus import BusError
    from livebg.tray.desktop import notify

    with suppress(BusError):
        notify(sentence)
