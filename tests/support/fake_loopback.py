"""A kernel with one v4l2loopback 0.12 device whose node is a real file that a test may remove or replace."""

import ctypes
import errno
import os
from fractions import Fraction
from pathlib import Path

from livebg.v4l2 import abi
from livebg.v4l2.syscalls import Holder, Syscalls

CAPTURE, OUTPUT = abi.CAP_VIDEO_CAPTURE, abi.CAP_VIDEO_OUTPUT


class FakeLoopback(Syscalls):
    """Takes pictures, and fails on request: ``refused`` requests and calls by their errno, a format that is ``kept``.

    ``pictures`` are those that arrived; ``set_to`` is (width, height, pixel format); ``rate`` in frames a second.
    ``readers`` is how many other programs read the device.
    """

    def __init__(self, node: Path, card: str = "livebg", driver: str = "v4l2 loopback", caps: int = OUTPUT) -> None:
        node.touch()
        self.node, self.card, self.driver, self.caps = node, card, driver, caps
        self.refused: dict[int | str, int] = {}
        self.kept: tuple[int, int, str] | None = None
        self.admits_it = True
        """Whether the answer to S_FMT reports the kept format, as G_FMT does."""
        self.others: list[Holder] = []
        self.takes: int | None = None
        """Bytes of a write that are taken; None = all."""
        self.pictures: list[bytes] = []
        self.set_to: tuple[int, int, str] | None = None
        self.rate: Fraction | None = None
        self.readers = 0
        self.streaming: set[int] = set()
        self.writing: set[int] = set()
        self.open_now: set[int] = set()

    def nodes(self) -> list[Path]:
        return [self.node]

    def holders(self, path: Path) -> list[Holder]:
        assert path == self.node
        return self.others

    def open(self, path: Path) -> int:
        self._may("open")
        fd = os.open(path, os.O_RDWR)
        self.open_now.add(fd)
        return fd

    def close(self, fd: int) -> None:
        self.open_now.remove(fd)
        os.close(fd)
        if fd in self.streaming | self.writing:
            self.caps = (OUTPUT if fd in self.streaming else 0) | (CAPTURE if self.readers else 0)
            self.streaming.discard(fd)
            self.writing.discard(fd)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        assert fd in self.open_now
        self._may("write")
        self.caps = CAPTURE
        self.writing.add(fd)
        taken = bytes(data)[: self.takes]
        self.pictures.append(taken)
        return len(taken)

    def ioctl(self, fd: int, request: int, argument: ctypes.Structure) -> None:
        assert fd in self.open_now
        self._may(request)
        match argument:
            case abi.Capability():
                argument.driver, argument.card = self.driver.encode(), self.card.encode()
                argument.capabilities, argument.device_caps = CAPTURE | OUTPUT | abi.CAP_DEVICE_CAPS, self.caps
            case abi.Format(type=abi.BUF_TYPE_VIDEO_OUTPUT):
                self._format(request, argument)
            case abi.StreamParameters(type=abi.BUF_TYPE_VIDEO_OUTPUT):
                self.rate = argument.capture.timeperframe.inverse
            case abi.BufferType(type=abi.BUF_TYPE_VIDEO_OUTPUT):
                self.streaming.add(fd)
                if not self.set_to:
                    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
                self.caps = CAPTURE
            case _:
                raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    def _format(self, request: int, argument: abi.Format) -> None:
        if request == abi.S_FMT:
            asked = argument.pix.width, argument.pix.height, abi.fourcc_text(argument.pix.pixelformat)
            self.set_to = self.kept or asked
        if self.set_to and (request == abi.G_FMT or self.admits_it):
            argument.pix.width, argument.pix.height = self.set_to[:2]
            argument.pix.pixelformat = abi.fourcc(self.set_to[2])

    def _may(self, call: int | str) -> None:
        if call in self.refused:
            number = self.refused[call]
            raise OSError(number, os.strerror(number))
