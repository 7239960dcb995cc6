"""From the name that people give a camera to its device, and from what the kernel refuses to a sentence."""

import errno
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from livebg.errors import SourceError
from livebg.v4l2.device import Device, Refused, ask, opened, survey
from livebg.v4l2.modes import COSTS, Mode, read_modes, readable
from livebg.v4l2.syscalls import SYSTEM, Kernel

AUTO = "auto"
GROUP_ADVICE = "add yourself to the group video with `sudo usermod -aG video $USER` and log in again"


def find_camera(name: str | Path, kernel: Kernel = SYSTEM) -> Device:
    """The capture device that ``name`` means.

    A path or a link to one, an index (``"0"``), a part of a card label that no other camera has (``"C920"``, in whatever
    case), or ``"auto"``: the first camera that has a mode livebg reads. A loopback device is taken only when it is named.
    Raises :class:`~livebg.errors.SourceError` in a sentence that says which cameras there are.
    """
    text = str(name).strip()
    if text.isdecimal():
        return _at(Path(f"/dev/video{int(text)}"), kernel)
    if isinstance(name, Path) or "/" in text:
        return _at(kernel.resolve(Path(text)), kernel)
    found, refused = survey(kernel)
    cameras = [device for device in found if device.captures]
    real = [device for device in cameras if not device.is_loopback]
    if text.casefold() == AUTO:
        return _first_of(real, refused, kernel)
    fits = _called(text, real) or _called(text, cameras)
    if len({device.bus for device in fits}) == 1:
        # One camera may have several nodes: a second one for H.264, one for infrared.
        return next((device for device in fits if _is_readable(device, kernel)), fits[0])
    if fits:
        several = " and ".join(str(device) for device in fits)
        raise SourceError(f"several cameras have {text!r} in their name ({several}): give one by its path")
    raise SourceError(_absent(f"no camera is called {text!r}", real, refused))


def modes_of(device: Device, kernel: Kernel, size: tuple[int, int], frame_rate: Fraction) -> list[Mode]:
    """The modes of a camera that livebg reads; at least one. Raises :class:`~livebg.errors.SourceError`."""
    try:
        with opened(device.path, kernel) as fd:
            modes = read_modes(fd, kernel, size, frame_rate)
    except OSError as error:
        raise camera_failure(device, error, kernel) from error
    fit = readable(modes)
    if fit:
        return fit
    odd = [f"{mode.width}x{mode.height}" for mode in modes if mode.pixel_format in COSTS]
    if odd:
        sizes = " and ".join(dict.fromkeys(odd))
        raise SourceError(f"the camera {device} offers {sizes}, and livebg reads even sizes alone: choose another camera")
    offered = ", ".join(dict.fromkeys(mode.pixel_format for mode in modes)) or "none at all"
    raise SourceError(
        f"the camera {device} offers no pixel format that livebg reads (it offers {offered}, and one of NV12, YU12, YUYV, UYVY, "
        "MJPG and H264 is needed): choose another camera"
    )


def camera_failure(camera: Device | Path, error: OSError, kernel: Kernel) -> SourceError:
    """The sentence for what the kernel said of a camera."""
    path = camera.path if isinstance(camera, Device) else camera
    match error.errno:
        case errno.EBUSY:
            return SourceError(f"the camera {camera} is in use{_by(path, kernel)}: close it there, or choose another camera")
        case errno.EACCES | errno.EPERM:
            return SourceError(f"the camera {camera} may not be opened by this user: {GROUP_ADVICE}")
        case errno.ENODEV | errno.ENXIO | errno.ENOENT:
            return SourceError(f"the camera {camera} has gone: plug it in again, or choose another camera")
        case errno.ENOSPC:
            return SourceError(
                f"the camera {camera} finds no room on its USB bus: plug it into another port, or ask for a smaller size"
            )
        case errno.ENOTTY:
            return SourceError(f"{path} is not a camera: `livebg devices` lists the cameras there are")
    return SourceError(f"the camera {camera} does not work ({error.strerror or error}): unplug it and plug it in again")


def _at(path: Path, kernel: Kernel) -> Device:
    try:
        with opened(path, kernel) as fd:
            device = ask(path, fd, kernel)
    except FileNotFoundError:
        found, refused = survey(kernel)
        real = [each for each in found if each.captures and not each.is_loopback]
        raise SourceError(_absent(f"there is no camera {path}", real, refused)) from None
    except OSError as error:
        raise camera_failure(path, error, kernel) from error
    if not device.captures:
        what = "a loopback device that nobody writes to" if device.is_loopback else "a device that gives no pictures"
        raise SourceError(f"{device} is {what}: `livebg devices` lists the cameras there are")
    return device


def _called(text: str, cameras: Sequence[Device]) -> list[Device]:
    wanted = text.casefold()
    whole = [device for device in cameras if device.card.casefold() == wanted]
    return whole or [device for device in cameras if wanted in device.card.casefold()]


def _first_of(cameras: Sequence[Device], refused: Sequence[Refused], kernel: Kernel) -> Device:
    for device in cameras:
        if _is_readable(device, kernel):
            return device
    if cameras:
        names = " and ".join(str(device) for device in cameras)
        raise SourceError(f"no camera gives pictures that livebg reads, only {names} are there: `livebg devices` tells more")
    raise SourceError(_absent("there is no camera", cameras, refused))


def _is_readable(device: Device, kernel: Kernel) -> bool:
    """Whether it has a mode that livebg reads; one that cannot be asked has none."""
    try:
        with opened(device.path, kernel) as fd:
            return bool(readable(read_modes(fd, kernel)))
    except OSError:
        return False


def _absent(what: str, cameras: Sequence[Device], refused: Sequence[Refused]) -> str:
    forbidden = [str(each.path) for each in refused if isinstance(each.error, PermissionError)]
    if cameras:
        return f"{what}, only {' and '.join(str(device) for device in cameras)}: choose one of these, or plug it in"
    if forbidden:
        return f"{what} that this user may open ({' and '.join(forbidden)} may not be): {GROUP_ADVICE}"
    return f"{what}, nor any other: plug one in" if what != "there is no camera" else "there is no camera: plug one in"


def _by(path: Path, kernel: Kernel) -> str:
    holders = kernel.holders(path)
    return " by " + " and ".join(f"{holder.program} (process {holder.pid})" for holder in holders) if holders else ""
