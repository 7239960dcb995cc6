"""The options of libav's muxers: exact times, and the same bytes in each run."""

import math
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from livebg.sinks import metadata
from livebg.sinks.stream_copy import StreamCopier
from livebg.sinks.verify import FINEST_MP4_UNIT

_MAX_31_BITS: Final = 2**31 - 1
_COARSE_TIMESCALE: Final = 1000
_MATROSKA: Final = MappingProxyType(
    {
        # Audio can begin slightly before zero (priming); shifting all streams would shift the pictures.
        "avoid_negative_ts": "disabled",
        # Otherwise the file contains random identifiers.
        "fflags": "+bitexact",
    }
)


def segment_options(container: str) -> dict[str, str]:
    """Return the options for a segment in ``container`` (libav's name)."""
    if container not in ("mp4", "mov"):
        return dict(_MATROSKA)
    return {"write_btrt": "0"}  # a bit rate from the segment's times, which are only ranks, would get into the joined file


def output_options(container: str, unit: Fraction, others: StreamCopier | None) -> dict[str, str]:
    """Return the options for an output in ``container`` whose video has times in ``unit``, with the copied streams ``others``."""
    if container not in ("mp4", "mov"):
        return dict(_MATROSKA)
    flags = "+faststart"
    if others is not None and not others.selection.covers and metadata.has_custom_tags(others.tags, container):
        flags += "+use_metadata_tags"
    return {"movflags": flags, "movie_timescale": str(_movie_timescale(unit, others))}


def track_unit(container: str, time_base: Fraction) -> Fraction:
    """Return the unit of the video's times in ``container`` for times in ``time_base``, in seconds.

    MP4 stores a frame's duration in 31 bits, so nanoseconds would overflow after two seconds.
    """
    return max(time_base, FINEST_MP4_UNIT) if container in ("mp4", "mov") else time_base


def _movie_timescale(unit: Fraction, others: StreamCopier | None) -> int:
    """Return a timescale in which edit lists, which delay streams, are exact: for all streams if it fits, else for the video.

    MP4 also stores a chapter's duration in it, in 31 bits.
    """
    video = unit.denominator
    common = math.lcm(video, *(others.rates if others else ()))
    longest = max(1.0, others.longest_chapter if others else 0.0)
    return next((scale for scale in (common, video) if scale * longest <= _MAX_31_BITS), _COARSE_TIMESCALE)
