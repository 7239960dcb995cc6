"""The worker thread: frames in, composites out, and whatever happens to the network stays in here."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from livebg.clock import REAL, StageClock, Waits
from livebg.imaging.frame import Composite, Frame, Matte, VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.capture_loop import Captured
from livebg.live.failure import Failures
from livebg.live.latest import Latest
from livebg.rendering.loop import Processor

_LOG = logging.getLogger(__name__)
_WAIT = 0.2
"""Seconds after which the worker looks up, although there is no frame."""


class LiveProcessor(Processor, Protocol):
    """A processor whose past can be forgotten: when another camera, or the same one after a gap, goes on."""

    def reset(self) -> None: ...


@runtime_checkable
class Matting(Protocol):
    """A processor that tells which matte it made the last composite with; None where it made it without."""

    last_matte: Matte | None


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A composite, what it was made from, and which look it has: a look that was changed since must not be shown.

    ``frame`` is the captured one, brought to the output's size; ``matte`` is the one for it, where there is one.
    """

    composite: Composite
    captured: Captured
    look: int
    frame: Frame
    matte: Matte | None = None


class Looks:
    """Which look is wanted: how to build its processor, and its number. Whoever shows a picture holds ``gate`` meanwhile, so
    that after a :meth:`change` ``at_once`` no picture of an earlier look leaves."""

    def __init__(self, build: Callable[[], LiveProcessor]) -> None:
        self.gate = threading.Lock()
        self._build = build
        self.number = self.oldest = 0
        """``oldest`` is the earliest look that may still be shown."""

    def change(self, build: Callable[[], LiveProcessor], *, at_once: bool) -> None:
        with self.gate:
            self._build, self.number = build, self.number + 1
            self.oldest = self.number if at_once else self.oldest

    def current(self) -> tuple[Callable[[], LiveProcessor], int]:
        with self.gate:
            return self._build, self.number


class WorkerLoop:
    """Runs in a thread of its own (:meth:`run`). It builds the processor there, since a network takes its time to load.
    ``arrange`` brings the frames of a camera, by its format, to the output's. A worker that takes another one's place goes on
    counting where that one was, at ``processed`` and ``failed``.

    What a processor raises is a failure: told, logged, and the next frame is tried. The room is not shown meanwhile, because
    nothing but a composite ever goes on from here. What building a processor raises ends the thread, and the session.
    """

    def __init__(
        self,
        looks: Looks,
        arrange: Callable[[VideoFormat], Geometry],
        frames: Latest[Captured],
        shown: Latest[Shown],
        stages: StageClock,
        failures: Failures,
        clock: Callable[[], float],
        *,
        processed: int = 0,
        failed: int = 0,
        waits: Waits = REAL,
    ) -> None:
        self._looks, self._arrange, self._stages, self._clock = looks, arrange, stages, clock
        self._frames, self._shown, self._failures = frames, shown, failures
        self._stop = waits.event()
        self._abandoned = False
        self._source: LiveSource | None = None
        self._geometry: Geometry | None = None
        self.processed, self.failed = processed, failed
        self.loading = True
        self.failing: str | None = None
        """Why the last frame failed, as a sentence; None when it did not."""
        self.busy_since: float | None = None
        """When the frame that is being worked on was begun, on the session's clock; None between two frames."""

    def run(self) -> None:
        while not self._stop.is_set():
            self.loading = True
            build, look = self._looks.current()
            processor = build()
            self.loading = False
            while not self._stop.is_set() and look == self._looks.number:
                captured = self._frames.take(_WAIT)
                if captured is not None:
                    self._work(processor, captured, look)

    def stop(self) -> None:
        """Ends :meth:`run` after the frame that is being worked on."""
        self._stop.set()

    def abandon(self) -> None:
        """Ends :meth:`run`, whenever that will be, and nothing of it is shown any more: another worker has taken over."""
        self._abandoned = True
        self._stop.set()

    def arrange(self, arrange: Callable[[VideoFormat], Geometry]) -> None:
        """Another camera's frames come, from the next source on."""
        self._arrange = arrange

    def _work(self, processor: LiveProcessor, captured: Captured, look: int) -> None:
        self.busy_since = self._clock()
        try:
            if captured.source is not self._source or self._geometry is None:
                processor.reset()
                self._source, self._geometry = captured.source, self._arrange(captured.source.format)
            with self._stages.stage("geometry"):
                frame = self._geometry.apply(captured.frame)
            composite = processor.process(frame)
        except Exception as error:  # noqa: BLE001 - the output outlives whatever a network does; it is logged and told
            self._fail(error)
            processor.reset()
        else:
            self.failing = None
            self.processed += 1
            if not self._abandoned:
                matte = processor.last_matte if isinstance(processor, Matting) else None
                self._shown.put(Shown(composite, captured, look, frame, matte))
        finally:
            self.busy_since = None

    def _fail(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self.failing:
            _LOG.warning("a frame was not shown: %s", text)
            _LOG.debug("it came from here", exc_info=error)
        self.failed += 1
        self.failing = text
        self._failures.note(text)
