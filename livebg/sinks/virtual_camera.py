"""The virtual camera on v4l2loopback or OBS, through pyvirtualcam."""

import sys
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyvirtualcam
from numpy.typing import NDArray
from pyvirtualcam.camera import BACKENDS

from livebg.errors import SinkError
from livebg.imaging.frame import VideoFormat
from livebg.interfaces import Sink
from livebg.sinks.backend import BackendSetting, resolve_backend
from livebg.sinks.camera_sink import CameraSink
from livebg.sinks.null import NullSink
from livebg.sinks.pipewire.sink import PipeWireSink
from livebg.sinks.pipewire.streaming import StreamingFlag
from livebg.sinks.v4l2loopback import LoopbackDevice
from livebg.v4l2.loopback import find_loopback
from livebg.v4l2.syscalls import SYSCALLS, Syscalls

Backend = Literal["v4l2loopback", "obs"]
_BACKEND_NAME: Final = "livebg-v4l2loopback"
"""livebg's own pyvirtualcam backend: pyvirtualcam's one for Linux ignores failed writes, a rejected size and the frame rate."""


class _LoopbackBackend:
    """A pyvirtualcam backend for an already open device, so that its errors reach the caller unchanged."""

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str, opened: LoopbackDevice) -> None:  # noqa: ARG002
        self._device, self._fourcc, self._opened = device, fourcc, opened

    def send(self, frame: NDArray[np.uint8]) -> None:
        self._opened.write(frame.data)

    def close(self) -> None:
        self._opened.close()

    def device(self) -> str:
        return self._device

    def native_fourcc(self) -> int:
        return self._fourcc


pyvirtualcam.register_backend(_BACKEND_NAME, _LoopbackBackend)


class _ObsCamera:
    """OBS's camera; converts its errors to SinkError."""

    def __init__(self, camera: pyvirtualcam.Camera) -> None:
        self._camera = camera
        self.device = str(camera.device)

    def send(self, picture: NDArray[np.uint8]) -> None:
        try:
            self._camera.send(picture)
        except RuntimeError as error:  # raised by pyvirtualcam's backends
            raise SinkError(f"OBS's virtual camera no longer accepts pictures ({error}). Start it again.") from error

    def close(self) -> None:
        self._camera.close()


class VirtualCameraSink(CameraSink):
    """A :class:`~livebg.sinks.camera_sink.CameraSink` on pyvirtualcam.

    ``device`` is the path of the v4l2loopback device, None for ``obs``. The constructor raises :class:`~livebg.errors.SinkError`
    if there is no such camera or it does not support ``format``; sending raises it if the picture was not delivered or the device
    is gone.
    """

    def __init__(
        self,
        format: VideoFormat,  # noqa: A002 - the usual term
        device: Path | None,
        backend: Backend,
        kernel: Syscalls = SYSCALLS,
    ) -> None:
        super().__init__(
            format, _loopback_camera(format, device, kernel) if backend == "v4l2loopback" else _ObsCamera(_obs_camera(format))
        )


def open_virtual_camera(
    backend: BackendSetting,
    label: str,
    format: VideoFormat,  # noqa: A002 - the usual term
    kernel: Syscalls = SYSCALLS,
    streaming: StreamingFlag | None = None,
) -> Sink:
    """Open the sink for the setting ``output.backend``.

    ``label`` is the name of the v4l2loopback device or PipeWire camera; ``streaming`` receives whether the PipeWire camera is in
    use. Raises :class:`~livebg.errors.SinkError` if no usable device is found.
    """
    backend_name = resolve_backend(backend)
    if backend_name == "null":
        return NullSink()
    if backend_name == "obs":
        return VirtualCameraSink(format, None, "obs")
    if backend_name == "pipewire":
        return PipeWireSink(format, label, streaming or StreamingFlag())
    if not sys.platform.startswith("linux"):
        raise SinkError("v4l2loopback is available only on Linux. Set output.backend to auto or obs.")
    return VirtualCameraSink(format, find_loopback(label, kernel), "v4l2loopback", kernel)


def _loopback_camera(form: VideoFormat, device: Path | None, kernel: Syscalls) -> pyvirtualcam.Camera:
    if device is None:
        raise ValueError("a v4l2loopback device needs an explicit path")
    opened = LoopbackDevice(device, form, kernel)
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
        raise SinkError("OBS's virtual camera is available only on macOS and Windows. Set output.backend to auto.")
    try:
        return pyvirtualcam.Camera(
            form.width, form.height, float(form.frame_rate), fmt=pyvirtualcam.PixelFormat.I420, backend="obs"
        )
    except RuntimeError as error:
        reason = str(error).removeprefix("'obs' backend: ").strip().rstrip(".")
        raise SinkError(
            f"OBS's virtual camera cannot be opened ({reason}). Install OBS Studio, then start and stop its virtual camera once."
        ) from error
