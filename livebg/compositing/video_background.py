"""A video behind the person: over and over, at its own rate, exactly on time in files and never holding up a call."""

import gc
import logging
import threading
import weakref
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from livebg.compositing.background_fit import Fit, placed
from livebg.errors import ConfigError, SourceError
from livebg.imaging.colorspace import recolored
from livebg.imaging.frame import ColorSpec, Frame, Matte
from livebg.sources.file import FileSource

_LOG: Final = logging.getLogger(__name__)

_AHEAD: Final = 4
"""Frames that are decoded before they are due."""

_LONGEST_STEP: Final = 1.0
"""Seconds between two frames of a call: after a longer pause the video goes on where it was."""

_TOLERANCE: Final = 1e-6
"""Seconds: times are sums of fractions."""

_PATIENCE: Final = 2.0
"""Seconds that the end waits for a decoder to stop."""

Due = tuple[float, Frame]
"""A frame and when it is due, in seconds from the first one."""


class VideoBackground:
    """The frames of a video file, from the first again when the last has been shown.

    Its first frame stands behind the first that is asked for, and from then on both run by the frames' own times. ``live`` is for
    calls: another thread decodes, and where it falls behind the picture before stays a little longer; otherwise each frame gets
    exactly the picture that is due then. ``fit`` is how it is brought to the frame's size. Colours are brought to the frame's.

    Raises :class:`~livebg.errors.ConfigError` when the file cannot be read. What breaks later raises
    :class:`~livebg.errors.SourceError` in a file, while in a call the last picture stays. One background serves one thread.
    """

    fresh = False

    def __init__(self, path: Path, *, live: bool = False, fit: Fit = "fill") -> None:
        try:
            source = FileSource(path, threads=1)
        except SourceError as error:
            raise ConfigError(f"the background cannot be used: {error}") from error
        self._aspect = source.format.sample_aspect_ratio
        self._fit: Fit = fit
        self._live = live
        self._frames: _Frames = _ReadAhead(path, source) if live else _Read(path, source)
        self.close = weakref.finalize(self, self._frames.close)
        """Release the file. Done at the latest when nobody holds the background any more."""
        self._last: float | None = None
        self._position = 0.0
        self._made: tuple[Frame, tuple[int, int, ColorSpec], NDArray[np.uint8]] | None = None

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:  # noqa: ARG002
        if self._last is not None:
            step = frame.time - self._last
            self._position += min(max(step, 0.0), _LONGEST_STEP) if self._live else step
        self._last = frame.time
        shown = self._frames.at(max(self._position, 0.0))
        form = (frame.width, frame.height, frame.color)
        if self._made is None or self._made[0] is not shown or self._made[1] != form:
            self._made = shown, form, self._placed(shown, *form)
        return self._made[2]

    def _placed(self, shown: Frame, width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
        given, wanted = shown.color.told(shown.height), color.told(height)
        if (given.matrix, given.full_range) != (wanted.matrix, wanted.full_range):
            shown = replace(shown, data=recolored(shown.data, given, wanted), color=wanted)
        return placed(shown, (width, height), self._fit, self._aspect)


class _Frames(Protocol):
    """What gives the frame for a position in seconds; positions hardly ever go back."""

    def at(self, position: float) -> Frame: ...
    def close(self) -> None: ...


class _Read:
    """The frame that is due, read when it is asked for."""

    def __init__(self, path: Path, source: FileSource) -> None:
        self._reel = _Reel(path, source)
        self._frames = self._reel.frames()
        self._shown = next(self._frames)
        self._next = next(self._frames)

    def at(self, position: float) -> Frame:
        while self._next[0] <= position + _TOLERANCE:
            self._reel.wanted = position
            self._shown, self._next = self._next, next(self._frames)
        return self._shown[1]

    def close(self) -> None:
        self._frames.close()
        self._reel.close()


class _ReadAhead:
    """The frame that is due, or where that is not decoded yet the one before: another thread reads."""

    def __init__(self, path: Path, source: FileSource) -> None:
        self._reel = _Reel(path, source)
        self._frames = self._reel.frames()
        self._shown = next(self._frames)
        self._ready: deque[Due] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def at(self, position: float) -> Frame:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="background", daemon=True)
            self._thread.start()
        with self._change:
            self._reel.wanted = position
            while self._ready and self._ready[0][0] <= position + _TOLERANCE:
                self._shown = self._ready.popleft()
            self._change.notify()
        return self._shown[1]

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        self._reel.close()

    def _run(self) -> None:
        try:
            for due in self._frames:
                with self._change:
                    # What is late and has a successor is passed over.
                    if self._ready and self._ready[-1][0] < self._reel.wanted and due[0] <= self._reel.wanted:
                        self._ready.clear()
                    self._ready.append(due)
                    self._change.wait_for(lambda: self._closed or len(self._ready) < _AHEAD)
                    if self._closed:
                        return
        except SourceError as error:
            _LOG.warning("the background stands still: %s", error)


class _Reel:
    """A file's frames for ever, with when they are due."""

    def __init__(self, path: Path, source: FileSource) -> None:
        self._path, self._source = path, source
        self.wanted = 0.0
        """Seconds: rounds that are over by then are left out."""

    def frames(self) -> Generator[Due, None, None]:
        """Raises :class:`~livebg.errors.SourceError` when reading breaks off for good."""
        offset = 0.0
        while True:
            first = last = None
            for frame in self._source:
                first = frame if first is None else first
                last = frame
                yield offset + frame.time - first.time, frame
            if first is None or last is None:
                raise SourceError(f"{self._path} holds no picture any more: choose another background")
            length = last.time - first.time + float(1 / self._source.format.frame_rate)
            offset += length
            if self.wanted > offset + length:
                offset += (self.wanted - offset) // length * length
            self._source.close()
            self._source = FileSource(self._path, threads=1)
            gc.collect()  # a file's first picture lies in a reference cycle: without this, one a round would gather

    def close(self) -> None:
        self._source.close()
