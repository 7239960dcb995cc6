"""A thread that keeps its exception."""

import threading
from collections.abc import Callable


class WorkerThread(threading.Thread):
    """A daemon thread that stores an uncaught exception in ``error`` so the owner can re-raise it.

    It is a daemon thread so that a driver or network call that never returns cannot keep the process from exiting. It calls
    ``ended`` last.
    """

    def __init__(self, name: str, target: Callable[[], object], ended: Callable[[], object] = lambda: None) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._ended = target, ended
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - stored for the owner, which re-raises it
            self.error = error
        self._ended()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the thread to end. A thread that was never started counts as ended."""
        if self.ident is not None:
            super().join(timeout)
