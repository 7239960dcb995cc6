"""A recorded file through the pipeline: the loop that live has with other ends."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from livebg.errors import Stopped
from livebg.frame import Composite, Frame
from livebg.interfaces import Sink, Source


class Processor(Protocol):
    """Frame in, composite out: :class:`~livebg.pipeline.Pipeline`, or the room as it is."""

    def process(self, frame: Frame) -> Composite: ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of one file: frames written and seconds of wall time that it took."""

    frames: int
    seconds: float

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0


def render(
    source: Source, sink: Sink, processor: Processor, on_frame: Callable[[int], None], stop: threading.Event | None = None
) -> Rendered:
    """Render every frame of ``source`` into ``sink`` and close both.

    ``on_frame`` is told how many frames are done. When anything fails, or ``stop`` is set (then
    :class:`~livebg.errors.Stopped` is raised), the sink is aborted and leaves nothing behind. The loop ends when the source does.
    """
    begin = time.perf_counter()
    frames = 0
    with source, sink:
        for frame in source:
            if stop is not None and stop.is_set():
                raise Stopped(f"stopped after {frames} frames; the unfinished output was removed")
            # Look-ahead will stand here: a pass over the matte track, between Pipeline.matte and Pipeline.composite.
            sink.send(processor.process(frame))
            frames += 1
            on_frame(frames)
    return Rendered(frames, time.perf_counter() - begin)
