"""The worker that is at work, and the one that takes its place when it hangs."""

import logging
import time
from collections.abc import Callable
from typing import Final

from livebg.errors import ModelError
from livebg.live.failure import Failures
from livebg.live.thread import Companion
from livebg.live.worker import WorkerLoop

_LOG: Final = logging.getLogger(__name__)
_SLOW: Final = 2.0
"""Seconds of thinking about one frame after which it is said that the network does not answer."""
_HUNG: Final = 5.0
"""Seconds after which it is taken for hung, at first: on a machine that is merely slow the next one is given twice as long."""
_LONGEST: Final = 60.0
_FORGOTTEN: Final = 600.0
"""Seconds without so long an answer after which no more than that is waited for again: a hang a day says nothing of the next."""
_MOST: Final = 3
"""Workers that may be left behind and still hang: each holds a network's memory."""


class Workers:
    """Keeps one worker at work. ``make`` gives one that goes on counting at so many processed and so many failed frames;
    ``forget`` is called before another one builds its processor anew, since the network that hung must not be asked again."""

    def __init__(
        self,
        make: Callable[[int, int], WorkerLoop],
        forget: Callable[[], None],
        failures: Failures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._forget, self._failures, self._clock = make, forget, failures, clock
        self._patience, self._answers_since = _HUNG, clock()
        self._left: list[Companion] = []
        """Threads of workers that hung."""
        self.current = make(0, 0)
        self.thread = Companion("livebg-worker", self.current.run)

    @property
    def hanging(self) -> bool:
        """Whether the network does not answer."""
        return self._busy() > _SLOW

    def replace_hung(self) -> None:
        """Leaves a worker that hangs behind, since no thread can be ended from outside, and starts another.

        Raises :class:`~livebg.errors.ModelError` when that does not help.
        """
        busy, now = self._busy(), self._clock()
        if busy > _HUNG:
            self._answers_since = now
        elif now - self._answers_since > _FORGOTTEN:
            self._patience = _HUNG
        if busy <= self._patience:
            return
        self._left = [thread for thread in (*self._left, self.thread) if thread.alive]
        if len(self._left) > _MOST:
            raise ModelError(f"the network hangs, and new starts, {_MOST} times, did not help: choose another with model.name")
        text = f"the network did not answer for {self._patience:g} seconds: it was started anew"
        self._patience = min(self._patience * 2, _LONGEST)
        _LOG.error("%s", text)
        self._failures.note(text)
        hung = self.current
        hung.abandon()
        self._forget()
        self.current = self._make(hung.processed, hung.failed + 1)
        self.thread = Companion("livebg-worker", self.current.run)
        self.thread.start()

    def _busy(self) -> float:
        """Seconds since the frame was begun that is being worked on."""
        since = self.current.busy_since
        return 0.0 if since is None else self._clock() - since
