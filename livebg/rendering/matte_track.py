"""Keeps the track of a render in the file of its matte, so that a render from that file frames and lights in the same way."""

import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from livebg.compositing.effect_track import Track
from livebg.sources.video_file import open_video

_TAG: Final = "LIVEBG_TRACK"


def track_tags(track: Track, mattes: Sequence[Path]) -> dict[str, str]:
    """Return the tags of a stored matte with ``track`` and the packets of the files ``mattes``, one after the other.

    Raises :class:`~livebg.errors.SourceError` if a file cannot be read.
    """
    values = {"packets": _checksum(mattes), "track": track.to_json()}
    return {_TAG: json.dumps(values, separators=(",", ":"))}


def stored_track(matte: Path, zoom: float) -> Track | None:
    """Return the track in the file of a matte, for another ``zoom``; None if there is none, or if the matte was changed since.

    Raises :class:`~livebg.errors.SourceError` if the file cannot be read.
    """
    container, _ = open_video(matte)
    with container:
        tag = container.metadata.get(_TAG)
    if tag is None:
        return None
    with suppress(ValueError, LookupError, TypeError):
        values = json.loads(tag)
        if values["packets"] == _checksum([matte]):
            return replace(Track.from_json(values["track"]), zoom=zoom)
    return None


def _checksum(mattes: Sequence[Path]) -> int:
    """Return the CRC-32 of all packets. An editor may copy the tags of a file whose pictures it changes."""
    checksum = 0
    for path in mattes:
        container, stream = open_video(path)
        with container:
            for packet in container.demux(stream):
                checksum = zlib.crc32(bytes(packet), checksum)
    return checksum
