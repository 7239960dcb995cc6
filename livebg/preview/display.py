"""Is there a display? OpenCV does not ask: without one its window aborts the whole process."""

import ctypes
import os
import sys
from collections.abc import Mapping
from typing import Final

from livebg.errors import DisplayError

_XCB: Final = "libxcb.so.1"
"""The library by which Qt, in OpenCV's wheels, reaches the display: it takes the same way, with the same permissions."""


def check_display(environment: Mapping[str, str] = os.environ) -> None:
    """Raises :class:`~livebg.errors.DisplayError` where no window can be opened. macOS and Windows always have a display.

    OpenCV's wheels know X11 alone; Wayland's desktops have that too, by Xwayland.
    """
    if sys.platform in ("darwin", "win32"):
        return
    name = environment.get("DISPLAY", "")
    if not name and environment.get("WAYLAND_DISPLAY"):
        raise DisplayError(
            "there is no X11 display, which the preview needs on Wayland too: install Xwayland, or say `livebg snapshot`"
        )
    if not name:
        raise DisplayError("there is no display here (DISPLAY is not set): say it on a desktop, or say `livebg snapshot`")
    if not _is_there(name):
        raise DisplayError(f"the display {name} cannot be reached (DISPLAY): say it on that desktop, or say `livebg snapshot`")


def _is_there(name: str) -> bool:
    try:
        xcb = ctypes.CDLL(_XCB)
    except OSError:
        raise DisplayError(f"the preview's window needs {_XCB}, which is not installed: install it (Debian: libxcb1)") from None
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(os.fsencode(name), None)
    try:
        return not xcb.xcb_connection_has_error(connection)
    finally:
        xcb.xcb_disconnect(connection)
