"""Reads alphas and their pictures from files: videos, pictures, folders of pictures."""

import logging
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from livebg.errors import SourceError
from livebg.imaging.frame import Alpha8
from livebg.sources.file import FileSource
from livebg.sources.media_types import PHOTO_SUFFIXES
from livebg.sources.video_file import open_video

_LOG: Final = logging.getLogger(__name__)
_LIBVPX: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders for these codecs ignore the alpha channel."""

_NEUTRAL: Final = 128
_STRAY_CHROMA: Final = 8
"""Maximum chroma that lossy codecs add to gray, in levels."""

_DIGITS: Final = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFrame:
    """One frame or picture of a file.

    ``name`` identifies it in messages; ``time`` is in seconds, None for pictures; ``luma`` is uint8, (height, width), over the
    full range 0..255; ``alpha`` is the alpha channel, uint8 of that shape, None if the file has none; ``gray`` is whether it has
    no color.
    """

    name: str
    time: float | None
    luma: NDArray[np.uint8]
    alpha: Alpha8 | None
    gray: bool

    @property
    def matte(self) -> Alpha8:
        """The alpha channel, or the gray picture itself if there is none."""
        return self.luma if self.alpha is None else self.alpha


def is_picture(path: Path) -> bool:
    """Return whether a file has the suffix of a picture."""
    return path.suffix.lower() in PHOTO_SUFFIXES


def pictures_in(folder: Path) -> dict[str, Path]:
    """Return the pictures of a folder by name without suffix, "2" before "10". Raises SourceError if there are none."""
    files = [file for file in folder.iterdir() if is_picture(file) and not file.name.startswith(".")]
    if not files:
        raise SourceError(f"{folder} contains no pictures.", "Use a folder that contains some, or a file.")
    return {file.stem: file for file in sorted(files, key=_natural_order)}


def frames_of(path: Path) -> Generator[ScoredFrame, None, None]:
    """Yield every frame of a video, every picture of a folder, or a single picture.

    Raises :class:`~livebg.errors.SourceError` for unreadable input.
    """
    if path.is_dir():
        for file in pictures_in(path).values():
            yield picture_at(file)
    elif is_picture(path):
        yield picture_at(path)
    elif _has_alpha(path):
        yield from _transparent(path)
    else:
        yield from _opaque(path)


def picture_at(path: Path) -> ScoredFrame:
    """Read a picture. Raises :class:`~livebg.errors.SourceError` if that fails."""
    try:
        with Image.open(path) as image:
            if image.mode in ("I", "F"):
                raise SourceError(f"{path} has 32-bit values, which do not define white.", "Save it with 8 or 16 bits.")
            if image.mode.startswith("I;16"):
                return ScoredFrame(path.name, None, (np.asarray(image) >> 8).astype(np.uint8), None, gray=True)
            rgba = np.asarray(image.convert("RGBA"))
    except UnidentifiedImageError:
        raise SourceError(f"{path} is not a readable picture.", "Use PNG, JPEG, WebP, TIFF, BMP or AVIF.") from None
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist.", "Use a video, a picture or a folder of pictures.") from None
    except (OSError, SyntaxError, ValueError, RuntimeError) as error:  # raised by Pillow's readers for damaged files
        _LOG.debug("%s: %s", path, error)
        raise SourceError(f"{path} is damaged or truncated.", "Get a new copy.") from None
    rgb = np.ascontiguousarray(rgba[..., :3])
    opaque = bool(rgba[..., 3].min() == 255)  # an unused alpha channel
    alpha = None if opaque else np.ascontiguousarray(rgba[..., 3])
    luma = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    return ScoredFrame(path.name, None, luma, alpha, gray=bool((np.ptp(rgb, axis=2) <= _STRAY_CHROMA).all()))


def _natural_order(file: Path) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in _DIGITS.split(file.stem)]


def _has_alpha(path: Path) -> bool:
    container, stream = open_video(path)
    with closing(container):
        codes = {key.lower(): value for key, value in stream.metadata.items()}
        return codes.get("alpha_mode") == "1" or any(component.is_alpha for component in stream.format.components)


def _transparent(path: Path) -> Iterator[ScoredFrame]:
    container, stream = open_video(path)
    with closing(container):
        try:
            for picture in _decoded(container, stream):
                rgba = np.asarray(picture.to_ndarray(format="rgba"), np.uint8)
                time = float((picture.pts or 0) * (stream.time_base or 0))
                luma = np.asarray(cv2.cvtColor(np.ascontiguousarray(rgba[..., :3]), cv2.COLOR_RGB2GRAY), np.uint8)
                yield ScoredFrame(f"{time:.3f} s", time, luma, _alpha_channel(picture, rgba), gray=False)
        except av.error.FFmpegError as error:
            raise SourceError(f"{path} cannot be read to its end ({error}).", "Copy or render it again.") from error


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    context = stream.codec_context
    if context.name in _LIBVPX:
        other = av.CodecContext.create(_LIBVPX[context.name], "r")
        assert isinstance(other, av.VideoCodecContext)
        context = other
    for packet in container.demux(stream):
        yield from context.decode(packet if packet.size else None)


def _alpha_channel(picture: av.VideoFrame, rgba: NDArray[np.uint8]) -> Alpha8:
    """Return alpha with 8 bits, rounded from higher depths: the conversion to RGBA would truncate."""
    component = next((each for each in picture.format.components if each.is_alpha), None)
    if component is None:  # the file declares alpha but the decoder found none: fully opaque
        return np.full(rgba.shape[:2], 255, np.uint8)
    if component.bits == 8 or not picture.format.name.endswith("le") or not picture.format.is_planar:
        return np.ascontiguousarray(rgba[..., 3])
    plane = picture.planes[component.plane]
    levels = np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, -1)[:, : plane.width]
    return np.asarray(np.rint(levels * (255 / (2**component.bits - 1))), np.uint8)


def _opaque(path: Path) -> Iterator[ScoredFrame]:
    with FileSource(path, threads=1) as source:
        levels = np.arange(256, dtype=np.float64)
        table = levels if source.format.color.full_range else np.clip((levels - 16) * 255 / 219, 0, 255)
        full = np.rint(table).astype(np.uint8)
        for frame in source:
            stray = max(float(cv2.norm(plane, np.full_like(plane, _NEUTRAL), cv2.NORM_INF)) for plane in frame.planes[1:])
            yield ScoredFrame(f"{frame.time:.3f} s", frame.time, full[frame.y], None, stray <= _STRAY_CHROMA)
