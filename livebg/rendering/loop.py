"""The offline frame loop: source to sink through a processor."""

import threading
from collections.abc import Callable, Iterable, Iterator
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


def render(
    source: Source,
    sink: Sink,
    processor: VideoProcessor,
    on_frame: Callable[[int], None],
    stop: threading.Event | None = None,
) -> int:
    """Render every frame of ``source`` into ``sink`` until the source ends, and close both. Returns the number of frames.

    ``on_frame`` receives the number of frames done. On an error, or if ``stop`` is set (which raises
    :class:`~livebg.errors.Cancelled`), the sink is aborted and removes its output.
    """
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
    return sent
