"""The live session: three threads, and the only place where threads are started.

camera thread -> newest frame -> worker thread -> newest composite -> output thread -> the virtual camera. Each slot between two
threads holds one item, so a slow thread makes the picture rarer, never later.
"""

import enum
import threading
import time
from collections.abc import Callable

from livebg.compositing import Placeholder
from livebg.frame import VideoFormat
from livebg.geometry import Geometry
from livebg.interfaces import LiveSource, Sink
from livebg.live.camera import CameraLoop, Captured
from livebg.live.failure import Failures
from livebg.live.latest import Latest
from livebg.live.meters import Latencies, Rate
from livebg.live.output import OutputLoop
from livebg.live.thread import Companion
from livebg.live.worker import LiveProcessor, Looks, Shown, WorkerLoop
from livebg.timing import StageClock

_TICK = 0.1
"""Seconds between two looks at the threads."""
_HUNG = 2.0
"""Seconds for which a network may think about one frame before it is said that it hangs."""
_LEAVE = 2.0
"""Seconds that a thread gets to end."""


class Exit(enum.Enum):
    """Why a session ended without an error."""

    END = "the camera's stream ended"
    STOP = "it was stopped"


class State(enum.StrEnum):
    """What a session is doing. In every state but LIVE the placeholder is shown."""

    ASLEEP = "asleep"
    WAKING = "waking"
    LIVE = "live"
    CAMERA_LOST = "camera lost"
    STALLED = "stalled"
    PAUSED = "paused"
    STOPPING = "stopping"


class Session:
    """From a camera to a virtual camera, until it ends, is stopped, or something that it cannot mend goes wrong.

    - ``open_camera`` opens the camera, whenever there is none; it raises :class:`~livebg.errors.SourceError`.
    - ``open_output`` opens the virtual camera, whenever there is none; it raises :class:`~livebg.errors.SinkError`.
    - ``build`` makes what turns frames into composites; it may take its time, and what it raises ends the session.
    - ``format`` is the output's, for the whole session: readers of a virtual camera cannot follow a change. ``arrange``
      tells what brings the frames of a camera, by its format, to it.
    - ``clock`` is in seconds and never goes back; ``stages`` takes the CPU time of each stage.
    """

    def __init__(
        self,
        open_camera: Callable[[], LiveSource],
        open_output: Callable[[], Sink],
        build: Callable[[], LiveProcessor],
        format: VideoFormat,  # noqa: A002 - the word of the field
        arrange: Callable[[VideoFormat], Geometry],
        *,
        stages: StageClock | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.format = format
        self.stages = stages or StageClock(time.thread_time)
        self._clock = clock
        self._stop = threading.Event()
        self._frames, self._composites = Latest[Captured](), Latest[Shown]()
        self._looks = Looks(build)
        placeholder = Placeholder(format.width, format.height, format.color)
        self.failures = Failures(clock)
        self.camera = CameraLoop(open_camera, self._frames, self.stages, Rate(clock), self.failures)
        self.worker = WorkerLoop(self._looks, arrange, self._frames, self._composites, self.stages, self.failures, clock)
        self.output = OutputLoop(
            open_output, self._composites, self._looks, placeholder, self.stages, Rate(clock), Latencies(), self.failures, clock
        )
        self._threads = [
            Companion("livebg-output", self.output.run),
            Companion("livebg-worker", self.worker.run),
            Companion("livebg-camera", self.camera.run),
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
            for thread in self._threads:
                thread.start()
            told = False
            while not self._stop.wait(_TICK):
                self._raise_errors()
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

    def switch(self, build: Callable[[], LiveProcessor]) -> None:
        """Another look, from the next picture on: when this returns, no picture of the look before leaves any more."""
        self._looks.change(build)

    def condition(self) -> tuple[State, str | None]:
        """The state, and why it is not LIVE, as a sentence for people; both of the same moment."""
        camera_lost, output_lost, failing = self.camera.lost, self.output.lost, self.worker.failing
        if self._stop.is_set():
            return State.STOPPING, None
        if camera_lost is not None:
            return State.CAMERA_LOST, camera_lost
        if output_lost is not None:
            return State.STALLED, output_lost
        if self.output.showing:
            return State.LIVE, None
        if self.worker.loading:
            return State.WAKING, "the network is being loaded"
        if self._hangs():
            return State.STALLED, "the network does not answer"
        if failing is not None:
            return State.STALLED, failing
        if self.output.sent == 0:
            return State.WAKING, "the camera is being opened"
        return State.STALLED, "pictures come too rarely: the last one is older than a quarter of a second"

    @property
    def state(self) -> State:
        return self.condition()[0]

    @property
    def reason(self) -> str | None:
        """Why the state is what it is."""
        return self.condition()[1]

    @property
    def dropped(self) -> int:
        """Frames that were captured and never shown, since newer ones were there."""
        return self._frames.dropped + self._composites.dropped + self.output.outdated

    @property
    def uptime(self) -> float:
        """Seconds."""
        return self._clock() - self.began

    def _hangs(self) -> bool:
        since = self.worker.busy_since
        return since is not None and self._clock() - since > _HUNG

    def _raise_errors(self) -> None:
        for thread in self._threads:
            if thread.error is not None:
                raise thread.error

    def _is_drained(self) -> bool:
        """Whether every frame that was captured has been shown, dropped or failed."""
        return self.camera.captured == self.output.sent + self.dropped + self.worker.failed

    def _end(self) -> None:
        self._stop.set()
        self.camera.stop()
        self.worker.stop()
        self.output.stop()
        self._frames.close()
        self._composites.close()
        for thread in self._threads:
            thread.join(_LEAVE)
