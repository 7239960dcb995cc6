"""Cameras on macOS and Windows through FFmpeg's input devices. Written from their documentation; untested on either system."""

import sys

from livebg.errors import SourceError
from livebg.sources.ffmpeg_camera import FFmpegCamera, FFmpegInput

_INPUT_DEVICES = {"darwin": "avfoundation", "win32": "dshow"}


def open_elsewhere(device: str, size: tuple[int, int], frame_rate: float, deadline: float) -> FFmpegCamera:
    """Open a camera by name or, on macOS, by index. ``auto`` opens the first one, on macOS only.

    ``size`` (width, height) and ``frame_rate`` must be a mode of the camera: these input devices reject others. Raises
    :class:`~livebg.errors.SourceError`.
    """
    input_device = _INPUT_DEVICES.get(sys.platform)
    if input_device is None:
        raise SourceError(f"livebg cannot read cameras on {sys.platform}, only on Linux, macOS and Windows. Give a camera's URL.")
    if input_device == "dshow" and device == "auto":
        raise SourceError("On Windows a camera must be given by name. Use --camera with the name shown in the system settings.")
    address = f"video={device}" if input_device == "dshow" else "0" if device == "auto" else device
    options = {"video_size": "{}x{}".format(*size), "framerate": f"{frame_rate:g}"}
    return FFmpegCamera(FFmpegInput(address, device, input_device, options), deadline=deadline)
