"""Detects truncated files by comparing the file size with the length in the container header."""

import math
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av

from livebg.sources.decoder import DECODE_ORDER_ONLY, Decoder

_MAX_REORDERED_FRAMES: Final = 4
"""Frames. Encoders use up to three B-frame levels."""
_EBML_MAGIC: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_MP4_BOXES: Final = frozenset(
    {
        b"ftyp",
        b"styp",
        b"moov",
        b"moof",
        b"mdat",
        b"free",
        b"skip",
        b"wide",
        b"sidx",
        b"mfra",
        b"uuid",
        b"meta",
        b"udta",
        b"emsg",
        b"prft",
    }
)


def is_truncated(path: Path) -> bool:
    """Return whether an MP4, MOV, Matroska, WebM or AVI file is shorter than its headers declare; False for other containers."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        if head[4:8] in _MP4_BOXES:
            return _is_mp4_truncated(file, size)
        if head[:4] == _EBML_MAGIC:
            return _is_matroska_truncated(file, size)
        return head[:4] == b"RIFF" and head[8:12] == b"AVI " and _is_riff_truncated(file, size)


def truncated_at(path: Path) -> float:
    """Return the time before which all frames are present, in seconds on the file's timeline, rounded down to milliseconds."""
    decoder = Decoder(path)
    try:
        first_missing = _end_of_last_packet(decoder) - _reorder_delay(decoder)
        return max(0, math.floor((first_missing * decoder.time_base - decoder.origin) * 1000)) / 1000
    finally:
        decoder.close()


def _end_of_last_packet(decoder: Decoder) -> Fraction:
    """Return, in ticks, the end of the last decoding time present. Frames are shown after they are decoded, so all missing ones
    are later.
    """
    step = 1 / decoder.rate / decoder.time_base
    end = Fraction(decoder.stream.start_time or 0)
    with suppress(av.error.FFmpegError):
        for packet in decoder.container.demux(decoder.stream):
            time = packet.dts if packet.dts is not None else packet.pts
            if packet.size and packet.is_corrupt:
                return Fraction(time) if time is not None else end
            if packet.size and time is not None:
                end = time + step
    return end


def _reorder_delay(decoder: Decoder) -> Fraction:
    """Return, in ticks, how much earlier than its decoding time a frame can be shown, if the container has only decoding
    times.
    """
    reordered = decoder.container.format.name in DECODE_ORDER_ONLY and decoder.stream.codec_context.has_b_frames
    return _MAX_REORDERED_FRAMES / decoder.rate / decoder.time_base if reordered else Fraction(0)


def _is_mp4_truncated(file: BinaryIO, size: int) -> bool:
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4]), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16])
        if kind not in _MP4_BOXES or length < 8:
            return False  # 0 means up to the end of the file; otherwise appended data, not a box
        if position + length > size:
            return kind in (b"mdat", b"moof")
        position += length
    return False


def _is_matroska_truncated(file: BinaryIO, size: int) -> bool:
    file.seek(4)
    length = _read_ebml_length(file)
    if length is None:
        return False
    file.seek(length, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return False
    length = _read_ebml_length(file)
    return length is not None and file.tell() + length > size


def _read_ebml_length(file: BinaryIO) -> int | None:
    """Read an EBML length; None for the reserved value "unknown" of live recordings."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + file.read(more))
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _is_riff_truncated(file: BinaryIO, size: int) -> bool:
    """Return whether a RIFF chunk is incomplete; AVI files above a gigabyte have several."""
    position = 0
    while position + 12 <= size:
        file.seek(position)
        head = file.read(8)
        if head[:4] != b"RIFF":
            return False
        length = int.from_bytes(head[4:8], "little")
        if length == 0:
            return False  # left at 0 by its writer; libav reads it to the end
        position += 8 + length + length % 2
        if position > size + 1:
            return True
    return False
