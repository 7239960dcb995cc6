"""Worker thread: turns frames into composites and contains network failures."""

import logging
import threading
from collections import deque
from dataclasses import replace
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.interfaces import LiveSource
from livebg.live.frame_path import CapturedFrame, FramePath, OutputFrame
from livebg.live.stats import FailureLog
from livebg.pipeline import Processed, Processor

_LOG: Final = logging.getLogger(__name__)


class WorkerLoop:
    """Processes frames in its own thread (:meth:`run`). It also builds the processor there, because networks load slowly.

    A replacement worker continues the counters of its predecessor: ``processed`` and ``failed``.

    An exception from a processor is recorded and logged, and the next frame is tried. The room is never shown meanwhile, because
    the worker only forwards composites. An exception from building a processor ends the thread and the session.

    If the processor delays frames, those that wait in it are dropped when the effect or the camera changes, after a failure and
    when the camera is not needed any more: their composites would be sent after the command that caused it was answered.
    """

    def __init__(
        self,
        path: FramePath,
        stages: StageTimer,
        failures: FailureLog,
        clock: Clock = SYSTEM_CLOCK,
        processed: int = 0,
        failed: int = 0,
    ) -> None:
        self._path, self._stages, self._failures, self._clock = path, stages, failures, clock
        self._stop = clock.event()
        self._abandoned = False
        self._handover = threading.RLock()
        """Held to forward a composite, or to drop frames: a hung worker may go on just when it is abandoned."""
        self._source: LiveSource | None = None
        self._waiting: deque[CapturedFrame] = deque()
        """The frames that the processor holds, oldest first."""
        self.processed, self.failed = processed, failed
        self.loading = True
        self.failing: str | None = None
        """Why the last frame failed, as a message; None if it succeeded."""
        self.busy_since: float | None = None
        """Start time of the current frame on the session clock; None between frames."""

    def run(self) -> None:
        while not self._stop.is_set():
            self.loading = True
            build, effect = self._path.active_effect()
            processor = build()
            self.loading = False
            self._path.started.set()
            while not self._stop.is_set() and effect == self._path.effect:
                captured = self._path.captured.take()
                if self._waiting and not self._path.is_wanted(self._waiting[-1]):
                    self._reset(processor)
                if captured is not None:
                    self._process(processor, captured, effect)
            self._drop_waiting()

    def stop(self) -> None:
        """End :meth:`run` after the current frame."""
        self._stop.set()

    def abandon(self) -> None:
        """End :meth:`run` eventually and discard its later composites: another worker has taken over."""
        with self._handover:
            self._abandoned = True
            self._drop_waiting()
        self._stop.set()

    @property
    def waiting(self) -> int:
        """Number of frames that wait in the processor."""
        return len(self._waiting)

    def _process(self, processor: Processor, captured: CapturedFrame, effect: int) -> None:
        self.busy_since = self._clock.monotonic()
        try:
            if captured.source is not self._source:
                self._reset(processor)
                self._source = captured.source
            with self._stages.stage("geometry"):
                frame = captured.geometry.apply(captured.frame, processor.oversampling)
            processed = processor.process(frame)
        except Exception as error:  # noqa: BLE001 - network failures must not end the output; they are logged and reported
            self._record_failure(error)
            self._reset(processor)
        else:
            self.failing = None
            self.processed += 1
            self._forward(replace(captured, frame=frame), processed, effect)
        finally:
            self.busy_since = None

    def _forward(self, received: CapturedFrame, processed: Processed | None, effect: int) -> None:
        """Send a composite on with the frame that it was made of, which the processor may have received before ``received``."""
        with self._handover:
            if self._abandoned:
                return
            self._waiting.append(received)
            if processed is None:
                return
            self._drop_waiting(kept=processed.frames_ago + 1)
            captured = self._waiting.popleft()
            self._path.composites.put(
                OutputFrame(processed.composite, captured, processed.matte, effect, delayed=processed.frames_ago > 0)
            )

    def _reset(self, processor: Processor) -> None:
        processor.reset()
        self._drop_waiting()

    def _drop_waiting(self, kept: int = 0) -> None:
        with self._handover:
            while len(self._waiting) > kept:
                self._waiting.popleft()
                self._path.dropped_waiting += 1

    def _record_failure(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self.failing and self._failures.warn(f"Frame dropped: {text}"):
            _LOG.debug("Traceback of the dropped frame", exc_info=error)
        self.failed += 1
        self.failing = text
        self._failures.record(text)
        self._path.interrupt()
