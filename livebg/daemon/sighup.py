"""SIGHUP: reload the configuration, or exit if the controlling terminal was closed."""

import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from livebg.errors import LivebgError
from livebg.live.threads import WorkerThread

_LOG: Final = logging.getLogger(__name__)
_JOIN_TIMEOUT_S: Final = 1.0
"""Time for a pending reload to finish."""


@contextmanager
def reload_on_sighup(reload: Callable[[], object]) -> Iterator[None]:
    """Call ``reload`` in its own thread on SIGHUP, for the ``with`` block. Its errors are logged.

    If the controlling terminal is gone, exit as on Ctrl-C, with a KeyboardInterrupt; otherwise livebg would keep the camera on
    invisibly. Does nothing without SIGHUP (Windows), if it is ignored (``nohup``), and outside the main thread.
    """
    number = getattr(signal, "SIGHUP", None)
    in_main = threading.current_thread() is threading.main_thread()
    if number is None or not in_main or signal.getsignal(number) == signal.SIG_IGN:
        yield
        return
    requests = queue.SimpleQueue[bool]()  # the only queue that is safe in a signal handler
    had_terminal = _has_terminal()

    def on_hangup(_number: int, _frame: FrameType | None) -> None:
        if had_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
            return
        requests.put(True)

    thread = WorkerThread("livebg-reload", lambda: _reload_on_request(requests, reload))
    thread.start()
    before = signal.signal(number, on_hangup)
    try:
        yield
    finally:
        signal.signal(number, before)
        requests.put(False)
        thread.join(_JOIN_TIMEOUT_S)


def _reload_on_request(requests: "queue.SimpleQueue[bool]", reload: Callable[[], object]) -> None:
    while requests.get():
        try:
            reload()
            _LOG.info("Configuration reloaded.")
        except LivebgError as error:
            _LOG.error("Reloading the configuration failed; the settings are unchanged: %s", error)
        except Exception:  # noqa: BLE001 - a bug must not prevent later reloads
            _LOG.exception("Reloading the configuration failed; the settings are unchanged.")


def _has_terminal() -> bool:
    return any(os.isatty(descriptor) for descriptor in range(3))
