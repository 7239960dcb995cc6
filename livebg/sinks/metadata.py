"""What a file says about itself: which tags and chapters an output takes over from its input."""

from __future__ import annotations  # PyAV's classes are generic in its stubs alone

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from av.container.core import Chapter  # a TypedDict of the stubs alone

_STALE_IN_FILES: Final = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands", "duration"})
_STALE_IN_STREAMS: Final = frozenset(
    {"duration", "rotate", "vendor_id", "bps", "number_of_frames", "number_of_bytes", "filename", "mimetype", "alpha_mode"}
)
_CLASSIC: Final = frozenset(
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
_CLASSIC_MOV: Final = frozenset(
    ["title", "artist", "album", "comment", "date", "genre", "copyright", "creation_time", "location", "location-eng", "timecode"]
)
# libav writes MOV languages by QuickTime's short table, which knows one of ISO 639-2's two codes each.
_MOV_LANGUAGES: Final = MappingProxyType(
    {"deu": "ger", "nld": "dut", "zho": "chi", "fre": "fra", "cze": "ces", "ell": "gre", "rum": "ron"}
)


def file_tags(tags: Mapping[str, str], *, timecode: bool) -> dict[str, str]:
    """The tags of a file without those that only describe the input, with or without its ``timecode``."""
    stale = _STALE_IN_FILES | (set() if timecode else {"timecode"})
    return {key: value for key, value in tags.items() if key.lower() not in stale}


def stream_tags(tags: Mapping[str, str], container: str, *, encoded: bool, timecode: bool) -> dict[str, str]:
    """The tags of a stream without rotation and statistics, and without its encoder when it has been ``encoded`` anew; with or
    without its ``timecode``."""
    stale = _STALE_IN_STREAMS | ({"encoder"} if encoded else set()) | (set() if timecode else {"timecode"})
    if container not in ("mp4", "mov"):
        stale |= {"handler_name"}
    kept = {}
    for key, value in tags.items():
        name = key.lower().split("-")[0]  # Matroska's statistics carry a language, as in BPS-eng
        if name not in stale and not name.startswith("_statistics_"):
            kept[key] = value
    if "name" in kept:  # as libav reads what it writes as the title of a track in MP4
        kept.setdefault("title", kept.pop("name"))
    if container == "mov" and kept.get("language") in _MOV_LANGUAGES:
        kept["language"] = _MOV_LANGUAGES[kept["language"]]
    return kept


def unclassic(tags: Iterable[str], container: str) -> list[str]:
    """The keys for which MP4 and MOV have no field of their own, so that libav drops them unless it writes ``mdta`` keys."""
    classic = _CLASSIC_MOV if container == "mov" else _CLASSIC
    return [key for key in tags if key.lower() not in classic] if container in ("mp4", "mov") else []


def clipped_chapters(chapters: Iterable[Chapter], start: float | None, end: float | None) -> list[Chapter]:
    """The chapters within ``start`` to ``end`` (seconds; None = unlimited), moved so that ``start`` is 0."""
    kept: list[Chapter] = []
    for chapter in chapters:
        unit = chapter["time_base"] or Fraction(1, 1000)
        first = 0 if start is None else round(Fraction(start) / unit)
        last = math.inf if end is None else round(Fraction(end) / unit)
        begins, ends = max(chapter["start"], first) if start is not None else chapter["start"], min(chapter["end"], last)
        if begins < ends or (chapter["start"] == chapter["end"] == begins and begins < last):
            moved: Chapter = {**chapter, "start": begins - first, "end": int(ends) - first}
            kept.append(moved)
    return kept
