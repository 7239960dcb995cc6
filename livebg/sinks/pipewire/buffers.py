"""The buffers of the PipeWire camera: the layout of their pictures, and those that readers hold."""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.sinks.pipewire import abi

_MAX_LEASE_S: Final = 0.3
"""Seconds after which a buffer is reclaimed: an older picture is useless in a call."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrangement of a picture of ``width`` x ``height``, both even, in memory."""

    pixel_format: int
    """``abi.VIDEO_FORMAT_I420`` or ``abi.VIDEO_FORMAT_YUY2``."""
    width: int
    height: int

    @property
    def is_yuy2(self) -> bool:
        return self.pixel_format == abi.VIDEO_FORMAT_YUY2

    @property
    def stride(self) -> int:
        """Bytes per row, in I420 of luma."""
        return self.width * 2 if self.is_yuy2 else self.width

    @property
    def size(self) -> int:
        """Bytes per picture."""
        return self.width * self.height * (4 if self.is_yuy2 else 3) // 2

    def write(self, picture: NDArray[np.uint8], address: int) -> None:
        """Copy a picture, I420 of this size and C-contiguous, to :attr:`size` bytes at ``address``."""
        if not self.is_yuy2:
            ctypes.memmove(address, picture.ctypes.data, self.size)
            return
        luma, chroma = np.split(picture.reshape(-1), [self.width * self.height])
        both = np.asarray(cv2.merge(list(chroma.reshape(2, self.height // 2, self.width // 2)))).reshape(self.height // 2, -1)
        memory = (ctypes.c_uint8 * self.size).from_address(address)
        pairs = np.ctypeslib.as_array(memory).reshape(self.height // 2, 2 * self.width, 2)
        # Each row of chroma serves two rows of luma. OpenCV interleaves three times as fast as NumPy.
        cv2.merge([luma.reshape(self.height // 2, -1), np.concatenate([both, both], axis=1)], pairs)


class BufferLeases:
    """Reclaims buffers from readers that never return them.

    A reader increments a buffer's busy counter in shared memory when it takes the buffer and decrements it when it is done; until
    then PipeWire does not return the buffer. A reader that leaves, hangs or crashes never decrements it, and PipeWire does not do
    so while other readers are active (observed with 0.3.65). Eventually no buffer is left and no reader receives pictures.

    Buffers are addresses of ``pw_buffer``. Not thread-safe. ``clock`` returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._filled_at: dict[int, float] = {}

    def lease(self, buffer: int) -> None:
        """Record that a buffer is being filled and set its busy counter to 1: the writer, which decrements it on queueing."""
        self._filled_at[buffer] = self._clock()
        _set_busy_counter(buffer, 1)

    def release(self, buffer: int) -> None:
        """Remove a buffer that no longer exists."""
        self._filled_at.pop(buffer, None)

    def reclaim_expired(self) -> None:
        """Reclaim buffers held for too long. A reader that still uses one sees a newer picture in it."""
        now = self._clock()
        for buffer, filled_at in self._filled_at.items():
            if now - filled_at > _MAX_LEASE_S:
                _set_busy_counter(buffer, 0)


def _set_busy_counter(buffer: int, count: int) -> None:
    for meta in abi.metas(abi.Buffer.from_address(buffer).buffer.contents):
        if meta.type == abi.META_BUSY and meta.data and meta.size >= ctypes.sizeof(abi.MetaBusy):
            abi.MetaBusy.from_address(meta.data).count = count
