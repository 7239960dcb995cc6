"""Measures the CPU cost and latency of the live session, to compare with a session that passes frames through."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.clock import one_opencv_thread
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.daemon.bootstrap import build_session
from livebg.errors import LivebgError
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.session import Session
from livebg.live.snapshot import State, describe
from livebg.live.stats import Latency
from livebg.live.thread import WorkerThread

_START_TIMEOUT_S: Final = 60.0
"""Time within which a session goes live, including loading the network."""


@dataclass(frozen=True, slots=True)
class LiveCost:
    """The cost of a session over some seconds: ``stages`` in CPU milliseconds per frame that passed the stage, ``total`` in CPU
    milliseconds of the process per captured frame; frames per second; captured and dropped frames; and the latency from capture
    to output."""

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


def bench_live(settings: Settings, clip: Path, seconds: float, consent: Consent | None = None) -> LiveCost:
    """Run a session on ``clip``, played in real time, with a null output, and measure it for ``seconds`` once it is live.

    Quality is never reduced for speed or battery, so that idle and busy machines do the same work. With the user's ``consent``
    frames pass through unchanged, to an output that shows them nowhere: the baseline for comparison. Raises the session's errors,
    and :class:`~livebg.errors.LivebgError` if it does not go live.
    """
    camera = settings.camera.model_copy(update={"device": str(clip)})
    output = settings.output.model_copy(update={"backend": "null"})
    governor = settings.governor.model_copy(update={"enabled": False})
    parts = {"camera": camera, "output": output, "governor": governor}
    with one_opencv_thread():
        session, builder = build_session(settings.model_copy(update=parts), consent)
        thread = WorkerThread("livebg-session", session.run)
        thread.start()
        try:
            _await_live(session, thread)
            return _measure(session, builder, seconds)
        finally:
            session.stop()
            thread.join(_START_TIMEOUT_S)


def _await_live(session: Session, thread: WorkerThread) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while (described := describe(session.snapshot()))[0] is not State.LIVE:
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
    after = session.snapshot()
    elapsed, frames = after.uptime - before.uptime, max(after.counts.captured - before.counts.captured, 1)
    processed_frames = max(after.counts.processed - before.counts.processed, 1)
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
        (time.process_time() - cpu) / frames * 1000,
        frames / elapsed,
        (after.counts.sent - before.counts.sent) / elapsed,
        frames,
        after.counts.dropped - before.counts.dropped,
        after.latency,
    )
