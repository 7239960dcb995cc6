"""Measures the CPU cost and latency of the live session, to compare with a session that passes frames through."""

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from livebg.bench.profile import StackProfiler
from livebg.bench.recording import RecordedCamera, Recording
from livebg.clock import StageTimer, one_opencv_thread
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.errors import LivebgError
from livebg.imaging.geometry import Geometry
from livebg.live.capture_loop import Camera
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.output_loop import Output
from livebg.live.session import Session
from livebg.live.snapshot import describe
from livebg.live.stats import Latency
from livebg.live.threads import WorkerThread
from livebg.sinks.virtual_camera import NullSink

_START_TIMEOUT_S: Final = 60.0
"""Time within which a session goes live, including loading the network."""


@dataclass(frozen=True, slots=True)
class LiveCost:
    """The cost of a session over some seconds: ``stages`` in CPU milliseconds per frame that passed the stage, ``total`` in CPU
    milliseconds of the process per frame that passed all of them; frames per second; captured and dropped frames; and the latency
    from capture to output."""

    model: str
    provider: str
    input_size: tuple[int, int] | None
    stages: dict[str, float]
    total: float
    fps_in: float
    fps_out: float
    captured: int
    dropped: int
    latency: Latency | None

    @property
    def in_stages(self) -> float:
        """CPU milliseconds per frame of all stages together."""
        return sum(self.stages.values())


def bench_live(
    settings: Settings,
    recording: Recording,
    seconds: float,
    consent: Consent | None = None,
    profiler: StackProfiler | None = None,
) -> LiveCost:
    """Run a session on ``recording`` as the camera, with a null output, and measure it for ``seconds`` once it is live.

    Quality is never reduced for speed or battery, so that idle and busy machines do the same work. With the user's ``consent``
    frames pass through unchanged, to an output that shows them nowhere: the baseline for comparison. A ``profiler`` runs while
    it is measured and adds to the cost. Raises the session's errors, and :class:`~livebg.errors.LivebgError` if it does not go
    live.
    """
    governor = settings.governor.model_copy(update={"enabled": False})
    stages, shape = StageTimer(), recording.format
    builder = ProcessorFactory(settings.model_copy(update={"governor": governor}), consent, stages, shape)
    geometry = Geometry((shape.width, shape.height), settings.camera.mirror)
    camera = Camera(lambda: RecordedCamera(recording), lambda _: geometry)
    with one_opencv_thread():
        session = Session(camera, Output(NullSink, shape), builder, discard_network=builder.discard_network, stages=stages)
        thread = WorkerThread("livebg-session", session.run)
        thread.start()
        try:
            _await_live(session, thread)
            with profiler or nullcontext():
                return _measure(session, builder, seconds)
        finally:
            session.stop()
            thread.join(_START_TIMEOUT_S)


def _await_live(session: Session, thread: WorkerThread) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while (described := describe(session.snapshot()))[0] != "live":
        if thread.error is not None:
            raise thread.error
        if time.monotonic() > deadline:
            raise LivebgError(
                f"The session did not go live within {_START_TIMEOUT_S:.0f} s ({described[1]}).", "Try a faster network."
            )
        time.sleep(0.05)
    time.sleep(1)  # the first frames have cold caches


def _measure(session: Session, builder: ProcessorFactory, seconds: float) -> LiveCost:
    cpu, before = time.process_time(), session.snapshot()
    time.sleep(seconds)
    after, cpu = session.snapshot(), time.process_time() - cpu
    elapsed, frames = after.uptime - before.uptime, max(after.counts.captured - before.counts.captured, 1)
    processed_frames = max(after.counts.processed - before.counts.processed, 1)
    camera = after.stages["camera"] - before.stages["camera"]
    spent = {
        name: (value - before.stages.get(name, 0)) / (frames if name == "camera" else processed_frames) * 1000
        for name, value in after.stages.items()
    }
    segmenter, shape = builder.segmenter, session.format
    return LiveCost(
        segmenter.name if segmenter else "none",
        segmenter.provider if segmenter else "none",
        segmenter.input_size(shape.width, shape.height) if segmenter else None,
        spent,
        (camera / frames + (cpu - camera) / processed_frames) * 1000,
        frames / elapsed,
        (after.counts.sent - before.counts.sent) / elapsed,
        frames,
        after.counts.dropped - before.counts.dropped,
        after.latency,
    )
