"""A thread whose exception is not lost."""

import threading
from collections.abc import Callable


class Companion:
    """A daemon thread that keeps the exception it died of, for who looks after it.

    It is a daemon so that a call that never returns, into a driver or a network, cannot keep the process from ending.
    """

    def __init__(self, name: str, target: Callable[[], object]) -> None:
        self._target = target
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float) -> bool:
        """Waits for its end up to ``timeout`` seconds; tells whether it came."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as error:  # noqa: BLE001 - nothing is swallowed: who looks after the thread raises it again
            self.error = error
