"""The live session: starts and supervises its threads.

capture thread -> newest frame -> worker thread -> newest composite -> output thread -> virtual camera. Each queue between two
threads holds one item, so a slow thread lowers the frame rate but adds no latency. A fourth thread detects whether an app uses
the virtual camera: otherwise the camera is closed and the network is idle. Several virtual cameras receive the same composites,
each in a thread of its own.
"""

import enum
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.live.capture_loop import Camera, CaptureLoop
from livebg.live.frame_path import Build, FramePath
from livebg.live.output_loop import Output, OutputGroup
from livebg.live.preview_feed import PreviewFeed
from livebg.live.snapshot import SessionSnapshot
from livebg.live.stats import Counts, FailureLog
from livebg.live.threads import WorkerThread
from livebg.live.worker import WorkerLoop
from livebg.live.worker_supervisor import WorkerSupervisor

_SUPERVISION_INTERVAL_S: Final = 0.1
_IDLE_SUPERVISION_INTERVAL_S: Final = 2.0
"""Interval while no frame is on its way. A thread that ends is noticed immediately."""
_JOIN_TIMEOUT_S: Final = 2.0


class ExitReason(enum.Enum):
    """Why a session ended without an error."""

    END = "the camera stream ended"
    STOP = "it was stopped"
    UPGRADE = "another version was installed"


def _noop() -> None:
    """The default callback: does nothing."""


class Session:
    """Connects a camera to a virtual camera, and to ``further_outputs`` of the same format.

    Runs until the stream ends, :meth:`stop` is called or an unrecoverable error occurs.

    ``build`` returns the processor that turns frames into composites. It may be slow; its exceptions end the session.
    ``discard_network`` is called when the network hangs, before ``build`` is called again in another thread. ``stages`` collects
    the CPU time of each stage. The threads keep time and wait by ``clock``.
    """

    def __init__(
        self,
        camera: Camera,
        output: Output,
        build: Build,
        *,
        further_outputs: Sequence[Output] = (),
        discard_network: Callable[[], None] = _noop,
        stages: StageTimer | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.format: Final = output.format
        self._clock, self._began = clock, clock.monotonic()
        self._stop, self._attention = clock.event(), clock.event()
        """``_attention`` ends a wait for the next supervision."""
        self._stages = stages or StageTimer()
        self._path = FramePath(build, clock, 1 + len(further_outputs))
        self._demand = self._path.demand
        self._demand.listener = self._on_demand_update
        self._failures = FailureLog(clock)
        self.audience = PreviewFeed(lambda present: self._demand.update(previewed=present), self._path.may_show)
        """The user's previews. An open preview counts as watching, regardless of the presence."""
        self.on_pause: Callable[[], object] = _noop
        """Called before :meth:`pause` and :meth:`lock` return if they pause the camera."""
        self._capture = CaptureLoop(camera, self._path, self._stages, self._failures, clock)
        make_worker = partial(WorkerLoop, self._path, self._stages, self._failures, clock)
        self._workers = WorkerSupervisor(make_worker, discard_network, self._failures, clock, self._attention.set)
        self._outputs = OutputGroup((output, *further_outputs), self._path, self.audience, self._stages, self._failures, clock)
        self.output: Final = self._outputs.loops[0]
        self._threads: list[WorkerThread] = []

    def run(self, on_started: Callable[[], None] = _noop, on_alive: Callable[[], None] = _noop) -> ExitReason:
        """Run the session and block until it ends. May be called once.

        ``on_started`` is called in this thread after the first picture, a placeholder, was written and readers see the camera.
        ``on_alive`` is called by the output threads several times a second.

        Re-raises the exception of a failed thread: :class:`~livebg.errors.SinkError` if no output can be opened at first,
        :class:`~livebg.errors.ModelError` if the network cannot be built. Later camera, network or output failures are described
        by the :meth:`snapshot` and retried.
        """
        self._threads = [
            *self._outputs.threads(on_alive, self._attention.set),
            WorkerThread("livebg-camera", self._capture.run, self._attention.set),
        ]
        try:
            for thread in (*self._threads, self._workers.thread):
                thread.start()
            notified = False
            while True:
                self._attention.wait(_SUPERVISION_INTERVAL_S if self._active or not notified else _IDLE_SUPERVISION_INTERVAL_S)
                self._attention.clear()
                if self._stop.is_set():
                    return ExitReason.STOP
                for thread in (*self._threads, self._workers.thread):
                    if thread.error is not None:
                        raise thread.error
                self._workers.replace_hung()
                if not notified and self._outputs.started:
                    notified = True
                    on_started()
                if self._capture.ended and self._is_drained():
                    return ExitReason.END
        finally:
            self._end()

    def stop(self) -> None:
        """End :meth:`run`. Thread-safe."""
        self._stop.set()
        self._attention.set()

    def switch(self, build: Build, *, at_once: bool) -> None:
        """Switch to another effect. ``build`` is called in the worker thread; its exceptions end the session.

        If ``at_once``, no output starts to send a picture of an earlier effect after this returns, and previews get none; the
        placeholder is shown until the new effect is ready. Otherwise the last picture is repeated until then.
        """
        self._path.switch(build, at_once=at_once)
        if at_once:
            self.audience.clear()

    def pause(self) -> None:
        """Show the placeholder and close the camera. No output starts to send a camera picture after this returns, and previews
        get none."""
        self._demand.update(paused=True)
        self.audience.clear()

    def resume(self) -> None:
        """End any pause: the user's command overrides the screen lock."""
        self._demand.update(paused=False, locked=False)

    def lock(self, locked: bool) -> None:
        """Pause when the screen is locked. Unlocking ends only that pause, not the user's."""
        self._demand.update(locked=locked)
        if locked:
            self.audience.clear()

    @property
    def paused(self) -> bool:
        """Whether the user or the screen lock has paused the camera."""
        return self._demand.paused

    def use_camera(self, camera: Camera) -> None:
        """Switch to another camera or other settings. Opens it, if needed, after closing the current one."""
        self._capture.use(camera)

    def snapshot(self) -> SessionSnapshot:
        """Return what the session is doing now. Thread-safe."""
        capture, worker, output, demand = self._capture, self._workers.current, self._outputs.leader, self._demand
        return SessionSnapshot(
            camera_lost=capture.lost,
            output_lost=self._outputs.lost,
            failing=worker.failing,
            stopping=self._stop.is_set(),
            locked=demand.locked,
            paused=demand.paused,
            watched=demand.watched,
            showing=output.showing,
            loading=worker.loading,
            busy_seconds=self._workers.busy_seconds,
            waking=output.generation != demand.generation,
            uptime=self._clock.monotonic() - self._began,
            source=capture.source,
            opened=capture.opened,
            device=self.output.device,
            fps_in=capture.rate.per_second,
            fps_out=output.rate.per_second,
            counts=Counts(
                captured=capture.captured,
                dropped=self._path.captured.dropped + self._path.dropped_waiting + output.dropped,
                processed=worker.processed,
                sent=output.sent,
                placeholders=output.placeholders,
                repeated=output.repeated,
                failed=worker.failed,
            ),
            latency=output.latencies.summary(),
            stages=dict(self._stages.seconds),
            last_error=self._failures.last,
            watched_by=self._outputs.watched_by,
            previews=self.audience.count,
            outputs=self._outputs.snapshots(),
        )

    @property
    def _active(self) -> bool:
        """Whether a frame is on its way, so that the network can hang or the stream end."""
        return self._demand.wanted or self._capture.ended or self._workers.busy_seconds > 0

    def _on_demand_update(self, changed: bool) -> None:
        self._attention.set()
        if self._demand.paused:
            self.on_pause()
        if changed and not self._demand.wanted:
            self._capture.release()
            self._path.clear()
        self._path.composites.wake()  # a new viewer gets a picture immediately

    def _is_drained(self) -> bool:
        """Return whether every captured frame was shown, dropped or failed, or waits for a later one."""
        counts = self.snapshot().counts
        return counts.captured == counts.sent + counts.dropped + counts.failed + self._workers.current.waiting

    def _end(self) -> None:
        self._stop.set()
        self.audience.close()
        self._outputs.stop()
        self._capture.stop()
        self._workers.current.stop()
        self._path.close()
        for thread in (*self._threads, self._workers.thread):
            thread.join(_JOIN_TIMEOUT_S)
