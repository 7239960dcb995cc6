"""Doing what is clicked."""

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

_PATIENCE: Final = 60.0
"""Seconds within which any command is answered; one that loads a large network takes some."""
Failed = Callable[[str], None]


@dataclass(frozen=True)
class Doer:
    """Does one thing after the other; ``command`` is how livebg is started."""

    command: tuple[str, ...]
    starter: Starter
    autostart: Autostart
    choose: Callable[[], Path | None] = external.choose_picture
    notify: Callable[[str], None] = dbus.notify

    def do(self, action: Action, failed: Failed) -> Tell | None:
        """What is to be done next, if anything; ``failed`` is told of what fails later.

        Raises :class:`~livebg.errors.LivebgError`.
        """
        match action:
            case Tell():
                self._tell(action)
            case Deed.START:
                self.starter.start()
            case Deed.RESTART:
                self.starter.restart()
            case Deed.CHOOSE_BACKGROUND:
                return self._chosen()
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

    def _tell(self, action: Tell) -> Any:
        return ask(action.command, action.arguments, timeout=_PATIENCE)

    def _stop(self) -> None:
        try:
            ask("stop")
        except NotRunningError:
            return

    def _chosen(self) -> Tell | None:
        picture = self.choose()
        return Tell("background", {"background": str(picture.absolute())}) if picture else None

    def _show_log(self, failed: Failed) -> None:
        wanted = external.log_command(self.starter.has_service, self.starter.log)
        window = external.in_terminal(wanted)
        if window is None:
            raise LivebgError(f"no terminal is installed to show the log in: run `{' '.join(wanted)}` elsewhere")
        external.launch(window, failed)

    def _show_doctor(self, failed: Failed) -> None:
        window = external.in_terminal(external.doctor_command(self.command))
        if window is None:
            self.notify(external.doctors_word(self.command))
        else:
            external.launch(window, failed)
