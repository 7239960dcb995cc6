"""Plays a video in a loop: by position for files, and decoded ahead of time in another thread for calls."""

import gc
import logging
import math
import threading
from collections import deque
from collections.abc import Generator, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from livebg.errors import SourceError
from livebg.imaging.frame import Frame
from livebg.sources.file import FileSource
from livebg.sources.packet_index import PacketIndex, index_packets

_LOG: Final = logging.getLogger(__name__)

_PREFETCH_FRAMES: Final = 4
"""Number of frames decoded in advance."""
_MAX_READ_S: Final = 3.0
"""Seconds of video that are decoded to reach a later position. A seek decodes one or more."""
_TOLERANCE_S: Final = 1e-6
"""Times are sums of fractions."""
_JOIN_TIMEOUT_S: Final = 2.0
"""Time to wait for a decoder to stop."""

Due = tuple[float, Frame]
"""A frame and its time, in seconds from the first one."""


class PositionReader:
    """Returns the frame for a position, whatever was read before. Reading onward is cheap.

    A loop lasts from the first frame to the last one, and the nominal duration of a frame more. Where seeking is exact, its
    length is known without decoding it, and a distant position is reached by a seek.
    """

    def __init__(self, path: Path, source: FileSource) -> None:
        self._path, self._like = path, source.input_format
        self._frame_s = float(1 / source.format.frame_rate)
        self._length: float | None = None
        self._source = source
        self._frames, self._shown, self._next = _started(path, source)
        self._begin = self._shown.time

    def at(self, position: float) -> Frame:
        """Return the frame for ``position``, seconds from the start of the first loop, at least 0.

        Raises :class:`~livebg.errors.SourceError` if reading fails.
        """
        time = position + _TOLERANCE_S
        if self._length is None and self._is_far(time):
            self._length = self._indexed_length
        if self._length is not None:
            time %= self._length
        if self._is_far(time):
            self._seek(time)
        while self._next and self._elapsed(self._next) <= time:
            self._shown, self._next = self._next, next(self._frames, None)
        if self._next or self._length is not None:
            return self._shown
        self._length = self._indexed_length or self._elapsed(self._shown) + self._frame_s
        return self.at(position)

    def close(self) -> None:
        self._source.close()

    @cached_property
    def _index(self) -> PacketIndex | None:
        """The times of the frames; None if seeking is not exact."""
        index = index_packets(self._path)
        return index if index.exact else None

    @property
    def _indexed_length(self) -> float | None:
        index = self._index
        return float(int(index.pts[-1] - index.pts[0]) * index.time_base) + self._frame_s if index else None

    def _elapsed(self, frame: Frame) -> float:
        return frame.time - self._begin

    def _is_far(self, time: float) -> bool:
        return not 0 <= time - self._elapsed(self._shown) <= _MAX_READ_S

    def _seek(self, time: float) -> None:
        """Read on from the frame at ``time``, seconds from the first one, or from an earlier one."""
        index = self._index if time > _MAX_READ_S else None
        if not index and time >= self._elapsed(self._shown):
            return  # read on
        self._source.close()
        gc.collect()  # a file's first picture is in a reference cycle; without this, one per loop would accumulate
        if index:
            ticks = math.floor((time + self._begin) / index.time_base)
            pts = int(index.pts[max(int(np.searchsorted(index.pts, ticks, side="right")) - 1, 0)])
            self._open(max(float(pts * index.time_base - index.origin), 0.0))
        if not index or self._elapsed(self._shown) > time:
            self._source.close()
            self._open(None)

    def _open(self, start: float | None) -> None:
        self._source = FileSource(self._path, start, threads=1, like=self._like)
        self._frames, self._shown, self._next = _started(self._path, self._source)


def _started(path: Path, source: FileSource) -> tuple[Iterator[Frame], Frame, Frame | None]:
    """Return the frames of a source after the first two, and these two."""
    frames = iter(source)
    first = next(frames, None)
    if first is None:
        raise SourceError(f"{path} no longer contains a picture.", "Choose another background.")
    return frames, first, next(frames, None)


class PrefetchReader:
    """Reads frames in another thread. If the due frame is not decoded yet, the previous one is returned."""

    def __init__(self, path: Path, source: FileSource) -> None:
        self._video = _LoopedVideo(path, source)
        self._frames = self._video.frames()
        self._shown = next(self._frames)
        self._ready: deque[Due] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def at(self, position: float) -> Frame:
        """Return the frame for a position in seconds; positions rarely decrease."""
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
        """Yield frames forever. Raises :class:`~livebg.errors.SourceError` if reading fails."""
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
