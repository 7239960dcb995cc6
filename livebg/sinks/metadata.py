"""Selects the tags and chapters that an output takes from its input."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from av.container.core import Chapter  # a TypedDict that exists only in the stubs

_STALE_IN_FILES: Final = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands", "duration"})
_STALE_IN_STREAMS: Final = frozenset(
    {"duration", "rotate", "vendor_id", "bps", "number_of_frames", "number_of_bytes", "filename", "mimetype", "alpha_mode"}
)
_MP4_FIELDS: Final = frozenset(
    [
        "title",
        "artist",
        "album_artist",
        "composer",
        "album",
        "date",
        "creation_time",
        "comment",
        "genre",
        "copyright",
        "description",
        "synopsis",
        "show",
        "episode_id",
        "network",
        "lyrics",
        "grouping",
        "track",
        "disc",
        "location",
        "location-eng",
        "timecode",
    ]
)
_MOV_FIELDS: Final = frozenset(
    ["title", "artist", "album", "comment", "date", "genre", "copyright", "creation_time", "location", "location-eng", "timecode"]
)
# libav writes MOV languages from QuickTime's table, which has only one of the two ISO 639-2 codes.
_MOV_LANGUAGES: Final = MappingProxyType(
    {"deu": "ger", "nld": "dut", "zho": "chi", "fre": "fra", "cze": "ces", "ell": "gre", "rum": "ron"}
)


def file_tags(tags: Mapping[str, str], *, timecode: bool) -> dict[str, str]:
    """Return a file's tags without those that only describe the input, with or without its ``timecode``."""
    stale = _STALE_IN_FILES | (set() if timecode else {"timecode"})
    return {key: value for key, value in tags.items() if key.lower() not in stale}


def stream_tags(tags: Mapping[str, str], container: str, *, encoded: bool, timecode: bool) -> dict[str, str]:
    """Return a stream's tags without rotation and statistics, without its encoder if it has been ``encoded`` again, and with or
    without its ``timecode``.
    """
    stale = _STALE_IN_STREAMS | ({"encoder"} if encoded else set()) | (set() if timecode else {"timecode"})
    if container not in ("mp4", "mov"):
        stale |= {"handler_name"}
    kept = {}
    for key, value in tags.items():
        name = key.lower().split("-")[0]  # Matroska's statistics carry a language, as in BPS-eng
        if name not in stale and not name.startswith("_statistics_"):
            kept[key] = value
    if "name" in kept:  # libav reads MP4 track titles as "name"
        kept.setdefault("title", kept.pop("name"))
    if container == "mov" and kept.get("language") in _MOV_LANGUAGES:
        kept["language"] = _MOV_LANGUAGES[kept["language"]]
    return kept


def has_custom_tags(tags: Iterable[str], container: str) -> bool:
    """Return whether a tag has no native field in "mp4" or "mov", so that libav drops it unless it writes ``mdta`` keys."""
    fields = _MOV_FIELDS if container == "mov" else _MP4_FIELDS
    return any(key.lower() not in fields for key in tags)


def clipped_chapters(chapters: Iterable[Chapter], start: float | None, end: float | None) -> list[Chapter]:
    """Return the chapters within ``start`` to ``end`` (seconds; None = unlimited), shifted so that ``start`` is 0."""
    kept: list[Chapter] = []
    for chapter in chapters:
        unit = chapter["time_base"] or Fraction(1, 1000)
        range_start = 0 if start is None else round(Fraction(start) / unit)
        range_end = math.inf if end is None else round(Fraction(end) / unit)
        begins = max(chapter["start"], range_start) if start is not None else chapter["start"]
        ends = min(chapter["end"], range_end)
        if begins < ends or (chapter["start"] == chapter["end"] == begins and begins < range_end):
            moved: Chapter = {**chapter, "start": begins - range_start, "end": int(ends) - range_start}
            kept.append(moved)
    return kept
