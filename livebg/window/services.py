"""What the window does besides commands: start livebg, run the doctor, open a terminal. Needs no GTK."""

import shlex
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from livebg.errors import LivebgError
from livebg.tray.actions import doctor_findings, launch, terminal_command
from livebg.tray.launcher import DaemonLauncher
from livebg.window.link import Post
from livebg.window.problems import Problem, fix_script, problems

SETUP_COMMAND: Final = "livebg setup"


@dataclass(frozen=True, slots=True)
class Services:
    """``command`` starts this livebg. Results and errors are posted to the main thread by ``post``."""

    command: Sequence[str]
    launcher: DaemonLauncher
    post: Post
    on_error: Callable[[str], object]

    def in_background(self, job: Callable[[], Any], done: Callable[[Any], object]) -> None:
        """Run ``job`` in a thread, then post its result to ``done``, or the message of its error to ``on_error``."""

        def run() -> None:
            try:
                result = job()
            except LivebgError as error:
                self.post(self.on_error, str(error))
            else:
                self.post(done, result)

        threading.Thread(target=run, name="livebg window background", daemon=True).start()

    def find_problems(self) -> tuple[Problem, ...]:
        """Run the doctor, which takes seconds. Raises :class:`~livebg.errors.LivebgError`."""
        return problems(doctor_findings(self.command))

    def run_in_terminal(self, command: str) -> bool:
        """Show and run a shell command in a terminal window. Return False if no known terminal is installed."""
        window = terminal_command(fix_script(command, self.command))
        if window is not None:
            launch(window, self._report)
        return window is not None

    def _report(self, reason: str) -> None:
        self.post(self.on_error, reason)

    def readable_command(self, command: str) -> str:
        """Return ``command`` as the user can run it in a terminal."""
        own = shlex.join(self.command)
        return " && ".join(f"{own}{part[6:]}" if part.startswith("livebg ") else part for part in command.split(" && "))


def recording_path(folder: Path, now: datetime) -> Path:
    """Return the path of a new recording in ``folder``."""
    return folder / f"livebg {now:%Y-%m-%d %H.%M.%S}.mkv"
