"""Is anybody watching the camera that PipeWire offers: its stream tells by itself, and is never wrong about it."""

import queue
import time
from collections.abc import Callable
from typing import Final

from livebg.live.presence.debounce import Judgement
from livebg.live.presence.device import Method
from livebg.sinks.pipewire.streaming import Streaming


class StreamPresence:
    """The :class:`~livebg.live.presence.device.Presence` of PipeWire's camera, by what ``streaming`` is told.

    - ``changed`` is called in the thread of :meth:`run` after each change of :attr:`watched`.
    - ``grace``: seconds for which nobody may have watched before that counts. Somebody counts at once. While the output is not
      open nobody watches, since there is nothing to connect to: ``device`` does not matter.
    - ``clock`` is in seconds and never goes back.
    """

    method: Final[Method] = "pipewire"

    def __init__(
        self,
        streaming: Streaming,
        device: Callable[[], str | None],  # noqa: ARG002 - as all presences
        changed: Callable[[], None],
        *,
        grace: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._streaming, self._changed, self._clock = streaming, changed, clock
        self._judgement = Judgement(grace)
        self._news: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        """What was heard, None for the end."""

    @property
    def watched(self) -> bool | None:
        return self._judgement.watched

    def run(self) -> None:
        self._streaming.listener = self._news.put
        self._judge(self._streaming.now, anew=False)
        while True:
            due = self._judgement.due
            try:
                heard = self._news.get(timeout=None if due is None else max(0.0, due - self._clock()))
            except queue.Empty:
                self._judge(self._streaming.now, anew=True)
                continue
            if heard is None:
                return
            self._judge(heard, anew=False)

    def stop(self) -> None:
        self._news.put(None)

    def _judge(self, level: bool, *, anew: bool) -> None:
        before = self.watched
        self._judgement.take(level, self._clock(), anew=anew)
        if self.watched != before:
            self._changed()
