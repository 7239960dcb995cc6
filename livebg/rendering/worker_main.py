"""What runs in a worker process. The slow imports follow after the signals are ignored and the parent is watched."""

import logging
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from logging.handlers import QueueHandler
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from livebg.rendering.worker import Worker

SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The terminal and the service manager send them to the parent and its workers at once. The parent decides what happens."""
STOP: Final = b""
"""The message that cancels the running task and ends the process."""
_PROGRESS_INTERVAL_S: Final = 0.1


def serve(pipe: Connection, levels: Mapping[str, int]) -> None:
    """Run the tasks that arrive by ``pipe`` until it closes. ``levels`` are those of the parent's loggers, by name.

    Replies to each task with ``("begun", None)``, any number of ``("advanced", frames)`` and ``("log", record)``, and one
    ``("done", result)`` or ``("failed", exception)``.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    replies = _Replies(pipe)
    _forward_logs(replies, levels)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # as in the command line

    import cv2

    from livebg.rendering.cached_segmenter import load_segmenter
    from livebg.rendering.worker import Worker

    cv2.setNumThreads(1)
    worker = Worker(load_segmenter, replies.advance, pipe.poll)
    while True:
        try:
            content = pipe.recv_bytes()
        except (EOFError, OSError):
            break
        if content == STOP:
            break
        replies.run(content, worker)
    os._exit(0)  # without waiting for threads of libraries


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent:
        connection.wait([parent.sentinel])
        os._exit(1)


def _forward_logs(replies: "_Replies", levels: Mapping[str, int]) -> None:
    """Log through the parent: its console may show a progress bar."""
    logging.getLogger().addHandler(_ForwardingHandler(replies))
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class _ForwardingHandler(QueueHandler):
    """Prepares records for pickling, and sends them instead of queueing them."""

    def __init__(self, replies: "_Replies") -> None:
        super().__init__(queue.SimpleQueue())
        self._replies = replies

    def enqueue(self, record: logging.LogRecord) -> None:
        self._replies.log(record)


class _Replies:
    """Sends the replies to a task. Library threads may log, so it locks."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._frames = 0
        self._last_sent = 0.0

    def run(self, content: bytes, worker: "Worker") -> None:
        """Run the pickled task ``content``."""
        self._frames = 0
        self._send("begun", None)
        try:
            result = pickle.loads(content).run(worker)
            self._send("advanced", self._frames)
            self._send("done", result)
        except Exception as error:  # noqa: BLE001 - the parent handles it
            self._send("failed", _picklable(error))

    def advance(self, frames: int) -> None:
        """Count frames of the running task."""
        self._frames += frames
        now = time.monotonic()
        if now - self._last_sent >= _PROGRESS_INTERVAL_S:
            self._last_sent = now
            self._send("advanced", self._frames)

    def log(self, record: logging.LogRecord) -> None:
        """Send a log record, which may come from any thread."""
        self._send("log", record)

    def _send(self, kind: str, value: Any) -> None:
        content = pickle.dumps((kind, value))
        with self._sending:
            self._pipe.send_bytes(content)


def _picklable(error: Exception) -> Exception:
    """Return ``error`` with its traceback as a note, or an error with the same text if it cannot be pickled."""
    note = f"In a worker process:\n{traceback.format_exc()}"
    error.add_note(note)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - pickling runs code of any class
        error = RuntimeError(f"{type(error).__name__}: {error}")
        error.add_note(note)
    return error
