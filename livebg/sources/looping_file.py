"""A video file in place of a camera: played in real time, in a loop."""

import gc
import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.errors import SourceError
from livebg.imaging.colorspace import convert_i420, virtual_camera_color
from livebg.imaging.frame import Frame, VideoFormat
from livebg.interfaces import LiveSource
from livebg.sources.file import FileSource

MAX_LATE_S: Final = 1.0
"""Seconds after which an unread frame is dropped, as with a camera."""


class LoopingFile(LiveSource):
    """Plays a video file in a loop, each frame when it is due.

    A :class:`~livebg.interfaces.LiveSource`. Playback starts when the first frame is requested. The first pass uses the file's
    times; each later pass continues where the previous one would have ended. A frame more than :data:`MAX_LATE_S` seconds late is
    dropped and counted in ``skipped``.

    Frames are limited-range BT.601, as readers of a virtual camera expect: a file tagged otherwise is converted, an untagged one
    is left as it is. The constructor raises :class:`~livebg.errors.SourceError` if the file cannot be read; iterating raises it
    if reading fails or if another file has replaced it.
    """

    can_wait = True

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self.path = path
        self.skipped = 0
        """Frames dropped because they were requested too late."""
        self._clock = clock
        self._closed = clock.event()
        self._lock = threading.Lock()
        self._file = FileSource(path, threads=1)
        file_format = self._file.format
        self._format = replace(file_format, color=virtual_camera_color(file_format.color))
        self._start_time: float | None = None
        """The clock's time at 0 of the timeline."""
        self._frames = self._play()

    @property
    def format(self) -> VideoFormat:
        return self._format

    @property
    def name(self) -> str:
        return f"{self.path.name} in a loop"

    @property
    def mode(self) -> str:
        return f"{self._format.width}x{self._format.height} at {float(self._format.frame_rate):.3g} fps"

    def now(self) -> float:
        """Return seconds on the frames' timeline; 0 before the first frame is requested."""
        return 0.0 if self._start_time is None else self._clock.monotonic() - self._start_time

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Release the file and end a wait in another thread. Idempotent."""
        self._closed.set()
        with self._lock:
            self._file.close()

    def _play(self) -> Iterator[Frame]:
        for frame in self._passes():
            if self._start_time is None:
                self._start_time = self._clock.monotonic() - frame.time
            if self.now() - frame.time > MAX_LATE_S:
                self.skipped += 1
                continue
            while (wait := frame.time - self.now()) > 0 and not self._closed.wait(wait):
                pass
            if self._closed.is_set():
                return
            yield frame if frame.color == self._format.color else self._recolored(frame)

    def _passes(self) -> Iterator[Frame]:
        """Yield the file's frames endlessly, with times that continue from pass to pass."""
        offset = 0
        while not self._closed.is_set():
            first = last = None
            count = 0
            for frame in self._file:
                first = frame if first is None else first
                last, count = frame, count + 1
                yield replace(frame, pts=frame.pts + offset) if offset else frame
            if first is None or last is None or self._closed.is_set():
                return
            length = last.pts - first.pts + max(1, round(1 / (self._format.frame_rate * last.time_base)))
            begins, seconds = float((first.pts + offset + length) * last.time_base), float(length * last.time_base)
            missed = max(0, math.floor((self.now() - MAX_LATE_S - begins) / seconds))  # complete passes that are already over
            self.skipped += missed * count
            offset += length * (1 + missed)
            self._reopen()

    def _reopen(self) -> None:
        file = FileSource(self.path, threads=1)
        with self._lock:
            previous, self._file = self._file, file
            previous.close()
            if self._closed.is_set():
                file.close()
        gc.collect()  # a file's first picture is in a reference cycle: free it now, or one per pass accumulates
        if replace(file.format, color=self._format.color) != self._format:
            raise SourceError(f"{self.path} was replaced by a video of another size or rate.", "Restart livebg to play it.")

    def _recolored(self, frame: Frame) -> Frame:
        color = self._format.color
        return replace(frame, data=convert_i420(frame.data, frame.color, color), color=color)
