"""The capture thread: opens the camera, forwards its frames and reopens the camera after a failure."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.errors import SourceError
from livebg.imaging.frame import Frame
from livebg.interfaces import LiveSource
from livebg.live.demand import Demand
from livebg.live.failure import FailureLog
from livebg.live.latest import LatestSlot
from livebg.live.stats import RateMeter

_LOG = logging.getLogger(__name__)
_MIN_RETRY_DELAY_S = 0.25
_MAX_RETRY_DELAY_S = 2.0
_IDLE_POLL_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class CapturedFrame:
    """A frame, its source and the demand's generation before it was read. The source's clock determines the frame's age."""

    frame: Frame
    source: LiveSource
    generation: int

    @property
    def age(self) -> float:
        """Seconds since the frame was captured."""
        return max(self.source.now() - self.frame.time, 0.0)


class CaptureLoop:
    """Captures frames in its own thread (:meth:`run`). All other members are thread-safe.

    The camera is open only while frames are needed (``demand``). ``open_source`` opens it or raises
    :class:`~livebg.errors.SourceError`; failures are retried with increasing delays. A source that ends without an error sets
    ``ended``, which ends the session.
    """

    def __init__(
        self,
        open_source: Callable[[], LiveSource],
        demand: Demand,
        frames: LatestSlot[CapturedFrame],
        stages: StageTimer,
        rate: RateMeter,
        failures: FailureLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._open_source, self._demand = open_source, demand
        self._frames = frames
        self._stages, self._failures = stages, failures
        self.rate = rate
        self._stop = clock.event()
        self._source: LiveSource | None = None
        self._released: LiveSource | None = None
        """A source closed by another thread. Its end is not the end of the stream."""
        self.captured = self.opened = 0
        self.lost: str | None = None
        """Why the camera is unavailable, as a message. None while it works or is being opened for the first time."""
        self.ended = False

    @property
    def source(self) -> LiveSource | None:
        """The open camera, or None."""
        return self._source

    def run(self) -> None:
        delay = _MIN_RETRY_DELAY_S
        while not self._stop.is_set() and not self.ended:
            if not self._demand.wait(_IDLE_POLL_INTERVAL_S):
                continue
            before = self.captured
            try:
                self._capture()
            except SourceError as error:
                if str(error) != self.lost:
                    _LOG.warning("%s", error)
                self.lost = str(error)
                self._failures.record(self.lost)
                delay = _MIN_RETRY_DELAY_S if self.captured > before else min(delay * 2, _MAX_RETRY_DELAY_S)
                self._stop.wait(delay)

    def stop(self) -> None:
        """Ends :meth:`run`. Thread-safe."""
        self._stop.set()
        self.release()

    def use(self, open_source: Callable[[], LiveSource]) -> None:
        """Switches to another camera immediately. Thread-safe."""
        self._open_source = open_source
        self.release()

    def release(self) -> None:
        """Closes the camera. :meth:`run` reopens it when frames are needed. Thread-safe."""
        source = self._source
        if source is not None:
            self._released = source
            source.close()

    def _capture(self) -> None:
        opener = self._open_source
        with opener() as source:
            self._source = source
            self.opened += 1
            try:
                self._forward_frames(source, opener)
            finally:
                self._source = None

    def _forward_frames(self, source: LiveSource, opener: Callable[[], LiveSource]) -> None:
        """Forwards frames until the camera is not needed or was replaced, including while it was being opened."""
        frames = iter(source)
        while not self._stop.is_set() and self._demand.wanted and opener is self._open_source:
            generation = self._demand.generation
            with self._stages.stage("camera"):
                frame = next(frames, None)
            if frame is None:
                self.ended = not self._stop.is_set() and source is not self._released
                return
            if not self._demand.wanted:
                return
            self.captured += 1
            self.rate.tick()
            self.lost = None
            self._frames.put(CapturedFrame(frame, source, generation))
