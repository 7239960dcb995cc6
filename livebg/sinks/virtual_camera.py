"""The virtual camera that other programs see: v4l2loopback or OBS through pyvirtualcam, or PipeWire; or none, to measure."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import pyvirtualcam
from pyvirtualcam.camera import BACKENDS

from livebg.compositing.composite import with_color
from livebg.errors import SinkError
from livebg.imaging.colorspace import virtual_camera_color
from livebg.imaging.frame import Composite, VideoFormat
from livebg.interfaces import Sink
from livebg.sinks.pipewire.libpipewire import Library
from livebg.sinks.pipewire.stream import CameraStream, StreamingFlag
from livebg.sinks.v4l2loopback import LoopbackDevice
from livebg.v4l2.loopback import find_loopback
from livebg.v4l2.syscalls import SYSCALLS, Syscalls

_BACKEND_NAME: Final = "livebg-v4l2loopback"
"""livebg's own pyvirtualcam backend: pyvirtualcam's one for Linux ignores failed writes, a rejected size and the frame rate."""
pyvirtualcam.register_backend(_BACKEND_NAME, lambda *, opened, **_: opened)


class VirtualCameraSink(Sink):
    """A :class:`~livebg.interfaces.Sink` that other programs see as a camera with the size of ``format``.

    Checks the pictures' size and order, and converts them to limited-range BT.601, which readers assume. Sending raises
    :class:`~livebg.errors.SinkError` if the picture was not delivered or the device is gone.
    """

    def __init__(self, format: VideoFormat, camera: pyvirtualcam.Camera | CameraStream) -> None:  # noqa: A002 - the usual term
        self._size = (format.width, format.height)
        self._camera = camera
        self._last_time: Fraction | None = None
        self._ended = False

    @property
    def device(self) -> str:
        """The camera's device, for display."""
        return str(self._camera.device)

    def send(self, composite: Composite) -> None:
        if self._ended:
            raise SinkError("The virtual camera is closed.", "Open it again.")
        if (composite.width, composite.height) != self._size:
            raise SinkError(
                f"A {composite.width}x{composite.height} composite was sent to a {self._size[0]}x{self._size[1]} camera, "
                "whose size cannot change.",
                "Please report this.",
            )
        time = composite.pts * composite.time_base
        if self._last_time is not None and time <= self._last_time:
            raise SinkError(
                f"A composite at {float(time):.6f} s followed one at {float(self._last_time):.6f} s. Times must increase."
            )
        self._last_time = time
        converted = with_color(composite, virtual_camera_color(composite.color))
        try:
            self._camera.send(converted.data)
        except RuntimeError as error:  # only pyvirtualcam's own backend for OBS raises it
            raise SinkError(f"OBS's virtual camera no longer accepts pictures ({error}).", "Start it again.") from error

    def close(self) -> None:
        if not self._ended:
            self._ended = True
            self._camera.close()

    def abort(self) -> None:
        self.close()


class NullSink(Sink):
    """Counts composites in ``frames`` and discards them."""

    def __init__(self) -> None:
        self.frames = 0
        self._ended = False
        self._last_time = float("-inf")

    def send(self, composite: Composite) -> None:
        """Count one composite. Raises SinkError after the end and if time does not increase."""
        if self._ended:
            raise SinkError("The sink is closed.", "Open it again.")
        if composite.time <= self._last_time:
            raise SinkError(
                f"A composite at {composite.time:.6f} s followed one at {self._last_time:.6f} s. Times must increase."
            )
        self._last_time = composite.time
        self.frames += 1

    def close(self) -> None:
        self._ended = True

    def abort(self) -> None:
        self._ended = True


def open_virtual_camera(
    backend: Literal["v4l2loopback", "pipewire", "obs", "null"],
    label: str,
    format: VideoFormat,  # noqa: A002 - the usual term
    kernel: Syscalls = SYSCALLS,
    streaming: StreamingFlag | None = None,
) -> Sink:
    """Open the sink for a backend.

    ``label`` is the name of the v4l2loopback device or PipeWire camera; ``streaming`` receives whether the PipeWire camera is in
    use. Raises :class:`~livebg.errors.SinkError` if no usable device is found or it does not support ``format``.
    """
    match backend:
        case "null":
            return NullSink()
        case "obs":
            return VirtualCameraSink(format, _obs_camera(format))
        case "pipewire":
            return VirtualCameraSink(format, CameraStream(label, format, streaming or StreamingFlag(), Library()))
    if not sys.platform.startswith("linux"):
        raise SinkError("v4l2loopback is available only on Linux.", "Set output.backend to auto or obs.")
    return VirtualCameraSink(format, loopback_camera(find_loopback(label, kernel), format, kernel))


def loopback_camera(device: Path, form: VideoFormat, kernel: Syscalls = SYSCALLS) -> pyvirtualcam.Camera:
    """Open the v4l2loopback device at a path. Raises :class:`~livebg.errors.SinkError`."""
    opened = LoopbackDevice(device, form, kernel)  # opened here, because pyvirtualcam would replace its errors by a RuntimeError
    return pyvirtualcam.Camera(
        form.width,
        form.height,
        float(form.frame_rate),
        fmt=pyvirtualcam.PixelFormat.I420,
        device=str(device),
        backend=_BACKEND_NAME,
        opened=opened,
    )


def _obs_camera(form: VideoFormat) -> pyvirtualcam.Camera:
    if "obs" not in BACKENDS:
        raise SinkError("OBS's virtual camera is available only on macOS and Windows.", "Set output.backend to auto.")
    try:
        return pyvirtualcam.Camera(
            form.width, form.height, float(form.frame_rate), fmt=pyvirtualcam.PixelFormat.I420, backend="obs"
        )
    except RuntimeError as error:
        reason = str(error).removeprefix("'obs' backend: ").strip().rstrip(".")
        raise SinkError(
            f"OBS's virtual camera cannot be opened ({reason}).",
            "Install OBS Studio, then start and stop its virtual camera once.",
        ) from error
