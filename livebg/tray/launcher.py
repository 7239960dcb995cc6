"""Starting livebg from the tray, and starting it anew."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livebg.daemon.client import ask
from livebg.daemon.runtime_dir import running_pid
from livebg.errors import LivebgError, NotRunningError
from livebg.system.host import Commands, Outcome, ToolHung, ToolMissing

UNIT: Final = "livebg.service"
_PATIENCE: Final = 30.0
"""Seconds in which livebg answers after its start; a cold disk takes some."""
_PAUSE: Final = 0.1


@dataclass(frozen=True)
class Starter:
    """Starts livebg: its service where that is installed, else ``command`` as a process that outlives the tray.

    ``log`` is where such a process writes what it has to say.
    """

    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    commands: Commands = field(default_factory=Commands)
    asked: Callable[[str], Any] = ask
    holder: Callable[[], int | None] = running_pid

    @property
    def has_service(self) -> bool:
        """Whether the user's service manager can be asked, and knows livebg."""
        return self._systemctl("cat", UNIT).code == 0

    def start(self) -> None:
        """Returns once livebg answers. Raises :class:`~livebg.errors.LivebgError` with the reason why it does not."""
        if not self.has_service:
            self._start_process()
            return
        done = self._systemctl("start", UNIT, patience=_PATIENCE)
        if done.code:
            raise LivebgError(f"livebg did not start: {self._last_words() or _last_line(done.err)}")
        self._await_answer(lambda: None)

    def restart(self) -> None:
        """End the livebg that runs, whatever protocol it speaks, and start the one that is installed. Raises as start does."""
        pid = self.holder()
        if pid and self._systemctl("show", "--property=MainPID", "--value", UNIT).out.strip() == str(pid):
            done = self._systemctl("restart", UNIT, patience=_PATIENCE)
            if done.code:
                raise LivebgError(f"livebg did not start again: {self._last_words() or _last_line(done.err)}")
            self._await_answer(lambda: None)
            return
        if pid:
            self._end(pid)
        self.start()

    def _end(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        except OSError as error:
            raise LivebgError(f"livebg (pid {pid}) cannot be ended ({error.strerror}): end it yourself") from error
        deadline = time.monotonic() + _PATIENCE
        while self.holder() in (pid, 0):
            if time.monotonic() > deadline:
                raise LivebgError(f"livebg (pid {pid}) does not end: end it with `kill -9 {pid}`, then start it")
            time.sleep(_PAUSE)

    def _start_process(self) -> None:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as log:
                process = subprocess.Popen(
                    [*self.command, "run"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(self.environment),
                    cwd=Path.home(),
                    start_new_session=True,
                )
        except OSError as error:
            raise LivebgError(f"livebg cannot be started ({error.strerror}: {error.filename}): install it anew") from error

        def check() -> None:
            if process.poll() is not None:
                said = _last_line(self.log.read_text("utf-8", "replace")).removeprefix("livebg: ")
                raise LivebgError(f"livebg did not start: {said or f'it ended with exit code {process.returncode}'}")

        try:
            self._await_answer(check)
        finally:  # it lives on without the tray; while that is there, it buries it
            threading.Thread(target=process.wait, name="livebg tray wait", daemon=True).start()

    def _await_answer(self, check: Callable[[], None]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.asked("status")
                return
            except NotRunningError:
                check()
            if time.monotonic() > deadline:
                raise LivebgError(f"livebg was started and does not answer within {_PATIENCE:g} s: look into its log")
            time.sleep(_PAUSE)

    def _last_words(self) -> str:
        """What livebg itself said at last, by the journal."""
        try:
            done = self.commands.run("journalctl", "--user", "-o", "cat", "-n", "1", f"_SYSTEMD_USER_UNIT={UNIT}")
        except (ToolMissing, ToolHung):
            return ""
        return _last_line(done.out).removeprefix("livebg: ") if done.code == 0 else ""

    def _systemctl(self, *words: str, patience: float = 5.0) -> Outcome:
        try:
            return self.commands.run("systemctl", "--user", *words, patience=patience)
        except (ToolMissing, ToolHung) as error:
            return Outcome(1, "", str(error))


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1].strip()
