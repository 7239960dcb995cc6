"""Runs the actions of the tray menu."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.daemon.client import request
from livebg.errors import LivebgError, NotRunningError
from livebg.tray import dbus, external
from livebg.tray.launcher import DaemonLauncher
from livebg.tray.menu import Action, DaemonCommand, LocalAction

_COMMAND_TIMEOUT_S: Final = 60.0
"""Maximum time for a command. Commands that load a large network take several seconds."""
Failed = Callable[[str], None]


@dataclass(frozen=True)
class ActionRunner:
    """Runs menu actions. ``command`` is the command line that starts livebg."""

    command: tuple[str, ...]
    launcher: DaemonLauncher
    autostart: external.Autostart
    choose: Callable[[], Path | None] = external.choose_picture
    notify: Callable[[str], None] = dbus.notify

    def run(self, action: Action, failed: Failed) -> DaemonCommand | None:
        """Run ``action`` and return a follow-up command, if any. ``failed`` is called if a launched program fails later.

        Raises :class:`~livebg.errors.LivebgError` if the action fails.
        """
        match action:
            case DaemonCommand():
                request(action.command, action.arguments, timeout=_COMMAND_TIMEOUT_S)
            case LocalAction.START:
                self.launcher.start()
            case LocalAction.RESTART:
                self.launcher.restart()
            case LocalAction.CHOOSE_BACKGROUND:
                return self._choose_background()
            case LocalAction.PREVIEW:
                external.launch([*self.command, "preview"], failed)
            case LocalAction.LOGIN:
                self.autostart.switch(not self.autostart.is_on)
            case LocalAction.LOG:
                self._show_log(failed)
            case LocalAction.DOCTOR:
                self._show_doctor(failed)
            case LocalAction.STOP_AND_QUIT:
                with suppress(NotRunningError):
                    request("stop")
        return None

    def _choose_background(self) -> DaemonCommand | None:
        image = self.choose()
        return DaemonCommand("background", {"background": str(image.absolute())}) if image else None

    def _show_log(self, failed: Failed) -> None:
        command = external.log_command(self.launcher.has_service, self.launcher.log)
        window = external.terminal_command(command)
        if window is None:
            raise LivebgError("No terminal emulator found to show the log.", f"Run `{' '.join(command)}` in a terminal.")
        external.launch(window, failed)

    def _show_doctor(self, failed: Failed) -> None:
        window = external.terminal_command(external.doctor_command(self.command))
        if window is None:
            self.notify(external.doctor_summary(self.command))
        else:
            external.launch(window, failed)
