"""The step of the temporal filter from one picture to an adjacent one: how the first explains the second, pixel by pixel."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.imaging.optical_flow import FlowField, Sampling
from livebg.imaging.pyramid import split_channels

_NOISE_LEVELS: Final = 2.0
"""Differences up to this many levels of 255 are camera noise: the previous picture explains the pixel."""
_SHARPNESS: Final = 0.1
"""Share of the local contrast that does not count as a difference: interpolating a sharp edge between pixels causes as much."""
_CHANGE_LEVELS: Final = 8.0
"""Differences this many levels above the noise are not explained by the previous picture at all."""
_ATTACK: Final = 2.5
"""Factor by which alpha rises faster than it falls: in a call a missing hand is worse than one visible a moment longer, and the
network misses a part of a person more often than it invents one."""
_GHOST_DECAY: Final = 6.0
"""Maximum factor by which alpha falls faster where the picture moves slower than its surroundings: uncovered background that was
briefly classified as a person would remain as a ghost."""
_PASSING_SPEEDS: Final = (0.15, 0.45)
"""Speed differences in picture widths per second at which that starts and reaches its maximum. Sitting and talking is below; a
waving hand is at one."""
_FLOW_SHRINK: Final = 4
"""Downscaling factor of the flow for the detection of passing objects."""
_NEIGHBORHOOD: Final = 7
"""Size of the neighborhood, in downscaled pixels."""
_UNCERTAINTY_DISCOUNT: Final = 0.65
"""How much less an alpha of 0.5, which carries no information, counts than a confident one."""
_CUT_SHARE: Final = 0.15
"""Share of unexplained pixels from which a picture counts as a cut. Motion of all kinds, including a shaking camera, stays below
0.09; the smallest cut measured, between two views of one room, has 0.19."""
_FIRST_FRAME_S: Final = 0.15
"""Duration in seconds for which the first alpha counts: one frame's would let the following frames flicker, the full time
constant would let its errors last."""
_TRUST_RISE_S: Final = 0.5
_TRUST_FALL_S: Final = 3.0
"""Time constants in seconds with which trust follows the network, where the previous picture explains the pixel."""
_TRUSTED: Final = (0.5, 0.85)
"""Trust from which alpha falls more slowly, and at which it falls the slowest."""
_MISSED: Final = (0.5, 0.75)
"""The same for 1 - alpha. At the soft edge of a person that would only widen the edge."""
_HOLD: Final = 0.8
"""By how much trusted alpha falls more slowly: a cup or a headset that the network misses for up to half a second stays."""
_EPSILON: Final = 1e-9
_LEVELS: Final = np.arange(256, dtype=np.float32)

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """The transition between two adjacent pictures: predicts the alpha of the other from the alpha of the reference.

    ``motion`` leads from the other back to the reference; ``in_place``, uint8, is 255 where no motion fits better;
    ``pull``, float32, is how strongly the other keeps its own alpha, in time constants: the elapsed ones where the reference
    fully explains the pixel, and very many where it does not; ``falling``, float32, at least 1, is the factor by which falling
    alpha is faster. All are (height, width). ``elapsed`` and ``time_constant`` are in seconds.
    """

    motion: Sampling
    in_place: Image
    pull: Alpha
    falling: Alpha
    elapsed: float
    time_constant: float

    @classmethod
    def between(cls, one: Image, other: Image, motion: FlowField, elapsed: float, time_constant: float) -> "Transition | None":
        """Compare the pictures ``one`` (the reference) and ``other``, RGB uint8 of one size. Returns None if there is a cut
        between them.

        They are ``elapsed`` seconds apart, in either order. The in-place comparison handles uncovered background, which has no
        counterpart in the reference.
        """
        near, sampling = _tolerance(other), motion.sampling(other.shape)
        carried, stayed = (cv2.subtract(_max_difference(each, other), near) for each in (sampling.warp_image(one), one))
        in_place = np.asarray(cv2.compare(stayed, carried, cv2.CMP_LT), np.uint8)
        unlike = np.asarray(cv2.min(carried, stayed), np.uint8)
        if np.count_nonzero(unlike > _NOISE_LEVELS + _CHANGE_LEVELS) > _CUT_SHARE * unlike.size:
            return None
        explained = 1 - np.clip((_LEVELS - _NOISE_LEVELS) / _CHANGE_LEVELS, 0, 1)
        pull = elapsed / time_constant - np.log(np.maximum(explained, _EPSILON))
        return cls(
            sampling,
            in_place,
            np.asarray(cv2.LUT(unlike, pull.astype(np.float32)), np.float32),
            _falling_factor(motion, unlike, elapsed),
            elapsed,
            time_constant,
        )

    def predict(self, alpha: Alpha) -> Alpha:
        """Predict the alpha of the other picture from the reference's ``alpha``. Returns a new array."""
        carried = self.motion.warp(alpha)
        cv2.copyTo(alpha, self.in_place, carried)
        return carried

    def advance(self, before: "Average", alpha: Alpha, time: float) -> "Average":
        """Run one step of the causal filter: from the reference's average and the other's ``alpha`` to the other's average.

        ``time`` is the other's, in seconds. Where the average has been high lately and the pixel is explained, alpha falls more
        slowly: the network misses the things that people hold for a few frames now and then.
        """
        predicted = self.predict(before.alpha)
        trust = self.predict(before.trust) * cv2.exp(np.float32(self.elapsed / self.time_constant) - self.pull)
        held = np.float32(_HOLD) * _ramp(trust, _TRUSTED) * _ramp(1 - alpha, _MISSED)
        known = warmup(time - before.begun, self.time_constant)
        average = predicted + (alpha - predicted) * self.blend_weight(alpha, predicted, known, held)
        rise, fall = (np.float32(1 - math.exp(-self.elapsed / seconds)) for seconds in (_TRUST_RISE_S, _TRUST_FALL_S))
        return Average(average, trust + (alpha - trust) * np.where(alpha > trust, rise, fall), before.begun)

    def backward_step(self, alpha: Alpha) -> "BackwardStep":
        """Return the step of the backward filter that ends at the other picture, whose forward average is ``alpha``."""
        pull = self.pull * -_certainty(alpha)
        rising, falling = (1 - cv2.exp(pull * speed) for speed in (np.float32(_ATTACK), self.falling))
        return BackwardStep(self, alpha, np.asarray(rising, np.float32), np.asarray(falling, np.float32))

    def blend_weight(self, alpha: Alpha, predicted: Alpha, warmup: float, held: Alpha) -> Alpha:
        """Return the weight of the other's own ``alpha``, above 0 and up to 1, per pixel; the rest goes to ``predicted``.

        If everything is explained the weight is 1 - exp(-dt / tau), so that 15 and 60 frames per second look the same.
        ``warmup``, 0..1, is the warm-up of the reference: an average that has just started must not count as a long one.
        ``held``, 0..1, is by how much falling alpha is slower.
        """
        pull = self.pull - np.float32(self.elapsed / self.time_constant) * held
        speed = self.falling - (self.falling - 1) * held
        cv2.copyTo(np.full_like(speed, _ATTACK), (alpha > predicted).view(np.uint8), speed)
        kept = cv2.exp(-pull * speed * _certainty(alpha))
        share = 1 - kept
        return np.asarray(share / (share + np.float32(warmup) * kept), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class BackwardStep:
    """One step of the backward filter, to a picture whose forward average is ``alpha``, along ``transition``.

    ``rising`` and ``falling`` are the weights of ``alpha`` where it is above and below what the transition predicts. All are
    float32, (height, width): a step is applied several times, each time to a longer look-ahead.
    """

    transition: Transition
    alpha: Alpha
    rising: Alpha
    falling: Alpha

    def apply(self, after: Alpha) -> Alpha:
        """Blend the forward average with ``after``, the result for the next picture. Returns a new array."""
        predicted = self.transition.predict(after)
        weight = cv2.copyTo(self.rising, (self.alpha > predicted).view(np.uint8), self.falling.copy())
        return np.asarray(predicted + (self.alpha - predicted) * weight, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Average:
    """What the causal filter knows after a picture: the filtered ``alpha``; ``trust``, 0..1, which is high where the network has
    seen a person lately; and the time in seconds at which the filter started. Both are float32, (height, width)."""

    alpha: Alpha
    trust: Alpha
    begun: float

    @classmethod
    def start(cls, alpha: Alpha, time: float) -> "Average":
        """Return the average of one picture. The array is not copied."""
        return cls(alpha, np.zeros_like(alpha), time)


def warmup(seconds: float, time_constant: float) -> float:
    """Return the warm-up of an average that has run for ``seconds``, 0..1; its first alpha counts for 0.15 s."""
    return 1 - math.exp(-(seconds + _FIRST_FRAME_S) / time_constant)


def filter_backward(steps: Iterable[tuple[Alpha, BackwardStep | None]]) -> list[Alpha]:
    """Filter the alphas of successive pictures, each averaged forward already, from the last to the first.

    ``steps`` are from the last to the first: an alpha and the step that leads there from the next picture, None if nothing does.
    Returns the alphas from the first to the last.
    """
    alphas: list[Alpha] = []
    for alpha, step in steps:
        alphas.append(step.apply(alphas[-1]) if step is not None and alphas else alpha)
    return alphas[::-1]


def _certainty(alpha: Alpha) -> Alpha:
    """Return how much an alpha counts, up to 1: least at 0.5."""
    return np.asarray(1 - _UNCERTAINTY_DISCOUNT + 2 * _UNCERTAINTY_DISCOUNT * np.abs(alpha - np.float32(0.5)), np.float32)


def _ramp(values: Alpha, limits: tuple[float, float]) -> Alpha:
    """Return 0 up to the first limit, 1 from the second on, and rises linearly in between."""
    return np.asarray(np.clip((values - np.float32(limits[0])) / np.float32(limits[1] - limits[0]), 0, 1), np.float32)


def _max_difference(image: Image, other: Image) -> Image:
    """Return the difference of two pictures in levels: the maximum over the channels, averaged over 3x3 pixels."""
    red, green, blue = split_channels(np.asarray(cv2.absdiff(image, other), np.uint8))
    return np.asarray(cv2.blur(cv2.max(cv2.max(red, green), blue), (3, 3)), np.uint8)


def _falling_factor(motion: FlowField, like: Image, elapsed: float) -> Alpha:
    """Return the factor by which alpha falls faster, at least 1, at the size of ``like``: high where an object passes by."""
    height, width = motion.flow.shape[:2]
    coarse = cv2.resize(motion.flow, (-(-width // _FLOW_SHRINK), -(-height // _FLOW_SHRINK)), interpolation=cv2.INTER_AREA)
    speed = cv2.magnitude(coarse[..., 0], coarse[..., 1]) / np.float32(width * elapsed)
    slower = cv2.dilate(speed, np.ones((_NEIGHBORHOOD, _NEIGHBORHOOD), np.uint8)) - speed
    factor = 1 + _GHOST_DECAY * np.clip((slower - _PASSING_SPEEDS[0]) / (_PASSING_SPEEDS[1] - _PASSING_SPEEDS[0]), 0, 1)
    return np.asarray(cv2.resize(factor.astype(np.float32), like.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _tolerance(image: Image) -> Image:
    """Return by how many levels two pictures of the same scene may differ at each pixel of one of them."""
    luma, window = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.ones((3, 3), np.uint8)
    contrast = cv2.subtract(cv2.dilate(luma, window), cv2.erode(luma, window))
    return np.asarray(cv2.convertScaleAbs(contrast, alpha=_SHARPNESS), np.uint8)
