"""Receives preview frames from the running livebg's preview socket (:mod:`livebg.daemon.preview_server`)."""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from livebg.daemon import protocol
from livebg.daemon.client import not_running, readable_errors
from livebg.daemon.runtime_dir import PREVIEW_NAME, runtime_dir
from livebg.daemon.status import Status
from livebg.errors import ConfigError, LivebgError
from livebg.imaging.frame import BT601, ColorSpec, empty_i420, i420_to_rgb, planes
from livebg.live.threads import LatestSlot, WorkerThread

_MAX_SIDE_PX: Final = 16_384
"""Maximum width and height; larger pictures are rejected before allocating memory."""
_RETRY_DELAY_S: Final = 0.3
"""Delay between two connection attempts."""
_STATUS_INTERVAL_S: Final = 0.5
"""Interval between two status requests."""
_JOIN_TIMEOUT_S: Final = 4.0
"""Maximum time for the thread to end, which is the time that one request may take."""


@dataclass(frozen=True, slots=True, eq=False)
class PreviewPicture:
    """An I420 picture: uint8, shape (height * 3 / 2, width), with its color specification."""

    data: NDArray[np.uint8]
    color: ColorSpec

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return int(self.data.shape[1]), int(self.data.shape[0]) * 2 // 3

    @property
    def luma(self) -> NDArray[np.uint8]:
        """Luma plane, shape (height, width). For the view ``alpha`` it is the matte, 255 = foreground."""
        return planes(self.data)[0]

    def bgr(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the picture scaled to ``size`` (width, height) as BGR, uint8, shape (height, width, 3)."""
        if self.color.matrix == BT601 and not self.color.full_range:  # OpenCV assumes this for I420
            bgr = np.asarray(cv2.cvtColor(self.data, cv2.COLOR_YUV2BGR_I420), np.uint8)
            interpolation = cv2.INTER_AREA if 2 * size[0] <= self.size[0] else cv2.INTER_LINEAR
            return bgr if size == self.size else np.asarray(cv2.resize(bgr, size, interpolation=interpolation), np.uint8)
        return i420_to_rgb(self.data, self.color, size)[..., ::-1]


@dataclass(frozen=True, slots=True, eq=False)
class PreviewFrame:
    """The response to one request. ``pictures`` maps view names to pictures; it is empty if no new frame arrived in time.

    ``age``: seconds since the frame was captured, None for the placeholder. ``status``: the daemon's status, if requested.
    """

    number: int | None
    placeholder: bool
    age: float | None
    pictures: Mapping[str, PreviewPicture]
    status: Status | None


class PreviewClient:
    """Client of the running livebg's preview socket. ``path`` is the socket, by default the user's.

    livebg counts the client as a viewer from the first request until :meth:`close`. ``timeout`` in seconds applies to connecting
    and to each request. The constructor and :meth:`next_frame` raise :class:`~livebg.errors.NotRunningError` if livebg is not
    running, :class:`~livebg.daemon.protocol.VersionMismatch` if it speaks another protocol version, and another
    :class:`~livebg.errors.LivebgError` if it does not respond in time or returns an error.
    """

    def __init__(self, path: Path | None = None, timeout: float = 3.0) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise ConfigError(
                "The preview needs UNIX sockets, which this Python does not support.", "Check the picture in a video call app."
            )
        self._path = runtime_dir() / PREVIEW_NAME if path is None else path
        self._timeout = timeout
        self._number: int | None = None
        protocol.check_path(self._path)
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lines = protocol.LineReader(self._connection, protocol.MAX_ANSWER)
        try:
            with readable_errors(self._path, "look", timeout):
                self._connection.settimeout(timeout)
                self._connection.connect(str(self._path))
        except BaseException:
            self._connection.close()
            raise

    def next_frame(self, views: Sequence[str], *, status: bool = False) -> PreviewFrame:
        """Return the ``views`` of the next frame not yet received, or no pictures after half a second."""
        arguments = {"views": list(views), "after": self._number, "status": status}
        with readable_errors(self._path, "look", self._timeout):
            self._connection.settimeout(self._timeout)
            self._connection.sendall(protocol.write_request("look", arguments))
            line = self._lines.next(self._timeout)
            if line is None:
                raise not_running(self._path)
            response = _parse_response(protocol.read_answer(line))
            pictures = {each.view: self._read_picture(each) for each in response.pictures}
        self._number = self._number if response.number is None else response.number
        parsed_status = None if response.status is None else Status.from_dict(response.status)
        return PreviewFrame(response.number, response.placeholder, response.age, MappingProxyType(pictures), parsed_status)

    def close(self) -> None:
        """Close the connection. Thread-safe and idempotent."""
        self._connection.close()

    def _read_picture(self, header: "_PictureHeader") -> PreviewPicture:
        data = empty_i420(header.width, header.height)
        self._lines.fill(data.reshape(-1).data, self._timeout)
        return PreviewPicture(data, header.color)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


_Side = Annotated[int, Field(ge=2, le=_MAX_SIDE_PX, multiple_of=2)]


class _PictureHeader(BaseModel):
    view: str
    width: _Side
    height: _Side
    color: ColorSpec


class _Response(BaseModel):
    number: int | None
    placeholder: bool
    age: float | None
    pictures: list[_PictureHeader]
    status: dict[str, Any] | None


def _parse_response(response: Any) -> _Response:
    try:
        return _Response.model_validate(response)
    except ValidationError:
        raise LivebgError("Incompatible livebg is running.", "Restart it.") from None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is lost or cannot be opened. ``reason`` is a sentence for the user."""

    reason: str


class Receiver:
    """Provides the newest frame to a window that must not block. ``connect`` opens a channel and may raise its errors.

    ``views`` may be changed at any time. ``status`` is the last status received, None while disconnected.
    """

    def __init__(self, connect: Callable[[], PreviewClient], views: tuple[str, ...]) -> None:
        self._connect = connect
        self.views = views
        self.status: Status | None = None
        self._newest = LatestSlot[PreviewFrame | Disconnected]()
        self._stop = threading.Event()
        self._thread = WorkerThread("livebg-preview", self._run)

    def start(self) -> None:
        """Start the background thread."""
        self._thread.start()

    def next(self, timeout: float) -> PreviewFrame | Disconnected | None:
        """Return the next frame or disconnect, or None after ``timeout`` seconds. Re-raises an uncaught error of the thread."""
        if self._thread.error is not None:
            raise self._thread.error
        return self._newest.take(timeout)

    def close(self) -> None:
        """Stop the thread and disconnect: at once, or within seconds if livebg hangs."""
        self._stop.set()
        self._newest.close()
        self._thread.join(_JOIN_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._connect() as channel:
                    self._receive(channel)
            except LivebgError as error:
                self.status = None
                self._newest.put(Disconnected(str(error)))
                self._stop.wait(_RETRY_DELAY_S)

    def _receive(self, channel: PreviewClient) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            wants_status = time.monotonic() >= due
            seen = channel.next_frame(self.views, status=wants_status)
            if wants_status:
                self.status, due = seen.status, time.monotonic() + _STATUS_INTERVAL_S
            if seen.pictures or seen.status:
                self._newest.put(seen)
