"""Supervises the worker and replaces it when it hangs."""

import logging
from collections.abc import Callable
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.errors import ModelError
from livebg.live.stats import FailureLog
from livebg.live.threads import WorkerThread
from livebg.live.worker import WorkerLoop

_LOG: Final = logging.getLogger(__name__)
_MIN_HANG_TIMEOUT_S: Final = 5.0
"""Initial timeout after which the worker is replaced. It doubles each time, in case the machine is only slow."""
_MAX_HANG_TIMEOUT_S: Final = 60.0
_TIMEOUT_RESET_S: Final = 600.0
"""Time without slow frames after which the timeout is reset: rare hangs are unrelated."""
_MAX_ABANDONED: Final = 3
"""Maximum number of hung workers, because each keeps a network in memory."""


class WorkerSupervisor:
    """Keeps one worker running.

    ``make`` returns a worker with the given counts of processed and failed frames. ``discard_network`` is called before a
    replacement builds its processor, because a hung network must not be reused. ``ended`` is called when a worker ends.
    """

    def __init__(
        self,
        make: Callable[[int, int], WorkerLoop],
        discard_network: Callable[[], None],
        failures: FailureLog,
        clock: Clock = SYSTEM_CLOCK,
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        self._make, self._discard_network, self._failures, self._clock = make, discard_network, failures, clock
        self._ended = ended
        self._hang_timeout, self._responsive_since = _MIN_HANG_TIMEOUT_S, clock.monotonic()
        self._abandoned: list[WorkerThread] = []
        """Threads of hung workers."""
        self.current = make(0, 0)
        self.thread = WorkerThread("livebg-worker", self.current.run, ended)

    def replace_hung(self) -> None:
        """Abandon a hung worker, because threads cannot be killed, and start another.

        Raises :class:`~livebg.errors.ModelError` if repeated replacements do not help.
        """
        busy, now = self.busy_seconds, self._clock.monotonic()
        if busy > _MIN_HANG_TIMEOUT_S:
            self._responsive_since = now
        elif now - self._responsive_since > _TIMEOUT_RESET_S:
            self._hang_timeout = _MIN_HANG_TIMEOUT_S
        if busy <= self._hang_timeout:
            return
        self._abandoned = [thread for thread in (*self._abandoned, self.thread) if thread.is_alive()]
        if len(self._abandoned) > _MAX_ABANDONED:
            raise ModelError(
                f"The network hangs, and {_MAX_ABANDONED} restarts did not help.", "Select another one with model.name."
            )
        text = f"The network did not respond for {self._hang_timeout:g} s and was restarted."
        self._hang_timeout = min(self._hang_timeout * 2, _MAX_HANG_TIMEOUT_S)
        _LOG.error("%s", text)
        self._failures.record(text)
        hung = self.current
        hung.abandon()
        self._discard_network()
        self.current = self._make(hung.processed, hung.failed + 1)
        self.thread = WorkerThread("livebg-worker", self.current.run, self._ended)
        self.thread.start()

    @property
    def busy_seconds(self) -> float:
        """Seconds since processing of the current frame started, 0 if idle."""
        since = self.current.busy_since
        return 0.0 if since is None else self._clock.monotonic() - since
