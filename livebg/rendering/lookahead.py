"""Temporal filter for recorded files: the causal filter forward, then the same filter backward over a short look-ahead.

A recursive filter that runs in both directions has zero phase: alpha neither trails behind motion nor runs ahead of it. Over 16
clips each, its dtSSD is 10 % below that of the causal filter for slow motion and 12 % for fast, at equal or lower MAD. Over a
third of the gain for slow motion comes from the blur.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from livebg.imaging.frame import Alpha, Frame, Matte
from livebg.imaging.optical_flow import FlowEstimator
from livebg.pipeline import Mask, Pipeline, Prediction
from livebg.segmentation.temporal_filter import MAX_GAP_S, TIME_CONSTANT_S
from livebg.segmentation.transition import Average, BackwardStep, Transition, filter_backward

_AHEAD_S: Final = 0.4
"""Look-ahead. One that is three times as long lowers dtSSD by less than a hundredth."""
_MAX_HELD: Final = 13
"""Frames in memory, whatever the frame rate."""
_RELEASED: Final = 4
"""One held frame in so many leaves after each backward pass. Releasing one at a time takes three times the time for the pass; it
lowers dtSSD by a 200th."""
_BLUR_SIGMA: Final = 1.5
"""Pixels. Optical flow is that uncertain at an outline, and a sharp outline shimmers as it moves across the pixel grid. A blur
that fades out with the speed flickers with the noise of the flow."""
_RUNS_PER_S: Final = 10
"""Rate at which the network runs while the optical flow explains the frames in between. At 7.5 runs, MAD rises by 2 %."""
_ROUNDING_S: Final = 1e-6
"""Times are sums of fractions."""


@dataclass(slots=True, eq=False)
class _HeldFrame:
    """A frame that waits for later ones.

    ``average`` is the forward filter's; ``back`` leads here from the next frame, None across a cut or a gap and for the last
    frame. A frame that is not ``linked`` to any other keeps its alpha. One that ``warms_up`` has only its average.
    """

    frame: Frame
    prediction: Prediction
    average: Average
    linked: bool = False
    back: BackwardStep | None = None
    warms_up: bool = False


def predictions(pipeline: Pipeline, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Prediction]]:
    """Yield each frame with the network's output and the optical flow back to the frame before.

    The network runs for the first frame in each tenth of a second, and for those that the flow does not explain; the others get
    the warped output of the frame before. So neighboring segments need it for the same frames. Over 10 clips each this raises
    MAD by at most 1 % in any motion, and dtSSD by 0.2 %; it saves 55 % of the runs where people or camera move slowly. Raises
    what the pipeline and ``frames`` raise.
    """
    estimator = FlowEstimator()
    last: Prediction | None = None
    last_tenth: int | None = None
    for frame in frames:
        with pipeline.stage("smoothing"):
            motion = estimator.update(frame.pyramids[0])
        tenth = math.floor(frame.pts * frame.time_base * _RUNS_PER_S)
        if last is None or motion is None or not motion.explains or tenth != last_tenth:
            last = replace(pipeline.predict(frame), motion=motion)
        else:
            with pipeline.stage("smoothing"):
                last = Prediction(motion.warp(last.alpha), pipeline.picture(frame), frame.time, motion)
        last_tenth = tenth
        yield frame, last


class LookaheadFilter:
    """Makes the mattes of frames, using for each frame what the network saw before it and up to 0.4 s after it.

    Both passes carry alpha along the optical flow and keep it only where it explains the picture, as
    :class:`~livebg.segmentation.temporal_filter.TemporalFilter` does. Nothing crosses a cut or a gap of more than half a second.
    Frames come out in order, each with its own time; at most 13 are held. The pipeline's own smoother is not used.
    ``time_constant`` is in seconds, above 0; raises ValueError otherwise.
    """

    def __init__(self, pipeline: Pipeline, time_constant: float = TIME_CONSTANT_S) -> None:
        if time_constant <= 0:
            raise ValueError(f"a time constant to look ahead with is above 0 seconds, got {time_constant}")
        self._pipeline = pipeline
        self._time_constant = time_constant
        self._held: deque[_HeldFrame] = deque()

    def mattes(self, frames: Iterable[Frame], wanted: Callable[[Frame], bool]) -> Iterator[tuple[Frame, Matte]]:
        """Yield the ``wanted`` ones of ``frames``, whose times rise, with their mattes.

        Raises what the pipeline and ``frames`` raise, at once: frames that are still held are not yielded then.
        """
        for frame, mask in self.masks(predictions(self._pipeline, frames), wanted):
            if wanted(frame):
                yield frame, self._pipeline.refine(mask, frame)

    def masks(
        self, predicted: Iterable[tuple[Frame, Prediction]], begins: Callable[[Frame], bool] = lambda _: True
    ) -> Iterator[tuple[Frame, Mask]]:
        """Yield each frame with its filtered mask, from the first one for which ``begins`` is true. Those before it warm up the
        causal filter, which takes less than half of the time. ``predicted`` come from :func:`predictions`."""
        self._held.clear()
        has_begun = False
        for frame, prediction in predicted:
            has_begun = has_begun or begins(frame)
            with self._pipeline.stage("smoothing"):
                if not has_begun:
                    self._warm_up(frame, prediction)
                    continue
                self._held.append(self._filtered_forward(frame, prediction))
                while self._held[0].warms_up:
                    self._held.popleft()
            while self._sees_far_enough():
                yield from self._released(max(len(self._held) // _RELEASED, 1))
        yield from self._released(len(self._held))

    def _warm_up(self, frame: Frame, prediction: Prediction) -> None:
        """Apply the causal filter, and hold this frame alone."""
        average = Average.start(prediction.alpha, prediction.time)
        before = self._held.pop() if self._held else None
        if before is not None and prediction.motion is not None and 0 < prediction.time - before.prediction.time <= MAX_GAP_S:
            times = prediction.time - before.prediction.time, self._time_constant
            here = Transition.between(before.prediction.image, prediction.image, prediction.motion, *times)
            average = here.advance(before.average, prediction.alpha, prediction.time) if here is not None else average
        self._held.append(_HeldFrame(frame, prediction, average, warms_up=True))

    def _filtered_forward(self, frame: Frame, prediction: Prediction) -> _HeldFrame:
        """Apply the causal filter. Also links the frame before to this one."""
        motion, started = prediction.motion, _HeldFrame(frame, prediction, Average.start(prediction.alpha, prediction.time))
        before = self._held[-1] if self._held else None
        if before is None or motion is None or not 0 < prediction.time - before.prediction.time <= MAX_GAP_S:
            return started
        times = prediction.time - before.prediction.time, self._time_constant
        here = Transition.between(before.prediction.image, prediction.image, motion, *times)
        back = Transition.between(prediction.image, before.prediction.image, motion.inverse(), *times)
        if here is None or back is None:
            return started
        before.back, before.linked = back.backward_step(before.average.alpha), True
        return _HeldFrame(frame, prediction, here.advance(before.average, prediction.alpha, prediction.time), linked=True)

    def _sees_far_enough(self) -> bool:
        ahead = self._held[-1].prediction.time - self._held[0].prediction.time
        return len(self._held) > 1 and (ahead > _AHEAD_S - _ROUNDING_S or len(self._held) >= _MAX_HELD)

    def _released(self, count: int) -> Iterator[tuple[Frame, Mask]]:
        """Filter all held frames backward and release the oldest ``count``."""
        with self._pipeline.stage("smoothing"):
            alphas = filter_backward((each.average.alpha, each.back) for each in reversed(self._held))
            released = [self._held.popleft() for _ in range(count)]
            alphas = [_blurred(alpha) if each.linked else alpha for each, alpha in zip(released, alphas, strict=False)]
            masks = [Mask(alpha, each.prediction.time) for each, alpha in zip(released, alphas, strict=True)]
        yield from zip((each.frame for each in released), masks, strict=True)


def _blurred(alpha: Alpha) -> Alpha:
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), _BLUR_SIGMA, borderType=cv2.BORDER_REPLICATE), np.float32)
