"""A process that runs tasks. A pipe is all that it shares with its parent: there is no lock that a killed process could hold.

:class:`concurrent.futures.ProcessPoolExecutor` would end all of its processes, and lose their tasks, if one of them is killed.
"""

import logging
import multiprocessing
import pickle
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final

from livebg.errors import Cancelled
from livebg.platform.interrupts import signals_blocked
from livebg.rendering.worker import Task, TaskObserver, WorkerLost
from livebg.rendering.worker_main import SIGNALS, STOP, serve

_EXIT_TIMEOUT_S: Final = 5.0
_LOGGERS: Final = ("", "livebg")
"""The command line sets the levels of these."""


class WorkerProcess:
    """Runs one task at a time in a process, which starts with the first task, and again after it was lost."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._sending = threading.Lock()
        self._stopped = self._begun = False

    def run(self, task: Task[Any], observer: TaskObserver) -> Any:
        """Return the result of the task, or raises its error.

        Raises :class:`~livebg.rendering.worker.WorkerLost` if the process ends, also because of :meth:`stop`, after which the
        task or this method raises :class:`~livebg.errors.Cancelled`.
        """
        content = pickle.dumps(task)
        try:
            pipe = self._send(content)
            while True:
                kind, value = _receive(pipe)
                if kind == "begun":
                    self._begun = True
                elif kind == "advanced":
                    observer.advanced(value)
                elif kind == "log":
                    logging.getLogger(value.name).handle(value)
                else:
                    break
        except _PipeClosed:
            problem = f"{observer.label} failed: its process {self._end()}."
            raise WorkerLost(problem, "If memory is short, use a smaller value of --jobs.") from None
        except BaseException:
            self._end()  # the next task must not receive the replies to this one
            raise
        finally:
            self._begun = False
        if kind == "failed":
            raise value
        return value

    def stop(self) -> None:
        """Let the running task and later ones raise Cancelled. A process that is still starting is killed."""
        with self._sending:
            self._stopped = True
            if self._pipe:
                with suppress(OSError):
                    self._pipe.send_bytes(STOP)
            if self._process and not self._begun:
                self._process.kill()

    def close(self) -> None:
        """End the process. No task may be running."""
        self._end()

    def _send(self, content: bytes) -> Connection:
        """Start the process if necessary, and send it a task."""
        with self._sending:
            if self._stopped:
                raise Cancelled("Stopped.")
            if self._pipe is None:
                self._start()
            assert self._pipe is not None
            try:
                self._pipe.send_bytes(content)
            except OSError as error:
                raise _PipeClosed from error
            return self._pipe

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        self._process = context.Process(target=serve, args=(theirs, levels), name="livebg worker", daemon=True)
        with signals_blocked(SIGNALS):
            self._process.start()
        theirs.close()  # the process has the only other copy, so its end closes the pipe

    def _end(self) -> str:
        """End the process, which exits once the pipe is closed. Returns how it ended: ``was killed (SIGKILL)``."""
        with self._sending:
            process, pipe = self._process, self._pipe
            self._process = self._pipe = None
        if process is None or pipe is None:
            return "did not start"
        pipe.close()
        process.join(_EXIT_TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            process.join()
        code = process.exitcode or 0
        return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended unexpectedly (exit code {code})"


class _PipeClosed(Exception):
    """The process has ended."""


def _receive(pipe: Connection) -> tuple[str, Any]:
    try:
        content = pipe.recv_bytes()
    except (EOFError, OSError) as error:
        raise _PipeClosed from error
    kind, value = pickle.loads(content)
    return kind, value
