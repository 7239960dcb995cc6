"""Makes Qt paint a window that stays black.

On a busy machine, Qt in OpenCV's wheels can miss that its window was mapped, and then never paints it. If the window is unmapped
and mapped once more, the X server sends the events again.
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from Xlib.xobject.drawable import Window

_LOG: Final = logging.getLogger(__name__)
_INTERVAL_S: Final = 1.0
_CHECKS: Final = 5
"""Number of checks. A picture that is really black must not let the window disappear again and again."""


class ExposureGuard:
    """Watches the window ``title`` of this process for the first seconds. ``clock`` returns monotonic seconds."""

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title, self._clock = title, clock
        self._checks = _CHECKS
        self._due = clock() + _INTERVAL_S

    def check(self) -> None:
        """Map the window again if nothing has been painted. Call this after each picture; most calls do nothing."""
        if not self._checks or self._clock() < self._due:
            return
        self._checks -= 1
        self._due = self._clock() + _INTERVAL_S
        try:
            if _is_painted(self._title):
                self._checks = 0
        except Exception as error:  # noqa: BLE001 - whatever a display lacks, the preview continues
            _LOG.debug("Cannot check whether the window is painted: %s", error)
            self._checks = 0


def _is_painted(title: str) -> bool:
    """Return whether the window shows anything but black. If not, unmap it and map it again."""
    from Xlib import X
    from Xlib.display import Display

    with closing(Display()) as display:
        window = _find(display, display.screen().root, title)
        if window is None or window.get_attributes().map_state != X.IsViewable:
            return False
        size = window.get_geometry()
        content = window.get_image(0, 0, size.width, size.height, X.ZPixmap, 0xFFFFFF).data
        if any(content):
            return True
        _LOG.debug("The window is black: map it again")
        window.unmap()
        display.sync()
        window.map()
        display.sync()
        return False


def _find(display: Any, parent: "Window", title: str) -> "Window | None":
    """Return the window of that title and this process below ``parent``."""
    for window in parent.query_tree().children:
        owner = window.get_full_property(display.intern_atom("_NET_WM_PID"), 0)
        if owner is not None and owner.value[0] == os.getpid() and window.get_wm_name() == title:
            return window
        found = _find(display, window, title)
        if found is not None:
            return found
    return None
