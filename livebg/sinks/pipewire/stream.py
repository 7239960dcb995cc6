"""The PipeWire stream of the camera, and the thread loop that runs its callbacks."""

import ctypes
import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livebg.errors import SinkError
from livebg.imaging.frame import VideoFormat
from livebg.sinks.pipewire import abi, pods
from livebg.sinks.pipewire.buffers import BufferLeases, Layout
from livebg.sinks.pipewire.libpipewire import Library, Params

_CONNECT_TIMEOUT_S: Final = 1.5
"""Seconds that PipeWire has to accept the camera; a session that stops waits for two."""
_READER_GONE_AFTER_S: Final = 0.5
"""Seconds after which a paused reader counts as gone: some pause briefly at the start."""
_NOT_RUNNING: Final = (errno.ENOENT, errno.EHOSTDOWN, errno.ECONNREFUSED)
_RECOVERY: Final = "with `systemctl --user start pipewire.socket`, or set output.backend to v4l2loopback."


class StreamingFlag:
    """Whether an app takes pictures: a flag set by the output and readable from any thread; False without a camera.

    ``listener`` is called on each change, in the thread that calls :meth:`set`, and must not block.
    """

    def __init__(self) -> None:
        self.now = False
        self.listener: Callable[[bool], None] = lambda _streaming: None

    def set(self, streaming: bool) -> None:
        if streaming != self.now:
            self.now = streaming
            self.listener(streaming)


class CameraStream:
    """A PipeWire camera named ``label`` with I420 or YUY2 pictures, as its reader prefers, in the size and rate of ``form``.

    ``streaming`` is set when the first reader starts to take pictures and cleared when the last one stops. The constructor raises
    :class:`~livebg.errors.SinkError`, and then leaves nothing open, if PipeWire is not running or rejects the camera.
    """

    def __init__(self, label: str, form: VideoFormat, streaming: StreamingFlag, library: Library) -> None:
        self._library, self._streaming = library, streaming
        self._formats = Params(pods.offered_formats(form))
        self._layout = Layout(abi.VIDEO_FORMAT_I420, form.width, form.height)
        self._state, self._error = abi.State.UNCONNECTED, ""
        self._settled = threading.Event()
        self._stopped_at: float | None = None
        """When the last reader stopped, on the monotonic clock; None once the camera is ready for the next one."""
        self._sequence, self._leases = 0, BufferLeases()
        # PipeWire holds no reference to the callbacks: they must outlive the stream.
        self._events = abi.StreamEvents(
            abi.EVENTS_VERSION,
            state_changed=abi.STATE_CHANGED(self._state_changed),
            param_changed=abi.PARAM_CHANGED(self._param_changed),
            remove_buffer=abi.REMOVE_BUFFER(lambda _data, buffer: self._leases.release(buffer or 0)),
        )
        with ExitStack() as opening:
            opening.callback(streaming.set, False)
            self._loop = self._create("thread_loop_new", b"livebg", None)
            opening.callback(library.call, "thread_loop_destroy", self._loop)
            if library.call("thread_loop_start", self._loop) < 0:
                raise _unusable("its thread cannot be started", ctypes.get_errno())
            opening.callback(library.call, "thread_loop_stop", self._loop)
            with library.locked(self._loop):
                self._connect(label, opening)
            self._wait_until_accepted()
            self._opened = opening.pop_all()

    @property
    def device(self) -> str:
        """The camera's PipeWire node ID, for display."""
        return f"PipeWire node {self._library.call('stream_get_node_id', self._stream)}"

    def send(self, picture: NDArray[np.uint8]) -> None:
        """Send a picture to the active readers; a reader without a free buffer misses it.

        ``picture`` is I420 of the camera's size, C-contiguous. Raises :class:`~livebg.errors.SinkError` if PipeWire has closed
        the connection.
        """
        with self._library.locked(self._loop):
            self._check_connection()
            if self._state != abi.State.STREAMING:
                self._prepare_for_next_reader()
                return
            buffer = self._dequeue_buffer()
            if buffer:
                self._leases.lease(buffer)
                self._fill(abi.Buffer.from_address(buffer).buffer.contents, picture)
                self._library.call("stream_queue_buffer", self._stream, buffer)
            self._library.call("stream_trigger_process", self._stream)

    def close(self) -> None:
        """Remove the camera. Call once."""
        self._opened.close()

    def _create(self, name: str, *arguments: Any) -> int:
        address: int | None = self._library.call(name, *arguments)
        if not address:
            raise _unusable(f"pw_{name} failed", ctypes.get_errno())
        return address

    def _connect(self, label: str, opening: ExitStack) -> None:
        properties = self._create("properties_new_string", b"")
        for key, value in _properties(label).items():
            self._library.call("properties_set", properties, key.encode(), value.encode())
        loop = self._library.call("thread_loop_get_loop", self._loop)
        self._stream = self._create("stream_new_simple", loop, label.encode(), properties, ctypes.byref(self._events), None)
        opening.callback(self._destroy_stream)
        flags = abi.FLAG_MAP_BUFFERS | abi.FLAG_DRIVER
        result = self._library.call(
            "stream_connect", self._stream, abi.DIRECTION_OUTPUT, abi.ANY, flags, self._formats.array, self._formats.count
        )
        if -result in _NOT_RUNNING:
            raise SinkError(f"PipeWire is not running for this user ({os.strerror(-result)}).", f"Start it {_RECOVERY}")
        if result < 0:
            raise _unusable("it rejects streams", -result)

    def _destroy_stream(self) -> None:
        with self._library.locked(self._loop):
            self._library.call("stream_destroy", self._stream)

    def _wait_until_accepted(self) -> None:
        accepted = self._settled.wait(_CONNECT_TIMEOUT_S)
        with self._library.locked(self._loop):
            self._check_connection()
        if not accepted:
            problem = f"PipeWire did not accept the camera within {_CONNECT_TIMEOUT_S:g} s."
            raise SinkError(problem, "Restart it, or log in again.")

    def _check_connection(self) -> None:
        if self._settled.is_set() and self._state in (abi.State.ERROR, abi.State.UNCONNECTED):
            reason = f" ({self._error})" if self._error else ""
            hint = f"If the camera does not come back, start it {_RECOVERY}"
            raise SinkError(f"PipeWire has closed the connection{reason}.", hint)

    def _dequeue_buffer(self) -> int | None:
        """Return a buffer to fill; None if all are in use."""
        for _ in range(pods.MOST):
            buffer: int | None = self._library.call("stream_dequeue_buffer", self._stream)
            if buffer or ctypes.get_errno() != errno.EBUSY:
                return buffer
            self._leases.reclaim_expired()  # a reader holds that one; the next may be free
        return None

    def _prepare_for_next_reader(self) -> None:
        """Renegotiate the format for the next reader after the last one has left.

        Offering the format again, even unchanged, makes PipeWire negotiate new buffers: the next reader then does not depend on
        buffers that the last one kept, and gets no memory with pictures of an earlier call. A reader that is still connected
        would see a format change, which GStreamer treats as an error (observed with 1.4).
        """
        if self._stopped_at is not None and time.monotonic() - self._stopped_at > _READER_GONE_AFTER_S:
            self._stopped_at = None
            self._update_params(self._formats)

    def _fill(self, buffer: abi.SpaBuffer, picture: NDArray[np.uint8]) -> None:
        block = buffer.datas[0]
        layout = self._layout
        if not block.data or block.maxsize < layout.size:
            raise SinkError(f"PipeWire gave {block.maxsize} bytes for a picture of {layout.size}.", "Please report this.")
        layout.write(picture, block.data)
        chunk = block.chunk.contents
        chunk.offset, chunk.size, chunk.stride, chunk.flags = 0, layout.size, layout.stride, 0
        self._sequence += 1
        for meta in abi.metas(buffer):
            if meta.type == abi.META_HEADER and meta.data and meta.size >= ctypes.sizeof(abi.MetaHeader):
                header = abi.MetaHeader.from_address(meta.data)
                header.flags, header.offset, header.dts_offset = 0, 0, 0
                header.pts, header.seq = time.monotonic_ns(), self._sequence

    def _state_changed(self, _data: int | None, old: int, new: int, error: bytes | None) -> None:
        """Handle a state change. Runs in the loop's thread or the one that destroys the stream."""
        self._state, self._error = abi.State(new), (error or b"").decode(errors="replace")
        self._streaming.set(new == abi.State.STREAMING)
        self._stopped_at = time.monotonic() if (old, new) == (abi.State.STREAMING, abi.State.PAUSED) else None
        if new != abi.State.CONNECTING:
            self._settled.set()

    def _param_changed(self, _data: int | None, param_id: int, param: int | None) -> None:
        """Request buffers once the format is negotiated. Runs in the loop's thread."""
        if param_id == abi.Param.FORMAT and param:
            self._layout = replace(self._layout, pixel_format=pods.video_format(param))
            self._update_params(Params([pods.wanted_buffers(self._layout), pods.wanted_header()]))

    def _update_params(self, params: Params) -> None:
        self._library.call("stream_update_params", self._stream, params.array, params.count)


def _properties(label: str) -> dict[str, str]:
    """Return the properties that identify a camera (pipewire/keys.h); portals offer nodes with the role Camera."""
    return {
        "media.class": "Video/Source",
        "media.type": "Video",
        "media.category": "Capture",
        "media.role": "Camera",
        "node.name": label,
        "node.description": label,
    }


def _unusable(problem: str, number: int) -> SinkError:
    return SinkError(f"PipeWire cannot be used: {problem} ({os.strerror(number)}).", "Log in again, or reinstall PipeWire.")
