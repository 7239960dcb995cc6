"""A recorded file through the pipeline: the loop that live has with other ends."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from livebg.errors import Stopped
from livebg.imaging.frame import Composite, Frame
from livebg.interfaces import Sink, Source
from livebg.rendering.lookahead import LookAhead


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
    source: Source,
    sink: Sink,
    processor: Processor | LookAhead,
    on_frame: Callable[[int], None],
    stop: threading.Event | None = None,
) -> Rendered:
    """Render every frame of ``source`` into ``sink`` and close both, each by itself or with what comes after it in view.

    ``on_frame`` is told how many frames are done. When anything fails, or ``stop`` is set (then
    :class:`~livebg.errors.Stopped` is raised), the sink is aborted and leaves nothing behind. The loop ends when the source does.
    """
    begin = time.perf_counter()
    sent = 0

    def frames() -> Iterator[Frame]:
        for frame in source:
            if stop is not None and stop.is_set():
                raise Stopped(f"stopped after {sent} frames; the unfinished output was removed")
            yield frame

    with source, sink:
        composites = processor.composites(frames()) if isinstance(processor, LookAhead) else map(processor.process, frames())
        for composite in composites:
            sink.send(composite)
            sent += 1
            on_frame(sent)
    return Rendered(sent, time.perf_counter() - begin)
