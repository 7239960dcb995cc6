"""A looping video behind the person, at its own rate: exactly timed in files, and never blocking a call."""

import gc
import logging
import threading
import weakref
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.compositing.background_fit import Fit, fit_to_size
from livebg.compositing.room_tone import UNCHANGED, RoomTone
from livebg.errors import ConfigError, SourceError
from livebg.imaging.color_profile import srgb_to_i420
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import ColorSpec, Frame, Matte
from livebg.sources.file import FileSource

_LOG: Final = logging.getLogger(__name__)

_PREFETCH_FRAMES: Final = 4
"""Number of frames decoded in advance."""

_MAX_STEP_S: Final = 1.0
"""Maximum step between two frames of a call: after a longer pause the video continues where it was."""

_TOLERANCE_S: Final = 1e-6
"""Times are sums of fractions."""

_JOIN_TIMEOUT_S: Final = 2.0
"""Time to wait for a decoder to stop."""

Due = tuple[float, Frame]
"""A frame and its time, in seconds from the first one."""


class VideoBackground:
    """The frames of a video file, in a loop.

    The first frame of the video is shown with the first requested frame; from then on both advance by the frames' times. ``live``
    is for calls: another thread decodes, and if it falls behind, the previous picture is shown longer. Otherwise each frame gets
    exactly the picture that is due. ``fit`` is how it is fitted to the frame's size. Colors are converted to the frame's.
    ``tone`` darkens them.

    Raises :class:`~livebg.errors.ConfigError` if the file cannot be read. A later failure raises
    :class:`~livebg.errors.SourceError` for files; in a call the last picture stays. Not thread-safe.
    """

    returns_new_array = False

    def __init__(self, path: Path, *, live: bool = False, fit: Fit = "fill", tone: RoomTone = UNCHANGED) -> None:
        try:
            source = FileSource(path, threads=1)
        except SourceError as error:
            raise ConfigError(f"The background cannot be used: {error}") from error
        self._aspect = source.format.sample_aspect_ratio
        self._fit: Fit = fit
        self._tone = tone
        self._live = live
        self._frames = (_PrefetchReader if live else _Reader)(path, source)
        self.close = weakref.finalize(self, self._frames.close)
        """Release the file. Runs at the latest when the background is garbage-collected."""
        self._last_time: float | None = None
        self._position = 0.0
        self._cache: tuple[Frame, tuple[int, int, ColorSpec], NDArray[np.uint8]] | None = None

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:  # noqa: ARG002
        if self._last_time is not None:
            step = frame.time - self._last_time
            self._position += min(max(step, 0.0), _MAX_STEP_S) if self._live else step
        self._last_time = frame.time
        shown = self._frames.at(max(self._position, 0.0))
        key = (frame.width, frame.height, frame.color)
        if self._cache is None or self._cache[0] is not shown or self._cache[1] != key:
            self._cache = shown, key, self._fit_to_frame(shown, *key)
        return self._cache[2]

    def _fit_to_frame(self, shown: Frame, width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
        given, target = shown.color.with_default_matrix(shown.height), color.with_default_matrix(height)
        if (given.matrix, given.full_range) != (target.matrix, target.full_range):
            shown = replace(shown, data=convert_i420(shown.data, given, target), color=target)
        if target.icc:
            rgb = shown.rgb((shown.width, shown.height))
            shown = replace(shown, data=srgb_to_i420(rgb, target), color=target)
        return self._tone.i420(fit_to_size(shown, (width, height), self._fit, self._aspect), color)


class _Reader:
    """Reads frames synchronously."""

    def __init__(self, path: Path, source: FileSource) -> None:
        self._video = _LoopedVideo(path, source)
        self._frames = self._video.frames()
        self._shown = next(self._frames)
        self._ready: deque[Due] = deque()

    def at(self, position: float) -> Frame:
        """Returns the frame for a position in seconds; positions rarely decrease."""
        self._video.target = position
        while True:
            if not self._ready:
                self._ready.append(next(self._frames))
            if self._ready[0][0] > position + _TOLERANCE_S:
                return self._shown[1]
            self._shown = self._ready.popleft()

    def close(self) -> None:
        self._frames.close()
        self._video.close()


class _PrefetchReader(_Reader):
    """Reads frames in another thread. If the due frame is not decoded yet, the previous one is returned."""

    def __init__(self, path: Path, source: FileSource) -> None:
        super().__init__(path, source)
        self._change = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def at(self, position: float) -> Frame:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="background", daemon=True)
            self._thread.start()
        with self._change:
            self._video.target = position
            while self._ready and self._ready[0][0] <= position + _TOLERANCE_S:
                self._shown = self._ready.popleft()
            self._change.notify()
        return self._shown[1]

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join(_JOIN_TIMEOUT_S)
        self._video.close()

    def _run(self) -> None:
        try:
            for due in self._frames:
                with self._change:
                    # Skip a late frame that has a successor.
                    if self._ready and self._ready[-1][0] < self._video.target and due[0] <= self._video.target:
                        self._ready.clear()
                    self._ready.append(due)
                    self._change.wait_for(lambda: self._closed or len(self._ready) < _PREFETCH_FRAMES)
                    if self._closed:
                        return
        except SourceError as error:
            _LOG.warning("The background video stopped: %s", error)


class _LoopedVideo:
    """Loops over the frames of a file with their times."""

    def __init__(self, path: Path, source: FileSource) -> None:
        self._path, self._source = path, source
        self.target = 0.0
        """Seconds: loops that end before this time are skipped."""

    def frames(self) -> Generator[Due, None, None]:
        """Yields frames forever. Raises :class:`~livebg.errors.SourceError` if reading fails."""
        offset = 0.0
        while True:
            first = last = None
            for frame in self._source:
                first = frame if first is None else first
                last = frame
                yield offset + frame.time - first.time, frame
            if first is None or last is None:
                raise SourceError(f"{self._path} no longer contains a picture.", "Choose another background.")
            length = last.time - first.time + float(1 / self._source.format.frame_rate)
            offset += length
            if self.target > offset + length:
                offset += (self.target - offset) // length * length
            self._source.close()
            self._source = FileSource(self._path, threads=1)
            gc.collect()  # a file's first picture is in a reference cycle; without this, one per loop would accumulate

    def close(self) -> None:
        self._source.close()
