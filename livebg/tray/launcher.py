"""Starts and restarts livebg from the tray."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livebg.daemon.client import request
from livebg.daemon.runtime_dir import running_pid
from livebg.errors import ConfigError, LivebgError
from livebg.platform.user_paths import home_folder
from livebg.setup.resources import UNIT
from livebg.system.host import Commands, ToolResult, last_line

_START_TIMEOUT_S: Final = 30.0
"""Maximum time until livebg responds after its start. A cold disk cache slows it down."""
_POLL_INTERVAL_S: Final = 0.1


@dataclass(frozen=True)
class DaemonLauncher:
    """Starts livebg as its systemd user service if installed, otherwise ``command`` as a process that outlives the tray.

    ``log`` is the file for the output of that process.
    """

    command: tuple[str, ...]
    log: Path
    commands: Commands = field(default_factory=Commands)
    request: Callable[[str], Any] = request
    find_pid: Callable[[], int | None] = running_pid

    @property
    def has_service(self) -> bool:
        """Whether the systemd user manager is available and has livebg's unit."""
        return self._systemctl("cat", UNIT).code == 0

    def start(self) -> None:
        """Start livebg and wait until it responds. Raises :class:`~livebg.errors.LivebgError` with the reason if it does not."""
        if not self.has_service:
            self._start_process()
            return
        self._run_service("start")

    def restart(self) -> None:
        """Stop the running livebg, regardless of its protocol version, and start the installed one. Raises like :meth:`start`."""
        pid = self.find_pid()
        if pid and self._systemctl("show", "--property=MainPID", "--value", UNIT).out.strip() == str(pid):
            self._run_service("restart")
            return
        if pid:
            self._terminate(pid)
        self.start()

    def _run_service(self, verb: str) -> None:
        done = self._systemctl(verb, UNIT, timeout=_START_TIMEOUT_S)
        if done.code:
            log = self.commands.try_run("journalctl", "--user", "-o", "cat", "-n", "1", f"_SYSTEMD_USER_UNIT={UNIT}")
            reason = last_line(log.out).removeprefix("livebg: ") if log.code == 0 else ""
            raise LivebgError(f"livebg did not {verb}: {reason or last_line(done.err)}")
        self._wait_until_ready()

    def _terminate(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        except OSError as error:
            raise LivebgError(f"Cannot stop livebg (pid {pid}): {error.strerror}.", "Stop it yourself.") from error
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self.find_pid() in (pid, 0):
            if time.monotonic() > deadline:
                raise LivebgError(
                    f"livebg (pid {pid}) did not stop within {_START_TIMEOUT_S:g} s.", f"Run `kill -9 {pid}`, then start it."
                )
            time.sleep(_POLL_INTERVAL_S)

    def _start_process(self) -> None:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as log:
                process = subprocess.Popen(
                    [*self.command, "run"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=home_folder() or "/",
                    start_new_session=True,
                )
        except OSError as error:
            raise LivebgError(f"Cannot start livebg ({error.strerror}: {error.filename}).", "Reinstall it.") from error

        def check() -> None:
            if process.poll() is not None:
                reason = last_line(self.log.read_text("utf-8", "replace")).removeprefix("livebg: ")
                raise LivebgError(f"livebg did not start: {reason or f'it failed with exit code {process.returncode}'}")

        try:
            self._wait_until_ready(check)
        finally:  # reap the child while the tray runs; it may outlive the tray
            threading.Thread(target=process.wait, name="livebg tray wait", daemon=True).start()

    def _wait_until_ready(self, check: Callable[[], None] = lambda: None) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self.request("status")
                return
            except ConfigError:  # such as another protocol version: waiting does not help
                raise
            except LivebgError:  # it is starting, and too busy to respond in time
                check()
            if time.monotonic() > deadline:
                raise LivebgError(f"livebg did not respond within {_START_TIMEOUT_S:g} s of its start.", "Check its log.")
            time.sleep(_POLL_INTERVAL_S)

    def _systemctl(self, *arguments: str, timeout: float = 5.0) -> ToolResult:
        return self.commands.try_run("systemctl", "--user", *arguments, timeout=timeout)
