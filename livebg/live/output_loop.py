"""The output thread: owns the virtual camera and keeps sending for as long as the session runs."""

import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.compositing.composite import Placeholder, with_pts
from livebg.errors import SinkError
from livebg.imaging.frame import Composite
from livebg.interfaces import Sink
from livebg.live.capture_loop import CapturedFrame
from livebg.live.demand import Demand
from livebg.live.failure import FailureLog
from livebg.live.latest import LatestSlot
from livebg.live.preview_feed import PreviewFeed
from livebg.live.stats import LatencyWindow, RateMeter
from livebg.live.worker import ActiveEffect, ProcessedFrame

_LOG = logging.getLogger(__name__)
MAX_REPEAT_AGE_S: Final = 0.25
"""Seconds for which a composite is repeated if no newer one arrives; then the placeholder replaces it."""
MAX_FRAME_AGE_S: Final = 2.0
"""Maximum age in seconds of a frame that is shown, for example after a slow network call."""
KEEPALIVE_INTERVAL_S: Final = 1 / 15
"""Keep-alive interval in seconds while watched: readers treat silence as an error."""
IDLE_INTERVAL_S: Final = 0.5
"""Keep-alive interval in seconds while unwatched; it only keeps the camera visible."""
_RETRY_DELAY_S: Final = 0.25
_TIME_BASE: Final = Fraction(1, 1_000_000)


class OutputLoop:
    """Sends composites in its own thread (:meth:`run`).

    A new composite is sent immediately; if none arrives, the newest is repeated or the placeholder is sent. Without ``demand``
    only the placeholder is sent. ``open_sink`` opens the output or raises :class:`~livebg.errors.SinkError`: the first failure
    ends the session, later failures are retried. ``on_alive`` is called in each iteration. Sent pictures are also published to
    ``audience``, without ever blocking on it.
    """

    def __init__(
        self,
        open_sink: Callable[[], Sink],
        shown: LatestSlot[ProcessedFrame],
        active_effect: ActiveEffect,
        demand: Demand,
        placeholder: Placeholder,
        stages: StageTimer,
        rate: RateMeter,
        latencies: LatencyWindow,
        failures: FailureLog,
        on_alive: Callable[[], None],
        audience: PreviewFeed,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._open_sink, self._shown, self._looks, self._placeholder = open_sink, shown, active_effect, placeholder
        self._demand, self._on_alive, self._audience = demand, on_alive, audience
        self._stages, self._failures, self._clock = stages, failures, clock
        self.rate, self.latencies = rate, latencies
        self._stop, self.started = clock.event(), clock.event()
        """Set when the first picture was written."""
        self.sent = self.repeated = self.placeholders = self.outdated = 0
        self.device: str | None = None
        """Human-readable location of the output, or None."""
        self.lost: str | None = None
        """Why the output cannot be written, or None."""
        self.showing = False
        """Whether the last picture sent was a composite."""
        self._newest: ProcessedFrame | None = None
        self._arrived = 0.0
        self._pts = 0

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._open_sink() as sink:
                    self.device, self.lost = getattr(sink, "device", None), None
                    self._serve(sink)
            except SinkError as error:
                if not self.started.is_set():
                    raise
                self.showing = False
                self._audience.clear()
                if str(error) != self.lost:
                    _LOG.warning("%s", error)
                self.lost = str(error)
                self._failures.record(self.lost)
                self._on_alive()
                self._stop.wait(_RETRY_DELAY_S)

    def stop(self) -> None:
        """Ends :meth:`run`. Thread-safe."""
        self._stop.set()

    def _serve(self, sink: Sink) -> None:
        self._send(sink, None)  # send immediately: readers see the camera only after the first picture
        while not self._stop.is_set():
            self._send(sink, self._shown.take(KEEPALIVE_INTERVAL_S if self._demand.watched else IDLE_INTERVAL_S))
            self._on_alive()

    def _send(self, sink: Sink, new: ProcessedFrame | None) -> None:
        with self._looks.output_lock, self._stages.stage("output"):
            now = self._clock.monotonic()
            if new is not None and self._is_current(new.captured):
                self._newest, self._arrived = new, now
            newest = self._current(now)
            self._pts = max(self._pts + 1, int(now / _TIME_BASE))
            picture = self._picture(newest)
            try:
                sink.send(picture)
            except SinkError:
                self.outdated += new is not None
                raise
            self._count(new, newest)
            self._audience.publish(picture, newest)
        self.started.set()

    def _is_current(self, captured: CapturedFrame) -> bool:
        """Returns whether a frame is recent and was read for the current viewers: a slow worker may deliver an earlier one."""
        return captured.age <= MAX_FRAME_AGE_S and captured.generation == self._demand.generation

    def _current(self, now: float) -> ProcessedFrame | None:
        """Returns the newest composite if it may still be shown."""
        newest = self._newest
        allowed = newest is not None and newest.effect >= self._looks.oldest and self._demand.wanted
        if not (allowed and 0 <= now - self._arrived <= MAX_REPEAT_AGE_S):
            self._newest = None
        return self._newest

    def _picture(self, newest: ProcessedFrame | None) -> Composite:
        if newest is None:
            return self._placeholder.at(self._pts, _TIME_BASE)
        return with_pts(newest.composite, self._pts, _TIME_BASE)

    def _count(self, new: ProcessedFrame | None, newest: ProcessedFrame | None) -> None:
        self.rate.tick()
        self.showing = newest is not None
        self.placeholders += newest is None
        self.repeated += newest is not None and newest is not new
        if new is not None and newest is new:
            self.sent += 1
            self.latencies.add(new.captured.age)
        elif new is not None:
            self.outdated += 1
