"""Reads photos: upright 8-bit RGB, in sRGB or with the photo's own color profile, and SDR."""

import logging
import math
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from livebg.errors import SourceError
from livebg.imaging.color_profile import ADOBE_RGB, CODE_POINTS, is_rgb, is_srgb, is_usable, make_profile, to_srgb
from livebg.sources.photo_decoders import READ_FAILURES, DecodedPhoto, log_warnings, open_photo

_LOG: Final = logging.getLogger(__name__)

READABLE: Final = "JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or JPEG 2000"

_ORIENTED_SIDEWAYS: Final = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""

_MAX_DPI: Final = 65_535
_DPI_OF_UNIT: Final = {2: 1.0, 3: 2.54}
"""Factor from the number in EXIF to dots per inch, by the EXIF resolution unit."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFile:
    """A photo as it is rendered.

    ``rgb`` is uint8, (height, width, 3), upright, black where the photo is transparent. ``profile`` is its ICC profile or empty;
    ``icc`` is the same, but empty if the profile equals sRGB. ``dpi`` is the horizontal and vertical resolution, or None.
    ``notes`` are short clauses about conversions.
    """

    rgb: NDArray[np.uint8]
    profile: bytes
    icc: bytes
    exif: Image.Exif
    dpi: tuple[float, float] | None
    notes: tuple[str, ...]


def read_photo(path: Path) -> PhotoFile:
    """Read the photo at ``path``. Raises :class:`~livebg.errors.SourceError` if that fails."""
    with _reading(path), log_warnings(), _opened(path) as decoded:
        image, notes = decoded.image, list(decoded.notes)
        exif = image.getexif()
        if image.mode in ("I", "F"):
            raise SourceError(
                f"{path} has 32-bit samples, which define no white level.", "Save it with 8 or 16 bits per channel."
            )
        # Pillow exchanges the resolutions of a rotated photo itself only in some formats, so they are read before.
        dpi = _dpi(image, exif)
        profile = _profile(decoded, exif)
        rgb, profile = _to_rgb(ImageOps.exif_transpose(image), profile, notes)
        icc = b"" if not profile or is_srgb(profile) else profile
        return PhotoFile(np.asarray(rgb), profile, icc, exif, dpi, tuple(notes))


def _opened(path: Path) -> AbstractContextManager[DecodedPhoto]:
    if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO waits until another program writes to it
        raise SourceError(f"{path} is not a regular file.", "Name a photo.")
    return open_photo(path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError:
        raise SourceError(f"{path} is not a readable photo.", f"Use {READABLE}.") from None
    except Image.DecompressionBombError:
        raise SourceError(f"{path} is too large.", "Reduce it to less than 178 megapixels.") from None
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist.", "Name a photo.") from error
    except PermissionError:
        raise SourceError(f"{path} cannot be read (permission denied).", "Change its permissions.") from None
    except READ_FAILURES as error:
        _LOG.debug("%s: %s", path, error)
        raise SourceError(f"{path} is damaged or truncated.", "Copy or download it again.") from None


def _profile(decoded: DecodedPhoto, exif: Image.Exif) -> bytes:
    """Return the embedded ICC profile, else one made from the photo's color tags; empty for sRGB."""
    embedded = decoded.image.info.get("icc_profile")
    if embedded:
        return bytes(embedded)
    if decoded.primaries in CODE_POINTS:
        return make_profile(CODE_POINTS[decoded.primaries])
    # Cameras mark Adobe RGB like this and embed no profile (DCF 2.0, section 3.2).
    interop = exif.get_ifd(ExifTags.IFD.Interop) if ExifTags.IFD.Exif in exif else {}
    return make_profile(ADOBE_RGB) if str(interop.get(ExifTags.Interop.InteropIndex, "")).startswith("R03") else b""


def _to_rgb(image: Image.Image, profile: bytes, notes: list[str]) -> tuple[Image.Image, bytes]:
    """Convert to 8-bit RGB. Keeps a usable RGB profile; other color spaces are converted to sRGB."""
    mode = image.mode
    if mode.startswith("I;16"):
        notes.append("converted from 16 to 8 bits")
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    opacity = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if opacity is not None and opacity.getextrema() == (255, 255):
        opacity = None
    if mode == "LAB" and not profile:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if profile and not (is_rgb(profile) and is_usable(profile)):
        notes.append(f"converted from {mode} to sRGB")
        source = {"LA": "L", "PA": "RGB", "1": "L", "RGBA": "RGB", "P": "RGB"}.get(mode, image.mode)
        rgb, profile = to_srgb(image.convert(source), profile), b""
    else:
        rgb = image.convert("RGB")
    if opacity is not None:
        notes.append("transparent areas filled with black")
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size), opacity)
    return rgb, profile


def _dpi(image: Image.Image, exif: Image.Exif) -> tuple[float, float] | None:
    """Return the resolution of the upright photo, from the format's own field or from EXIF."""
    try:
        pair = image.info.get("dpi") or _exif_dpi(exif)
        across, down = (float(value) for value in pair)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None
    if not all(math.isfinite(value) and 1 <= value <= _MAX_DPI for value in (across, down)):
        return None
    sideways = exif.get(ExifTags.Base.Orientation) in _ORIENTED_SIDEWAYS
    return (down, across) if sideways else (across, down)


def _exif_dpi(exif: Image.Exif) -> tuple[float, ...]:
    factor = _DPI_OF_UNIT[exif.get(ExifTags.Base.ResolutionUnit, 2)]
    return tuple(float(exif[tag]) * factor for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution))
