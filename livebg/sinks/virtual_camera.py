"""The camera that calls see, on pyvirtualcam."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyvirtualcam
from numpy.typing import NDArray
from pyvirtualcam.camera import BACKENDS

from livebg.errors import SinkError
from livebg.frame import Composite, VideoFormat
from livebg.interfaces import Sink
from livebg.recolor import for_virtual_camera, recolored
from livebg.sinks.backend import BackendSetting, resolved
from livebg.sinks.loopback import LoopbackDevice
from livebg.sinks.null import NullSink
from livebg.v4l2.loopback import find_loopback
from livebg.v4l2.system import SYSTEM, Kernel

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


class VirtualCameraSink(Sink):
    """A :class:`~livebg.interfaces.Sink` that other programs see as a camera, I420 in the size of ``format``.

    ``device`` is the path of the v4l2loopback device, and None for ``obs``. Pictures in other colours than limited-range BT.601,
    which readers take for granted, are converted. The constructor raises :class:`~livebg.errors.SinkError` when there is no
    such camera or it cannot be had as ``format`` says; sending raises it when the picture did not arrive, or the device vanished.
    """

    def __init__(
        self,
        format: VideoFormat,  # noqa: A002 - the word of the field
        device: Path | None,
        backend: Backend,
        kernel: Kernel = SYSTEM,
    ) -> None:
        self._size = (format.width, format.height)
        self._time: Fraction | None = None
        self._ended = False
        self._camera = _on_loopback(format, device, kernel) if backend == "v4l2loopback" else _on_obs(format)

    @property
    def device(self) -> str:
        """The path of the device, or the camera's name where devices have none."""
        return str(self._camera.device)

    def send(self, composite: Composite) -> None:
        if self._ended:
            raise SinkError("nothing more can be sent: this camera has been closed")
        if (composite.width, composite.height) != self._size:
            raise SinkError(
                f"a composite of {composite.width}x{composite.height} came for a camera of {self._size[0]}x{self._size[1]}, "
                "whose size cannot change: please report this"
            )
        time = composite.pts * composite.time_base
        if self._time is not None and time <= self._time:
            raise SinkError(
                f"a composite at {float(time):.6f} s came after one at {float(self._time):.6f} s: times must increase"
            )
        self._time = time
        wanted = for_virtual_camera(composite.color)
        data = composite.data if composite.color == wanted else recolored(composite.data, composite.color, wanted)
        try:
            self._camera.send(data)
        except RuntimeError as error:  # what pyvirtualcam's own backends raise
            raise SinkError(f"the camera takes no more pictures ({error}): start OBS's virtual camera again") from error

    def close(self) -> None:
        if not self._ended:
            self._ended = True
            self._camera.close()

    def abort(self) -> None:
        self.close()


def open_virtual_camera(
    backend: BackendSetting,
    label: str,
    format: VideoFormat,  # noqa: A002 - the word of the field
    kernel: Kernel = SYSTEM,
) -> Sink:
    """The sink that the setting ``output.backend`` means.

    ``label`` is that of the v4l2loopback device. Raises :class:`~livebg.errors.SinkError` when there is none that can be used.
    """
    meant = resolved(backend)
    if meant == "null":
        return NullSink()
    if meant == "obs":
        return VirtualCameraSink(format, None, "obs")
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
