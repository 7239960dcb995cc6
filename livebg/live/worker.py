"""Worker thread: turns frames into composites and contains network failures."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.imaging.frame import Composite, Frame, Matte, VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.capture_loop import CapturedFrame
from livebg.live.failure import FailureLog
from livebg.live.latest import LatestSlot
from livebg.pipeline import Processor

_LOG = logging.getLogger(__name__)
_POLL_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class ProcessedFrame:
    """A composite, its inputs and the number of its effect: composites of replaced effects must not be shown.

    ``frame`` is the captured frame converted to the output size; ``matte`` is its matte, or None.
    """

    composite: Composite
    captured: CapturedFrame
    effect: int
    frame: Frame
    matte: Matte | None = None


class ActiveEffect:
    """The active effect: how to build its processor, and its number.

    The output thread holds ``output_lock`` while it sends a picture, so that after :meth:`change` with ``at_once`` no picture of
    an earlier effect is sent.
    """

    def __init__(self, build: Callable[[], Processor]) -> None:
        self.output_lock = threading.Lock()
        self._build = build
        self.number = self.oldest = 0
        """``oldest`` is the earliest effect that may still be shown."""

    def change(self, build: Callable[[], Processor], *, at_once: bool) -> None:
        with self.output_lock:
            self._build, self.number = build, self.number + 1
            self.oldest = self.number if at_once else self.oldest

    def current(self) -> tuple[Callable[[], Processor], int]:
        with self.output_lock:
            return self._build, self.number


class WorkerLoop:
    """Processes frames in its own thread (:meth:`run`). It also builds the processor there, because networks load slowly.

    ``geometry_for`` returns the geometry that converts a camera's frames to the output format. A replacement worker continues the
    counters of its predecessor: ``processed`` and ``failed``.

    An exception from a processor is recorded and logged, and the next frame is tried. The room is never shown meanwhile, because
    the worker only forwards composites. An exception from building a processor ends the thread and the session.
    """

    def __init__(
        self,
        active_effect: ActiveEffect,
        geometry_for: Callable[[VideoFormat], Geometry],
        frames: LatestSlot[CapturedFrame],
        shown: LatestSlot[ProcessedFrame],
        stages: StageTimer,
        failures: FailureLog,
        *,
        processed: int = 0,
        failed: int = 0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._looks, self._arrange, self._stages, self._clock = active_effect, geometry_for, stages, clock
        self._frames, self._shown, self._failures = frames, shown, failures
        self._stop = clock.event()
        self._abandoned = False
        self._source: LiveSource | None = None
        self._geometry: Geometry | None = None
        self.processed, self.failed = processed, failed
        self.loading = True
        self.failing: str | None = None
        """Why the last frame failed, as a message; None if it succeeded."""
        self.busy_since: float | None = None
        """Start time of the current frame on the session clock; None between frames."""

    def run(self) -> None:
        while not self._stop.is_set():
            self.loading = True
            build, look = self._looks.current()
            processor = build()
            self.loading = False
            while not self._stop.is_set() and look == self._looks.number:
                captured = self._frames.take(_POLL_INTERVAL_S)
                if captured is not None:
                    self._process(processor, captured, look)

    def stop(self) -> None:
        """Ends :meth:`run` after the current frame."""
        self._stop.set()

    def abandon(self) -> None:
        """Ends :meth:`run` eventually and discards its later composites: another worker has taken over."""
        self._abandoned = True
        self._stop.set()

    def set_geometry(self, geometry_for: Callable[[VideoFormat], Geometry]) -> None:
        """Sets the geometry factory for the next source."""
        self._arrange = geometry_for

    def _process(self, processor: Processor, captured: CapturedFrame, look: int) -> None:
        self.busy_since = self._clock.monotonic()
        try:
            if captured.source is not self._source or self._geometry is None:
                processor.reset()
                self._source, self._geometry = captured.source, self._arrange(captured.source.format)
            with self._stages.stage("geometry"):
                frame = self._geometry.apply(captured.frame)
            composite, matte = processor.process(frame)
        except Exception as error:  # noqa: BLE001 - network failures must not end the output; they are logged and reported
            self._record_failure(error)
            processor.reset()
        else:
            self.failing = None
            self.processed += 1
            if not self._abandoned:
                self._shown.put(ProcessedFrame(composite, captured, look, frame, matte))
        finally:
            self.busy_since = None

    def _record_failure(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self.failing:
            _LOG.warning("Frame dropped: %s", text)
            _LOG.debug("Traceback of the dropped frame", exc_info=error)
        self.failed += 1
        self.failing = text
        self._failures.record(text)
