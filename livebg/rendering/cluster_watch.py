"""Reports when a cluster has no workers left. Dask itself waits for new ones without a word."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_INTERVAL_S: Final = 1.0
_GRACE_S: Final = 5.0
"""Seconds without workers before the message: supervisors start lost ones again within these."""
_WAITING: Final = "No worker is left; waiting for one. Press Ctrl-C to stop; the same command continues."
_CONTINUING: Final = "A worker has joined; rendering continues."


class WorkerWatch:
    """Reports once that no worker is left while tasks wait, and once that there is one again. Runs a thread until it is closed.

    ``count`` returns the number of workers, and may raise any error; ``waiting`` returns whether a task waits for a result.
    ``report`` receives a sentence, in the thread.
    """

    def __init__(self, count: Callable[[], int], waiting: Callable[[], bool], report: Callable[[str], None]) -> None:
        self._count, self._waiting, self._report = count, waiting, report
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="cluster-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. A scheduler that does not answer can hold it up, but nothing is reported afterwards."""
        self._closed.set()
        self._thread.join(_INTERVAL_S)

    def _watch(self) -> None:
        reported, seen = False, time.monotonic()
        while not self._closed.wait(_INTERVAL_S):
            count = None
            with suppress(Exception):  # without a connection, the tasks fail
                count = self._count()
            if count != 0 or not self._waiting():
                seen = time.monotonic()
            if self._closed.is_set():
                return
            if reported and count:
                reported = False
                self._report(_CONTINUING)
            elif not reported and time.monotonic() - seen >= _GRACE_S:
                reported = True
                self._report(_WAITING)
