"""What every camera that livebg shows itself as has in common: its pictures' size, order and colours."""

from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livebg.errors import SinkError
from livebg.imaging.colorspace import for_virtual_camera, recolored
from livebg.imaging.frame import Composite, VideoFormat
from livebg.interfaces import Sink


class Camera(Protocol):
    """Takes pictures as I420 of its size, and raises :class:`~livebg.errors.SinkError` when it cannot."""

    @property
    def device(self) -> str: ...
    def send(self, picture: NDArray[np.uint8], /) -> None: ...
    def close(self) -> None: ...


class CameraSink(Sink):
    """A :class:`~livebg.interfaces.Sink` that other programs see as a camera, in the size of ``format``.

    Pictures in other colours than limited-range BT.601, which readers take for granted, are converted.
    """

    def __init__(self, format: VideoFormat, camera: Camera) -> None:  # noqa: A002 - the word of the field
        self._size = (format.width, format.height)
        self._camera = camera
        self._time: Fraction | None = None
        self._ended = False

    @property
    def device(self) -> str:
        """Where the camera is, for people."""
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
        self._camera.send(data)

    def close(self) -> None:
        if not self._ended:
            self._ended = True
            self._camera.close()

    def abort(self) -> None:
        self.close()
