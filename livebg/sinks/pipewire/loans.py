"""Buffers that readers hold, and those that they took with them when they left.

A reader counts itself in where it takes a buffer, in memory that all share, and out when it is done; until then PipeWire does not
give the buffer back. A reader that leaves, hangs or dies with buffers in its hands never counts itself out, and PipeWire does not
do it for it as long as others read on (seen with 0.3.65): sooner or later no buffer is left, and nobody gets pictures.
"""

import ctypes
import time
from collections.abc import Callable, Iterator
from typing import Final

from livebg.sinks.pipewire import abi

_HELD: Final = 0.3
"""Seconds after which a buffer is taken back: a picture that old is of no use in a call."""


class Loans:
    """Keeps the time at which each buffer was last filled. Buffers are the addresses of ``pw_buffer``; all calls from one thread
    at a time. ``clock`` is in seconds and never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._filled: dict[int, float] = {}

    def take(self, buffer: int) -> None:
        """A buffer that is being filled: whoever held it, one holds it now, and counts itself out when it is passed on."""
        self._filled[buffer] = self._clock()
        for busy in _counts(buffer):
            busy.count = 1

    def forget(self, buffer: int) -> None:
        """A buffer that is there no more."""
        self._filled.pop(buffer, None)

    def reclaim(self) -> None:
        """Take back what has been held for too long. Who still reads it sees a newer picture in its place."""
        now = self._clock()
        for buffer, filled in self._filled.items():
            if now - filled > _HELD:
                for busy in _counts(buffer):
                    busy.count = 0


def _counts(buffer: int) -> Iterator[abi.MetaBusy]:
    """The count of those that hold a buffer, if it has one."""
    for meta in abi.metas(abi.Buffer.from_address(buffer).buffer.contents):
        if meta.type == abi.META_BUSY and meta.data and meta.size >= ctypes.sizeof(abi.MetaBusy):
            yield abi.MetaBusy.from_address(meta.data)
