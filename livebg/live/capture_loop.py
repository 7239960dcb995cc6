"""The camera thread: opens the camera, passes its frames on, and takes the camera back when it was lost."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from livebg.clock import REAL, StageClock, Waits
from livebg.errors import SourceError
from livebg.imaging.frame import Frame
from livebg.interfaces import LiveSource
from livebg.live.demand import Demand
from livebg.live.failure import Failures
from livebg.live.latest import Latest
from livebg.live.stats import Rate

_LOG = logging.getLogger(__name__)
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 2.0
"""Seconds between two tries to open a camera."""
_REST = 0.5
"""Seconds after which a resting thread looks up."""


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

    The camera is open only while pictures are wanted (``demand``). ``open_source`` opens it, or raises
    :class:`~livebg.errors.SourceError`; after any of those it is asked again, a little later each time. A source that simply
    ends is the end of the session: ``ended`` says so.
    """

    def __init__(
        self,
        open_source: Callable[[], LiveSource],
        demand: Demand,
        frames: Latest[Captured],
        stages: StageClock,
        rate: Rate,
        failures: Failures,
        waits: Waits = REAL,
    ) -> None:
        self._open_source, self._demand = open_source, demand
        self._frames = frames
        self._stages, self._failures = stages, failures
        self.rate = rate
        self._stop = waits.event()
        self._source: LiveSource | None = None
        self._dismissed: LiveSource | None = None
        """A source that was closed from outside: its end is not the stream's."""
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
            if not self._demand.wait(_REST):
                continue
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
        self.release()

    def use(self, open_source: Callable[[], LiveSource]) -> None:
        """Another camera, at once; from another thread."""
        self._open_source = open_source
        self.release()

    def release(self) -> None:
        """Closes the camera, from another thread; it is opened again when, and if, it is wanted."""
        source = self._source
        if source is not None:
            self._dismissed = source
            source.close()

    def _capture(self) -> None:
        opener = self._open_source
        with opener() as source:
            self._source = source
            self.opened += 1
            try:
                self._pass_on(source, opener)
            finally:
                self._source = None

    def _pass_on(self, source: LiveSource, opener: Callable[[], LiveSource]) -> None:
        """Until the camera is no longer wanted, or another one is: whoever released it before it was here is heard here."""
        frames = iter(source)
        while not self._stop.is_set() and self._demand.wanted and opener is self._open_source:
            with self._stages.stage("camera"):
                frame = next(frames, None)
            if frame is None:
                self.ended = not self._stop.is_set() and source is not self._dismissed
                return
            if not self._demand.wanted:
                return
            self.captured += 1
            self.rate.tick()
            self.lost = None
            self._frames.put(Captured(frame, source))
