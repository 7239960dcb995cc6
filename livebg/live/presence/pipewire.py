"""Detects whether an app uses the PipeWire camera. The stream state reports this reliably."""

import queue
from collections.abc import Callable
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.live.presence.debounce import PresenceDebouncer
from livebg.live.presence.device import Method
from livebg.sinks.pipewire.stream import StreamingFlag


class StreamPresence:
    """The :class:`~livebg.live.presence.device.Presence` of the PipeWire camera, from ``streaming``.

    - ``changed`` is called in the thread of :meth:`run` after each change of :attr:`watched`.
    - ``grace``: seconds without a viewer before the output counts as unwatched. It counts as watched immediately. A closed
      output is unwatched because apps cannot connect to it, so ``device`` is ignored.
    """

    method: Final[Method] = "pipewire"

    def __init__(
        self,
        streaming: StreamingFlag,
        device: Callable[[], str | None],  # noqa: ARG002 - PresenceMaker signature
        changed: Callable[[], object],
        *,
        grace: float = 4.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._streaming, self._changed, self._clock = streaming, changed, clock
        self._debouncer = PresenceDebouncer(grace)
        self._events: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        """Stream state changes; None ends :meth:`run`."""

    @property
    def watched(self) -> bool | None:
        return self._debouncer.watched

    def run(self) -> None:
        self._streaming.listener = self._events.put
        self._update(self._streaming.now, fresh=False)
        while True:
            due = self._debouncer.recheck_at
            try:
                streaming = self._events.get(timeout=None if due is None else max(0.0, due - self._clock.monotonic()))
            except queue.Empty:
                self._update(self._streaming.now, fresh=True)
                continue
            if streaming is None:
                return
            self._update(streaming, fresh=False)

    def stop(self) -> None:
        self._events.put(None)

    def _update(self, level: bool, *, fresh: bool) -> None:
        before = self.watched
        self._debouncer.update(level, self._clock.monotonic(), fresh=fresh)
        if self.watched != before:
            self._changed()
