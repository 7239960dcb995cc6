"""Steadying a recorded file's alphas from both sides: what is still to come is known there, so nothing need trail behind.

The figures are in :mod:`livebg.segmentation.temporal_filter`.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import cv2
import numpy as np

from livebg.imaging.frame import Alpha, Composite, Frame
from livebg.imaging.optical_flow import AlphaCarrier
from livebg.pipeline import Mask, Pipeline, Sight
from livebg.segmentation.temporal_filter import LONGEST_GAP, TIME_CONSTANT, Passage, known

_AHEAD: Final = 0.2
"""Seconds that are looked ahead: twice as far changes the figures by less than a hundredth."""
_LEAST: Final = np.float32(1e-6)
"""Of a share: that of frames a billionth of a second apart, as a damaged file may have them, is lost in rounding."""
_INSTANT: Final = 1e-6
"""Seconds that make no difference: times are sums of fractions."""
_MOST_AHEAD: Final = 12
"""Frames that are looked ahead at most: what is held in memory, whatever the frame rate."""
_OWN: Final = 0.25
"""What a frame's own alpha counts beside what it is told from both sides: one of three, and the one in a hurry."""


class _Opinion(NamedTuple):
    """What one side tells of a frame: its alpha, the share of its own that the frame takes beside it, and from how many seconds
    away it comes."""

    told: Alpha
    share: Alpha
    elapsed: float


@dataclass(slots=True, eq=False)
class _Moment:
    """A frame that waits for those to come. ``told`` is what the past says of it; ``passage`` leads from the next frame to this
    one. Either is None across a cut or a gap, and at an end. ``begun`` is the time from which on all that went before counts."""

    frame: Frame
    sight: Sight
    begun: float
    told: _Opinion | None = None
    passage: Passage | None = None


class LookAhead:
    """Frames in, composites out, each from what the network saw in it, before it and up to a fifth of a second after it.

    Every alpha is carried to its neighbours as in :class:`~livebg.segmentation.temporal_filter.AlphaSmoother`, forward and
    backward along a flow of its own, and only where it explains the picture there; the two are laid over the frame's own by how
    much they explain. Nothing passes a cut, or a gap of more than half a second. Frames come out in order, each with its own
    time, and at most thirteen are held. The ``pipeline``'s own smoother takes no part. ``time_constant`` is in seconds, above 0.
    """

    def __init__(self, pipeline: Pipeline, time_constant: float = TIME_CONSTANT) -> None:
        if time_constant <= 0:
            raise ValueError(f"a time constant to look ahead with is above 0 seconds, got {time_constant}")
        self._pipeline = pipeline
        self._time_constant = time_constant
        self._carrier = AlphaCarrier()
        self._moments: deque[_Moment] = deque()

    def composites(self, frames: Iterable[Frame]) -> Iterator[Composite]:
        """One for each of ``frames``, whose times rise.

        Raises what the pipeline and ``frames`` raise, as soon as they do: what waits then is not shown.
        """
        for frame, mask in self.masks((frame, self._pipeline.sight(frame)) for frame in frames):
            yield self._pipeline.composite(frame, self._pipeline.refine(mask, frame))

    def masks(self, sights: Iterable[tuple[Frame, Sight]]) -> Iterator[tuple[Frame, Mask]]:
        """Each frame with its steadied mask."""
        self._moments.clear()
        self._carrier.reset()
        for frame, sight in sights:
            with self._pipeline.stage("smoothing"):
                self._meet(_Moment(frame, sight, sight.time))
            while self._is_far_enough():
                yield self._settled()
        while self._moments:
            yield self._settled()

    def _meet(self, moment: _Moment) -> None:
        """Take in the next moment: the ways between it and the one before, and what that one tells."""
        sight = moment.sight
        both = self._carrier.follow_both(np.asarray(cv2.cvtColor(sight.image, cv2.COLOR_RGB2GRAY), np.uint8))
        before = self._moments[-1] if self._moments else None
        self._moments.append(moment)
        if before is None or both is None or not 0 < sight.time - before.sight.time <= LONGEST_GAP:
            return
        times = sight.time - before.sight.time, self._time_constant
        here = Passage.between(before.sight.image, sight.image, both[0], *times)
        there = Passage.between(sight.image, before.sight.image, both[1], *times)
        if here is None or there is None:
            return
        before.passage = there
        moment.begun = before.begun
        so_far = known(sight.time - before.begun, self._time_constant)
        moment.told = _opinion(here, _taken(before.sight.alpha, before.told), sight.alpha, so_far)

    def _is_far_enough(self) -> bool:
        ahead = self._moments[-1].sight.time - self._moments[0].sight.time
        return len(self._moments) > 1 and (ahead > _AHEAD - _INSTANT or len(self._moments) > _MOST_AHEAD)

    def _settled(self) -> tuple[Frame, Mask]:
        """The oldest moment's mask, from all that is known by now."""
        with self._pipeline.stage("smoothing"):
            coming = self._coming()
            moment = self._moments.popleft()
            alpha = _fused(moment.sight.alpha, [opinion for opinion in (moment.told, coming) if opinion is not None])
        return moment.frame, Mask(alpha, moment.sight.time)

    def _coming(self) -> _Opinion | None:
        """What the frames to come tell the oldest one."""
        later, told, since = self._moments[-1].sight.alpha, None, self._moments[-1].sight.time
        for moment in islice(reversed(self._moments), 1, None):
            if moment.passage is None:
                told, since = None, moment.sight.time
            else:
                so_far = known(since - moment.sight.time, self._time_constant)
                told = _opinion(moment.passage, later, moment.sight.alpha, so_far)
            later = _taken(moment.sight.alpha, told)
        return told


def _opinion(passage: Passage, other: Alpha, alpha: Alpha, so_far: float) -> _Opinion:
    told = passage.told(other)
    return _Opinion(told, passage.share(alpha, told, so_far), passage.elapsed)


def _taken(alpha: Alpha, opinion: _Opinion | None) -> Alpha:
    """The causal filter's step."""
    return alpha if opinion is None else np.asarray(opinion.told + (alpha - opinion.told) * opinion.share, np.float32)


def _fused(alpha: Alpha, opinions: list[_Opinion]) -> Alpha:
    """The mean of an alpha and what it is told.

    Each side counts as many seconds as the causal filter would give it, and the frame's own alpha as long as it is shown: with
    uneven times a side that is near would outweigh the other otherwise.
    """
    if not opinions:
        return alpha
    own = _OWN * sum(opinion.elapsed for opinion in opinions) / len(opinions)
    weights = [(1 / np.maximum(opinion.share, _LEAST) - 1) * opinion.elapsed for opinion in opinions]
    total = sum(weight * opinion.told for weight, opinion in zip(weights, opinions, strict=True)) + own * alpha
    return np.asarray(total / (own + sum(weights)), np.float32)
