"""The camera that calls see, on pyvirtualcam."""

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
from livebg.sinks.backend import BackendSetting, resolved
from livebg.sinks.camera_sink import CameraSink
from livebg.sinks.null import NullSink
from livebg.sinks.pipewire.sink import PipeWireSink
from livebg.sinks.pipewire.streaming import Streaming
from livebg.sinks.v4l2loopback import LoopbackDevice
from livebg.v4l2.loopback import find_loopback
from livebg.v4l2.syscalls import SYSTEM, Kernel

Backend = Literal["v4l2loopback", "obs"]
_OURS: Final = "livebg-v4l2loopback"
"""pyvirtualcam's own backend for Linux passes over writes that fail, a size that was not taken, and the frame rate."""


class _LoopbackBackend:
    """What pyvirtualcam asks of a backend, over a device that has been opened already, so that its errors come out whole."""

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


pyvirtualcam.register_backend(_OURS, _LoopbackBackend)


class _Obs:
    """OBS's camera, whose failures become livebg's."""

    def __init__(self, camera: pyvirtualcam.Camera) -> None:
        self._camera = camera
        self.device = str(camera.device)

    def send(self, picture: NDArray[np.uint8]) -> None:
        try:
            self._camera.send(picture)
        except RuntimeError as error:  # what pyvirtualcam's own backends raise
            raise SinkError(f"the camera takes no more pictures ({error}): start OBS's virtual camera again") from error

    def close(self) -> None:
        self._camera.close()


class VirtualCameraSink(CameraSink):
    """A :class:`~livebg.sinks.camera_sink.CameraSink` on pyvirtualcam.

    ``device`` is the path of the v4l2loopback device, and None for ``obs``. The constructor raises
    :class:`~livebg.errors.SinkError` when there is no such camera or it cannot be had as ``format`` says; sending raises it
    when the picture did not arrive, or the device vanished.
    """

    def __init__(
        self,
        format: VideoFormat,  # noqa: A002 - the word of the field
        device: Path | None,
        backend: Backend,
        kernel: Kernel = SYSTEM,
    ) -> None:
        super().__init__(format, _on_loopback(format, device, kernel) if backend == "v4l2loopback" else _Obs(_on_obs(format)))


def open_virtual_camera(
    backend: BackendSetting,
    label: str,
    format: VideoFormat,  # noqa: A002 - the word of the field
    kernel: Kernel = SYSTEM,
    streaming: Streaming | None = None,
) -> Sink:
    """The sink that the setting ``output.backend`` means.

    ``label`` is the camera's name, of the v4l2loopback device or of PipeWire's; ``streaming`` is told whether PipeWire's is
    watched. Raises :class:`~livebg.errors.SinkError` when there is none that can be used.
    """
    meant = resolved(backend)
    if meant == "null":
        return NullSink()
    if meant == "obs":
        return VirtualCameraSink(format, None, "obs")
    if meant == "pipewire":
        return PipeWireSink(format, label, streaming or Streaming())
    if not sys.platform.startswith("linux"):
        raise SinkError("v4l2loopback is a part of Linux alone: set output.backend to obs, or leave it at auto")
    return VirtualCameraSink(format, find_loopback(label, kernel), "v4l2loopback", kernel)


def _on_loopback(form: VideoFormat, device: Path | None, kernel: Kernel) -> pyvirtualcam.Camera:
    if device is None:
        raise ValueError("a v4l2loopback device is chosen by its path, never left to chance")
    opened = LoopbackDevice(device, form, kernel)
    return pyvirtualcam.Camera(
        form.width,
        form.height,
        float(form.frame_rate),
        fmt=pyvirtualcam.PixelFormat.I420,
        device=str(device),
        backend=_OURS,
        opened=opened,
    )


def _on_obs(form: VideoFormat) -> pyvirtualcam.Camera:
    if "obs" not in BACKENDS:
        raise SinkError("OBS's virtual camera is there on macOS and Windows alone: set output.backend to auto")
    try:
        return pyvirtualcam.Camera(
            form.width, form.height, float(form.frame_rate), fmt=pyvirtualcam.PixelFormat.I420, backend="obs"
        )
    except RuntimeError as error:
        reason = str(error).removeprefix("'obs' backend: ").strip().rstrip(".")
        raise SinkError(
            f"OBS's virtual camera cannot be opened ({reason}): install OBS Studio, then start and stop its virtual camera once"
        ) from error
