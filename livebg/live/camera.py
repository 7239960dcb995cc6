"""The camera thread: opens the camera, passes its frames on, and takes the camera back when it was lost."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from livebg.errors import SourceError
from livebg.frame import Frame
from livebg.interfaces import LiveSource
from livebg.live.failure import Failures
from livebg.live.latest import Latest
from livebg.live.meters import Rate
from livebg.timing import StageClock

_LOG = logging.getLogger(__name__)
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 2.0
"""Seconds between two tries to open a camera."""


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """A frame and where it came from, whose clock tells how old it is."""

    frame: Frame
    source: LiveSource

    @property
    def age(self) -> float:
        """Seconds since the picture was taken."""
        return max(self.source.now() - self.frame.time, 0.0)


class CameraLoop:
    """Runs in a thread of its own (:meth:`run`); everything else may be asked from any thread.

    ``open_source`` opens the camera, or raises :class:`~livebg.errors.SourceError`; after any of those it is asked again, a
    little later each time. A source that simply ends is the end of the session: ``ended`` says so.
    """

    def __init__(
        self, open_source: Callable[[], LiveSource], frames: Latest[Captured], stages: StageClock, rate: Rate, failures: Failures
    ) -> None:
        self._open_source = open_source
        self._frames = frames
        self._stages, self._failures = stages, failures
        self.rate = rate
        self._stop = threading.Event()
        self._source: LiveSource | None = None
        self.captured = self.opened = 0
        self.lost: str | None = None
        """Why there is no camera at the moment, as a sentence; None while there is one, or it is being opened at first."""
        self.ended = False

    @property
    def source(self) -> LiveSource | None:
        """The camera that is open."""
        return self._source

    def run(self) -> None:
        wait = _FIRST_WAIT
        while not self._stop.is_set() and not self.ended:
            before = self.captured
            try:
                self._capture()
            except SourceError as error:
                if str(error) != self.lost:
                    _LOG.warning("%s", error)
                self.lost = str(error)
                self._failures.note(self.lost)
                wait = _FIRST_WAIT if self.captured > before else min(wait * 2, _LONGEST_WAIT)
                self._stop.wait(wait)

    def stop(self) -> None:
        """Ends :meth:`run`, from another thread."""
        self._stop.set()
        source = self._source
        if source is not None:
            source.close()

    def _capture(self) -> None:
        with self._open_source() as source:
            self._source = source
            self.opened += 1
            try:
                self._pass_on(source)
            finally:
                self._source = None

    def _pass_on(self, source: LiveSource) -> None:
        frames = iter(source)
        while not self._stop.is_set():
            with self._stages.stage("camera"):
                frame = next(frames, None)
            if frame is None:
                self.ended = not self._stop.is_set()
                return
            self.captured += 1
            self.rate.tick()
            self.lost = None
            self._frames.put(Captured(frame, source))
