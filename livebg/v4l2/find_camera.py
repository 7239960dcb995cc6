"""Finds a camera by name and explains in one sentence why a camera cannot be used."""

import errno
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

from livebg.errors import SourceError
from livebg.v4l2.device import Device, InaccessibleDevice, enumerate_devices, open_device, query_capabilities
from livebg.v4l2.modes import DECODE_COST, Mode, read_modes, readable
from livebg.v4l2.syscalls import SYSCALLS, Syscalls

AUTO = "auto"
GROUP_ADVICE = "add yourself to the group video with `sudo usermod -aG video $USER` and log in again"
GROUP_HINT: Final = f"{GROUP_ADVICE[:1].upper()}{GROUP_ADVICE[1:]}."
_NO_CAMERA: Final = "There is no camera"
_MAX_DIGITS: Final = 9


def require_linux() -> None:
    """Raise :class:`~livebg.errors.SourceError` on other systems, whose cameras livebg cannot read."""
    if not sys.platform.startswith("linux"):
        raise SourceError("livebg reads local cameras only on Linux.", "Use --camera with a URL or a video file.")


def find_camera(name: str | Path, kernel: Syscalls = SYSCALLS) -> Device:
    """Find the capture device for ``name``.

    ``name`` is a path or a link to one, an index (``"0"``), a unique part of a card label (``"C920"``, case-insensitive), or
    ``"auto"``: the first camera with a mode that livebg reads. A loopback device is used only if it is named. Raises
    :class:`~livebg.errors.SourceError` listing the available cameras.
    """
    require_linux()
    text = str(name).strip()
    if text.isdecimal() and len(text) <= _MAX_DIGITS:
        return _device_at(Path(f"/dev/video{int(text)}"), kernel)
    if isinstance(name, Path) or "/" in text:
        return _device_at(kernel.resolve(Path(text)), kernel)
    found, refused = enumerate_devices(kernel)
    cameras = [device for device in found if device.captures]
    real = [device for device in cameras if not device.is_loopback]
    if text.casefold() == AUTO:
        return _first_of(real, refused, kernel)
    matches = _matching(text, real) or _matching(text, cameras)
    if len({device.bus for device in matches}) == 1:
        # One camera can have several nodes, for example for H.264 or infrared.
        return next((device for device in matches if _is_readable(device, kernel)), matches[0])
    if matches:
        several = " and ".join(str(device) for device in matches)
        raise SourceError(f"Several cameras match {text!r} ({several}).", "Give the path of one.")
    raise _not_found(f"No camera matches {text!r}", real, refused)


def modes_of(device: Device, kernel: Syscalls, size: tuple[int, int], frame_rate: Fraction) -> list[Mode]:
    """Return the modes of a camera that livebg reads, at least one. Raises :class:`~livebg.errors.SourceError`."""
    try:
        with open_device(device.path, kernel) as fd:
            modes = read_modes(fd, kernel, size, frame_rate)
    except OSError as error:
        raise camera_failure(device, error, kernel) from error
    usable = readable(modes)
    if usable:
        return usable
    odd_sizes = [f"{mode.width}x{mode.height}" for mode in modes if mode.pixel_format in DECODE_COST]
    if odd_sizes:
        sizes = " and ".join(dict.fromkeys(odd_sizes))
        raise SourceError(f"The camera {device} offers {sizes}, but livebg reads only even sizes.", "Choose another camera.")
    offered = ", ".join(dict.fromkeys(mode.pixel_format for mode in modes)) or "none"
    raise SourceError(
        f"The camera {device} offers no pixel format that livebg reads (it offers {offered}; livebg needs NV12, YU12, YUYV, "
        "UYVY, MJPG or H264).",
        "Choose another camera.",
    )


def camera_failure(camera: Device | Path, error: OSError, kernel: Syscalls) -> SourceError:
    """Return the error for an OSError of a camera."""
    path = camera.path if isinstance(camera, Device) else camera
    match error.errno:
        case errno.EBUSY:
            return SourceError(
                f"The camera {camera} is in use{_used_by(path, kernel)}.", "Close that program, or choose another camera."
            )
        case errno.EACCES | errno.EPERM:
            return SourceError(f"The camera {camera} cannot be opened by this user.", GROUP_HINT)
        case errno.ENODEV | errno.ENXIO | errno.ENOENT:
            return SourceError(f"The camera {camera} is gone.", "Plug it in again, or choose another camera.")
        case errno.ENOSPC:
            return SourceError(
                f"The USB bus of the camera {camera} has no bandwidth left.", "Plug it into another port, or set a smaller size."
            )
        case errno.ENOTTY:
            return SourceError(f"{path} is not a camera.", "Run `livebg devices` to list the cameras.")
    return SourceError(f"The camera {camera} does not work ({error.strerror or error}).", "Unplug it and plug it in again.")


def _device_at(path: Path, kernel: Syscalls) -> Device:
    try:
        with open_device(path, kernel) as fd:
            device = query_capabilities(path, fd, kernel)
    except FileNotFoundError:
        found, refused = enumerate_devices(kernel)
        real = [each for each in found if each.captures and not each.is_loopback]
        raise _not_found(f"There is no camera {path}", real, refused) from None
    except OSError as error:
        raise camera_failure(path, error, kernel) from error
    if not device.captures:
        kind = "a loopback device without a writer" if device.is_loopback else "a device that cannot capture video"
        raise SourceError(f"{device} is {kind}.", "Run `livebg devices` to list the cameras.")
    return device


def _matching(text: str, cameras: Sequence[Device]) -> list[Device]:
    label = text.casefold()
    exact = [device for device in cameras if device.card.casefold() == label]
    return exact or [device for device in cameras if label in device.card.casefold()]


def _first_of(cameras: Sequence[Device], refused: Sequence[InaccessibleDevice], kernel: Syscalls) -> Device:
    for device in cameras:
        if _is_readable(device, kernel):
            return device
    if cameras:
        names = " and ".join(str(device) for device in cameras)
        raise SourceError(f"livebg cannot read any of the cameras {names}.", "Run `livebg devices` for details.")
    raise _not_found(_NO_CAMERA, cameras, refused)


def _is_readable(device: Device, kernel: Syscalls) -> bool:
    """Return whether the device has a mode that livebg reads; False if it cannot be queried."""
    try:
        with open_device(device.path, kernel) as fd:
            return bool(readable(read_modes(fd, kernel)))
    except OSError:
        return False


def _not_found(problem: str, cameras: Sequence[Device], refused: Sequence[InaccessibleDevice]) -> SourceError:
    forbidden = [str(each.path) for each in refused if isinstance(each.error, PermissionError)]
    if cameras:
        others = " and ".join(str(device) for device in cameras)
        return SourceError(f"{problem}, only {others}.", "Choose one of these, or plug it in.")
    if forbidden:
        return SourceError(f"{problem} that this user can open (not {' or '.join(forbidden)}).", GROUP_HINT)
    return SourceError(f"{problem}{'' if problem == _NO_CAMERA else ', nor any other camera'}.", "Plug one in.")


def _used_by(path: Path, kernel: Syscalls) -> str:
    holders = kernel.holders(path)
    return " by " + " and ".join(f"{holder.program} (process {holder.pid})" for holder in holders) if holders else ""
