"""Where the mattes of a video come from: the network, with or without future frames."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from livebg.imaging.frame import Frame, Matte
from livebg.pipeline import Pipeline
from livebg.rendering.lookahead import LookaheadFilter


class Matting(Protocol):
    """Makes the mattes of successive frames."""

    def mattes(self, frames: Iterable[Frame], wanted: Callable[[Frame], bool]) -> Iterator[tuple[Frame, Matte]]:
        """Yield the ``wanted`` frames with their mattes, in order; the others are seen by the temporal filter only.

        Raises :class:`~livebg.errors.ModelError` if the network fails, and what ``frames`` raises.
        """
        ...


class CausalMatting:
    """Mattes that depend on past frames only."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def mattes(self, frames: Iterable[Frame], wanted: Callable[[Frame], bool]) -> Iterator[tuple[Frame, Matte]]:
        """See :meth:`Matting.mattes`."""
        for frame in frames:
            mask = self._pipeline.mask(frame)
            if wanted(frame):
                yield frame, self._pipeline.refine(mask, frame)


def matting(pipeline: Pipeline, temporal: str, time_constant: float) -> Matting:
    """Return the matting of the setting ``smoothing.temporal``; without a time constant (seconds) no frame waits for others."""
    if temporal == "causal" or not time_constant:
        return CausalMatting(pipeline)
    return LookaheadFilter(pipeline, time_constant)
