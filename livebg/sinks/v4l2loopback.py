"""A v4l2loopback device to write to: set up, checked, and watched at every write, since the module itself says little."""

import errno
import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

from livebg.errors import SinkError
from livebg.imaging.frame import VideoFormat
from livebg.v4l2 import abi
from livebg.v4l2.device import Device, ask, opened
from livebg.v4l2.loopback import modprobe_line
from livebg.v4l2.syscalls import SYSTEM, Kernel

_log = logging.getLogger(__name__)
_I420: Final = abi.fourcc("YU12")
"""The kernel's name for I420."""
_UNASKABLE: Final = (errno.EINVAL, errno.ENOTTY)


class LoopbackDevice:
    """The device at ``path``, opened for pictures in ``form``: I420 of its size at its rate.

    The constructor raises :class:`~livebg.errors.SinkError`, and then leaves nothing open, when the device is not there, may not
    be opened, is no loopback device, has another writer, or keeps another format, which it does without a word while
    somebody reads it.
    """

    def __init__(self, path: Path, form: VideoFormat, kernel: Kernel = SYSTEM) -> None:
        self.path = path
        self._kernel = kernel
        self._size = form.width * form.height * 3 // 2
        try:
            self._revive()
            self._fd = kernel.open(path)
        except OSError as error:
            raise self._failed("cannot be opened", error) from error
        with ExitStack() as opening:
            opening.callback(kernel.close, self._fd)
            try:
                self._node = _Node.of(os.fstat(self._fd))
                self._require_output()
                self._set_format(form)
                self._set_rate(form)
                self._stream(self._fd)
            except OSError as error:
                raise self._failed("cannot be set up", error) from error
            opening.pop_all()

    def write(self, picture: memoryview) -> None:
        """One picture, its bytes in I420's order. Raises SinkError when it did not arrive whole, or nobody can see it."""
        if self._node != _node_at(self.path):
            raise SinkError(
                f"{self.path} is gone, or another device has taken its place, so nobody sees the pictures: "
                "if it does not come back, load v4l2loopback again"
            )
        try:
            written = self._kernel.write(self._fd, picture)
        except OSError as error:
            raise self._failed("takes no more pictures", error) from error
        if written != self._size:
            raise SinkError(
                f"{self.path} took {written} of a picture's {self._size} bytes, so its format has been changed by somebody else: "
                "close the other programs that use it"
            )

    def close(self) -> None:
        """Let go of the device; once."""
        self._kernel.close(self._fd)

    def _revive(self) -> None:
        """In v4l2loopback 0.12 a device whose writer died serves neither way until somebody has begun to stream and left."""
        with opened(self.path, self._kernel) as fd:
            device = self._ask(fd)
            if device.outputs or device.captures:
                return
            self._stream(fd)

    def _stream(self, fd: int) -> None:
        """Be the device's writer by name. Version 0.12 takes who only writes for nobody: when that one ends, however it does,
        the device is not free again, and as long as somebody reads it, it looks as if it had a writer still."""
        try:
            self._kernel.ioctl(fd, abi.STREAMON, abi.BufferType(abi.BUF_TYPE_VIDEO_OUTPUT))
        except OSError as error:
            # Without a format 0.12 answers so and has done it; later versions need nothing of the kind, and decline.
            if error.errno not in _UNASKABLE:
                raise

    def _require_output(self) -> None:
        device = self._ask(self._fd)
        if not device.outputs:
            raise SinkError(
                f"{self.path} takes no pictures, {self._holders() or 'another program seems to send to it'}: end that program, "
                f"or load the module anew with `sudo modprobe -r v4l2loopback` and `{modprobe_line(device.card)}`"
            )

    def _ask(self, fd: int) -> Device:
        try:
            device = ask(self.path, fd, self._kernel)
        except OSError as error:
            if error.errno not in _UNASKABLE:
                raise
            raise SinkError(f"{self.path} is no video device: name the label of a v4l2loopback device in output.label") from error
        if not device.is_loopback:
            raise SinkError(
                f"{self.path} is {device.card}, run by {device.driver}, where a v4l2loopback device is expected: "
                "name the label of one in output.label"
            )
        return device

    def _set_format(self, form: VideoFormat) -> None:
        wanted = abi.Format(type=abi.BUF_TYPE_VIDEO_OUTPUT)
        wanted.pix.width, wanted.pix.height = form.width, form.height
        wanted.pix.pixelformat, wanted.pix.field = _I420, abi.FIELD_NONE
        wanted.pix.bytesperline, wanted.pix.sizeimage = form.width, self._size
        try:
            self._kernel.ioctl(self._fd, abi.S_FMT, wanted)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise self._fixed(form, "its present format") from error
        for answer in (wanted, self._read_format()):
            if answer and (answer.pix.width, answer.pix.height, answer.pix.pixelformat) != (form.width, form.height, _I420):
                kept = f"{answer.pix.width}x{answer.pix.height} {abi.fourcc_text(answer.pix.pixelformat)}"
                raise self._fixed(form, kept.replace("YU12", "I420"))

    def _read_format(self) -> abi.Format | None:
        """What the device is set to; None where it cannot be asked, and its answer to the setting has to do."""
        answer = abi.Format(type=abi.BUF_TYPE_VIDEO_OUTPUT)
        try:
            self._kernel.ioctl(self._fd, abi.G_FMT, answer)
        except OSError as error:
            if error.errno not in _UNASKABLE:
                raise
            return None
        return answer

    def _set_rate(self, form: VideoFormat) -> None:
        """Tell readers how many pictures a second to expect; they come when they come, so a device may decline."""
        parameters = abi.StreamParameters(type=abi.BUF_TYPE_VIDEO_OUTPUT)
        rate = form.frame_rate.limit_denominator(1001)
        parameters.capture.timeperframe = abi.Fract(rate.denominator, rate.numerator)
        try:
            self._kernel.ioctl(self._fd, abi.S_PARM, parameters)
        except OSError as error:
            if error.errno not in _UNASKABLE:
                raise
            _log.info("%s does not take a frame rate (%s)", self.path, error)

    def _fixed(self, form: VideoFormat, kept: str) -> SinkError:
        holders = self._holders()
        who = f"{holders}, which keeps" if holders else "somebody keeps"
        return SinkError(
            f"{self.path} cannot be set to {form.width}x{form.height} I420, {who} it at {kept}: "
            "close the programs that read it, or set output.size to its size"
        )

    def _holders(self) -> str:
        """Who else has the device open, as a clause; empty when that cannot be told."""
        names = [f"{each.program} (process {each.pid})" for each in self._kernel.holders(self._kernel.resolve(self.path))]
        return f"{' and '.join(names)} has it open" if names else ""

    def _failed(self, how: str, error: OSError) -> SinkError:
        cures = {
            errno.ENOENT: "load v4l2loopback again",
            errno.ENODEV: "load v4l2loopback again",
            errno.EACCES: "add yourself to the group video with `sudo usermod -aG video $USER` and log in again",
            errno.EBUSY: "close the other programs that use it",
        }
        cure = cures.get(error.errno or 0, "see `dmesg` for what the kernel says of it, or load v4l2loopback again")
        return SinkError(f"{self.path} {how} ({error.strerror}): {cure}")


class _Node(NamedTuple):
    """Which file system, which inode, which device: whether two looks see the same node."""

    file_system: int
    inode: int
    device: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_dev, status.st_ino, status.st_rdev)


def _node_at(path: Path) -> _Node | None:
    try:
        return _Node.of(path.stat())
    except OSError:
        return None
