"""Runs the actions of the tray menu."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livebg.daemon.client import ask
from livebg.errors import LivebgError, NotRunningError
from livebg.tray import dbus, external
from livebg.tray.autostart import Autostart
from livebg.tray.launcher import Starter
from livebg.tray.menu import Action, Deed, Tell

_COMMAND_TIMEOUT_S: Final = 60.0
"""Maximum time for a command. Commands that load a large network take several seconds."""
Failed = Callable[[str], None]


@dataclass(frozen=True)
class Doer:
    """Runs menu actions. ``command`` is the command line that starts livebg."""

    command: tuple[str, ...]
    starter: Starter
    autostart: Autostart
    choose: Callable[[], Path | None] = external.choose_picture
    notify: Callable[[str], None] = dbus.notify

    def do(self, action: Action, failed: Failed) -> Tell | None:
        """Run ``action`` and return a follow-up command, if any. ``failed`` is called if a launched program fails later.

        Raises :class:`~livebg.errors.LivebgError` if the action fails.
        """
        match action:
            case Tell():
                self._send(action)
            case Deed.START:
                self.starter.start()
            case Deed.RESTART:
                self.starter.restart()
            case Deed.CHOOSE_BACKGROUND:
                return self._choose_background()
            case Deed.PREVIEW:
                external.launch([*self.command, "preview"], failed)
            case Deed.LOGIN:
                self.autostart.switch(not self.autostart.is_on)
            case Deed.LOG:
                self._show_log(failed)
            case Deed.DOCTOR:
                self._show_doctor(failed)
            case Deed.STOP_AND_QUIT:
                self._stop()
        return None

    def _send(self, action: Tell) -> Any:
        return ask(action.command, action.arguments, timeout=_COMMAND_TIMEOUT_S)

    def _stop(self) -> None:
        try:
            ask("stop")
        except NotRunningError:
            return

    def _choose_background(self) -> Tell | None:
        image = self.choose()
        return Tell("background", {"background": str(image.absolute())}) if image else None

    def _show_log(self, failed: Failed) -> None:
        command = external.log_command(self.starter.has_service, self.starter.log)
        window = external.in_terminal(command)
        if window is None:
            raise LivebgError(f"No terminal emulator found to show the log. Run `{' '.join(command)}` in a terminal.")
        external.launch(window, failed)

    def _show_doctor(self, failed: Failed) -> None:
        window = external.in_terminal(external.doctor_command(self.command))
        if window is None:
            self.notify(external.doctors_word(self.command))
        else:
            external.launch(window, failed)
