"""A thread that keeps its exception."""

import threading
from collections.abc import Callable


class WorkerThread:
    """A daemon thread that stores an uncaught exception so the owner can re-raise it.

    It is a daemon thread so that a driver or network call that never returns cannot keep the process from exiting. It calls
    ``ended`` last.
    """

    def __init__(self, name: str, target: Callable[[], object], ended: Callable[[], object] = lambda: None) -> None:
        self._target, self._ended = target, ended
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds for the thread to end. Returns whether it ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as error:  # noqa: BLE001 - stored for the owner, which re-raises it
            self.error = error
        self._ended()
