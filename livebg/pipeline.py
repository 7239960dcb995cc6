"""What happens to a frame between source and sink, live and offline alike. No threads, no input, no output."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from livebg.compositing import Consent, passthrough
from livebg.errors import ModelError
from livebg.frame import Alpha, Composite, Frame, Matte
from livebg.interfaces import Segmenter
from livebg.matting import EdgeUpsampler
from livebg.smoothing import AlphaSmoother
from livebg.timing import StageClock

Look = Callable[[Frame, Matte], Composite]
"""A mode: turns a frame and its matte into what is shown."""


class Pipeline:
    """Frame -> alpha -> steadied in time -> refined at the edges -> composite.

    What it carries from frame to frame is the smoother's state alone, gone after :meth:`reset`: the prior that the network is
    told is the alpha that the smoother made last, as long as that says anything about the frame.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        smoother: AlphaSmoother,
        upsampler: EdgeUpsampler,
        look: Look,
        clock: StageClock | None = None,
    ) -> None:
        self._segmenter = segmenter
        self._smoother = smoother
        self._upsampler = upsampler
        self._look = look
        self._stage = (clock or StageClock()).stage

    def matte(self, frame: Frame) -> Matte:
        """Alpha for ``frame``. Raises :class:`~livebg.errors.ModelError` when the network fails; nothing is carried on then."""
        with self._stage("network"):
            image = frame.rgb(self._segmenter.input_size(frame.width, frame.height))
            try:
                alpha = self._segment(image, frame.time)
            except Exception:
                self.reset()
                raise
        with self._stage("smoothing"):
            steady = self._smoother.smooth(alpha, image, frame.time)
        with self._stage("upsampling"):
            return Matte(self._upsampler.upsample(steady, frame.y), frame.time, frame.time)

    def _segment(self, image: NDArray[np.uint8], time: float) -> Alpha:
        """The network's alpha, trusted only as far as it is one: a NaN would be any number once it is an integer."""
        alpha = self._segmenter.segment(image, self._smoother.past(time, image.shape[:2]))
        if alpha.shape != image.shape[:2] or not np.isfinite(alpha).all():
            raise ModelError(f"the network {self._segmenter.name} gave no usable alpha: choose another with model.name")
        return alpha

    def composite(self, frame: Frame, matte: Matte) -> Composite:
        """What is shown of ``frame``. Raises ValueError when ``matte`` is not this frame's."""
        with self._stage("compositing"):
            return self._look(frame, matte)

    def process(self, frame: Frame) -> Composite:
        return self.composite(frame, self.matte(frame))

    def reset(self) -> None:
        """Forget the past: on a toggle, a seek, a change of format, a gap in time."""
        self._smoother.reset()


class Unprocessed:
    """Mode ``none``: the room as it is, on the user's own word. No network runs."""

    def __init__(self, consent: Consent) -> None:
        self._consent = consent

    def process(self, frame: Frame) -> Composite:
        return passthrough(frame, self._consent)

    def reset(self) -> None:
        """There is no past."""
