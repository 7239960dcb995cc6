"""Loads the system's libpipewire-0.3 with ctypes, because no maintained Python binding exists."""

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from livebg.errors import SinkError

NAME: Final = "libpipewire-0.3.so.0"
_POINTER: Final = ctypes.c_void_p
_INT: Final = ctypes.c_int
_TEXT: Final = ctypes.c_char_p
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "pw_init": (None, _POINTER, _POINTER),
    "pw_properties_new_string": (_POINTER, _TEXT),
    "pw_properties_set": (_INT, _POINTER, _TEXT, _TEXT),
    "pw_thread_loop_new": (_POINTER, _TEXT, _POINTER),
    "pw_thread_loop_destroy": (None, _POINTER),
    "pw_thread_loop_get_loop": (_POINTER, _POINTER),
    "pw_thread_loop_start": (_INT, _POINTER),
    "pw_thread_loop_stop": (None, _POINTER),
    "pw_thread_loop_lock": (None, _POINTER),
    "pw_thread_loop_unlock": (None, _POINTER),
    "pw_stream_new_simple": (_POINTER, _POINTER, _TEXT, _POINTER, _POINTER, _POINTER),
    "pw_stream_destroy": (None, _POINTER),
    "pw_stream_connect": (_INT, _POINTER, _INT, ctypes.c_uint32, _INT, _POINTER, ctypes.c_uint32),
    "pw_stream_get_node_id": (ctypes.c_uint32, _POINTER),
    "pw_stream_update_params": (_INT, _POINTER, _POINTER, ctypes.c_uint32),
    "pw_stream_dequeue_buffer": (_POINTER, _POINTER),
    "pw_stream_queue_buffer": (_INT, _POINTER, _POINTER),
    "pw_stream_trigger_process": (_INT, _POINTER),
}
"""The result and argument types, from pipewire/pipewire.h, properties.h, thread-loop.h and stream.h (all present since
0.3.34).
"""


class Library:
    """The initialized libpipewire; function names are those of C without ``pw_``.

    Raises :class:`~livebg.errors.SinkError` if it is not installed, too old, or not available on this system.
    """

    def __init__(self, name: str = NAME) -> None:
        if not sys.platform.startswith("linux"):
            raise SinkError("PipeWire is available only on Linux.", "Set output.backend to auto or obs.")
        try:
            library = ctypes.CDLL(name, use_errno=True)
        except OSError as error:
            raise SinkError(
                f"{name} cannot be loaded ({error}).",
                "Install PipeWire (libpipewire-0.3-0 on Debian and Ubuntu), or set output.backend to v4l2loopback.",
            ) from error
        try:
            self._functions = {symbol: _typed_function(library, symbol) for symbol in _SIGNATURES}
        except AttributeError as error:
            raise SinkError(f"This system's PipeWire is older than 0.3.34 ({error}).", "Install a newer version.") from error
        self.call("init", None, None)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function. The GIL is released during the call."""
        return self._functions[f"pw_{name}"](*arguments)

    @contextmanager
    def locked(self, loop: int) -> Iterator[None]:
        """Hold a thread loop's lock, which stops its thread."""
        self.call("thread_loop_lock", loop)
        try:
            yield
        finally:
            self.call("thread_loop_unlock", loop)


def _typed_function(library: ctypes.CDLL, symbol: str) -> Any:
    function = getattr(library, symbol)
    function.restype, *function.argtypes = _SIGNATURES[symbol]
    return function


class Params:
    """Pods as function arguments: ``count`` pointers in ``array``, valid while this object exists. libpipewire copies them."""

    def __init__(self, pods: Sequence[bytes]) -> None:
        self._buffers = [ctypes.create_string_buffer(pod, len(pod)) for pod in pods]
        self.count = len(pods)
        self.array = (_POINTER * self.count)(*map(ctypes.addressof, self._buffers))
