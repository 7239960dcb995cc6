"""The common part of all virtual cameras: checks the pictures' size, order and color."""

from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livebg.errors import SinkError
from livebg.imaging.colorspace import convert_i420, virtual_camera_color
from livebg.imaging.frame import Composite, VideoFormat
from livebg.interfaces import Sink


class Camera(Protocol):
    """Accepts I420 pictures of its size. Raises :class:`~livebg.errors.SinkError` on failure."""

    @property
    def device(self) -> str: ...
    def send(self, picture: NDArray[np.uint8], /) -> None: ...
    def close(self) -> None: ...


class CameraSink(Sink):
    """A :class:`~livebg.interfaces.Sink` that other programs see as a camera with the size of ``format``.

    Pictures are converted to limited-range BT.601, which readers assume.
    """

    def __init__(self, format: VideoFormat, camera: Camera) -> None:  # noqa: A002 - the usual term
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
            raise SinkError("The virtual camera is closed. Open it again.")
        if (composite.width, composite.height) != self._size:
            raise SinkError(
                f"A {composite.width}x{composite.height} composite was sent to a {self._size[0]}x{self._size[1]} camera, "
                "whose size cannot change. Please report this."
            )
        time = composite.pts * composite.time_base
        if self._last_time is not None and time <= self._last_time:
            raise SinkError(
                f"A composite at {float(time):.6f} s followed one at {float(self._last_time):.6f} s. Times must increase."
            )
        self._last_time = time
        color = virtual_camera_color(composite.color)
        data = composite.data if composite.color == color else convert_i420(composite.data, composite.color, color)
        self._camera.send(data)

    def close(self) -> None:
        if not self._ended:
            self._ended = True
            self._camera.close()

    def abort(self) -> None:
        self.close()
