"""Lists cameras with their modes and v4l2loopback devices with their state, for `livebg devices` and the doctor."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

from livebg.v4l2 import abi
from livebg.v4l2.device import Device, InaccessibleDevice, enumerate_devices, open_device
from livebg.v4l2.find_camera import GROUP_ADVICE
from livebg.v4l2.modes import Mode, choose_mode, read_modes, readable
from livebg.v4l2.syscalls import SYSCALLS, Holder, Syscalls

Announcement = Literal["capture", "output", "both", "neither"]
_ANNOUNCEMENTS: Final[dict[tuple[bool, bool], Announcement]] = {
    (True, False): "capture",
    (False, True): "output",
    (True, True): "both",
    (False, False): "neither",
}
"""By whether the device announces capture and output."""


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera with all its modes, the mode livebg would choose and the processes that have it open.

    ``choice`` is None if livebg cannot read any of its formats. ``error`` is the reason why its modes could not be read.
    """

    device: Device
    modes: tuple[Mode, ...]
    choice: Mode | None
    holders: tuple[Holder, ...]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LoopbackInfo:
    """A v4l2loopback device: the capabilities it announces now, its format and the processes that have it open.

    ``format`` is a short description, or None if no format is set. ``usable`` is true if livebg can write to the device now;
    ``note`` gives the reason or a note.
    """

    device: Device
    announces: Announcement
    format: str | None
    holders: tuple[Holder, ...]
    usable: bool
    note: str


@dataclass(frozen=True, slots=True)
class Devices:
    """All video devices. ``inaccessible`` holds the nodes that could not be queried."""

    cameras: tuple[CameraInfo, ...]
    loopbacks: tuple[LoopbackInfo, ...]
    inaccessible: tuple[InaccessibleDevice, ...]

    @property
    def reasons(self) -> list[tuple[Path, str]]:
        """The inaccessible nodes with the reasons, each to follow its path in a sentence."""
        return [(each.path, _error_text(each)) for each in self.inaccessible]


def list_devices(
    label: str, size: tuple[int, int], frame_rate: float, kernel: Syscalls = SYSCALLS, *, running: int | None = None
) -> Devices:
    """Query every video device. Starts no camera, so no camera light turns on.

    ``label`` is the name of the loopback device that livebg writes to. ``size`` (width, height) and ``frame_rate`` (frames per
    second) are the values livebg would request from a camera. ``running`` is the process id of the running livebg, if any.
    """
    found, refused = enumerate_devices(kernel)
    rate = Fraction(frame_rate).limit_denominator(1001)
    cameras = [_camera(device, size, rate, kernel) for device in found if device.captures and not device.is_loopback]
    loopbacks = [device for device in found if device.is_loopback]
    same_label = [device for device in loopbacks if device.card == label]
    return Devices(
        tuple(cameras),
        tuple(_loopback(device, label, same_label, running, kernel) for device in loopbacks),
        tuple(refused),
    )


def _camera(device: Device, size: tuple[int, int], rate: Fraction, kernel: Syscalls) -> CameraInfo:
    holders = tuple(kernel.holders(device.path))
    try:
        with open_device(device.path, kernel) as fd:
            modes = tuple(read_modes(fd, kernel))
            near = read_modes(fd, kernel, size, rate)
    except OSError as error:
        return CameraInfo(device, (), None, holders, error.strerror or str(error))
    choice = choose_mode(near, size, rate) if readable(near) else None
    return CameraInfo(device, modes, choice, holders)


def _loopback(device: Device, label: str, same_label: Sequence[Device], running: int | None, kernel: Syscalls) -> LoopbackInfo:
    announces = _ANNOUNCEMENTS[device.captures, device.outputs]
    holders = tuple(kernel.holders(device.path))
    ours = running in {holder.pid for holder in holders}
    usable, note = _usability(device, announces, label, same_label, ours)
    return LoopbackInfo(device, announces, _format(device, kernel), holders, usable, note)


def _usability(device: Device, announces: Announcement, label: str, same_label: Sequence[Device], ours: bool) -> tuple[bool, str]:
    """Return ``usable`` and ``note``. ``ours`` is true if the running livebg has the device open."""
    if ours and announces == "capture":
        return True, "livebg is writing to it"
    if device.card != label:
        return False, f"livebg uses the device named {label}; set output.label to use this one"
    if len(same_label) > 1:
        return False, f"{len(same_label)} devices are named {label}; livebg needs exactly one"
    match announces:
        case "output":
            return True, "ready"
        case "both":
            return True, "ready, but Chromium lists it only if it was created with exclusive_caps=1"
        case "capture":
            return False, "another program is writing to it"
        case _:
            return True, "ready: the last writer left it closed, and the next writer reopens it"


def _format(device: Device, kernel: Syscalls) -> str | None:
    kind = abi.BUF_TYPE_VIDEO_OUTPUT if device.outputs else abi.BUF_TYPE_VIDEO_CAPTURE
    form = abi.Format(type=kind)
    try:
        with open_device(device.path, kernel) as fd:
            kernel.ioctl(fd, abi.G_FMT, form)
    except OSError:  # no format is set yet, or the device supports neither direction
        return None
    pix = form.pix
    return str(Mode(abi.fourcc_text(pix.pixelformat), pix.width, pix.height)) if pix.width and pix.height else None


def _error_text(refused: InaccessibleDevice) -> str:
    if isinstance(refused.error, PermissionError):
        return f"cannot be opened by this user: {GROUP_ADVICE}"
    return refused.error.strerror or str(refused.error)
