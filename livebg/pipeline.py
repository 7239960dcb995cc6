"""What happens to a frame between source and sink, live and offline alike. No threads, no input, no output."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.clock import StageClock
from livebg.compositing.auto_framing import Framing
from livebg.compositing.composite import Consent, part_of, passthrough
from livebg.errors import ModelError
from livebg.imaging.frame import Alpha, Composite, Frame, Matte
from livebg.imaging.optical_flow import Motion
from livebg.interfaces import ScalableSegmenter, Segmenter
from livebg.segmentation.guided_upsampling import EdgeUpsampler
from livebg.segmentation.temporal_filter import AlphaSmoother

Look = Callable[[Frame, Matte], Composite]
"""A mode: turns a frame and its matte into what is shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What the network made of one picture, not steadied: ``alpha`` at model resolution, the picture that it was shown, RGB uint8
    of that size, and its time in seconds."""

    alpha: Alpha
    image: NDArray[np.uint8]
    time: float


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A steadied alpha at model resolution, and the time in seconds of the picture that the network saw."""

    alpha: Alpha
    time: float


class Pipeline:
    """Frame -> alpha -> steadied in time -> refined at the edges -> composite.

    What it carries from frame to frame is the smoother's state alone, gone after :meth:`reset`. The network looks at each picture
    afresh: told of the alpha that was made last it clings to its mistakes (:mod:`livebg.segmentation.temporal_filter` has the
    figures).

    :meth:`mask` may run in one thread while :meth:`refine` and :meth:`composite` run in another; they share nothing.
    ``coarse_look`` is a cheaper ``look`` of the same mode, where there is one; ``framing`` follows the person, where wanted.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        smoother: AlphaSmoother,
        upsampler: EdgeUpsampler,
        look: Look,
        clock: StageClock | None = None,
        coarse_look: Look | None = None,
        framing: Framing | None = None,
    ) -> None:
        self._segmenter = segmenter
        self._smoother = smoother
        self._upsampler = upsampler
        self._look = look
        self._coarse_look = coarse_look
        self._framing = framing
        self.stage = (clock or StageClock()).stage
        """Times a stage of the frame's way, for who takes the way apart."""

    @property
    def has_coarse_look(self) -> bool:
        return self._coarse_look is not None

    def size(self, frame: Frame) -> tuple[int, int]:
        """Width and height of the masks of ``frame``, whatever their scale."""
        return self._segmenter.input_size(frame.width, frame.height)

    def sight(self, frame: Frame, scale: float = 1.0) -> Sight:
        """What the network sees in ``frame``.

        A ``scale`` below 1 has it look at a smaller picture, where it can; the alpha is of the same size all the same, so that
        nothing jumps when the scale changes. Raises :class:`~livebg.errors.ModelError` when the network fails; nothing is carried
        on then.
        """
        with self.stage("network"):
            image = frame.rgb(self.size(frame))
            try:
                alpha = self._segment(image, self._looked_at(frame, scale))
            except Exception:
                self.reset()
                raise
            return Sight(alpha, image, frame.time)

    def mask(self, frame: Frame, scale: float = 1.0, motion: Motion | None = None) -> Mask:
        """:meth:`sight`, steadied in time.

        ``motion`` is the way from ``frame`` back to the one whose mask was made last, for who knows it: it is not looked for a
        second time then. Raises as :meth:`sight` does.
        """
        sight = self.sight(frame, scale)
        with self.stage("smoothing"):
            return Mask(self._smoother.smooth(sight.alpha, sight.image, sight.time, motion), sight.time)

    def refine(self, mask: Mask, frame: Frame) -> Matte:
        """A mask that lies where ``frame`` has the person, refined along the frame's own edges."""
        with self.stage("upsampling"):
            luma, u, v = frame.pyramids
            return Matte(self._upsampler.upsample(mask.alpha, luma, (u, v)), frame.time, mask.time)

    def matte(self, frame: Frame) -> Matte:
        """Alpha for ``frame``. Raises as :meth:`mask` does."""
        return self.refine(self.mask(frame), frame)

    def _looked_at(self, frame: Frame, scale: float) -> tuple[int, int]:
        if scale < 1 and isinstance(self._segmenter, ScalableSegmenter):
            return self._segmenter.scaled_size(frame.width, frame.height, scale)
        return self.size(frame)

    def _segment(self, image: NDArray[np.uint8], size: tuple[int, int]) -> Alpha:
        """The network's alpha of ``image`` looked at in ``size``, trusted only as far as it is one: a NaN would be any number
        once it is an integer."""
        own = (image.shape[1], image.shape[0])
        picture = image if size == own else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        alpha = self._segmenter.segment(picture)
        if alpha.shape != picture.shape[:2] or not np.isfinite(alpha).all():
            raise ModelError(f"the network {self._segmenter.name} gave no usable alpha: choose another with model.name")
        return _at(alpha, own)

    def composite(self, frame: Frame, matte: Matte, *, coarse: bool = False) -> Composite:
        """What is shown of ``frame``; ``coarse`` is cheaper where there is a coarse look, and the same elsewhere.

        Raises ValueError when ``matte`` is not this frame's.
        """
        look = self._coarse_look if coarse and self._coarse_look is not None else self._look
        with self.stage("compositing"):
            shown = look(frame, matte)
        if self._framing is None:
            return shown
        with self.stage("framing"):
            return part_of(shown, self._framing.view(matte.alpha, frame.time))

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


def _at(alpha: Alpha, size: tuple[int, int]) -> Alpha:
    """An alpha at ``size``; the very same object where it has it."""
    if alpha.shape == size[::-1]:
        return alpha
    return np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR), np.float32)
