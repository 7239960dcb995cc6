"""Streaming from a capture device, with a deadline for every wait."""

import errno
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import SYSTEM, Kernel, Memory

_BUFFERS: Final = 4
"""One that the camera fills, one that waits, and two for a moment in which nobody looks."""
_MOST_BUFFERS: Final = 32
"""What the kernel allows (``VIDEO_MAX_FRAME``)."""
_OLDEST: Final = 5.0
"""Seconds; a timestamp further back is none of this clock's, as from a driver told to use the time of day."""
_UNSUPPORTED: Final = (errno.ENOTTY, errno.EINVAL)


@dataclass(frozen=True, slots=True)
class Captured:
    """A buffer's content, copied, and when it was captured: microseconds of CLOCK_MONOTONIC."""

    data: bytes
    microseconds: int


class Capture:
    """A device that streams in a mode. Opening raises ``OSError`` and leaves nothing open: EBUSY when another has it.

    Attributes: ``pix`` is the format that the device gave, which may differ from what was asked; ``frame_rate`` likewise;
    ``broken`` counts buffers that the driver marked as damaged, ``passed_over`` good ones that a newer one replaced, and
    ``lost`` those that the driver numbered and did not deliver.
    """

    def __init__(self, path: Path, mode: Mode, frame_rate: Fraction, kernel: Kernel = SYSTEM, *, newest: bool = True) -> None:
        """``newest``: of several waiting buffers take the last; a pixel format whose pictures build on each other needs all."""
        self.broken = self.passed_over = self.lost = 0
        self._kernel = kernel
        self._newest = newest
        self._sequence: int | None = None
        self._reading, self._closed = threading.Lock(), threading.Lock()
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
            self._start()
            self._undo = undo.pop_all()

    def read(self, timeout: float) -> Captured | None:
        """The next good buffer; None once closed. Waits up to ``timeout`` seconds, then raises ``TimeoutError``.

        Raises ``OSError`` when the device fails: ENODEV when it has gone.
        """
        end = self._kernel.now() + timeout
        with self._reading:
            while not self._closing:
                ready = self._kernel.poll(self._fd, self._waker, end - self._kernel.now())
                if ready.woken:
                    break
                captured = self._take() if ready.readable or ready.failed else None
                if captured:
                    return captured
                if ready.failed and not ready.readable:
                    raise OSError(errno.EIO, "the device reports an error")
                if self._kernel.now() >= end:
                    raise TimeoutError
        return None

    def close(self) -> None:
        """Stop the stream and release the device; a thread that reads gets None. May be called again."""
        with self._closed:
            if not self._closing:
                self._closing = True
                self._waker.wake()
            with self._reading:
                self._undo.close()

    def _set_format(self, mode: Mode) -> abi.PixFormat:
        form = abi.Format(type=abi.BUF_TYPE_VIDEO_CAPTURE)
        form.pix.width, form.pix.height = mode.width, mode.height
        form.pix.pixelformat = abi.fourcc(mode.pixel_format)
        form.pix.field = abi.FIELD_ANY
        self._kernel.ioctl(self._fd, abi.S_FMT, form)
        return form.pix

    def _set_rate(self, rate: Fraction) -> Fraction:
        """Set the frame rate where that is possible; what the device made of it."""
        asked = abi.StreamParameters(type=abi.BUF_TYPE_VIDEO_CAPTURE)
        asked.capture.timeperframe = abi.Fract(rate.denominator, rate.numerator)
        try:
            self._kernel.ioctl(self._fd, abi.S_PARM, asked)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            return rate
        return asked.capture.timeperframe.inverse or rate

    def _map_buffers(self) -> None:
        request = abi.RequestBuffers(count=_BUFFERS, type=abi.BUF_TYPE_VIDEO_CAPTURE, memory=abi.MEMORY_MMAP)
        self._kernel.ioctl(self._fd, abi.REQBUFS, request)
        if not 0 < request.count <= _MOST_BUFFERS:
            raise OSError(errno.EIO, f"the driver answers with {request.count} buffers")
        for index in range(request.count):
            buffer = self._buffer(index)
            self._kernel.ioctl(self._fd, abi.QUERYBUF, buffer)
            self._buffers.append(self._kernel.mmap(self._fd, buffer.length, buffer.offset))
            self._queue(index)

    def _start(self) -> None:
        self._kernel.ioctl(self._fd, abi.STREAMON, abi.BufferType(abi.BUF_TYPE_VIDEO_CAPTURE))

    def _stop(self) -> None:
        with suppress(OSError):  # it may have gone
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

    def _take(self) -> Captured | None:
        """Take the buffer that is wanted out of those waiting and queue the others again; None when none is good."""
        wanted: abi.Buffer | None = None
        while (buffer := self._dequeue()) is not None:
            self._count_lost(buffer.sequence)
            if buffer.flags & abi.BUF_FLAG_ERROR or not buffer.bytesused:
                self.broken += 1
                self._queue(buffer.index)
                continue
            if wanted is not None:
                self.passed_over += 1
                self._queue(wanted.index)
            wanted = buffer
            if not self._newest:
                break
        if wanted is None:
            return None
        data = self._buffers[wanted.index][: wanted.bytesused]
        self._queue(wanted.index)
        return Captured(data, self._microseconds(wanted))

    def _dequeue(self) -> abi.Buffer | None:
        buffer = self._buffer()
        try:
            self._kernel.ioctl(self._fd, abi.DQBUF, buffer)
        except BlockingIOError:
            return None
        return buffer

    def _count_lost(self, sequence: int) -> None:
        """The driver numbers what it captured; some number nothing, and stay at 0."""
        if self._sequence is not None and sequence > self._sequence:
            self.lost += sequence - self._sequence - 1
        self._sequence = sequence

    def _microseconds(self, buffer: abi.Buffer) -> int:
        """The kernel's timestamp, or the present where it is none of the monotonic clock's."""
        now = round(self._kernel.now() * 1_000_000)
        stamp = buffer.timestamp.tv_sec * 1_000_000 + buffer.timestamp.tv_usec
        monotonic = buffer.flags & abi.BUF_FLAG_TIMESTAMP_MASK == abi.BUF_FLAG_TIMESTAMP_MONOTONIC
        if not monotonic or not now - _OLDEST * 1_000_000 <= stamp <= now:
            return now
        return stamp
