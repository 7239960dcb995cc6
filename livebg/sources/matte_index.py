"""Checks that a video is the matte of another one, and finds the matte of each of its frames.

A wrong matte would show the room, so everything that could be wrong with the file as a whole is found before the first frame: a
missing, extra or differently timed picture, another size, color, limited range.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from livebg.errors import SourceError
from livebg.imaging.frame import Alpha8
from livebg.sources.ffv1 import has_valid_checksums
from livebg.sources.packet_index import Ticks
from livebg.sources.pixel_layout import Orientation, plane_views
from livebg.sources.video_file import is_cover, open_video

_TOLERANCE_PER_S: Final = 2000
"""Times may differ by a 2000th of a second: Matroska and WebM round them to milliseconds."""
_GRAY: Final = "gray"
_YUV: Final = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"})
_NEUTRAL: Final = 128
_NEUTRAL_TOLERANCE: Final = 2
"""Levels by which a lossy codec may change neutral chroma."""
_EXPORT_HINT: Final = "Export it as 8-bit gray or YUV video of full range, for example as FFV1 with the pixel format gray."
_COPY_HINT: Final = "Get an undamaged copy of the file."
_TIMES_HINT: Final = "Use the file that --keep-matte wrote for this video, or export it with every frame at its time."


@dataclass(frozen=True, slots=True, eq=False)
class MatteIndex:
    """A checked matte file: the picture at ``matte_pts[k]``, in the file's own time base, is the matte of the frame at
    ``pts[k]``, in ``time_base`` seconds. ``size`` is (width, height) of both. It can be pickled.
    """

    path: Path
    size: tuple[int, int]
    time_base: Fraction
    pts: Ticks
    matte_pts: Ticks

    def between(self, begin: int, end: int | None) -> "MatteIndex":
        """Return the part for the frames with ``begin <= pts < end``; None = to the end."""
        first, stop = (len(self.pts) if each is None else int(np.searchsorted(self.pts, each)) for each in (begin, end))
        return MatteIndex(self.path, self.size, self.time_base, self.pts[first:stop], self.matte_pts[first:stop])


def index_matte(
    path: Path, size: tuple[int, int], time_base: Fraction, pts: Sequence[int] | Ticks, whole: Sequence[int] | Ticks | None = None
) -> MatteIndex:
    """Check that ``path`` is a matte of ``size`` (width, height) with a picture for each frame at ``pts`` * ``time_base``.

    ``whole`` are the times of all frames of the video, if ``pts`` are only some of them: the file may be the matte of either. Its
    times are those of the video, or all earlier by the time of its first frame. Pictures in color are decoded to check them.

    Raises :class:`~livebg.errors.SourceError` with the first difference.
    """
    container, stream = open_video(path)
    with container:
        _check_streams(path, container)
        _check_size(path, (stream.codec_context.width, stream.codec_context.height), size)
        found = _times(path, container, stream)
        unit = Fraction(stream.time_base or 1)
    _check_pictures(path, size)
    wanted, expected = [int(each) for each in pts], [int(each) for each in (pts if whole is None else whole)]
    compared = wanted if len(found) == len(wanted) else expected
    _compare(path, found, unit, compared, time_base)
    first = int(np.searchsorted(np.asarray(compared, np.int64), wanted[0])) if wanted else 0
    return MatteIndex(
        path, size, time_base, np.asarray(wanted, np.int64), np.asarray(found[first : first + len(wanted)], np.int64)
    )


def alpha_of(path: Path, picture: av.VideoFrame, size: tuple[int, int]) -> Alpha8:
    """Return the luma of a decoded picture as alpha, uint8 (height, width), a new array.

    Raises :class:`~livebg.errors.SourceError` unless it is gray, 8 bits, in full range, undamaged, progressive and of ``size``.
    """
    at = f"at {picture.time or 0:.3f} s"
    _check_size(path, (picture.width, picture.height), size)
    if picture.is_corrupt:
        raise SourceError(f"The matte {path} is damaged {at}.", _COPY_HINT)
    if picture.interlaced_frame:
        raise SourceError(f"The matte {path} is interlaced {at}.", "Export it as progressive video.")
    name = picture.format.name
    if name != _GRAY and name not in _YUV:
        raise SourceError(
            f"The matte {path} has the pixel format {name}, which may hold color or more than 8 bits.", _EXPORT_HINT
        )
    # Gray and yuvj without a tag are full range, other formats are limited.
    full = picture.color_range == ColorRange.JPEG or (picture.color_range != ColorRange.MPEG and name.startswith((_GRAY, "yuvj")))
    if not full:
        tag = "has limited range" if picture.color_range == ColorRange.MPEG else "is not tagged as full range"
        raise SourceError(f"The matte {path} {tag}, so its levels are not alpha.", _EXPORT_HINT)
    luma, *chroma = plane_views(picture)
    for plane in chroma:
        if plane.min() < _NEUTRAL - _NEUTRAL_TOLERANCE or plane.max() > _NEUTRAL + _NEUTRAL_TOLERANCE:
            raise SourceError(f"The matte {path} has color {at}, but a matte is gray.", _EXPORT_HINT)
    return luma.copy()


def _check_streams(path: Path, container: InputContainer) -> None:
    videos = sum(not is_cover(stream) for stream in container.streams.video)
    if videos > 1:
        raise SourceError(f"The matte {path} has {videos} video streams, but a matte has one.", "Export only the matte.")


def _check_size(path: Path, found: tuple[int, int], size: tuple[int, int]) -> None:
    if found != size:
        one, other = ("{}x{}".format(*each) for each in (found, size))
        hint = "Export it in this size, upright as the video is shown, or name the matte of this video."
        raise SourceError(f"The matte {path} is {one}, but the frames of the video are {other}.", hint)


def _times(path: Path, container: InputContainer, stream: VideoStream) -> list[int]:
    """Return the times of all pictures, rising, in the stream's time base. Checks their checksums, if they have some."""
    times, valid = [], []
    try:
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is None:
                raise SourceError(f"The matte {path} has a picture without a time.", _TIMES_HINT)
            times.append(packet.pts)
            valid.append(not packet.is_corrupt and (stream.codec_context.name != "ffv1" or has_valid_checksums(bytes(packet))))
    except av.FFmpegError as error:
        raise SourceError(f"The matte {path} cannot be read to its end ({error.strerror}).", _COPY_HINT) from error
    if any(valid) and not all(valid):
        at = float(times[valid.index(False)] * Fraction(stream.time_base or 1))
        raise SourceError(f"The matte {path} is damaged at {at:.3f} s.", _COPY_HINT)
    return sorted(times)


def _check_pictures(path: Path, size: tuple[int, int]) -> None:
    """Check the first picture, and all of them if they could have color."""
    for number, picture in enumerate(_decoded(path)):
        if number == 0 and Orientation.of(picture) != Orientation():
            raise SourceError(f"The matte {path} is rotated or mirrored for display.", "Export it upright, without a rotation.")
        alpha_of(path, picture, size)
        if picture.format.name == _GRAY:
            return


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    container, stream = open_video(path)
    with container:
        try:
            yield from container.decode(stream)
        except av.FFmpegError as error:
            raise SourceError(f"The matte {path} cannot be decoded ({error.strerror}).", _EXPORT_HINT) from error


def _compare(path: Path, found: Sequence[int], unit: Fraction, expected: Sequence[int], time_base: Fraction) -> None:
    """Raise SourceError unless both have the same times, or the same except that those found begin at 0."""
    shifts = (0, expected[0]) if expected and found and found[0] == 0 else (0,)
    differences = [_first_difference(found, unit, [pts - shift for pts in expected], time_base) for shift in shifts]
    if None in differences:
        return
    number = max(each for each in differences if each is not None)
    count = f"it has {len(found)} frames and the video {len(expected)}"
    if number == len(expected):
        problem = f"it continues after the last frame of the video, at {float(found[number] * unit):.3f} s"
    else:
        wanted = f"the one at {float(expected[number] * time_base):.3f} s"
        problem = f"{wanted} is missing" if number == len(found) else f"{wanted} is at {float(found[number] * unit):.3f} s"
    raise SourceError(f"The frames of the matte {path} are not those of the video: {count}, and {problem}.", _TIMES_HINT)


def _first_difference(found: Sequence[int], unit: Fraction, expected: Sequence[int], time_base: Fraction) -> int | None:
    """Return the number of the first frame whose times differ, or that only one side has; None without a difference."""
    # The integers of a common denominator: fractions take ten times as long.
    one, other = unit.numerator * time_base.denominator, time_base.numerator * unit.denominator
    limit = unit.denominator * time_base.denominator
    for number, (actual, wanted) in enumerate(zip(found, expected, strict=False)):
        repeated = number > 0 and actual == found[number - 1]
        if repeated or _TOLERANCE_PER_S * abs(actual * one - wanted * other) > limit:
            return number
    return None if len(found) == len(expected) else min(len(found), len(expected))
