"""The preview window."""

import ctypes
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2

from livebg.errors import DisplayError
from livebg.preview.canvas import notice, paint, window_size
from livebg.preview.client import Disconnected, PreviewFrame, Receiver
from livebg.preview.exposure import ExposureGuard

_LOG: Final = logging.getLogger(__name__)
_NAME: Final = "livebg preview"
_MAX_INITIAL_SIZE_PX: Final = (1280, 720)
"""Maximum initial width and height of the window."""
_POLL_INTERVAL_S: Final = 0.02
"""Maximum wait for a frame before keys and window events are handled."""
_ESCAPE_KEY: Final = 27
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
        raise DisplayError("The preview needs an X11 display, also on Wayland.", "Install Xwayland, or use `livebg snapshot`.")
    if not name:
        raise DisplayError("No display found (DISPLAY is not set).", "Run it in a desktop session, or use `livebg snapshot`.")
    if not _can_connect(name):
        raise DisplayError(
            f"Cannot connect to the display {name} (DISPLAY).", "Run it in that desktop session, or use `livebg snapshot`."
        )


@dataclass(slots=True)
class ViewOptions:
    """What the window shows. Keys change these options."""

    alpha: bool = False
    original: bool = False
    mirrored: bool = False
    show_status: bool = True

    @property
    def views(self) -> tuple[str, ...]:
        beside = {"original": self.original, "alpha": self.alpha}
        return ("composite", *(name for name, wanted in beside.items() if wanted))


class PreviewWindow:
    """Shows the frames of ``receiver`` until the user closes the window. ``options`` are the initial options.

    Keys: q and Esc quit, a toggles the matte, o the original, m mirroring, i the status bar. The original shows the room, so it
    needs the explicit command-line option: without ``options.original`` the key o only logs a warning.

    Call :func:`check_display` first: OpenCV aborts the process if there is no display.
    """

    def __init__(self, receiver: Receiver, options: ViewOptions) -> None:
        self._receiver, self._options = receiver, options
        self._may_show_original = options.original
        self._seen: PreviewFrame | None = None
        """The last frame; None if there is none or it is outdated."""
        self._notice: str | None = "Connecting to livebg..."
        self._fitted = False
        """Whether the window was fitted to the pictures since the first frame and since the number of views changed."""
        self._painted_size = (0, 0)

    def run(self) -> None:
        """Show the window and return when the user closes it."""
        if sys.platform.startswith("linux"):
            os.environ["QT_QPA_PLATFORM"] = "xcb"  # desktops may set a platform that OpenCV's wheels lack, and Qt would abort
        cv2.namedWindow(_NAME, cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(_NAME, *_MAX_INITIAL_SIZE_PX)
        guard = ExposureGuard(_NAME) if sys.platform.startswith("linux") else None
        try:
            while _is_open():
                update = self._receiver.next(_POLL_INTERVAL_S)
                if update is not None:
                    self._update(update)
                _, _, width, height = cv2.getWindowImageRect(_NAME)
                if update is not None or (width, height) != self._painted_size:
                    self._draw(width, height)
                    if guard is not None:
                        guard.check()
                if not self._handle_key(cv2.pollKey()):
                    return
        finally:
            cv2.destroyAllWindows()

    def _update(self, update: PreviewFrame | Disconnected) -> None:
        if isinstance(update, Disconnected):
            if update.reason != self._notice:
                _LOG.info("%s", update.reason)
            self._seen, self._notice = None, update.reason
        elif update.pictures:
            self._seen, self._notice = update, None
            if not self._fitted:
                cv2.resizeWindow(_NAME, *window_size(update.pictures, self._options.views, _MAX_INITIAL_SIZE_PX))
                self._fitted = True
        elif update.number is None:  # connected, but no frame for half a second
            status = update.status
            self._seen, self._notice = None, (status.reason if status is not None else None) or "livebg sends no pictures"

    def _draw(self, width: int, height: int) -> None:
        size = (max(width, 1), max(height, 1))
        self._painted_size = (width, height)
        if self._seen is None:
            canvas = notice(f"{self._notice}", size)
        else:
            canvas = paint(
                self._seen.pictures,
                self._options.views,
                size,
                status=self._receiver.status,
                mirrored=self._options.mirrored,
                show_status=self._options.show_status,
            )
        cv2.imshow(_NAME, canvas)

    def _handle_key(self, key: int) -> bool:
        """Handle a key. Return False if the window should close."""
        key = key & 0xFF if key >= 0 else key
        options = self._options
        if key in (ord("q"), _ESCAPE_KEY):
            return False
        if key == ord("a"):
            options.alpha = not options.alpha
        elif key == ord("o") and self._may_show_original:
            options.original = not options.original
        elif key == ord("o"):
            _LOG.warning("The original shows your room. Use `livebg preview --original` to show it.")
        elif key == ord("m"):
            options.mirrored = not options.mirrored
        elif key == ord("i"):
            options.show_status = not options.show_status
        if self._receiver.views != options.views:
            self._receiver.views = options.views
            self._fitted = False
        return True


def _is_open() -> bool:
    try:
        return cv2.getWindowProperty(_NAME, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # Qt raises this if the window is closed
        return False


def _can_connect(name: str) -> bool:
    try:
        xcb = ctypes.CDLL(_XCB)
    except OSError:
        raise DisplayError(f"The preview window needs {_XCB}, which is not installed.", "Install it (Debian: libxcb1).") from None
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(os.fsencode(name), None)
    try:
        return not xcb.xcb_connection_has_error(connection)
    finally:
        xcb.xcb_disconnect(connection)
