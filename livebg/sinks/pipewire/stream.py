"""The camera as PipeWire knows it: a stream of pictures, and the loop in whose thread PipeWire says what becomes of it."""

import ctypes
import errno
import os
import threading
import time
from contextlib import ExitStack
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livebg.errors import SinkError
from livebg.imaging.frame import VideoFormat
from livebg.sinks.pipewire import abi, pods
from livebg.sinks.pipewire.libpipewire import Library, Params
from livebg.sinks.pipewire.loans import Loans
from livebg.sinks.pipewire.streaming import Streaming

_PATIENCE: Final = 1.5
"""Seconds in which PipeWire has to take the camera; a session that ends waits for two."""
_AWAY: Final = 0.5
"""Seconds after which a reader that takes no pictures has left: some stop for a moment while they begin."""
_NOT_RUNNING: Final = (errno.ENOENT, errno.EHOSTDOWN, errno.ECONNREFUSED)
_START: Final = "start it with `systemctl --user start pipewire.socket`, or set output.backend to v4l2loopback"


class CameraStream:
    """A camera called ``label`` among PipeWire's, with pictures in ``form``: I420 of its size at its rate.

    ``streaming`` is told when somebody begins to take pictures, and when nobody does any more. The constructor raises
    :class:`~livebg.errors.SinkError`, and then leaves nothing open, when PipeWire does not run or does not take the camera.
    """

    def __init__(self, label: str, form: VideoFormat, streaming: Streaming, library: Library) -> None:
        self._library, self._streaming = library, streaming
        self._size, self._stride = form.width * form.height * 3 // 2, form.width
        self._format = Params([pods.offered_format(form)])
        self._memory = Params([pods.wanted_buffers(form), pods.wanted_header()])
        self._state, self._trouble = abi.State.UNCONNECTED, ""
        self._settled = threading.Event()
        self._left: float | None = None
        """When the last reader stopped taking pictures, on the monotonic clock, until the camera is ready for the next one."""
        self._sequence, self._loans = 0, Loans()
        # PipeWire keeps no reference to them: they must live as long as the stream does.
        self._events = abi.StreamEvents(
            abi.EVENTS_VERSION,
            state_changed=abi.STATE_CHANGED(self._state_changed),
            param_changed=abi.PARAM_CHANGED(self._param_changed),
            remove_buffer=abi.REMOVE_BUFFER(self._remove_buffer),
        )
        with ExitStack() as opening:
            opening.callback(streaming.tell, False)
            self._loop = self._made("thread_loop_new", b"livebg", None)
            opening.callback(library.call, "thread_loop_destroy", self._loop)
            if library.call("thread_loop_start", self._loop) < 0:
                raise _refused("its thread cannot be started", ctypes.get_errno())
            opening.callback(library.call, "thread_loop_stop", self._loop)
            with library.locked(self._loop):
                self._stream = self._new_stream(label)
                opening.callback(self._destroy_stream)
                self._connect()
            self._await()
            self._opened = opening.pop_all()

    @property
    def device(self) -> str:
        """The camera's number among PipeWire's objects, in words."""
        return f"PipeWire node {self._library.call('stream_get_node_id', self._stream)}"

    def send(self, picture: NDArray[np.uint8]) -> None:
        """Pass a picture on, if anybody takes one now; who has no room for one yet misses it.

        ``picture`` is I420 of the camera's size, C-contiguous. Raises :class:`~livebg.errors.SinkError` when PipeWire has ended
        the connection.
        """
        with self._library.locked(self._loop):
            self._check_connection()
            if self._state != abi.State.STREAMING:
                self._make_ready()
                return
            place = self._take()
            if place:
                self._loans.take(place)
                self._fill(abi.Buffer.from_address(place).buffer.contents, picture)
                self._library.call("stream_queue_buffer", self._stream, place)
            self._library.call("stream_trigger_process", self._stream)

    def close(self) -> None:
        """Take the camera away; once."""
        self._opened.close()

    def _made(self, name: str, *arguments: Any) -> int:
        address: int | None = self._library.call(name, *arguments)
        if not address:
            raise _refused(f"pw_{name} failed", ctypes.get_errno())
        return address

    def _new_stream(self, label: str) -> int:
        properties = self._made("properties_new_string", b"")
        for key, value in _properties(label).items():
            self._library.call("properties_set", properties, key.encode(), value.encode())
        loop = self._library.call("thread_loop_get_loop", self._loop)
        return self._made("stream_new_simple", loop, label.encode(), properties, ctypes.byref(self._events), None)

    def _destroy_stream(self) -> None:
        with self._library.locked(self._loop):
            self._library.call("stream_destroy", self._stream)

    def _connect(self) -> None:
        flags = abi.FLAG_MAP_BUFFERS | abi.FLAG_DRIVER
        told = self._library.call(
            "stream_connect", self._stream, abi.DIRECTION_OUTPUT, abi.ANY, flags, self._format.array, self._format.count
        )
        if -told in _NOT_RUNNING:
            raise SinkError(f"PipeWire does not run for this user ({os.strerror(-told)}): {_START}")
        if told < 0:
            raise _refused("it takes no stream", -told)

    def _await(self) -> None:
        """Until PipeWire has taken the camera, or not."""
        taken = self._settled.wait(_PATIENCE)
        with self._library.locked(self._loop):
            self._check_connection()
        if not taken:
            raise SinkError(f"PipeWire did not take the camera within {_PATIENCE:g} s: restart it, or log in again")

    def _check_connection(self) -> None:
        if self._settled.is_set() and self._state in (abi.State.ERROR, abi.State.UNCONNECTED):
            why = f" ({self._trouble})" if self._trouble else ""
            raise SinkError(f"PipeWire has ended the connection{why}: if the camera does not come back, {_START}")

    def _take(self) -> int | None:
        """A buffer to fill; None while all are on their way."""
        for _ in range(pods.MOST):
            place: int | None = self._library.call("stream_dequeue_buffer", self._stream)
            if place or ctypes.get_errno() != errno.EBUSY:
                return place
            self._loans.reclaim()  # that one is held by a reader; the next may be free
        return None

    def _make_ready(self) -> None:
        """For the next reader, once the last has left.

        An offer, though it is the same one, makes PipeWire agree on a format anew, and with it on new buffers: who comes next
        depends on none that the last reader took with it, and gets no memory with pictures of an earlier call. To a reader that
        is still there it would be a change of format, at which GStreamer gives up (seen with 1.4).
        """
        if self._left is not None and time.monotonic() - self._left > _AWAY:
            self._left = None
            self._tell(self._format)

    def _fill(self, buffer: abi.SpaBuffer, picture: NDArray[np.uint8]) -> None:
        block = buffer.datas[0]
        if not block.data or block.maxsize < self._size:
            raise SinkError(f"PipeWire gave {block.maxsize} bytes for a picture of {self._size}: please report this")
        ctypes.memmove(block.data, picture.ctypes.data, self._size)
        chunk = block.chunk.contents
        chunk.offset, chunk.size, chunk.stride, chunk.flags = 0, self._size, self._stride, 0
        self._sequence += 1
        for meta in abi.metas(buffer):
            if meta.type == abi.META_HEADER and meta.data and meta.size >= ctypes.sizeof(abi.MetaHeader):
                header = abi.MetaHeader.from_address(meta.data)
                header.flags, header.offset, header.dts_offset = 0, 0, 0
                header.pts, header.seq = time.monotonic_ns(), self._sequence

    def _state_changed(self, _data: int | None, old: int, new: int, error: bytes | None) -> None:
        """In the loop's thread, or in that which destroys the stream."""
        self._state, self._trouble = abi.State(new), (error or b"").decode(errors="replace")
        self._streaming.tell(new == abi.State.STREAMING)
        self._left = time.monotonic() if (old, new) == (abi.State.STREAMING, abi.State.PAUSED) else None
        if new != abi.State.CONNECTING:
            self._settled.set()

    def _param_changed(self, _data: int | None, about: int, param: int | None) -> None:
        """In the loop's thread: a format was chosen, and there is but one."""
        if about == abi.Param.FORMAT and param:
            self._tell(self._memory)

    def _remove_buffer(self, _data: int | None, buffer: int | None) -> None:
        """In the loop's thread, or in that which destroys the stream."""
        self._loans.forget(buffer or 0)

    def _tell(self, params: Params) -> None:
        self._library.call("stream_update_params", self._stream, params.array, params.count)


def _properties(label: str) -> dict[str, str]:
    """What programs know a camera by (pipewire/keys.h); portals offer what has the role Camera."""
    return {
        "media.class": "Video/Source",
        "media.type": "Video",
        "media.category": "Capture",
        "media.role": "Camera",
        "node.name": label,
        "node.description": label,
    }


def _refused(what: str, number: int) -> SinkError:
    return SinkError(f"PipeWire cannot be used, {what} ({os.strerror(number)}): log in again, or install PipeWire anew")
