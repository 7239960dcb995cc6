"""Reclaims buffers from readers that never return them.

A reader increments a buffer's busy counter in shared memory when it takes the buffer and decrements it when it is done; until
then PipeWire does not return the buffer. A reader that leaves, hangs or crashes never decrements it, and PipeWire does not do so
while other readers are active (observed with 0.3.65). Eventually no buffer is left and no reader receives pictures.
"""

import ctypes
import time
from collections.abc import Callable, Iterator
from typing import Final

from livebg.sinks.pipewire import abi

_MAX_LEASE_S: Final = 0.3
"""Seconds after which a buffer is reclaimed: an older picture is useless in a call."""


class BufferLeases:
    """Records when each buffer was last filled. Buffers are addresses of ``pw_buffer``. Not thread-safe. ``clock`` returns
    monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._filled_at: dict[int, float] = {}

    def lease(self, buffer: int) -> None:
        """Record that a buffer is being filled and set its busy counter to 1 (the writer, which decrements it when it queues the
        buffer).
        """
        self._filled_at[buffer] = self._clock()
        for busy in _busy_counters(buffer):
            busy.count = 1

    def release(self, buffer: int) -> None:
        """Remove a buffer that no longer exists."""
        self._filled_at.pop(buffer, None)

    def reclaim_expired(self) -> None:
        """Reclaim buffers held for too long. A reader that still uses one sees a newer picture in it."""
        now = self._clock()
        for buffer, filled_at in self._filled_at.items():
            if now - filled_at > _MAX_LEASE_S:
                for busy in _busy_counters(buffer):
                    busy.count = 0


def _busy_counters(buffer: int) -> Iterator[abi.MetaBusy]:
    """Yield the buffer's busy counter, if it has one."""
    for meta in abi.metas(abi.Buffer.from_address(buffer).buffer.contents):
        if meta.type == abi.META_BUSY and meta.data and meta.size >= ctypes.sizeof(abi.MetaBusy):
            yield abi.MetaBusy.from_address(meta.data)
