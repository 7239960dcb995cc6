"""Checks for a display, because opening an OpenCV window without one aborts the process."""

import ctypes
import os
import sys
from collections.abc import Mapping
from typing import Final

from livebg.errors import DisplayError

_XCB: Final = "libxcb.so.1"
"""The library that Qt in OpenCV's wheels uses to connect to the display, so this check uses the same permissions."""


def check_display(environment: Mapping[str, str] = os.environ) -> None:
    """Raise :class:`~livebg.errors.DisplayError` if no window can be opened. macOS and Windows always have a display.

    OpenCV's wheels support only X11, which Wayland desktops provide through Xwayland.
    """
    if sys.platform in ("darwin", "win32"):
        return
    name = environment.get("DISPLAY", "")
    if not name and environment.get("WAYLAND_DISPLAY"):
        raise DisplayError("The preview needs an X11 display, also on Wayland. Install Xwayland, or use `livebg snapshot`.")
    if not name:
        raise DisplayError("No display found (DISPLAY is not set). Run it in a desktop session, or use `livebg snapshot`.")
    if not _can_connect(name):
        raise DisplayError(
            f"Cannot connect to the display {name} (DISPLAY). Run it in that desktop session, or use `livebg snapshot`."
        )


def _can_connect(name: str) -> bool:
    try:
        xcb = ctypes.CDLL(_XCB)
    except OSError:
        raise DisplayError(f"The preview window needs {_XCB}, which is not installed. Install it (Debian: libxcb1).") from None
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(os.fsencode(name), None)
    try:
        return not xcb.xcb_connection_has_error(connection)
    finally:
        xcb.xcb_disconnect(connection)
