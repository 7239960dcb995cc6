"""The processing steps between source and sink, the same for live and offline use. No threads, no input or output."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.clock import StageTimer
from livebg.compositing.composite import Consent, passthrough
from livebg.compositing.compositor import Compositor
from livebg.errors import ModelError
from livebg.imaging.frame import Alpha, Composite, Frame, Matte
from livebg.imaging.optical_flow import FlowField
from livebg.interfaces import ScalableSegmenter, Segmenter
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The unfiltered output of the network for one picture: ``alpha`` at model resolution, the input picture ``image``, RGB uint8
    of the same size, its time in seconds, and the optical flow back to the picture before, if there is one and it is known."""

    alpha: Alpha
    image: NDArray[np.uint8]
    time: float
    motion: FlowField | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A temporally filtered alpha at model resolution, and the time in seconds of the picture that the network processed."""

    alpha: Alpha
    time: float


class Processed(NamedTuple):
    """A processed frame: its composite, and the matte that is shown in it; None if no network ran.

    ``frames_ago`` is how many frames before the current one the processor received it; 0 unless the processor delays frames.
    """

    composite: Composite
    matte: Matte | None
    frames_ago: int = 0


class Processor(Protocol):
    """Turns frames into composites, one by one."""

    @property
    def oversampling(self) -> float:
        """How many times the output's width and height the frames may have. The composites have the output's size."""
        ...

    def process(self, frame: Frame) -> Processed | None:
        """Return a processed frame, or None if all frames since the last one wait for later frames.

        Processed frames are returned in order; a frame that was passed over is never returned. Raises
        :class:`~livebg.errors.ModelError` if the network fails.
        """
        ...

    def reset(self) -> None:
        """Clear the temporal state and drop the waiting frames: after a toggle, a seek, a change of format or a gap in time."""
        ...


class Pipeline:
    """Frame -> alpha -> temporal filter -> guided upsampling -> composite.

    The only state between frames is that of the temporal filter and the compositor; :meth:`reset` clears it. The network
    processes each picture independently: feeding it the previous alpha makes its mistakes persist.

    :meth:`mask` may run in one thread while :meth:`refine` and :meth:`finish` run in another; they share no state.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        smoother: TemporalFilter,
        upsampler: GuidedUpsampler,
        compositor: Compositor,
        stages: StageTimer | None = None,
    ) -> None:
        self._segmenter = segmenter
        self._smoother = smoother
        self._upsampler = upsampler
        self.compositor = compositor
        """Turns frames and their mattes into composites."""
        self.stage = (stages or StageTimer()).stage
        """Context manager that times a stage, for callers that run the steps separately."""

    @property
    def oversampling(self) -> float:
        """See :attr:`Processor.oversampling`."""
        return self.compositor.oversampling

    def size(self, frame: Frame) -> tuple[int, int]:
        """Return width and height of the masks of ``frame``, the same at every scale."""
        return self._segmenter.input_size(frame.width, frame.height)

    def picture(self, frame: Frame) -> NDArray[np.uint8]:
        """Return ``frame`` at the size of its mask, RGB."""
        return frame.rgb(self.size(frame))

    def predict(self, frame: Frame, scale: float = 1.0) -> Prediction:
        """Run the network on ``frame``.

        With ``scale`` below 1 a scalable network processes a smaller picture; its alpha is resized to the usual size, so that
        nothing jumps when the scale changes. Raises :class:`~livebg.errors.ModelError` if the network fails, after clearing the
        temporal state.
        """
        with self.stage("network"):
            image = self.picture(frame)
            try:
                alpha = self._segment(image, self._input_size(frame, scale))
            except Exception:
                self.reset()
                raise
            return Prediction(alpha, image, frame.time)

    def mask(self, frame: Frame, scale: float = 1.0, motion: FlowField | None = None) -> Mask:
        """Run :meth:`predict` and filter its alpha over time.

        ``motion`` is the optical flow from ``frame`` back to the frame of the previous mask, if the caller has computed it
        already. Raises as :meth:`predict` does.
        """
        prediction = self.predict(frame, scale)
        with self.stage("smoothing"):
            return Mask(self._smoother.smooth(prediction.alpha, prediction.image, prediction.time, motion), prediction.time)

    def refine(self, mask: Mask, frame: Frame) -> Matte:
        """Upsample a mask that is aligned with ``frame``, following the frame's edges. The compositor shifts the edge later."""
        with self.stage("upsampling"):
            luma, u, v = frame.pyramids
            return Matte(self._upsampler.upsample(mask.alpha, luma, (u, v)), frame.time, mask.time)

    def matte(self, frame: Frame) -> Matte:
        """Return the matte of ``frame``. Raises as :meth:`mask` does."""
        return self.refine(self.mask(frame), frame)

    def _input_size(self, frame: Frame, scale: float) -> tuple[int, int]:
        if scale < 1 and isinstance(self._segmenter, ScalableSegmenter):
            return self._segmenter.scaled_size(frame.width, frame.height, scale)
        return self.size(frame)

    def _segment(self, image: NDArray[np.uint8], size: tuple[int, int]) -> Alpha:
        """Run the network on ``image`` at ``size``. Checks the result: a NaN would become an arbitrary integer in a later
        conversion."""
        full_size = (image.shape[1], image.shape[0])
        scaled = size != full_size
        picture = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) if scaled else image
        alpha = self._segmenter.segment(picture)
        if alpha.shape != picture.shape[:2] or not np.isfinite(alpha).all():
            raise ModelError(f"The network {self._segmenter.name} returned no usable alpha.", "Choose another with model.name.")
        return np.asarray(cv2.resize(alpha, full_size, interpolation=cv2.INTER_LINEAR), np.float32) if scaled else alpha

    def finish(self, frame: Frame, matte: Matte, *, coarse: bool = False) -> Processed:
        """Return the composite of ``frame``, which was made with ``matte``, and the matte as shown: with its edge shifted.

        ``coarse`` selects the coarse effect, if there is one. Raises ValueError if ``matte`` belongs to another frame.
        """
        return Processed(*self.compositor.composite(frame, matte, coarse=coarse))

    def process(self, frame: Frame) -> Processed:
        """May raise as :meth:`mask` does."""
        return self.finish(frame, self.matte(frame))

    def reset(self) -> None:
        """See :meth:`Processor.reset`."""
        self._smoother.reset()
        self.compositor.reset()


class Passthrough:
    """Mode ``none``: passes frames through unchanged, with the user's explicit consent. No network runs."""

    oversampling = 1.0

    def __init__(self, consent: Consent) -> None:
        self._consent = consent

    def process(self, frame: Frame) -> Processed:
        return Processed(passthrough(frame, self._consent), None)

    def reset(self) -> None:
        """Do nothing: there is no state."""
