"""Writes to a v4l2loopback device. Checks the device at every write, because the module reports few errors."""

import errno
import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.errors import SinkError
from livebg.imaging.frame import VideoFormat
from livebg.v4l2 import abi
from livebg.v4l2.device import Device, open_device, query_capabilities
from livebg.v4l2.find_camera import GROUP_HINT
from livebg.v4l2.loopback import modprobe_line
from livebg.v4l2.syscalls import SYSCALLS, UNSUPPORTED, Syscalls

_LOG: Final = logging.getLogger(__name__)
_I420: Final = abi.fourcc("YU12")
"""The kernel's code for I420."""


class LoopbackDevice:
    """The device at ``path``, opened for I420 pictures in the size and rate of ``form``: a backend of pyvirtualcam.

    The constructor raises :class:`~livebg.errors.SinkError`, and then leaves nothing open, if the device does not exist, cannot
    be opened, is not a loopback device, has another writer, or keeps another format (which it does silently while a program reads
    it).
    """

    def __init__(self, path: Path, form: VideoFormat, kernel: Syscalls = SYSCALLS) -> None:
        self.path = path
        self._kernel = kernel
        self._size = form.width * form.height * 3 // 2
        try:
            self._recover_stale_device()
            self._fd = kernel.open(path)
        except OSError as error:
            raise self._os_error("cannot be opened", error) from error
        with ExitStack() as opening:
            opening.callback(kernel.close, self._fd)
            try:
                self._node = _identity(os.fstat(self._fd))
                self._require_output()
                self._set_format(form)
                self._set_rate(form)
                self._start_streaming(self._fd)
            except OSError as error:
                raise self._os_error("cannot be set up", error) from error
            opening.pop_all()

    def send(self, picture: NDArray[np.uint8]) -> None:
        """Write one I420 picture, contiguous. Raises SinkError if it was not written completely, or if the device node has
        changed.
        """
        try:
            replaced = self._node != _identity(self.path.stat())
        except OSError:
            replaced = True
        if replaced:
            raise SinkError(
                f"{self.path} is gone or has been replaced by another device, so apps receive no pictures.",
                "If it does not come back, load v4l2loopback again.",
            )
        try:
            written = self._kernel.write(self._fd, picture.data)
        except OSError as error:
            raise self._os_error("no longer accepts pictures", error) from error
        if written != self._size:
            raise SinkError(
                f"{self.path} took {written} of a picture's {self._size} bytes, so another program has changed its format.",
                "Close the other programs that use it.",
            )

    def close(self) -> None:
        """Close the device. Call once."""
        self._kernel.close(self._fd)

    def device(self) -> str:
        """Return the path, which pyvirtualcam shows as the camera's device."""
        return str(self.path)

    def native_fourcc(self) -> None:
        """Part of pyvirtualcam's interface, not used here."""

    def _recover_stale_device(self) -> None:
        """Restore a v4l2loopback 0.12 device whose writer crashed: it can be neither read nor written until a program
        has started and stopped streaming.
        """
        with open_device(self.path, self._kernel) as fd:
            device = self._query_loopback(fd)
            if device.outputs or device.captures:
                return
            self._start_streaming(fd)

    def _start_streaming(self, fd: int) -> None:
        """Register as the device's writer. v4l2loopback 0.12 does not register a writer that only calls write(): after it exits
        the device stays busy, and appears to have a writer for as long as a program reads it.
        """
        # Without a format, 0.12 succeeds but returns an error; later versions reject the call and do not need it.
        self._kernel.try_ioctl(fd, abi.STREAMON, abi.BufferType(abi.BUF_TYPE_VIDEO_OUTPUT))

    def _require_output(self) -> None:
        device = self._query_loopback(self._fd)
        if not device.outputs:
            raise SinkError(
                f"{self.path} accepts no pictures, {self._other_holders() or 'another program seems to write to it'}.",
                "Close that program, or reload the module with "
                f"`sudo modprobe -r v4l2loopback` and `{modprobe_line(device.card)}`.",
            )

    def _query_loopback(self, fd: int) -> Device:
        try:
            device = query_capabilities(self.path, fd, self._kernel)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            raise SinkError(
                f"{self.path} is not a video device.", "Set output.label to the label of a v4l2loopback device."
            ) from error
        if not device.is_loopback:
            raise SinkError(
                f"{self.path} is {device.card} (driver {device.driver}), not a v4l2loopback device.",
                "Set output.label to the label of one.",
            )
        return device

    def _set_format(self, form: VideoFormat) -> None:
        requested = abi.Format(type=abi.BUF_TYPE_VIDEO_OUTPUT)
        requested.pix.width, requested.pix.height = form.width, form.height
        requested.pix.pixelformat, requested.pix.field = _I420, abi.FIELD_NONE
        requested.pix.bytesperline, requested.pix.sizeimage = form.width, self._size
        try:
            self._kernel.ioctl(self._fd, abi.S_FMT, requested)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise self._format_error(form, "its current format") from error
        for reply in (requested, self._read_format()):
            if reply and (reply.pix.width, reply.pix.height, reply.pix.pixelformat) != (form.width, form.height, _I420):
                kept = f"{reply.pix.width}x{reply.pix.height} {abi.fourcc_text(reply.pix.pixelformat)}"
                raise self._format_error(form, kept.replace("YU12", "I420"))

    def _read_format(self) -> abi.Format | None:
        """Return the device's current format; None if it cannot be queried, and the reply to S_FMT must do."""
        reply = abi.Format(type=abi.BUF_TYPE_VIDEO_OUTPUT)
        return reply if self._kernel.try_ioctl(self._fd, abi.G_FMT, reply) else None

    def _set_rate(self, form: VideoFormat) -> None:
        """Set the frame rate that readers see. It is only informative, so a device may reject it."""
        parameters = abi.StreamParameters(type=abi.BUF_TYPE_VIDEO_OUTPUT)
        rate = form.frame_rate.limit_denominator(1001)
        parameters.capture.timeperframe = abi.Fract(rate.denominator, rate.numerator)
        if not self._kernel.try_ioctl(self._fd, abi.S_PARM, parameters):
            _LOG.info("%s does not accept a frame rate", self.path)

    def _format_error(self, form: VideoFormat, kept: str) -> SinkError:
        holders = self._other_holders()
        holder = f"{holders}, which keeps" if holders else "another program keeps"
        return SinkError(
            f"{self.path} cannot be set to {form.width}x{form.height} I420, {holder} it at {kept}.",
            "Close the programs that read it, or set output.size to its size.",
        )

    def _other_holders(self) -> str:
        """Return a clause with the other processes that have the device open; empty if unknown."""
        names = [f"{each.program} (process {each.pid})" for each in self._kernel.holders(self._kernel.resolve(self.path))]
        return f"{' and '.join(names)} has it open" if names else ""

    def _os_error(self, problem: str, error: OSError) -> SinkError:
        fixes = {
            errno.ENOENT: "Load v4l2loopback again.",
            errno.ENODEV: "Load v4l2loopback again.",
            errno.EACCES: GROUP_HINT,
            errno.EBUSY: "Close the other programs that use it.",
        }
        fix = fixes.get(error.errno or 0, "Check `dmesg` for kernel messages, or load v4l2loopback again.")
        return SinkError(f"{self.path} {problem} ({error.strerror}).", fix)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    """Return what identifies a device node: file system, inode and device number."""
    return status.st_dev, status.st_ino, status.st_rdev
