"""The output thread: owns the virtual camera and keeps sending for as long as the session runs."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.compositing.composite import Placeholder, with_pts
from livebg.errors import SinkError
from livebg.imaging.frame import VideoFormat
from livebg.interfaces import Sink
from livebg.live.frame_path import FramePath, OutputFrame
from livebg.live.presence.device import AlwaysWatched, PresenceFactory
from livebg.live.preview_feed import PreviewFeed
from livebg.live.stats import FailureLog, LatencyWindow, RateMeter

KEEPALIVE_INTERVAL_S: Final = 1 / 15
"""Keep-alive interval in seconds while watched: readers treat silence as an error."""
IDLE_INTERVAL_S: Final = 0.5
"""Keep-alive interval in seconds while unwatched; it only keeps the camera visible."""
_RETRY_DELAY_S: Final = 0.25
_TIME_BASE: Final = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class Output:
    """A virtual camera.

    ``open`` opens it or raises :class:`~livebg.errors.SinkError`; it is called again after a failure. ``format`` never changes:
    readers of a virtual camera cannot follow a change. ``presence`` detects whether an app uses it; by default, one is assumed.
    """

    open: Callable[[], Sink]
    format: VideoFormat
    presence: PresenceFactory = AlwaysWatched


class OutputLoop:
    """Sends composites in its own thread (:meth:`run`).

    A new composite is sent immediately; if none arrives, the newest is repeated or the placeholder is sent. Without demand only
    the placeholder is sent. The first failure to open the output ends the session, later failures are retried. Sent pictures are
    also published to ``previews``, without ever blocking on it.
    """

    def __init__(
        self,
        output: Output,
        path: FramePath,
        previews: PreviewFeed,
        stages: StageTimer,
        failures: FailureLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._open_sink, self._path, self._previews = output.open, path, previews
        self._stages, self._failures, self._clock = stages, failures, clock
        self.rate, self.latencies = RateMeter(clock), LatencyWindow()
        self._stop, self.started = clock.event(), clock.event()
        """``started`` is set when the first picture was written."""
        self.sent = self.repeated = self.placeholders = self.outdated = 0
        self.device: str | None = None
        """Human-readable location of the output, or None."""
        self.lost: str | None = None
        """Why the output cannot be written, or None."""
        self.showing = False
        """Whether the last picture sent was a composite."""
        self.generation = -1
        """The demand's generation for which a composite was sent last; -1 before the first."""
        placeholder = Placeholder(output.format.width, output.format.height, output.format.color)
        self._placeholder = OutputFrame(placeholder.at(0, _TIME_BASE))
        self._newest = self._placeholder
        self._arrived = 0.0
        self._pts = 0

    def run(self, on_alive: Callable[[], None] = lambda: None) -> None:
        """Sends until :meth:`stop`. Calls ``on_alive`` several times a second."""
        while not self._stop.is_set():
            try:
                with self._open_sink() as sink:
                    self.device, self.lost = getattr(sink, "device", None), None
                    self._serve(sink, on_alive)
            except SinkError as error:
                if not self.started.is_set():
                    raise
                self.showing = False
                self._previews.clear()
                self.lost = self._failures.record_loss(error, self.lost)
                on_alive()
                self._stop.wait(_RETRY_DELAY_S)

    def stop(self) -> None:
        """Ends :meth:`run`. Thread-safe."""
        self._stop.set()

    def _serve(self, sink: Sink, on_alive: Callable[[], None]) -> None:
        self._send(sink, None)  # send immediately: readers see the camera only after the first picture
        while not self._stop.is_set():
            interval = KEEPALIVE_INTERVAL_S if self._path.demand.watched else IDLE_INTERVAL_S
            if self.showing:
                interval = min(interval, max(self._arrived + self._path.hold.seconds - self._clock.monotonic(), 0.0))
            self._send(sink, self._path.composites.take(interval))
            on_alive()

    def _send(self, sink: Sink, new: OutputFrame | None) -> None:
        with self._path.demand.output_lock, self._stages.stage("output"):
            now = self._clock.monotonic()
            if new is not None and self._path.is_current(new):
                self._newest, self._arrived = new, now
            if not (self._path.may_show(self._newest) and 0 <= now - self._arrived < self._path.hold.seconds):
                self._newest = self._placeholder
            elif self._newest is new:
                self._path.hold.on_composite(now)
            self._pts = max(self._pts + 1, int(now / _TIME_BASE))
            try:
                sink.send(with_pts(self._newest.composite, self._pts, _TIME_BASE))
            except SinkError:
                self.outdated += new is not None
                raise
            self._count(new, self._newest)
            self._previews.publish(self._newest)
        self.started.set()

    def _count(self, new: OutputFrame | None, shown: OutputFrame) -> None:
        self.rate.tick()
        self.showing = shown is not self._placeholder
        self.placeholders += not self.showing
        self.repeated += self.showing and shown is not new
        if shown is new and new.captured is not None:
            self.sent += 1
            self.generation = new.captured.generation
            self.latencies.add(new.captured.age)
        elif new is not None:
            self.outdated += 1
