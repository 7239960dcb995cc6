"""The buffers of the PipeWire camera: the pictures in them, and those that readers hold."""

import ctypes
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.sinks.pipewire import abi

_MAX_LEASE_S: Final = 0.3
"""Seconds after which a buffer is reclaimed: an older picture is useless in a call."""


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


def write_picture(picture: NDArray[np.uint8], address: int, pixel_format: int) -> None:
    """Copy a picture to memory at ``address`` in a layout that the camera offers; both have the same size in bytes.

    ``picture`` is I420, shape (height * 3 / 2, width), C-contiguous. NV12 has its U and V samples in turn.
    """
    if pixel_format != abi.VIDEO_FORMAT_NV12:
        ctypes.memmove(address, picture.ctypes.data, picture.nbytes)
        return
    target = np.ctypeslib.as_array((ctypes.c_uint8 * picture.nbytes).from_address(address))
    luma, samples = picture.nbytes * 2 // 3, picture.reshape(-1)
    target[:luma] = samples[:luma]
    target[luma:].reshape(-1, 2)[:] = samples[luma:].reshape(2, -1).T


def _set_busy_counter(buffer: int, count: int) -> None:
    for meta in abi.metas(abi.Buffer.from_address(buffer).buffer.contents):
        if meta.type == abi.META_BUSY and meta.data and meta.size >= ctypes.sizeof(abi.MetaBusy):
            abi.MetaBusy.from_address(meta.data).count = count
