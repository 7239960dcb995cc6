"""Ctrl-C, SIGTERM and SIGHUP: the first one interrupts the program, and repeating it does not interrupt the cleanup."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

_GRACE_S: Final = 10.0
"""Time for the cleanup. After it, another signal interrupts again, so that a cleanup that hangs can be ended."""


class Interrupt:
    """A signal handler that raises KeyboardInterrupt, at most once in 10 seconds. ``clock`` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None

    @property
    def requested(self) -> bool:
        """Whether a signal has arrived."""
        return self._since is not None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        now = self._clock()
        if self._since is None or now - self._since > _GRACE_S:
            self._since = now
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Handle Ctrl-C, SIGTERM and SIGHUP with an :class:`Interrupt` for the ``with`` block.

    A signal that is ignored (``nohup``) stays ignored. After an interrupt all of them are ignored, since the program ends.
    Does nothing outside the main thread.
    """
    interrupt = Interrupt()
    before = handle_signals(interrupt)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if interrupt.requested else handler)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Postpone Ctrl-C, SIGTERM and SIGHUP to the end of the ``with`` block, for steps that leave something behind in between.

    Keep the block short. Does nothing outside the main thread.
    """
    arrived: list[int] = []
    before = handle_signals(lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])


@contextmanager
def signals_blocked(signals: Iterable[int]) -> Iterator[None]:
    """Let processes that start in the ``with`` block, or by threads that do, ignore ``signals``: they inherit the mask.

    This thread gets them after the block. Does nothing on Windows.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # not needed to start the command line

    resource_tracker.ensure_running()  # otherwise it may start in the block, and unblock some of the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def handle_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> dict[signal.Signals, Any]:
    """Install ``handler`` for Ctrl-C, SIGTERM and SIGHUP unless ignored. Returns the previous handlers by signal."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return {number: signal.signal(number, handler) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
