"""Matte files made at run time, right and wrong ones, and frames to go with them."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from livebg.imaging.frame import Frame, empty_i420
from tests.support.media import Clip, stamped, yuv_picture

SIZE = (64, 48)
TICKS = Fraction(1, 600)
FULL_RANGE = (2, 2, 2, 2)
LIMITED_RANGE = (2, 2, 2, 1)


def gray(number: int, width: int, height: int) -> av.VideoFrame:
    """The stamp of ``number`` in one plane."""
    return yuv_picture([stamped(number, width, height)], "gray")


STORED = Clip(count=10, codec="ffv1", pix_fmt="gray", picture=gray, color=FULL_RANGE, time_base=Fraction(1, 1000))
"""The properties of a file that --keep-matte writes."""


def write_matte(path: Path, pts: Sequence[int], time_base: Fraction = TICKS, clip: Clip = STORED) -> Path:
    """A matte with pictures at ``pts`` * ``time_base``, rounded to the milliseconds of Matroska. Each is stamped."""
    times = [round(each * time_base * 1000) for each in pts]
    return replace(clip, count=len(times), pts=times).write(path)


def frame_at(pts: int, time_base: Fraction = TICKS, size: tuple[int, int] = SIZE) -> Frame:
    """An empty frame."""
    data = empty_i420(*size)
    data[:] = np.uint8(128)
    return Frame(data, pts, time_base)
