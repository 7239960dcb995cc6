"""What `livebg devices` tells: the cameras with their modes, and the loopback devices with their state."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from livebg.v4l2 import abi
from livebg.v4l2.device import Device, Refused, opened, survey
from livebg.v4l2.find_camera import GROUP_ADVICE
from livebg.v4l2.modes import Mode, choose_mode, read_modes, readable
from livebg.v4l2.syscalls import SYSTEM, Holder, Kernel

Announcement = Literal["capture", "output", "both", "neither"]


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """A camera: all its modes, which of them livebg would choose (None: it reads none), and who has it open.

    ``trouble`` is why its modes could not be read.
    """

    device: Device
    modes: tuple[Mode, ...]
    choice: Mode | None
    holders: tuple[Holder, ...]
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class LoopbackFacts:
    """A loopback device: what it announces right now, its format in a few words (None while it has none), who has it open.

    ``fit`` says whether livebg can write to it as things are, ``remark`` why not, or what to know.
    """

    device: Device
    announces: Announcement
    format: str | None
    holders: tuple[Holder, ...]
    fit: bool
    remark: str


@dataclass(frozen=True, slots=True)
class Devices:
    """All video devices; ``refused`` gives those that could not be asked, each with the reason."""

    cameras: tuple[CameraFacts, ...]
    loopbacks: tuple[LoopbackFacts, ...]
    refused: tuple[tuple[Path, str], ...]


def look_around(
    label: str, size: tuple[int, int], frame_rate: float, kernel: Kernel = SYSTEM, *, running: int | None = None
) -> Devices:
    """Ask every video device. No camera is started, so none shows its light.

    ``label`` is that of the loopback device which livebg writes to; ``size`` (width, height) and ``frame_rate`` are what it
    would ask a camera for. ``running`` is the process of the livebg that runs, if one does.
    """
    found, refused = survey(kernel)
    rate = Fraction(frame_rate).limit_denominator(1001)
    cameras = [_camera(device, size, rate, kernel) for device in found if device.captures and not device.is_loopback]
    loopbacks = [device for device in found if device.is_loopback]
    alike = [device for device in loopbacks if device.card == label]
    return Devices(
        tuple(cameras),
        tuple(_loopback(device, label, alike, running, kernel) for device in loopbacks),
        tuple((each.path, _why(each)) for each in refused),
    )


def _camera(device: Device, size: tuple[int, int], rate: Fraction, kernel: Kernel) -> CameraFacts:
    holders = tuple(kernel.holders(device.path))
    try:
        with opened(device.path, kernel) as fd:
            modes = tuple(read_modes(fd, kernel))
            near = read_modes(fd, kernel, size, rate)
    except OSError as error:
        return CameraFacts(device, (), None, holders, error.strerror or str(error))
    choice = choose_mode(near, size, rate) if readable(near) else None
    return CameraFacts(device, modes, choice, holders)


def _loopback(device: Device, label: str, alike: Sequence[Device], running: int | None, kernel: Kernel) -> LoopbackFacts:
    announces: Announcement = "neither"
    if device.outputs:
        announces = "both" if device.captures else "output"
    elif device.captures:
        announces = "capture"
    holders = tuple(kernel.holders(device.path))
    own = running in {holder.pid for holder in holders}
    fit, remark = _fitness(device, announces, label, alike, own)
    return LoopbackFacts(device, announces, _format(device, kernel), holders, fit, remark)


def _fitness(device: Device, announces: Announcement, label: str, alike: Sequence[Device], own: bool) -> tuple[bool, str]:
    """``own``: the running livebg has it open."""
    if own and announces == "capture":
        return True, "livebg writes to it"
    if device.card != label:
        return False, f"livebg writes to the device called {label}: set output.label to use this one"
    if len(alike) > 1:
        return False, f"{len(alike)} devices are called {label}, where livebg needs one"
    match announces:
        case "output":
            return True, "ready to be written to"
        case "both":
            return True, "ready to be written to, but Chromium lists it only when it was made with exclusive_caps=1"
        case "capture":
            return False, "somebody writes to it already"
        case _:
            return True, "its last writer left it shut, and the next one opens it again"


def _format(device: Device, kernel: Kernel) -> str | None:
    kind = abi.BUF_TYPE_VIDEO_OUTPUT if device.outputs else abi.BUF_TYPE_VIDEO_CAPTURE
    form = abi.Format(type=kind)
    try:
        with opened(device.path, kernel) as fd:
            kernel.ioctl(fd, abi.G_FMT, form)
    except OSError:  # nothing was set yet, or it serves neither way
        return None
    pix = form.pix
    return str(Mode(abi.fourcc_text(pix.pixelformat), pix.width, pix.height)) if pix.width and pix.height else None


def _why(refused: Refused) -> str:
    if isinstance(refused.error, PermissionError):
        return f"may not be opened by this user: {GROUP_ADVICE}"
    return refused.error.strerror or str(refused.error)
