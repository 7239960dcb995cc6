"""Streams from a capture device, with a timeout for every wait."""

import errno
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import SYSCALLS, Memory, Syscalls

_BUFFER_COUNT: Final = 4
"""One being filled, one ready, and two in reserve for a slow reader."""
_MAX_BUFFERS: Final = 32
"""The kernel's limit (``VIDEO_MAX_FRAME``)."""
_MAX_TIMESTAMP_AGE_S: Final = 5.0
"""Seconds. An older timestamp is from another clock, such as a driver set to wall-clock time."""


@dataclass(frozen=True, slots=True)
class CapturedBuffer:
    """A copy of a buffer's content and its capture time in microseconds of CLOCK_MONOTONIC."""

    data: bytes
    microseconds: int


class Capture:
    """A device that streams in a mode. Opening raises ``OSError`` and leaves nothing open: EBUSY if another program uses it.

    Attributes: ``pix`` is the format that the device chose, which can differ from the requested one; so can ``frame_rate``.
    ``broken`` counts buffers that the driver flagged as corrupt, ``passed_over`` good ones replaced by a newer one, and ``lost``
    gaps in the driver's sequence numbers.
    """

    def __init__(self, path: Path, mode: Mode, frame_rate: Fraction, kernel: Syscalls = SYSCALLS, *, newest: bool = True) -> None:
        """``newest``: return only the newest of several waiting buffers. Inter-coded pixel formats need all of them."""
        self.broken = self.passed_over = self.lost = 0
        self._kernel = kernel
        self._newest = newest
        self._last_sequence: int | None = None
        self._read_lock, self._close_lock = threading.Lock(), threading.Lock()
        self._closing = False
        with ExitStack() as undo:
            self._waker = kernel.waker()
            undo.callback(self._waker.close)
            self._fd = kernel.open(path)
            undo.callback(kernel.close, self._fd)
            self.pix = self._set_format(mode)
            self.frame_rate = self._set_rate(mode.nearest_rate(frame_rate))
            self._buffers: list[Memory] = []
            undo.callback(self._release_buffers)
            self._map_buffers()
            undo.callback(self._stop)
            self._kernel.ioctl(self._fd, abi.STREAMON, abi.BufferType(abi.BUF_TYPE_VIDEO_CAPTURE))
            self._undo = undo.pop_all()

    def read(self, timeout: float) -> CapturedBuffer | None:
        """Return the next good buffer; None once closed. Waits up to ``timeout`` seconds, then raises ``TimeoutError``.

        Raises ``OSError`` if the device fails: ENODEV if it has been unplugged.
        """
        end = self._kernel.now() + timeout
        with self._read_lock:
            while not self._closing:
                ready = self._kernel.poll(self._fd, self._waker, end - self._kernel.now())
                if ready.woken:
                    break
                captured = self._dequeue_chosen() if ready.readable or ready.failed else None
                if captured:
                    return captured
                if ready.failed and not ready.readable:
                    raise OSError(errno.EIO, "the device reports an error")
                if self._kernel.now() >= end:
                    raise TimeoutError
        return None

    def close(self) -> None:
        """Stop the stream and release the device; a reading thread gets None. Idempotent."""
        with self._close_lock:
            if not self._closing:
                self._closing = True
                self._waker.wake()
            with self._read_lock:
                self._undo.close()

    def _set_format(self, mode: Mode) -> abi.PixFormat:
        form = abi.Format(type=abi.BUF_TYPE_VIDEO_CAPTURE)
        form.pix.width, form.pix.height = mode.width, mode.height
        form.pix.pixelformat = abi.fourcc(mode.pixel_format)
        form.pix.field = abi.FIELD_ANY
        self._kernel.ioctl(self._fd, abi.S_FMT, form)
        return form.pix

    def _set_rate(self, rate: Fraction) -> Fraction:
        """Set the frame rate if the driver supports it; return the actual one."""
        parameters = abi.StreamParameters(type=abi.BUF_TYPE_VIDEO_CAPTURE)
        parameters.capture.timeperframe = abi.Fract(rate.denominator, rate.numerator)
        supported = self._kernel.try_ioctl(self._fd, abi.S_PARM, parameters)
        return (supported and parameters.capture.timeperframe.inverse) or rate

    def _map_buffers(self) -> None:
        request = abi.RequestBuffers(count=_BUFFER_COUNT, type=abi.BUF_TYPE_VIDEO_CAPTURE, memory=abi.MEMORY_MMAP)
        self._kernel.ioctl(self._fd, abi.REQBUFS, request)
        if not 0 < request.count <= _MAX_BUFFERS:
            raise OSError(errno.EIO, f"the driver allocated {request.count} buffers")
        for index in range(request.count):
            buffer = self._buffer(index)
            self._kernel.ioctl(self._fd, abi.QUERYBUF, buffer)
            self._buffers.append(self._kernel.mmap(self._fd, buffer.length, buffer.offset))
            self._queue(index)

    def _stop(self) -> None:
        with suppress(OSError):  # it may be unplugged
            self._kernel.ioctl(self._fd, abi.STREAMOFF, abi.BufferType(abi.BUF_TYPE_VIDEO_CAPTURE))

    def _release_buffers(self) -> None:
        for memory in self._buffers:
            memory.close()
        none = abi.RequestBuffers(count=0, type=abi.BUF_TYPE_VIDEO_CAPTURE, memory=abi.MEMORY_MMAP)
        with suppress(OSError):
            self._kernel.ioctl(self._fd, abi.REQBUFS, none)

    def _buffer(self, index: int = 0) -> abi.Buffer:
        return abi.Buffer(index=index, type=abi.BUF_TYPE_VIDEO_CAPTURE, memory=abi.MEMORY_MMAP)

    def _queue(self, index: int) -> None:
        self._kernel.ioctl(self._fd, abi.QBUF, self._buffer(index))

    def _dequeue_chosen(self) -> CapturedBuffer | None:
        """Return the newest good buffer's content (the next, if all are needed) and requeue the rest; None if none is good."""
        chosen: abi.Buffer | None = None
        while (buffer := self._dequeue()) is not None:
            self._count_lost(buffer.sequence)
            if buffer.flags & abi.BUF_FLAG_ERROR or not buffer.bytesused:
                self.broken += 1
                self._queue(buffer.index)
                continue
            if chosen is not None:
                self.passed_over += 1
                self._queue(chosen.index)
            chosen = buffer
            if not self._newest:
                break
        if chosen is None:
            return None
        data = self._buffers[chosen.index][: chosen.bytesused]
        self._queue(chosen.index)
        return CapturedBuffer(data, self._microseconds(chosen))

    def _dequeue(self) -> abi.Buffer | None:
        buffer = self._buffer()
        return buffer if self._kernel.try_ioctl(self._fd, abi.DQBUF, buffer, (errno.EAGAIN,)) else None

    def _count_lost(self, sequence: int) -> None:
        """Count gaps in the driver's sequence numbers; some drivers leave them at 0."""
        if self._last_sequence is not None and sequence > self._last_sequence:
            self.lost += sequence - self._last_sequence - 1
        self._last_sequence = sequence

    def _microseconds(self, buffer: abi.Buffer) -> int:
        """Return the kernel's timestamp, or the current time if it is not from the monotonic clock."""
        now = round(self._kernel.now() * 1_000_000)
        stamp = buffer.timestamp.tv_sec * 1_000_000 + buffer.timestamp.tv_usec
        monotonic = buffer.flags & abi.BUF_FLAG_TIMESTAMP_MASK == abi.BUF_FLAG_TIMESTAMP_MONOTONIC
        if not monotonic or not now - _MAX_TIMESTAMP_AGE_S * 1_000_000 <= stamp <= now:
            return now
        return stamp
