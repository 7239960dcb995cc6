"""The live session: starts and supervises its threads.

capture thread -> newest frame -> worker thread -> newest composite -> output thread -> virtual camera. Each queue between two
threads holds one item, so a slow thread lowers the frame rate but adds no latency. A fourth thread detects whether an app uses
the virtual camera: otherwise the camera is closed and the network is idle.
"""

import enum
import logging
import time
from collections.abc import Callable

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.compositing.composite import Placeholder
from livebg.imaging.frame import VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource, Sink
from livebg.live.capture_loop import CapturedFrame, CaptureLoop
from livebg.live.condition import State, describe_state
from livebg.live.demand import Demand
from livebg.live.failure import FailureLog
from livebg.live.latest import LatestSlot
from livebg.live.output_loop import OutputLoop
from livebg.live.presence.device import AlwaysWatched, Presence
from livebg.live.preview_feed import PreviewFeed
from livebg.live.stats import LatencyWindow, RateMeter
from livebg.live.thread import WorkerThread
from livebg.live.worker import ActiveEffect, ProcessedFrame, WorkerLoop
from livebg.live.worker_supervisor import WorkerSupervisor
from livebg.pipeline import Processor

_LOG = logging.getLogger(__name__)
_SUPERVISION_INTERVAL_S = 0.1
_JOIN_TIMEOUT_S = 2.0


class ExitReason(enum.Enum):
    """Why a session ended without an error."""

    END = "the camera stream ended"
    STOP = "it was stopped"


PresenceFactory = Callable[[Callable[[], str | None], Callable[[], None]], Presence]
"""Returns a presence, given a function that returns the output's device node and a callback for changes."""


def _noop() -> None:
    """The default callback: does nothing."""


class Session:
    """Connects a camera to a virtual camera.

    Runs until the stream ends, :meth:`stop` is called or an unrecoverable error occurs.

    - ``open_camera`` opens the camera; called again after a failure. It raises :class:`~livebg.errors.SourceError`.
    - ``open_output`` opens the virtual camera; called again after a failure. It raises :class:`~livebg.errors.SinkError`.
    - ``build`` returns the processor that turns frames into composites. It may be slow; its exceptions end the session.
    - ``format`` is the output format for the whole session: readers of a virtual camera cannot follow a change. ``geometry_for``
      returns the geometry that converts frames of a camera's format to it.
    - ``presence`` detects whether an app uses the virtual camera. By default, one is assumed.
    - ``discard_network`` is called when the network hangs, before ``build`` is called again in another thread. ``on_alive`` is
    called by
      the output thread several times a second.
    - The threads keep time and wait by ``clock``. ``stages`` collects the CPU time of each stage.
    """

    def __init__(
        self,
        open_camera: Callable[[], LiveSource],
        open_output: Callable[[], Sink],
        build: Callable[[], Processor],
        format: VideoFormat,  # noqa: A002 - the usual term
        geometry_for: Callable[[VideoFormat], Geometry],
        *,
        presence: PresenceFactory = AlwaysWatched,
        discard_network: Callable[[], None] = _noop,
        on_alive: Callable[[], None] = _noop,
        stages: StageTimer | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.format = format
        self.stages = stages or StageTimer(time.thread_time)
        self._clock, self._arrange = clock, geometry_for
        self._stop = clock.event()
        self._demand = Demand(clock)
        self._shown_before = 0
        """Number of composites sent when the camera was last needed again."""
        self._frames, self._composites = LatestSlot[CapturedFrame](clock), LatestSlot[ProcessedFrame](clock)
        self._looks = ActiveEffect(build)
        self.audience = PreviewFeed(lambda present: self._update_demand(previewed=present))
        """The user's previews. An open preview counts as watching, regardless of the presence."""
        placeholder = Placeholder(format.width, format.height, format.color)
        self.failures = FailureLog(clock)
        self.camera = CaptureLoop(open_camera, self._demand, self._frames, self.stages, RateMeter(clock), self.failures, clock)
        self._workers = WorkerSupervisor(self._make_worker, discard_network, self.failures, clock)
        self.output = OutputLoop(
            open_output,
            self._composites,
            self._looks,
            self._demand,
            placeholder,
            self.stages,
            RateMeter(clock),
            LatencyWindow(),
            self.failures,
            on_alive,
            self.audience,
            clock,
        )
        self.presence = presence(lambda: self.output.device, self._on_presence_change)
        self._threads = [
            WorkerThread("livebg-output", self.output.run),
            WorkerThread("livebg-camera", self.camera.run),
            WorkerThread("livebg-presence", self._run_presence),
        ]
        self.began = clock.monotonic()

    def run(self, on_started: Callable[[], None] = lambda: None) -> ExitReason:
        """Runs the session and blocks until it ends. May be called once.

        ``on_started`` is called in this thread after the first picture, a placeholder, was written and readers see the camera.

        Re-raises the exception of a failed thread: :class:`~livebg.errors.SinkError` if the output cannot be opened at first,
        :class:`~livebg.errors.ModelError` if the network cannot be built. Later camera, network or output failures are reported
        by :attr:`reason` and retried.
        """
        try:
            for thread in self._all_threads():
                thread.start()
            notified = False
            while not self._stop.wait(_SUPERVISION_INTERVAL_S):
                self._raise_errors()
                self._workers.replace_hung()
                if not notified and self.output.started.is_set():
                    notified = True
                    on_started()
                if self.camera.ended and self._is_drained():
                    return ExitReason.END
            return ExitReason.STOP
        finally:
            self._end()

    def stop(self) -> None:
        """Ends :meth:`run`. Thread-safe."""
        self._stop.set()

    def switch(self, build: Callable[[], Processor], *, at_once: bool) -> None:
        """Switches to another effect. ``build`` is called in the worker thread; its exceptions end the session.

        If ``at_once``, no picture of an earlier effect is sent after this returns; the placeholder is shown until the new
        effect is ready. Otherwise the last picture is repeated until then.
        """
        self._looks.change(build, at_once=at_once)

    def pause(self) -> None:
        """Shows the placeholder and closes the camera. No camera picture is sent after this returns."""
        self._update_demand(paused=True)

    def resume(self) -> None:
        """Ends any pause: the user's command overrides the screen lock."""
        self._update_demand(paused=False, locked=False)

    def lock(self, locked: bool) -> None:
        """Pauses when the screen is locked. Unlocking ends only that pause, not the user's."""
        self._update_demand(locked=locked)

    def use_camera(self, open_camera: Callable[[], LiveSource], geometry_for: Callable[[VideoFormat], Geometry]) -> None:
        """Switches to another camera or other settings. Opens it, if needed, after closing the current one."""
        self._arrange = geometry_for
        self.worker.set_geometry(geometry_for)
        self.camera.use(open_camera)

    @property
    def worker(self) -> WorkerLoop:
        """The current worker. It is replaced if the network hangs."""
        return self._workers.current

    @property
    def watched(self) -> bool:
        """Whether an app or preview is watching, or might be."""
        return self._demand.watched

    @property
    def paused(self) -> bool:
        return self._demand.paused

    @property
    def locked(self) -> bool:
        """Whether only the locked screen has paused the camera."""
        return self._demand.locked

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def waking(self) -> bool:
        """Whether no composite has been shown since the camera was last needed."""
        return self.output.sent == self._shown_before

    @property
    def hanging(self) -> bool:
        """Whether the network does not respond."""
        return self._workers.hanging

    @property
    def state(self) -> State:
        return describe_state(self)[0]

    @property
    def reason(self) -> str | None:
        """The reason for the state, or None."""
        return describe_state(self)[1]

    @property
    def dropped(self) -> int:
        """Number of captured frames that newer ones replaced before they were shown."""
        return self._frames.dropped + self._composites.dropped + self.output.outdated

    @property
    def uptime(self) -> float:
        """Seconds since the session was created."""
        return self._clock.monotonic() - self.began

    def _run_presence(self) -> None:
        try:
            self.presence.run()
        except Exception:  # noqa: BLE001 - a presence failure must not end the call
            _LOG.exception("Presence detection failed. The camera stays on.")
            self._update_demand(watched=True)

    def _on_presence_change(self) -> None:
        self._update_demand(watched=self.presence.watched is not False)

    def _update_demand(
        self,
        *,
        watched: bool | None = None,
        previewed: bool | None = None,
        paused: bool | None = None,
        locked: bool | None = None,
    ) -> None:
        with self._looks.output_lock:  # no picture is being sent when this changes
            changed = self._demand.update(watched=watched, previewed=previewed, paused=paused, locked=locked)
            if changed and self._demand.wanted:
                self._shown_before = self.output.sent
        if changed and not self._demand.wanted:
            self.camera.release()
            self._frames.clear()
            self._composites.clear()
        self._composites.wake()  # a new viewer gets a picture immediately

    def _make_worker(self, processed: int, failed: int) -> WorkerLoop:
        return WorkerLoop(
            self._looks,
            self._arrange,
            self._frames,
            self._composites,
            self.stages,
            self.failures,
            processed=processed,
            failed=failed,
            clock=self._clock,
        )

    def _all_threads(self) -> tuple[WorkerThread, ...]:
        return *self._threads, self._workers.thread

    def _raise_errors(self) -> None:
        for thread in self._all_threads():
            if thread.error is not None:
                raise thread.error

    def _is_drained(self) -> bool:
        """Returns whether every captured frame was shown, dropped or failed."""
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
            thread.join(_JOIN_TIMEOUT_S)
