"""The offline frame loop: source to sink through a processor."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from livebg.errors import Cancelled
from livebg.imaging.frame import Composite, Frame
from livebg.interfaces import Sink, Source


class VideoProcessor(Protocol):
    """Turns the frames of a video into composites.

    :class:`~livebg.pipeline.Pipeline` and :class:`~livebg.pipeline.Passthrough` process one frame after the other;
    :class:`~livebg.rendering.lookahead.LookaheadFilter` also uses future frames.
    """

    def composites(self, frames: Iterable[Frame]) -> Iterator[Composite]:
        """Yield one composite for each of ``frames``, in order."""
        ...


@dataclass(frozen=True, slots=True)
class RenderResult:
    """The result of one file: number of frames written, and wall time in seconds."""

    frames: int
    seconds: float

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0


def render(
    source: Source,
    sink: Sink,
    processor: VideoProcessor,
    on_frame: Callable[[int], None],
    stop: threading.Event | None = None,
) -> RenderResult:
    """Render every frame of ``source`` into ``sink`` until the source ends, and close both.

    ``on_frame`` receives the number of frames done. On an error, or if ``stop`` is set (which raises
    :class:`~livebg.errors.Cancelled`), the sink is aborted and removes its output.
    """
    begin = time.perf_counter()
    sent = 0

    def frames() -> Iterator[Frame]:
        for frame in source:
            if stop is not None and stop.is_set():
                raise Cancelled(f"Stopped after {sent} frames. The unfinished output was removed.")
            yield frame

    with source, sink:
        for composite in processor.composites(frames()):
            sink.send(composite)
            sent += 1
            on_frame(sent)
    return RenderResult(sent, time.perf_counter() - begin)
