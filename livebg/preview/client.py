"""A connection to the running livebg's preview socket (:mod:`livebg.daemon.preview_server`)."""

import functools
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from livebg.daemon import protocol
from livebg.daemon.client import not_running, spoken
from livebg.daemon.runtime_dir import preview_path
from livebg.daemon.status import Status
from livebg.errors import ConfigError, LivebgError
from livebg.imaging.frame import BT601, ColorSpec, blank, i420_to_rgb, planes

_LARGEST: Final = 16_384
"""Pixels on a side; nothing larger is made room for."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """I420, uint8, shape (height * 3 / 2, width), in its colour."""

    data: NDArray[np.uint8]
    color: ColorSpec

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return int(self.data.shape[1]), int(self.data.shape[0]) * 2 // 3

    @property
    def luma(self) -> NDArray[np.uint8]:
        """Shape (height, width); of the view ``alpha`` the matte, 255 = foreground."""
        return planes(self.data)[0]

    def bgr(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """At ``size`` (width, height), as OpenCV's windows want it: uint8, (height, width, 3)."""
        if self.color.matrix == BT601 and not self.color.full_range:  # which is what OpenCV takes I420 for
            bgr = np.asarray(cv2.cvtColor(self.data, cv2.COLOR_YUV2BGR_I420), np.uint8)
            way = cv2.INTER_AREA if 2 * size[0] <= self.size[0] else cv2.INTER_LINEAR
            return bgr if size == self.size else np.asarray(cv2.resize(bgr, size, interpolation=way), np.uint8)
        return i420_to_rgb(self.data, self.color, size)[..., ::-1]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was seen at one look. ``pictures`` by the names of their views is empty where no new one came in time.

    ``age``: seconds since the picture was taken, None for the placeholder; ``status``: where it was asked for.
    """

    number: int | None
    placeholder: bool
    age: float | None
    pictures: Mapping[str, Picture]
    status: Status | None


class PreviewChannel:
    """Looks at what the running livebg sends; ``path`` is its preview socket, by default the user's.

    From the first look to :meth:`close` livebg counts it as somebody who watches. ``timeout``, in seconds, is for connecting and
    for each look. The constructor and :meth:`look` raise :class:`~livebg.errors.NotRunningError` when none runs,
    :class:`~livebg.daemon.protocol.OtherVersion` for a livebg of another protocol version, and other
    :class:`~livebg.errors.LivebgError` when it does not answer in time or refuses.
    """

    def __init__(self, path: Path | None = None, timeout: float = 3.0) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise ConfigError("a running livebg shows no preview here, where Python has no UNIX sockets: look in a call")
        self._path = preview_path() if path is None else path
        self._timeout = timeout
        self._number: int | None = None
        protocol.check_path(self._path)
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lines = protocol.Lines(self._connection, protocol.MAX_ANSWER)
        try:
            with spoken(self._path, "look", timeout):
                self._connection.settimeout(timeout)
                self._connection.connect(str(self._path))
        except BaseException:
            self._connection.close()
            raise

    def look(self, views: Sequence[str], *, status: bool = False) -> Seen:
        """The ``views`` of the next picture that this connection has not seen, or none after half a second."""
        arguments = {"views": list(views), "after": self._number, "status": status}
        with spoken(self._path, "look", self._timeout):
            self._connection.settimeout(self._timeout)
            self._connection.sendall(protocol.write_request("look", arguments))
            line = self._lines.next(self._timeout)
            if line is None:
                raise not_running(self._path)
            told = _read(protocol.read_answer(line))
            pictures = {each.view: self._picture(each) for each in told.pictures}
        self._number = self._number if told.number is None else told.number
        known = None if told.status is None else Status.from_dict(told.status)
        return Seen(told.number, told.placeholder, told.age, MappingProxyType(pictures), known)

    def close(self) -> None:
        """May be called from any thread, and more than once."""
        self._connection.close()

    def _picture(self, described: "_Described") -> Picture:
        data = blank(described.width, described.height)
        self._lines.fill(data.reshape(-1).data, self._timeout)
        color = described.color
        return Picture(data, ColorSpec(color.matrix, color.primaries, color.transfer, color.full_range))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


_Side = Annotated[int, Field(ge=2, le=_LARGEST, multiple_of=2)]


@checked(frozen=True)
class _Color:
    matrix: int
    primaries: int
    transfer: int
    full_range: bool


@checked(frozen=True)
class _Described:
    view: str
    width: _Side
    height: _Side
    color: _Color


@checked(frozen=True)
class _Told:
    number: int | None
    placeholder: bool
    age: float | None
    pictures: list[_Described]
    status: dict[str, Any] | None


@functools.cache
def _adapter() -> TypeAdapter[_Told]:
    return TypeAdapter(_Told)


def _read(told: Any) -> _Told:
    try:
        return _adapter().validate_python(told)
    except ValidationError:
        raise LivebgError("the running livebg shows itself otherwise than expected: start it again with this release") from None
