"""Opens photo files with the library that reads them, and tone-maps HDR photos to SDR."""

import io
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from livebg.imaging.frame import UNSPECIFIED
from livebg.sources.filter_graph import FilterGraph, tone_map_steps
from livebg.sources.pixel_layout import Orientation, PictureFormat
from livebg.sources.tonemap import HDR_TRANSFERS

_LOG: Final = logging.getLogger(__name__)

_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEAD_BYTES: Final = 1 << 17
"""Bytes at the beginning of a file that hold its metadata."""

_GAIN_MAPS: Final = (b"hdrgm:Version", b"hdrgainmap", b"HDRGainMap", b"urn:iso:std:iso:ts:21496:-1")
"""Names in the metadata of photos that carry an HDR gain map."""

_TONE_MAPPED_ITEM: Final = b"infe\x02\0\0\0..\0\0tmap"
"""Pattern of the entry in AVIF and HEIF files for a picture with an HDR gain map."""

READ_FAILURES: Final = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Exceptions that damaged pictures cause. Each format has its own reader, and most of them validate little."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPhoto:
    """A photo as stored. Pixels in HDR are tone-mapped already; ``primaries`` is an H.273 code point. ``notes`` are clauses."""

    image: Image.Image
    primaries: int = UNSPECIFIED
    notes: tuple[str, ...] = ()


@contextmanager
def log_warnings() -> Iterator[None]:
    """Log Pillow's warnings (damaged EXIF data, very large pictures) inside the ``with`` block instead of printing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        _LOG.debug("%s", warning.message)


@contextmanager
def open_photo(path: Path) -> Iterator[DecodedPhoto]:
    """Open the photo at ``path``; the image may be loaded inside the ``with`` block.

    Raises :class:`PIL.UnidentifiedImageError` and :data:`READ_FAILURES`.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if _is_heif(head):
        yield _open_heif(path, head)
        return
    with Image.open(path) as image:
        gain_map = image.format in ("JPEG", "MPO", "AVIF") and _has_gain_map(head)
        notes = _notes(getattr(image, "n_frames", 1), gain_map)
        primaries, transfer = _color_of(path, image, head)
        if transfer in HDR_TRANSFERS:
            yield DecodedPhoto(_tone_mapped(path, image, transfer), notes=(*notes, _tone_mapping_note(transfer)))
        else:
            yield DecodedPhoto(image, primaries, notes)


def _is_heif(head: bytes) -> bool:
    """Return whether the file is HEIF with HEVC pictures: its ``ftyp`` box lists one of the brands."""
    if head[4:8] != b"ftyp":
        return False
    length = min(struct.unpack(">L", head[:4])[0], 256)
    return not _HEIF_BRANDS.isdisjoint([head[8:12], *(head[at : at + 4] for at in range(16, length, 4))])


def _open_heif(path: Path, head: bytes) -> DecodedPhoto:
    """Return the primary picture of an HEIF file, upright: libheif joins tiles, crops and rotates."""
    import pillow_heif

    content = path.read_bytes()
    try:
        file = pillow_heif.open_heif(content, convert_hdr_to_8bit=False)
    except (ValueError, SyntaxError) as error:
        raise UnidentifiedImageError(str(error)) from error
    _check_size(file.size)
    info = file.info
    color = info.get("nclx_profile") or {}
    primaries, transfer = color.get("color_primaries", UNSPECIFIED), color.get("transfer_characteristics", UNSPECIFIED)
    gain_map = _has_gain_map(head) or any("gainmap" in name.lower() for name in info.get("aux") or {})
    notes = _notes(len(file), gain_map)
    pixels = np.asarray(file)
    if transfer in HDR_TRANSFERS:
        image = _with_alpha(Image.fromarray(_to_sdr(pixels, transfer)), pixels)
        primaries, notes = UNSPECIFIED, (*notes, _tone_mapping_note(transfer))
    else:
        image = Image.fromarray(_to_8_bits(pixels))
        notes = (*notes, f"converted from {info['bit_depth']} to 8 bits") if pixels.dtype == np.uint16 else notes
        if info.get("icc_profile"):
            image.info["icc_profile"] = info["icc_profile"]
    if info.get("exif"):
        exif = Image.Exif()
        exif.load(info["exif"])
        exif[ExifTags.Base.Orientation] = 1  # HEIF has its own rotation, which is applied, and repeats it here
        image.info["exif"] = exif.tobytes()
    return DecodedPhoto(image, primaries, notes)


def _check_size(size: tuple[int, int]) -> None:
    """Apply Pillow's limit, since libheif has another one."""
    if Image.MAX_IMAGE_PIXELS is not None and size[0] * size[1] > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{size[0]}x{size[1]}")


def _notes(count: int, gain_map: bool) -> tuple[str, ...]:
    if gain_map:
        return ("HDR gain map left out",)
    return (f"only the first of {count} pictures",) if count > 1 else ()


def _has_gain_map(head: bytes) -> bool:
    return any(name in head for name in _GAIN_MAPS) or re.search(_TONE_MAPPED_ITEM, head, re.DOTALL) is not None


def _color_of(path: Path, image: Image.Image, head: bytes) -> tuple[int, int]:
    """Return the H.273 code points of primaries and transfer; UNSPECIFIED for a format that has none."""
    if image.format == "AVIF":
        with suppress(av.FFmpegError), av.open(path) as container:
            context = container.streams.video[0].codec_context
            return context.color_primaries, context.color_trc
    if head.startswith(_PNG_SIGNATURE):
        return _png_color(path)
    return UNSPECIFIED, UNSPECIFIED


def _png_color(path: Path) -> tuple[int, int]:
    """Read the chunk ``cICP``, which comes before the pixels."""
    with path.open("rb") as file:
        file.seek(len(_PNG_SIGNATURE))
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">L4s", header)
            if kind == b"cICP" and length == 4:
                primaries, transfer, *_ = file.read(4)
                return primaries, transfer
            if kind in (b"IDAT", b"IEND"):
                break
            file.seek(length + 4, io.SEEK_CUR)
    return UNSPECIFIED, UNSPECIFIED


def _tone_mapping_note(transfer: int) -> str:
    return f"tone-mapped from {HDR_TRANSFERS[transfer]} to SDR BT.709"


def _tone_mapped(path: Path, image: Image.Image, transfer: int) -> Image.Image:
    """Return the photo in SDR, with the orientation still to be applied."""
    pixels = _decoded_by_libav(path, transfer)
    if pixels is None or pixels.shape[1::-1] != image.size:
        # libav decodes the tiles of a large AVIF separately; Pillow joins them, but has 8 bits only.
        pixels = _to_sdr(np.asarray(image.convert("RGB")), transfer)
    mapped = _with_alpha(Image.fromarray(pixels), np.asarray(image))
    mapped.info = {key: value for key, value in image.info.items() if key in ("exif", "dpi")}
    return mapped


def _decoded_by_libav(path: Path, transfer: int) -> NDArray[np.uint8] | None:
    """Return the first picture at its full bit depth, tone-mapped; None if libav cannot decode it."""
    try:
        with av.open(path) as container:
            picture = next(container.decode(video=0), None)
            return None if picture is None else _sdr_of(picture, transfer)
    except av.FFmpegError as error:
        _LOG.debug("%s: %s", path, error)
        return None


def _to_sdr(pixels: NDArray[np.generic], transfer: int) -> NDArray[np.uint8]:
    """Tone-map BT.2020 pixels, uint8 or uint16, gray or RGB and perhaps alpha, to BT.709 RGB without alpha."""
    channels = np.atleast_3d(pixels)
    color = channels[..., :3] if channels.shape[2] > 2 else np.repeat(channels[..., :1], 3, axis=2)
    deep = color.astype(np.uint16) * 257 if color.dtype == np.uint8 else color
    return _sdr_of(av.VideoFrame.from_ndarray(np.ascontiguousarray(deep), format="rgb48le"), transfer)


def _to_8_bits(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Keep the upper byte of uint16; uint8 stays."""
    return (pixels.astype(np.uint16) >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8)


def _with_alpha(image: Image.Image, pixels: NDArray[np.generic]) -> Image.Image:
    """Add the alpha channel that ``pixels`` has in addition to gray or RGB."""
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        image.putalpha(Image.fromarray(_to_8_bits(pixels[..., -1])))
    return image


def _sdr_of(picture: av.VideoFrame, transfer: int) -> NDArray[np.uint8]:
    picture.color_trc, picture.pts, picture.time_base = transfer, 0, Fraction(1)
    kind = PictureFormat.of(picture, Orientation(), interlaced=False)
    graph = FilterGraph(kind, Fraction(1), [*tone_map_steps(kind), ("format", {"pix_fmts": "rgb24"})], threads=1)
    pictures = [*graph.push(picture), *graph.flush()]
    return np.asarray(pictures[0].to_ndarray(), np.uint8)
