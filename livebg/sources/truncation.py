"""Is a file all there? Containers say how long they are; a copy that was broken off is shorter."""

import math
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
from av.stream import Discard

from livebg.sources.decoder import DECODE_ORDER_ONLY, Decoder, VideoPacket

_DEEPEST_REORDERING: Final = 4
"""Frames; encoders use up to three B-frame levels."""
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


def is_cut_short(path: Path) -> bool:
    """Whether an MP4, MOV, Matroska, WebM or AVI file is shorter than its own headers say; others count as whole."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        check: Callable[[BinaryIO, int], bool]
        if head[4:8] in _MP4_BOXES:
            check = _mp4_is_cut
        elif head[:4] == _EBML_MAGIC:
            check = _matroska_is_cut
        elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            check = _riff_is_cut
        else:
            return False
        file.seek(0)
        return check(file, size)


def breaks_off_at(path: Path) -> float:
    """The time in seconds, on the file's own timeline and rounded down to milliseconds, before which all frames are there."""
    decoder = Decoder(path)
    try:
        for stream in decoder.container.streams:
            stream.discard = Discard.default if stream.index == decoder.stream.index else Discard.all
        missing = _first_missing(decoder) - _reordering(decoder)
        return max(0, math.floor((missing * decoder.time_base - decoder.origin) * 1000)) / 1000
    finally:
        decoder.close()


def _first_missing(decoder: Decoder) -> Fraction:
    """In ticks. No frame is shown before it is decoded: what is missing comes after the last decoding time that is there."""
    step = 1 / decoder.rate / decoder.time_base
    after = Fraction(decoder.stream.start_time or 0)
    try:
        for packet in decoder.container.demux(decoder.stream):
            time = _decoding_time(packet)
            if packet.size and packet.is_corrupt:
                return Fraction(time) if time is not None else after
            if packet.size and time is not None:
                after = time + step
    except av.error.FFmpegError:
        return after
    return after


def _reordering(decoder: Decoder) -> Fraction:
    """In ticks, how much earlier than its decoding time a frame may be shown, where times are those of decoding."""
    reordered = decoder.container.format.name in DECODE_ORDER_ONLY and decoder.stream.codec_context.has_b_frames
    return _DEEPEST_REORDERING / decoder.rate / decoder.time_base if reordered else Fraction(0)


def _decoding_time(packet: VideoPacket) -> int | None:
    return packet.dts if packet.dts is not None else packet.pts


def _mp4_is_cut(file: BinaryIO, size: int) -> bool:
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4]), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16])
        if kind not in _MP4_BOXES or length < 8:
            return False  # to the end of the file (0), or something appended that is no box
        if position + length > size:
            return kind in (b"mdat", b"moof")
        position += length
    return False


def _matroska_is_cut(file: BinaryIO, size: int) -> bool:
    file.seek(4)
    length = _vint(file)
    if length is None:
        return False
    file.seek(length, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return False
    length = _vint(file)
    return length is not None and file.tell() + length > size


def _vint(file: BinaryIO) -> int | None:
    """An EBML length; None when it is the one that means unknown, as live recordings write it."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + file.read(more))
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _riff_is_cut(file: BinaryIO, size: int) -> bool:
    """AVI files above a gigabyte are a row of RIFF chunks."""
    position = 0
    while position + 12 <= size:
        file.seek(position)
        head = file.read(8)
        if head[:4] != b"RIFF":
            return False
        length = int.from_bytes(head[4:8], "little")
        if length == 0:
            return False  # never completed by its writer; libav reads it to the end
        position += 8 + length + length % 2
        if position > size + 1:
            return True
    return False
