"""The cameras of this computer and their modes, for the choices of the camera settings. Needs no GTK."""

from dataclasses import dataclass

from livebg.errors import LivebgError
from livebg.tray.status import CameraChoice, list_cameras
from livebg.v4l2.device import open_device
from livebg.v4l2.find_camera import find_camera
from livebg.v4l2.modes import read_modes, readable
from livebg.v4l2.syscalls import SYSCALLS


@dataclass(frozen=True, slots=True)
class CameraModes:
    """The cameras, and the sizes ("WIDTHxHEIGHT") and frame rates of the chosen one, largest first; empty if unknown."""

    cameras: tuple[CameraChoice, ...] = ()
    sizes: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()


def read_camera_modes(device: str) -> CameraModes:
    """Return the modes of the camera that the setting ``camera.device`` names. Starts no camera."""
    cameras = list_cameras()
    try:
        camera = find_camera(device)
        with open_device(camera.path, SYSCALLS) as fd:
            modes = readable(read_modes(fd, SYSCALLS))
    except (LivebgError, OSError, ValueError):
        return CameraModes(cameras)
    sizes = sorted({(mode.width, mode.height) for mode in modes}, key=lambda size: size[0] * size[1], reverse=True)
    rates = sorted({round(float(rate), 2) for mode in modes for rate in mode.frame_rates}, reverse=True)
    return CameraModes(cameras, tuple(f"{width}x{height}" for width, height in sizes), tuple(rates))
