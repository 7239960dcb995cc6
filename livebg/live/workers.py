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
"""Seconds after which it is taken for hung."""
_MOST: Final = 3
"""Workers that may hang within a minute."""
_MINUTE: Final = 60.0


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
        self._hangs: list[float] = []
        """When workers hung, within the last minute."""
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
        if self._busy() <= _HUNG:
            return
        now = self._clock()
        self._hangs = [*(hang for hang in self._hangs if now - hang < _MINUTE), now]
        if len(self._hangs) > _MOST:
            raise ModelError(f"the network hung {len(self._hangs)} times within a minute: choose another with model.name")
        text = f"the network did not answer for {_HUNG:g} seconds: it was started anew"
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
