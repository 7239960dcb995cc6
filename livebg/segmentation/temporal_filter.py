"""Steadying alpha in time, without trailing behind what moves.

What was tried, with one of the bundled networks, on 8 clips of 40 frames of people moved over rooms at 512x288 and on the first
45 frames of 7 real clips, none of which it was trained on: MAD and dtSSD against the true alpha, slow and fast, as changes from
raw; the real clips' warp error, and their IoU with a matting network's alpha. Raw is the network by itself, no filter.

===============================================  =============  ==============  ==========  ======
way                                              slow           fast            warp error  IoU
===============================================  =============  ==============  ==========  ======
raw                                              22.60 / 3.16   21.56 / 11.49   1.60        0.9636
exponential, by the change in place, tau 0.1     -1 % / -13 %   -2 % / -4 %     1.04        0.9637
carried by the flow, tau 0.1                     -2 % / -22 %   -3 % / -11 %    0.96        0.9638
the same, a flow of seven times the cost         -2 % / -23 %   -3 % / -13 %    0.94        0.9638
carried or in place, what fits better            -2 % / -22 %   -3 % / -13 %    0.95        0.9638
the same, tau 0.35                               -3 % / -27 %   +8 % / -16 %    0.75        0.9639
the same, what appears 3 times as fast           -3 % / -26 %   +5 % / -18 %    0.81        0.9651
or what vanishes                                 +0 % / -23 %   +4 % / -10 %    0.84        0.9624
this, with what is left behind falling faster    -3 % / -28 %   -12 % / -17 %   0.75        0.9649
===============================================  =============  ==============  ==========  ======

The true alpha itself, at model resolution and refined as all these are, has a dtSSD of 1.78 and 4.41:
what is below is not to be had.

The network that is shipped now, its mattes refined by color as well: raw 13.31 / 2.71, 12.57 / 7.94 and 1.52; this -8 % /
-31 %, -14 % / -20 % and 0.66; :mod:`livebg.rendering.lookahead` -7 % / -38 %, -23 % / -31 % and 0.62. A network before: raw
19.05 / 3.19, 18.66 / 10.95 and 1.55; this -2 % / -36 %, -14 % / -20 % and 0.70. Robust Video Matting at 512x288, at eighteen
times the CPU time, on four of the clips each: 5.0 / 1.71, 7.6 / 5.20 and 0.92, where this had 22.0 / 1.98, 18.7 / 8.93 and
0.71 with that network.

The network sees each picture on its own: fed the previous alpha as well, it clings to its mistakes, and MAD and dtSSD get worse.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.imaging.optical_flow import AlphaCarrier, Motion
from livebg.imaging.pyramid import channels

TIME_CONSTANT: Final = 0.4
"""Seconds; the default of the setting."""
LONGEST_GAP: Final = 0.5
"""Seconds without a picture after which the past says nothing about the present."""

_NOISE_LEVELS: Final = 2.0
"""A difference of this many levels of 255 is camera noise: the past explains the pixel."""
_SHARPNESS: Final = 0.1
"""Share of the contrast around a pixel that is no difference either: as much comes of carrying a sharp edge between pixels."""
_CHANGE_LEVELS: Final = 8.0
"""A difference of this many levels beyond the noise is not explained by the past at all."""
_APPEARING: Final = 2.5
"""How much faster alpha rises than it falls: a hand that is missing is a worse mistake in a call than one seen a moment longer,
and a network that overlooks a part of somebody for a frame is more common than one that invents some."""
_LEFT_BEHIND: Final = 6.0
"""By how much faster, at most, alpha falls where the picture is slower than what passes it: that is room which was taken for
somebody for a moment, and would stay behind as a ghost."""
_PASSING: Final = (0.15, 0.45)
"""By how many widths a second it is slower, where that begins and where it is full. Sitting and talking stays below; a hand that
is waved is at one."""
_COARSE: Final = 4
"""Pixels to one, for what passes by."""
_NEAR: Final = 7
"""As wide a neighbourhood, in those."""
_UNDECIDED: Final = 0.65
"""By how much an alpha of one half, which tells nothing, counts less than one that is sure."""
_CUT: Final = 0.15
"""Share of the picture that the past does not explain from which it is another picture. Motion of all kinds, a shaking camera
among them, stays below 0.09; of cuts, two views of one room are the least, at 0.19."""
_FIRST: Final = 0.15
"""Seconds that the first alpha of all counts: as much as one frame would let the others flicker, as much as all would let its
mistakes last."""
_NOTHING: Final = 1e-9
_LEVELS: Final = np.arange(256, dtype=np.float32)

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """From one picture to another next to it in time: what an alpha of the one says about the other.

    ``motion`` leads from the other back to the one; ``in_place``, uint8, is 255 where staying in place fits better; ``pull``,
    float32, is how strongly the other keeps to its own alpha, in time constants: as many as have passed where the one explains it
    fully, and very many where it does not at all; ``falling``, float32, 1 or more, by how much faster that is where alpha falls.
    All are (height, width). ``elapsed`` is in seconds.
    """

    motion: Motion
    in_place: Image
    pull: Alpha
    falling: Alpha
    elapsed: float

    @classmethod
    def between(cls, one: Image, other: Image, motion: Motion, elapsed: float, time_constant: float) -> "Passage | None":
        """From the picture ``one`` to ``other``, RGB uint8 of one size; None where there is a cut between them.

        They are ``elapsed`` seconds apart, whichever is the earlier. Staying is what uncovered rooms need: nothing in the one
        leads there.
        """
        near = _tolerance(other)
        carried, stayed = (cv2.subtract(_unlike(each, other), near) for each in (motion.carry_picture(one), one))
        in_place = np.asarray(cv2.compare(stayed, carried, cv2.CMP_LT), np.uint8)
        unlike = np.asarray(cv2.min(carried, stayed), np.uint8)
        if np.count_nonzero(unlike > _NOISE_LEVELS + _CHANGE_LEVELS) > _CUT * unlike.size:
            return None
        explained = 1 - np.clip((_LEVELS - _NOISE_LEVELS) / _CHANGE_LEVELS, 0, 1)
        pull = elapsed / time_constant - np.log(np.maximum(explained, _NOTHING))
        return cls(
            motion,
            in_place,
            np.asarray(cv2.LUT(unlike, pull.astype(np.float32)), np.float32),
            _falling(motion, unlike, elapsed),
            elapsed,
        )

    def told(self, alpha: Alpha) -> Alpha:
        """An alpha of the one, as the other would have it: a new array."""
        carried = self.motion.carry(alpha)
        cv2.copyTo(alpha, self.in_place, carried)
        return carried

    def followed(self, before: Alpha, alpha: Alpha, known: float = 1.0) -> Alpha:
        """One step of the filter: mix the other's ``alpha`` with the one's, ``before``, by :meth:`share`. Returns a new array."""
        told = self.told(before)
        return np.asarray(told + (alpha - told) * self.share(alpha, told, known), np.float32)

    def share(self, alpha: Alpha, told: Alpha, known: float) -> Alpha:
        """How much of its own ``alpha`` the other takes, the rest being what it is :meth:`told`: above 0, to 1, per pixel.

        With all explained that is 1 - exp(-dt / tau), so that 15 and 60 frames a second look the same. ``known``, 0..1, is how
        much of what it could tell is known to the one: an average that has just begun must not pass for a long one.
        """
        sure = 1 - _UNDECIDED + 2 * _UNDECIDED * np.abs(alpha - np.float32(0.5))
        speed = self.falling.copy()
        cv2.copyTo(np.full_like(speed, _APPEARING), (alpha > told).view(np.uint8), speed)
        kept = cv2.exp(-self.pull * speed * sure)
        share = 1 - kept
        return np.asarray(share / (share + np.float32(known) * kept), np.float32)


def known(seconds: float, time_constant: float) -> float:
    """How much an average that has run for so many seconds knows of what it could, 0..1; its first alpha counts 0.15 s."""
    return 1 - math.exp(-(seconds + _FIRST) / time_constant)


class AlphaSmoother:
    """A motion-compensated, motion-adaptive exponential filter, per pixel, at model resolution.

    What was made last is carried along with the picture, or left in its place, whichever explains the picture better. Where it
    does explain it, alpha follows with ``time_constant`` (seconds), which takes the network's flicker away, and faster where it
    rises; where it does not, alpha is taken as it comes, so that a moving hand leaves no ghost. A picture of which much is not
    explained is another one: at a cut the filter begins anew with its first frame. It begins as a plain average, lest a mistake
    in the first frame last. 0 is no filter. One smoother serves one thread.
    """

    def __init__(self, time_constant: float = TIME_CONSTANT) -> None:
        if time_constant < 0:
            raise ValueError(f"a time constant is at least 0 seconds, got {time_constant}")
        self._time_constant = time_constant
        self._carrier = AlphaCarrier()
        self._before: tuple[Alpha, Image, float] | None = None
        self._begun = 0.0

    def reset(self) -> None:
        """Forget the past: after a seek, a change of format or a toggle."""
        self._before = None

    def smooth(self, alpha: Alpha, image: Image, time: float, motion: Motion | None = None) -> Alpha:
        """Steady ``alpha``, float32 (height, width), 0..1.

        ``image`` is the picture that it was made from, RGB uint8 of the same size, and ``time`` that picture's in seconds.
        ``motion`` is the way from it back to the picture before, for who knows it already. Returns a new array. It begins anew
        after a gap of more than half a second, a step back in time, at another size, and at a cut.
        """
        if not self._time_constant:
            return alpha.copy()
        steady = self._steadied(alpha, image, time, self._followed(image, motion))
        if steady is None:
            steady, self._begun = alpha.copy(), time
        self._before = steady, image, time
        return steady.copy()

    def _followed(self, image: Image, motion: Motion | None) -> Motion | None:
        luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        if motion is None:
            return self._carrier.follow(luma)
        self._carrier.see(luma)
        return motion

    def _steadied(self, alpha: Alpha, image: Image, time: float, motion: Motion | None) -> Alpha | None:
        """None where there is nothing to go on from."""
        if self._before is None or motion is None:
            return None
        before, seen, then = self._before
        if before.shape != alpha.shape or not 0 < time - then <= LONGEST_GAP:
            return None
        passage = Passage.between(seen, image, motion, time - then, self._time_constant)
        if passage is None:
            return None
        return passage.followed(before, alpha, known(time - self._begun, self._time_constant))


def _unlike(image: Image, other: Image) -> Image:
    """By how many levels two pictures differ, in the channel where they do most, averaged over 3x3 pixels."""
    red, green, blue = channels(np.asarray(cv2.absdiff(image, other), np.uint8))
    return np.asarray(cv2.blur(cv2.max(cv2.max(red, green), blue), (3, 3)), np.uint8)


def _falling(motion: Motion, like: Image, elapsed: float) -> Alpha:
    """By how much faster alpha falls, 1 or more, at the size of ``like``: where something passes."""
    height, width = motion.flow.shape[:2]
    coarse = cv2.resize(motion.flow, (-(-width // _COARSE), -(-height // _COARSE)), interpolation=cv2.INTER_AREA)
    speed = cv2.magnitude(coarse[..., 0], coarse[..., 1]) / np.float32(width * elapsed)
    slower = cv2.dilate(speed, np.ones((_NEAR, _NEAR), np.uint8)) - speed
    factor = 1 + _LEFT_BEHIND * np.clip((slower - _PASSING[0]) / (_PASSING[1] - _PASSING[0]), 0, 1)
    return np.asarray(cv2.resize(factor.astype(np.float32), like.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _tolerance(image: Image) -> Image:
    """What two pictures of the same thing may differ by at each pixel of one of them, in levels."""
    luma, window = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.ones((3, 3), np.uint8)
    contrast = cv2.subtract(cv2.dilate(luma, window), cv2.erode(luma, window))
    return np.asarray(cv2.convertScaleAbs(contrast, alpha=_SHARPNESS), np.uint8)
