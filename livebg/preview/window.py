"""The preview's window."""

import logging
import os
import sys
from dataclasses import dataclass
from typing import Final

import cv2

from livebg.preview.canvas import Canvas, notice, paint, window_size
from livebg.preview.client import Seen
from livebg.preview.receiver import Gone, Receiver

_LOG: Final = logging.getLogger(__name__)
_NAME: Final = "livebg preview"
_LONGEST: Final = (1280, 720)
"""Pixels of the window at first."""
_WAIT: Final = 0.02
"""Seconds to wait for a picture before keys and the mouse are looked after."""
_ESCAPE: Final = 27


@dataclass(slots=True)
class Shape:
    """What is shown: the user's choices, some of which keys change."""

    alpha: bool = False
    original: bool = False
    mirrored: bool = False
    told: bool = True

    @property
    def views(self) -> tuple[str, ...]:
        beside = {"original": self.original, "alpha": self.alpha}
        return ("composite", *(name for name, wanted in beside.items() if wanted))


class PreviewWindow:
    """Shows what ``receiver`` sees until the user has enough; ``shape`` is how at first.

    The keys: q and Esc end it, a shows and hides the matte, o the original, m mirrors, i hides the line of text. The original is
    shown on the user's word alone, which is the command's: without ``shape.original`` its key does nothing but say so.

    Whoever makes one has looked for a display (:func:`~livebg.preview.display.check_display`): OpenCV does not.
    """

    def __init__(self, receiver: Receiver, shape: Shape) -> None:
        self._receiver, self._shape = receiver, shape
        self._may_show_room = shape.original
        self._seen: Seen | None = None
        """The last picture; None where there is none, or it must not be taken for the present."""
        self._gone: str | None = "looking for livebg"
        self._sized = False

    def run(self) -> None:
        """Returns when the user has closed the window."""
        _open()
        try:
            while self._is_open():
                news = self._receiver.next(_WAIT)
                if news is not None:
                    self._take(news)
                    self._draw()
                elif not self._matches():
                    self._draw()
                if not self._press(cv2.pollKey()):
                    return
        finally:
            cv2.destroyAllWindows()

    def _take(self, news: Seen | Gone) -> None:
        if isinstance(news, Gone):
            if news.reason != self._gone:
                _LOG.info("%s", news.reason)
            self._seen, self._gone = None, news.reason
        elif news.pictures:
            self._seen, self._gone = news, None
            self._fit(news)
        elif news.number is None:  # livebg is there, and has shown nothing for half a second
            status = news.status
            self._seen, self._gone = None, (status.reason if status is not None else None) or "livebg sends no pictures"

    def _fit(self, seen: Seen) -> None:
        """The window takes the pictures' shape when there is a first, and after the number of views has changed."""
        if not self._sized:
            cv2.resizeWindow(_NAME, *window_size(seen.pictures, self._shape.views, _LONGEST))
            self._sized = True

    def _draw(self) -> None:
        cv2.imshow(_NAME, self._canvas())

    def _canvas(self) -> Canvas:
        _, _, width, height = cv2.getWindowImageRect(_NAME)
        size = (max(width, 1), max(height, 1))
        self._painted = size
        if self._seen is None:
            return notice(f"{self._gone}", size)
        shape = self._shape
        return paint(
            self._seen.pictures, shape.views, size, status=self._receiver.status, mirrored=shape.mirrored, told=shape.told
        )

    def _matches(self) -> bool:
        """Whether the window is still of the size that was painted for."""
        return tuple(cv2.getWindowImageRect(_NAME)[2:]) == self._painted

    def _is_open(self) -> bool:
        try:
            return cv2.getWindowProperty(_NAME, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # Qt's way to say that there is no window any more
            return False

    def _press(self, key: int) -> bool:
        """Does what a key means; whether the window stays."""
        key = key & 0xFF if key >= 0 else key
        shape = self._shape
        if key in (ord("q"), _ESCAPE):
            return False
        if key == ord("a"):
            shape.alpha = not shape.alpha
        elif key == ord("o") and self._may_show_room:
            shape.original = not shape.original
        elif key == ord("o"):
            _LOG.warning("the room as it is is shown on your word alone: say `livebg preview --original`")
        elif key == ord("m"):
            shape.mirrored = not shape.mirrored
        elif key == ord("i"):
            shape.told = not shape.told
        if self._receiver.views != shape.views:
            self._receiver.views = shape.views
            self._sized = False
        return True


def _open() -> None:
    if sys.platform.startswith("linux"):
        os.environ["QT_QPA_PLATFORM"] = "xcb"  # a desktop may ask for one that OpenCV's wheels lack, and Qt would abort
    cv2.namedWindow(_NAME, cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
    cv2.resizeWindow(_NAME, *_LONGEST)
