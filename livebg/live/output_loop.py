"""The output threads: each owns one virtual camera and keeps sending for as long as the session runs."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.compositing.composite import with_pts
from livebg.errors import SinkError
from livebg.imaging.frame import VideoFormat
from livebg.interfaces import Sink
from livebg.live.frame_path import FramePath, NewestFrame, OutputFrame
from livebg.live.presence.device import AlwaysWatched, Method, PresenceFactory
from livebg.live.preview_feed import PreviewFeed
from livebg.live.snapshot import OutputSnapshot
from livebg.live.stats import FailureLog, LatencyWindow, RateMeter
from livebg.live.threads import WorkerThread

_LOG: Final = logging.getLogger(__name__)
KEEPALIVE_INTERVAL_S: Final = 1 / 15
"""Keep-alive interval in seconds while watched: readers treat silence as an error."""
IDLE_INTERVAL_S: Final = 0.5
"""Keep-alive interval in seconds while unwatched; it only keeps the camera visible."""
_RETRY_DELAY_S: Final = 0.25
_MAX_RETRY_DELAY_S: Final = 4.0
"""Maximum delay in seconds while an output that never worked is retried: searching for a device costs CPU time."""
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
    """Sends composites in its own thread (:meth:`run`): those of slot, hold and barrier ``index`` of ``path``.

    A new composite is sent immediately; if none arrives, what :class:`NewestFrame` returns is sent. Failures are retried, except
    the first one if no other output of the ``group`` works. The group's leader also publishes its pictures to the previews,
    without ever blocking on them.
    """

    def __init__(
        self,
        output: Output,
        path: FramePath,
        index: int,
        group: "OutputGroup",
        stages: StageTimer,
        failures: FailureLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._open_sink, self._path, self._group = output.open, path, group
        self._slot, self._barrier = path.composites.slots[index], path.sends[index]
        self._stages, self._failures, self._clock = stages, failures, clock
        self._stage = f"output{index + 1}" if index else "output"
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
        self._newest, self._pts = NewestFrame(path, index, output.format), 0

    @property
    def works(self) -> bool:
        """Whether the output has sent a picture, is not lost and does not hang."""
        return self.started.is_set() and self.lost is None and not self.hung

    @property
    def hung(self) -> bool:
        """Whether the output does not return from sending a picture."""
        return self._barrier.hung

    @property
    def dropped(self) -> int:
        """Number of composites that were not shown here."""
        return self._slot.dropped + self.outdated

    def run(self, on_alive: Callable[[], None] = lambda: None) -> None:
        """Send until :meth:`stop`. Calls ``on_alive`` several times a second."""
        delay = _RETRY_DELAY_S
        while not self._stop.is_set():
            try:
                with self._open_sink() as sink:
                    self.device = getattr(sink, "device", None)
                    self._serve(sink, on_alive)
            except SinkError as error:
                before, self.lost, self.showing = self.lost, str(error), False
                if self._group.hopeless:
                    raise
                self._failures.record_loss(error, before)
                self._group.on_loss()
                on_alive()
                self._stop.wait(delay)
                delay = _RETRY_DELAY_S if self.started.is_set() else min(2 * delay, _MAX_RETRY_DELAY_S)

    def stop(self) -> None:
        """End :meth:`run`. Thread-safe."""
        self._stop.set()

    def _serve(self, sink: Sink, on_alive: Callable[[], None]) -> None:
        self._send(sink, None)  # send immediately: readers see the camera only after the first picture
        self.lost = None  # not earlier: it may open and take no picture
        while not self._stop.is_set():
            interval = KEEPALIVE_INTERVAL_S if self._path.demand.watched else IDLE_INTERVAL_S
            if self.showing:
                interval = min(interval, self._newest.seconds_left(self._clock.monotonic()))
            self._send(sink, self._slot.take(interval))
            on_alive()

    def _send(self, sink: Sink, new: OutputFrame | None) -> None:
        with self._barrier.sending(), self._stages.stage(self._stage):
            now = self._clock.monotonic()
            shown = self._newest.update(new, now)
            self._pts = max(self._pts + 1, int(now / _TIME_BASE))
            try:
                sink.send(with_pts(shown.composite, self._pts, _TIME_BASE))
            except SinkError:
                self.outdated += new is not None
                raise
            self._count(new, shown)
            self._group.publish(self, shown)
        self.started.set()

    def _count(self, new: OutputFrame | None, shown: OutputFrame) -> None:
        self.rate.tick()
        self.showing = shown is not self._newest.placeholder
        self.placeholders += not self.showing
        self.repeated += self.showing and shown is not new
        if shown is new and new.captured is not None:
            self.sent += 1
            self.generation = new.captured.generation
            self.latencies.add(new.captured.age)
        elif new is not None:
            self.outdated += 1


class OutputGroup:
    """The outputs of a session, all with the same format. Each has a thread and a presence, so that none delays another.

    The group is watched if any output is. ``path`` must have a slot for each output. Sent pictures are published to ``previews``
    once: by the first output that works.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        path: FramePath,
        previews: PreviewFeed,
        stages: StageTimer,
        failures: FailureLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._demand, self._previews = path.demand, previews
        loops = (OutputLoop(output, path, index, self, stages, failures, clock) for index, output in enumerate(outputs))
        self.loops: Final = tuple(loops)
        self._watched = [False] * len(outputs)
        self._presences = tuple(
            output.presence(partial(getattr, loop, "device"), partial(self._on_presence, index))
            for index, (output, loop) in enumerate(zip(outputs, self.loops, strict=True))
        )

    @property
    def leader(self) -> OutputLoop:
        """The first output that works, or the first one."""
        return next((loop for loop in self.loops if loop.works), self.loops[0])

    @property
    def started(self) -> bool:
        """Whether any output has sent a picture."""
        return any(loop.started.is_set() for loop in self.loops)

    @property
    def lost(self) -> str | None:
        """Why no output can be written, or None."""
        return self.loops[0].lost if all(loop.lost is not None for loop in self.loops) else None

    @property
    def hopeless(self) -> bool:
        """Whether no output can be opened at the start."""
        return self.lost is not None and not self.started

    @property
    def watched_by(self) -> Method:
        """How the presence on the open outputs is detected, ``unknown`` if it is not on one of them."""
        opened = [at for at, loop in enumerate(self.loops) if loop.device is not None] or range(len(self.loops))
        methods = [self._presences[at].method for at in opened]
        return "unknown" if "unknown" in methods else methods[0]

    def snapshots(self) -> tuple[OutputSnapshot, ...]:
        """Return what each output is doing now. Thread-safe."""
        return tuple(
            OutputSnapshot(loop.device, loop.lost, loop.hung, loop.showing, loop.rate.per_second, watched, presence.method)
            for loop, watched, presence in zip(self.loops, tuple(self._watched), self._presences, strict=True)
        )

    def threads(self, on_alive: Callable[[], None], ended: Callable[[], object]) -> list[WorkerThread]:
        """Return the threads to start. ``on_alive`` is called by outputs, ``ended`` when a thread ends."""
        outputs = [WorkerThread("livebg-output", partial(loop.run, on_alive), ended) for loop in self.loops]
        count = len(outputs)
        return outputs + [WorkerThread("livebg-presence", partial(self._run_presence, at), ended) for at in range(count)]

    def publish(self, loop: OutputLoop, sent: OutputFrame) -> None:
        """Publish a picture just sent by ``loop``, if that one leads."""
        if len(self.loops) == 1 or self.leader is loop:
            self._previews.publish(sent)

    def on_loss(self) -> None:
        """Discard the last picture of the previews if no output is left."""
        if self.lost is not None:
            self._previews.clear()

    def stop(self) -> None:
        """End all threads, except those that hang."""
        for presence in self._presences:
            presence.stop()
        for loop in self.loops:
            loop.stop()

    def _on_presence(self, index: int) -> None:
        self._watch(index, self._presences[index].watched is not False)

    def _watch(self, index: int, watched: bool) -> None:
        self._watched[index] = watched
        self._demand.update(watched=any(self._watched))

    def _run_presence(self, index: int) -> None:
        try:
            self._presences[index].run()
        except Exception:  # noqa: BLE001 - a presence failure must not end the call
            _LOG.exception("Presence detection failed. The camera stays on.")
            self._watch(index, True)
