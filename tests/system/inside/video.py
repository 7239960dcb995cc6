"""Read and write a video device directly, with ctypes' structs of the kernel, independently of livebg."""

import errno
import fcntl
import mmap
import os
import select
import time
from contextlib import suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

from livebg.v4l2 import abi

_BUFFERS: Final = 2


class Picture(NamedTuple):
    """A picture of a device: its bytes and its driver's sequence number."""

    data: bytes
    number: int


class Reader:
    """Streams from a device as browsers do. ``OSError`` is passed on."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        try:
            self.format = abi.Format(type=abi.BUF_TYPE_VIDEO_CAPTURE)
            fcntl.ioctl(self.fd, abi.G_FMT, self.format)
            wanted = abi.RequestBuffers(count=_BUFFERS, type=abi.BUF_TYPE_VIDEO_CAPTURE, memory=abi.MEMORY_MMAP)
            fcntl.ioctl(self.fd, abi.REQBUFS, wanted)
            self._maps = [self._mapped(index) for index in range(wanted.count)]
            fcntl.ioctl(self.fd, abi.STREAMON, abi.BufferType(abi.BUF_TYPE_VIDEO_CAPTURE))
        except OSError:
            os.close(self.fd)
            raise

    def next(self, patience: float) -> Picture | None:
        """The next picture; None where none comes in time."""
        deadline = time.monotonic() + patience
        buffer = self._buffer()
        while True:
            select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))
            try:
                fcntl.ioctl(self.fd, abi.DQBUF, buffer)
                break
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.005)  # some versions report a picture too early
        picture = Picture(self._maps[buffer.index][: buffer.bytesused or self.format.pix.sizeimage], buffer.sequence)
        fcntl.ioctl(self.fd, abi.QBUF, buffer)
        return picture

    def close(self) -> None:
        for mapped in self._maps:  # the driver takes the device for open as long as its memory is mapped
            mapped.close()
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _mapped(self, index: int) -> mmap.mmap:
        buffer = self._buffer()
        buffer.index = index
        fcntl.ioctl(self.fd, abi.QUERYBUF, buffer)
        mapped = mmap.mmap(self.fd, buffer.length, prot=mmap.PROT_READ | mmap.PROT_WRITE, offset=buffer.offset)
        fcntl.ioctl(self.fd, abi.QBUF, buffer)
        return mapped

    @staticmethod
    def _buffer() -> abi.Buffer:
        return abi.Buffer(type=abi.BUF_TYPE_VIDEO_CAPTURE, memory=abi.MEMORY_MMAP)


def open_writer(path: str, width: int, height: int, pixel_format: str) -> tuple[int, abi.PixFormat]:
    """A loopback device that receives pictures of a format by ``write``: its descriptor and the format it set."""
    fd = os.open(path, os.O_RDWR)
    form = abi.Format(type=abi.BUF_TYPE_VIDEO_OUTPUT)
    form.pix.width, form.pix.height, form.pix.pixelformat = width, height, abi.fourcc(pixel_format)
    form.pix.field = abi.FIELD_NONE
    fcntl.ioctl(fd, abi.S_FMT, form)
    with suppress(OSError):  # 0.12 lets go of a writer that dies only if it requested that; later ones decline
        fcntl.ioctl(fd, abi.STREAMON, abi.BufferType(abi.BUF_TYPE_VIDEO_OUTPUT))
    return fd, form.pix
