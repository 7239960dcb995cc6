"""A video file that stands in for the camera: played in real time, again and again."""

import gc
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from livebg.clock import REAL, Waits
from livebg.errors import SourceError
from livebg.imaging.colorspace import for_virtual_camera, recolored
from livebg.imaging.frame import Frame, VideoFormat
from livebg.interfaces import LiveSource
from livebg.sources.file import FileSource

LATEST: Final = 1.0
"""Seconds after which a frame that nobody asked for is gone, as it is with a camera."""


class LoopedFile(LiveSource):
    """The frames of a video file, each when it is due, from the first again when the last has been shown.

    A :class:`~livebg.interfaces.LiveSource`. Playing begins when the first frame is asked for. In the first round times are the
    file's own; in every further one they go on where the round before would have ended. A frame that is more than
    :data:`LATEST` seconds late when it is asked for is left out and counted in ``skipped``. With ``paced=False`` every frame
    comes at once and none is left out; then ``now`` counts from when the newest was handed out.

    Colours are limited-range BT.601, as readers of a virtual camera expect: a file tagged otherwise is converted, an untagged
    one left as it is. ``clock`` gives seconds that run on steadily, and by it frames are waited for with ``waits``. The
    constructor raises :class:`~livebg.errors.SourceError` when the file cannot be read; iterating does when reading breaks off,
    or the file was replaced by another meanwhile.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, paced: bool = True, waits: Waits = REAL) -> None:
        self.path = path
        self.skipped = 0
        """Frames that were left out because they were asked for too late."""
        self._clock = clock
        self._paced = paced
        self._closed = waits.event()
        self._lock = threading.Lock()
        self._file = FileSource(path, threads=1)
        given = self._file.format
        self._format = replace(given, color=for_virtual_camera(given.color))
        self._began: float | None = None
        """The clock's reading at the timeline's zero."""
        self._frames = self._play()

    @property
    def format(self) -> VideoFormat:
        return self._format

    @property
    def about(self) -> str:
        form = self._format
        return f"{self.path.name} in a loop, {form.width}x{form.height} at {float(form.frame_rate):.3g} fps"

    def now(self) -> float:
        """Seconds on the frames' timeline; 0 until the first frame has been asked for."""
        return 0.0 if self._began is None else self._clock() - self._began

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Release the file, and end a wait in another thread. Idempotent."""
        self._closed.set()
        with self._lock:
            self._file.close()

    def _play(self) -> Iterator[Frame]:
        for frame in self._rounds():
            if self._began is None or not self._paced:
                self._began = self._clock() - frame.time
            late = self.now() - frame.time
            if late > LATEST and self._paced:
                self.skipped += 1
                continue
            self._wait_until(frame.time)
            if self._closed.is_set():
                return
            yield frame if frame.color == self._format.color else self._recolored(frame)

    def _rounds(self) -> Iterator[Frame]:
        """The file's frames for ever, times going on from round to round."""
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
            begins = float((first.pts + offset + length) * last.time_base)
            missed = self._missed_rounds(begins, float(length * last.time_base))
            self.skipped += missed * count
            offset += length * (1 + missed)
            self._open_again()

    def _missed_rounds(self, begins: float, seconds: float) -> int:
        """How many whole rounds are over already, when the next begins at ``begins`` and lasts ``seconds``."""
        if not self._paced:
            return 0
        return max(0, math.floor((self.now() - LATEST - begins) / seconds))

    def _open_again(self) -> None:
        file = FileSource(self.path, threads=1)
        with self._lock:
            before, self._file = self._file, file
            before.close()
            if self._closed.is_set():
                file.close()
        gc.collect()  # a file's first picture lies in a reference cycle: without this, one a round would gather
        if replace(file.format, color=self._format.color) != self._format:
            raise SourceError(f"{self.path} was replaced by a video of another size or rate: start again to play that")

    def _wait_until(self, due: float) -> None:
        while self._paced and (wait := due - self.now()) > 0 and not self._closed.wait(wait):
            pass

    def _recolored(self, frame: Frame) -> Frame:
        color = self._format.color
        return replace(frame, data=recolored(frame.data, frame.color, color), color=color)
