"""What a frame of the live session costs, and how late it is, told beside the same session that changes nothing."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.clock import one_opencv_thread
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.daemon.bootstrap import build_session
from livebg.errors import LivebgError
from livebg.live.condition import State
from livebg.live.effect_builder import LookBuilder
from livebg.live.session import Session
from livebg.live.stats import Latency
from livebg.live.thread import Companion

_PATIENCE: Final = 60.0
"""Seconds within which a session goes live, its network loaded."""


@dataclass(frozen=True, slots=True)
class LiveCost:
    """Of one session over some seconds: ``stages`` in CPU milliseconds a frame that went through the stage, ``total`` those of
    the whole process a captured frame; frames a second; frames captured and dropped; and the delay from capture to output.
    """

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
        """All stages together, CPU milliseconds a frame."""
        return sum(self.stages.values())


def bench_live(settings: Settings, clip: Path, seconds: float, consent: Consent | None = None) -> LiveCost:
    """Run a session on ``clip``, played in real time, to no output, and measure it for ``seconds`` once it is live.

    Nothing is given up for speed or for the battery: figures of a machine at rest and of a busy one are of the same work.
    With the user's ``consent`` it passes frames on as they are, to an output that shows them nowhere: what everything else is
    compared with. Raises what a session raises, and :class:`~livebg.errors.LivebgError` when it does not get going.
    """
    camera = settings.camera.model_copy(update={"device": str(clip)})
    output = settings.output.model_copy(update={"backend": "null"})
    governor = settings.governor.model_copy(update={"enabled": False})
    parts = {"camera": camera, "output": output, "governor": governor}
    with one_opencv_thread():
        session, builder = build_session(settings.model_copy(update=parts), consent)
        thread = Companion("livebg-session", session.run)
        thread.start()
        try:
            _await_live(session, thread)
            return _measure(session, builder, seconds)
        finally:
            session.stop()
            thread.join(_PATIENCE)


def _await_live(session: Session, thread: Companion) -> None:
    deadline = time.monotonic() + _PATIENCE
    while session.state is not State.LIVE:
        if thread.error is not None:
            raise thread.error
        if time.monotonic() > deadline:
            raise LivebgError(f"nothing came out within {_PATIENCE:.0f} s ({session.reason}): try a faster network")
        time.sleep(0.05)
    time.sleep(1)  # the first frames meet cold caches


def _measure(session: Session, builder: LookBuilder, seconds: float) -> LiveCost:
    cpu, wall, stages = time.process_time(), time.monotonic(), dict(session.stages.seconds)
    captured, dropped, sent = session.camera.captured, session.dropped, session.output.sent
    processed = session.worker.processed
    time.sleep(seconds)
    elapsed, frames = time.monotonic() - wall, max(session.camera.captured - captured, 1)
    through = max(session.worker.processed - processed, 1)
    spent = {
        name: (value - stages.get(name, 0)) / (frames if name == "camera" else through) * 1000
        for name, value in session.stages.seconds.items()
    }
    segmenter, shape = builder.segmenter, session.format
    return LiveCost(
        segmenter.name if segmenter else "none",
        segmenter.provider if segmenter else "none",
        segmenter.input_size(shape.width, shape.height) if segmenter else None,
        spent,
        (time.process_time() - cpu) / frames * 1000,
        frames / elapsed,
        (session.output.sent - sent) / elapsed,
        frames,
        session.dropped - dropped,
        session.output.latencies.summary(),
    )
