"""A kernel with simulated cameras: the ioctls of a capture device, answered from memory."""

import ctypes
import errno
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import Holder, Memory, Syscalls
from tests.support.fake_controls import FakeControls

CAPTURE = abi.CAP_VIDEO_CAPTURE | abi.CAP_STREAMING
OUTPUT = abi.CAP_VIDEO_OUTPUT | abi.CAP_STREAMING
VGA = Mode("YUYV", 640, 480, (Fraction(30), Fraction(15)))
HD = Mode("MJPG", 1280, 720, (Fraction(30),))
_CAPACITY = 1 << 21
_ROW_BYTES = {"YUYV": 2, "UYVY": 2, "NV12": 1, "YU12": 1}
Entry = TypeVar("Entry")


@dataclass
class Delivery:
    """The contents of a buffer: bytes, flags, and the timestamp in microseconds, None for the present."""

    data: bytes
    flags: int = abi.BUF_FLAG_TIMESTAMP_MONOTONIC
    microseconds: int | None = None
    skips: int = 0
    """How many frames the camera lost before it."""


@dataclass
class FakeDevice:
    """A node. ``failures`` gives the errno with which a request fails; ``vanish`` is pulling the plug."""

    card: str = "HD Pro Webcam C920"
    modes: Sequence[Mode] = (VGA, HD)
    driver: str = "uvcvideo"
    bus: str = "usb-0000:00:14.0-1"
    caps: int = CAPTURE
    failures: dict[int, int] = field(default_factory=dict)
    pix: abi.PixFormat = field(default_factory=abi.PixFormat)
    colorspace: int = abi.COLORSPACE_SRGB
    quantization: int = abi.QUANTIZATION_DEFAULT
    ycbcr_enc: int = abi.YCBCR_ENC_DEFAULT
    stubborn: Mode | None = None
    """The mode that it sets for any request."""
    padding: int = 0
    """Bytes after each row of a raw picture."""
    stepwise: tuple[int, ...] = ()
    """Least and most width with its step, then of height, in place of the modes' sizes; all rates up to 60 are there then."""
    controls: FakeControls = field(default_factory=FakeControls)

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting: list[Delivery] = []
        self.later: list[Delivery] = []
        """Captured one by one, each after all before it have been read."""
        self.queued: list[int] = []
        self.requested = self.sequence = 0
        self.streaming = self.gone = False
        self.bell = -1
        self.set_rates: list[Fraction] = []

    def deliver(self, *deliveries: Delivery | bytes) -> None:
        """Capture these at once, so that they are readable."""
        with self.lock:
            self.waiting += [each if isinstance(each, Delivery) else Delivery(each) for each in deliveries]
            self.ring()

    def vanish(self) -> None:
        with self.lock:
            self.gone = True
            self.ring()

    def ring(self) -> None:
        """A poll is readable if there is a buffer, or if there will never be one again."""
        if self.bell >= 0 and (self.gone or (self.streaming and self.waiting)):
            os.eventfd_write(self.bell, 1)


class _Bytes:
    """A mapped buffer."""

    def __init__(self) -> None:
        self.content = b""
        self.closed = False

    def __getitem__(self, part: slice, /) -> bytes:
        assert not self.closed, "a buffer was read after it was unmapped"
        return self.content[part]

    def close(self) -> None:
        self.closed = True


class FakeKernel(Syscalls):
    """Nodes by path. Descriptors are real (of eventfd), so that polling is real."""

    def __init__(
        self, devices: dict[str, FakeDevice], holders: Sequence[Holder] = (), links: dict[str, str] | None = None
    ) -> None:
        self.devices = {Path(path): device for path, device in devices.items()}
        self.refusals: dict[Path, int] = {}
        """The errno with which opening a path fails."""
        self._holders = list(holders)
        self._links = links or {}
        self.open_fds: dict[int, FakeDevice] = {}
        self.mapped: dict[tuple[int, int], _Bytes] = {}

    def nodes(self) -> list[Path]:
        return sorted(path for path, device in self.devices.items() if not device.gone)

    def resolve(self, path: Path) -> Path:
        return Path(self._links.get(str(path), str(path)))

    def open(self, path: Path) -> int:
        if path in self.refusals:
            raise OSError(self.refusals[path], os.strerror(self.refusals[path]))
        device = self.devices.get(path)
        if device is None or device.gone:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.open_fds[fd] = device
        return fd

    def close(self, fd: int) -> None:
        device = self.open_fds.pop(fd)
        if device.bell == fd:
            device.bell, device.streaming = -1, False
        os.close(fd)

    def holders(self, path: Path) -> list[Holder]:
        return self._holders if path in self.devices else []

    def mmap(self, fd: int, length: int, offset: int) -> Memory:
        assert length == _CAPACITY
        memory = self.mapped[fd, offset] = _Bytes()
        return memory

    def ioctl(self, fd: int, request: int, argument: ctypes.Structure) -> None:
        device = self.open_fds[fd]
        with device.lock:
            if device.gone:
                raise OSError(errno.ENODEV, "No such device")
            if request in device.failures:
                raise OSError(device.failures[request], os.strerror(device.failures[request]))
            self._answer(fd, device, argument, request)

    def _answer(self, fd: int, device: FakeDevice, argument: ctypes.Structure, request: int) -> None:
        match argument:
            case abi.Capability():
                _describe(device, argument)
            case abi.FormatDescription() | abi.FrameSize() | abi.FrameInterval():
                _list(device, argument)
            case abi.Format():
                _set_format(device, argument, request)
            case abi.StreamParameters():
                device.set_rates.append(argument.capture.timeperframe.inverse or Fraction(0))
            case abi.RequestBuffers():
                device.requested, device.queued = argument.count, []
                self._forget(fd, argument.count)
            case abi.QueryControl() | abi.MenuItem() | abi.ControlValues():
                device.controls.answer(argument, request)
            case abi.BufferType():
                device.streaming = request == abi.STREAMON
                device.bell = fd if device.streaming else -1
                device.ring()
            case abi.Buffer():
                self._exchange(fd, device, argument, request)

    def _forget(self, fd: int, count: int) -> None:
        still = [memory for (owner, _), memory in self.mapped.items() if owner == fd and not memory.closed]
        if not count and still:
            raise OSError(errno.EBUSY, "buffers are still mapped")

    def _exchange(self, fd: int, device: FakeDevice, buffer: abi.Buffer, request: int) -> None:
        if request == abi.QUERYBUF:
            buffer.length, buffer.offset = _CAPACITY, buffer.index * _CAPACITY
        elif request == abi.QBUF:
            assert buffer.index not in device.queued, "a buffer was queued twice"
            device.queued.append(buffer.index)
        else:
            self._hand_out(fd, device, buffer)

    def _hand_out(self, fd: int, device: FakeDevice, buffer: abi.Buffer) -> None:
        if not device.waiting or not device.queued:
            _quieten(fd)
            device.waiting += device.later[:1]
            del device.later[:1]
            device.ring()
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        delivery = device.waiting.pop(0)
        buffer.index = device.queued.pop(0)
        self.mapped[fd, buffer.index * _CAPACITY].content = delivery.data
        stamp = round(self.now() * 1e6) if delivery.microseconds is None else delivery.microseconds
        buffer.timestamp.tv_sec, buffer.timestamp.tv_usec = divmod(stamp, 1_000_000)
        device.sequence += delivery.skips
        buffer.bytesused, buffer.flags, buffer.sequence = len(delivery.data), delivery.flags, device.sequence
        device.sequence += 1


def _quieten(fd: int) -> None:
    try:
        os.eventfd_read(fd)
    except BlockingIOError:
        return


def _describe(device: FakeDevice, answer: abi.Capability) -> None:
    answer.driver, answer.card, answer.bus_info = device.driver.encode(), device.card.encode(), device.bus.encode()
    answer.capabilities = CAPTURE | OUTPUT | abi.CAP_DEVICE_CAPS
    answer.device_caps = device.caps


def _list(device: FakeDevice, entry: abi.FormatDescription | abi.FrameSize | abi.FrameInterval) -> None:
    if not device.caps & abi.CAP_VIDEO_CAPTURE:
        raise OSError(errno.EINVAL, "not a capture device")
    names = list(dict.fromkeys(mode.pixel_format for mode in device.modes))
    match entry:
        case abi.FormatDescription():
            entry.pixelformat = abi.fourcc(_at(names, entry.index))
        case abi.FrameSize():
            if device.stepwise:
                entry.type, entry.stepwise = 3, abi.SizeRange(*_at([device.stepwise], entry.index))
                return
            of_format = [mode for mode in device.modes if abi.fourcc(mode.pixel_format) == entry.pixel_format]
            mode = _at(of_format, entry.index)
            entry.type, entry.discrete = abi.FRMSIZE_TYPE_DISCRETE, abi.Size(mode.width, mode.height)
        case abi.FrameInterval():
            if device.stepwise:
                _at([0], entry.index)
                entry.type = 2
                entry.stepwise = abi.IntervalRange(abi.Fract(1, 60), abi.Fract(1, 1), abi.Fract(1, 1))
                return
            key = entry.pixel_format, entry.width, entry.height
            rates = [
                rate
                for mode in device.modes
                if (abi.fourcc(mode.pixel_format), mode.width, mode.height) == key
                for rate in mode.frame_rates
            ]
            rate = _at(rates, entry.index)
            entry.type, entry.discrete = abi.FRMIVAL_TYPE_DISCRETE, abi.Fract(rate.denominator, rate.numerator)


def _at(entries: Sequence[Entry], index: int) -> Entry:
    if index >= len(entries):
        raise OSError(errno.EINVAL, "the list has ended")
    return entries[index]


def _set_format(device: FakeDevice, form: abi.Format, request: int) -> None:
    """A camera sets the requested mode if it is listed, otherwise its first mode."""
    if request == abi.S_FMT:
        wanted = abi.fourcc_text(form.pix.pixelformat), form.pix.width, form.pix.height
        listed = [(mode.pixel_format, mode.width, mode.height) for mode in device.modes]
        name, width, height = wanted if wanted in listed or device.stepwise else listed[0]
        if device.stubborn:
            name, width, height = device.stubborn.pixel_format, device.stubborn.width, device.stubborn.height
        device.pix = abi.PixFormat(width=width, height=height, pixelformat=abi.fourcc(name), priv=abi.PIX_FMT_PRIV_MAGIC)
        device.pix.bytesperline = width * _ROW_BYTES.get(name, 0) + (device.padding if name in _ROW_BYTES else 0)
        device.pix.colorspace, device.pix.quantization = device.colorspace, device.quantization
        device.pix.ycbcr_enc = device.ycbcr_enc
    form.pix = device.pix
