"""SIGHUP: read the configuration again. But when the terminal is closed that livebg was started in, end with it."""

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
from livebg.live.thread import Companion

_LOG: Final = logging.getLogger(__name__)
_LEAVE: Final = 1.0
"""Seconds that a reload under way gets to end."""


@contextmanager
def reloading_on_hangup(reload: Callable[[], object]) -> Iterator[None]:
    """Inside the ``with`` block SIGHUP calls ``reload``, in a thread of its own; what that raises for people is logged.

    The same signal tells of a terminal that was closed. A livebg that has lost the terminal it was started in ends as by Ctrl-C,
    with a KeyboardInterrupt: it would go on unseen, with the camera on. Nothing is changed where there is no such signal
    (Windows), where it is ignored (``nohup``), and in other threads than the main one.
    """
    number = getattr(signal, "SIGHUP", None)
    in_main = threading.current_thread() is threading.main_thread()
    if number is None or not in_main or signal.getsignal(number) == signal.SIG_IGN:
        yield
        return
    asked = queue.SimpleQueue[bool]()  # the one kind that a signal handler may put into
    had_terminal = _has_terminal()

    def on_hangup(_number: int, _frame: FrameType | None) -> None:
        if had_terminal and not _has_terminal():
            raise KeyboardInterrupt
        asked.put(True)

    thread = Companion("livebg-reload", lambda: _reload_when_asked(asked, reload))
    thread.start()
    before = signal.signal(number, on_hangup)
    try:
        yield
    finally:
        signal.signal(number, before)
        asked.put(False)
        thread.join(_LEAVE)


def _reload_when_asked(asked: "queue.SimpleQueue[bool]", reload: Callable[[], object]) -> None:
    while asked.get():
        try:
            reload()
            _LOG.info("the configuration was read again")
        except LivebgError as error:
            _LOG.error("the configuration was not read again, and the settings stay: %s", error)


def _has_terminal() -> bool:
    return any(os.isatty(descriptor) for descriptor in range(3))
