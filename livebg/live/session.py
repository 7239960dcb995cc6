"""The live session: its threads, and the only place where threads are started.

camera thread -> newest frame -> worker thread -> newest composite -> output thread -> the virtual camera. Each slot between two
threads holds one item, so a slow thread makes the picture rarer, never later. A fourth thread sees whether anybody watches:
while nobody does, the camera is free and the network rests.
"""

import enum
import logging
import time
from collections.abc import Callable

from livebg.clock import REAL, StageClock, Waits
from livebg.compositing.composite import Placeholder
from livebg.imaging.frame import VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource, Sink
from livebg.live.capture_loop import CameraLoop, Captured
from livebg.live.condition import State, condition
from livebg.live.demand import Demand
from livebg.live.failure import Failures
from livebg.live.latest import Latest
from livebg.live.output_loop import OutputLoop
from livebg.live.presence.device import AlwaysWatched, Presence
from livebg.live.preview_feed import Audience
from livebg.live.stats import Latencies, Rate
from livebg.live.thread import Companion
from livebg.live.worker import LiveProcessor, Looks, Shown, WorkerLoop
from livebg.live.worker_supervisor import Workers

_LOG = logging.getLogger(__name__)
_TICK = 0.1
"""Seconds between two looks at the threads."""
_LEAVE = 2.0
"""Seconds that a thread gets to end."""


class Exit(enum.Enum):
    """Why a session ended without an error."""

    END = "the camera's stream ended"
    STOP = "it was stopped"


PresenceMaker = Callable[[Callable[[], str | None], Callable[[], None]], Presence]
"""Makes a presence from what tells the output's node and what to call after each change."""


def _nothing() -> None:
    """What is done where nothing is to be done."""


class Session:
    """From a camera to a virtual camera, until it ends, is stopped, or something that it cannot mend goes wrong.

    - ``open_camera`` opens the camera, whenever there is none; it raises :class:`~livebg.errors.SourceError`.
    - ``open_output`` opens the virtual camera, whenever there is none; it raises :class:`~livebg.errors.SinkError`.
    - ``build`` makes what turns frames into composites; it may take its time, and what it raises ends the session.
    - ``format`` is the output's, for the whole session: readers of a virtual camera cannot follow a change. ``arrange``
      tells what brings the frames of a camera, by its format, to it.
    - ``presence`` makes what sees whether anybody watches; without it somebody always does.
    - ``forget`` is called when the network hangs, before ``build`` is called anew in another thread, and ``on_alive`` by the
      output thread several times a second.
    - ``clock`` is in seconds and never goes back, and by it the threads wait with ``waits``; ``stages`` takes the CPU time of
      each stage.
    """

    def __init__(
        self,
        open_camera: Callable[[], LiveSource],
        open_output: Callable[[], Sink],
        build: Callable[[], LiveProcessor],
        format: VideoFormat,  # noqa: A002 - the word of the field
        arrange: Callable[[VideoFormat], Geometry],
        *,
        presence: PresenceMaker = AlwaysWatched,
        forget: Callable[[], None] = _nothing,
        on_alive: Callable[[], None] = _nothing,
        stages: StageClock | None = None,
        clock: Callable[[], float] = time.monotonic,
        waits: Waits = REAL,
    ) -> None:
        self.format = format
        self.stages = stages or StageClock(time.thread_time)
        self._clock, self._arrange, self._waits = clock, arrange, waits
        self._stop = waits.event()
        self._demand = Demand(waits)
        self._shown_before = 0
        """Composites that had been shown when pictures were last wanted anew."""
        self._frames, self._composites = Latest[Captured](waits), Latest[Shown](waits)
        self._looks = Looks(build)
        self.audience = Audience(lambda there: self._want(previewed=there))
        """The user's own previews: while there is one the session is watched, whatever the presence says."""
        placeholder = Placeholder(format.width, format.height, format.color)
        self.failures = Failures(clock)
        self.camera = CameraLoop(open_camera, self._demand, self._frames, self.stages, Rate(clock), self.failures, waits)
        self._workers = Workers(self._make_worker, forget, self.failures, clock)
        self.output = OutputLoop(
            open_output,
            self._composites,
            self._looks,
            self._demand,
            placeholder,
            self.stages,
            Rate(clock),
            Latencies(),
            self.failures,
            clock,
            on_alive,
            self.audience,
            waits,
        )
        self.presence = presence(lambda: self.output.device, self._attend)
        self._threads = [
            Companion("livebg-output", self.output.run),
            Companion("livebg-camera", self.camera.run),
            Companion("livebg-presence", self._watch),
        ]
        self.began = clock()

    def run(self, on_started: Callable[[], None] = lambda: None) -> Exit:
        """Runs the session in threads of its own, and waits here for its end. May be called once.

        ``on_started`` is called here once the first picture, a placeholder, was written: from then on readers see the camera.

        Raises what a thread died of: :class:`~livebg.errors.SinkError` when the output cannot be opened at first,
        :class:`~livebg.errors.ModelError` when the network cannot be built. What happens later to camera, network or output is
        told by :attr:`reason`, and mended as soon as it can be.
        """
        try:
            for thread in self._all_threads():
                thread.start()
            told = False
            while not self._stop.wait(_TICK):
                self._raise_errors()
                self._workers.replace_hung()
                if not told and self.output.started.is_set():
                    told = True
                    on_started()
                if self.camera.ended and self._is_drained():
                    return Exit.END
            return Exit.STOP
        finally:
            self._end()

    def stop(self) -> None:
        """Ends :meth:`run`, from any thread."""
        self._stop.set()

    def switch(self, build: Callable[[], LiveProcessor], *, at_once: bool) -> None:
        """Another look, from the next picture on. ``build`` is called in the worker's thread; what it raises ends the session.

        ``at_once``: when this returns, no picture of an earlier look leaves any more, and the placeholder bridges the time.
        Otherwise the last of them is repeated until the new look's first is there.
        """
        self._looks.change(build, at_once=at_once)

    def pause(self) -> None:
        """The placeholder, and the camera is let go: when this returns, no picture of it leaves any more."""
        self._want(paused=True)

    def resume(self) -> None:
        """Whatever paused it: the user's word is above the locked screen's."""
        self._want(paused=False, locked=False)

    def lock(self, locked: bool) -> None:
        """The screen was locked, which pauses, or unlocked, which ends that pause and no other."""
        self._want(locked=locked)

    def use_camera(self, open_camera: Callable[[], LiveSource], arrange: Callable[[VideoFormat], Geometry]) -> None:
        """Another camera, or the same one otherwise: it is opened, where pictures are wanted, once the present one is closed."""
        self._arrange = arrange
        self.worker.arrange(arrange)
        self.camera.use(open_camera)

    @property
    def worker(self) -> WorkerLoop:
        """The one at work: when a network hangs, another takes over."""
        return self._workers.current

    @property
    def watched(self) -> bool:
        """Whether anybody is looking, or might be."""
        return self._demand.watched

    @property
    def paused(self) -> bool:
        return self._demand.paused

    @property
    def locked(self) -> bool:
        """Whether it is the locked screen alone that pauses."""
        return self._demand.locked

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def waking(self) -> bool:
        """Whether no picture has been shown since they were last wanted."""
        return self.output.sent == self._shown_before

    @property
    def hanging(self) -> bool:
        """Whether the network does not answer."""
        return self._workers.hanging

    @property
    def state(self) -> State:
        return condition(self)[0]

    @property
    def reason(self) -> str | None:
        """Why the state is what it is."""
        return condition(self)[1]

    @property
    def dropped(self) -> int:
        """Frames that were captured and never shown, since newer ones were there."""
        return self._frames.dropped + self._composites.dropped + self.output.outdated

    @property
    def uptime(self) -> float:
        """Seconds."""
        return self._clock() - self.began

    def _watch(self) -> None:
        try:
            self.presence.run()
        except Exception:  # noqa: BLE001 - whatever it is, the call goes on
            _LOG.exception("nobody can tell any more whether the camera is watched: it stays on")
            self._want(watched=True)

    def _attend(self) -> None:
        self._want(watched=self.presence.watched is not False)

    def _want(
        self,
        *,
        watched: bool | None = None,
        previewed: bool | None = None,
        paused: bool | None = None,
        locked: bool | None = None,
    ) -> None:
        with self._looks.gate:  # no picture is under way when this changes
            changed = self._demand.tell(watched=watched, previewed=previewed, paused=paused, locked=locked)
            if changed and self._demand.wanted:
                self._shown_before = self.output.sent
        if changed and not self._demand.wanted:
            self.camera.release()
            self._frames.clear()
            self._composites.clear()
        self._composites.wake()  # somebody who has just come sees something at once

    def _make_worker(self, processed: int, failed: int) -> WorkerLoop:
        return WorkerLoop(
            self._looks,
            self._arrange,
            self._frames,
            self._composites,
            self.stages,
            self.failures,
            self._clock,
            processed=processed,
            failed=failed,
            waits=self._waits,
        )

    def _all_threads(self) -> tuple[Companion, ...]:
        return *self._threads, self._workers.thread

    def _raise_errors(self) -> None:
        for thread in self._all_threads():
            if thread.error is not None:
                raise thread.error

    def _is_drained(self) -> bool:
        """Whether every frame that was captured has been shown, dropped or failed."""
        return self.camera.captured == self.output.sent + self.dropped + self.worker.failed

    def _end(self) -> None:
        self._stop.set()
        self.audience.close()
        self.presence.stop()
        self.camera.stop()
        self.worker.stop()
        self.output.stop()
        self._frames.close()
        self._composites.close()
        for thread in self._all_threads():
            thread.join(_LEAVE)
