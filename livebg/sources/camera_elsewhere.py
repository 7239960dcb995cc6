"""Cameras of macOS and Windows, through FFmpeg's readers. Written from their documentation and not tried on either system."""

import sys

from livebg.errors import SourceError
from livebg.sources.ffmpeg_camera import Input, NetworkCamera

_READERS = {"darwin": "avfoundation", "win32": "dshow"}


def open_elsewhere(device: str, size: tuple[int, int], frame_rate: float, deadline: float) -> NetworkCamera:
    """The camera of this name, or on macOS of this index; ``auto`` is the first, on macOS alone.

    ``size`` (width, height) and ``frame_rate`` are asked for as they are: these readers refuse what the camera does not have.
    Raises :class:`~livebg.errors.SourceError`.
    """
    reader = _READERS.get(sys.platform)
    if reader is None:
        raise SourceError(
            f"livebg reads no cameras on {sys.platform}, only on Linux, macOS and Windows: give the URL of a camera"
        )
    if reader == "dshow" and device == "auto":
        raise SourceError("on Windows a camera needs its name: give it with --camera, as the system's settings show it")
    address = f"video={device}" if reader == "dshow" else "0" if device == "auto" else device
    options = {"video_size": "{}x{}".format(*size), "framerate": f"{frame_rate:g}"}
    return NetworkCamera(Input(address, device, reader, options), deadline=deadline)
