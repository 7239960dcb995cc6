"""Renders photos with the video pipeline, but keeps the full chroma resolution of the photo."""

import io
import logging
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from livebg.compositing.composite import tighten
from livebg.errors import ConfigError, SinkError, SourceError
from livebg.imaging.frame import BT601, Alpha8, ColorSpec, Composite, Frame, i420_to_rgb, rgb_to_i420
from livebg.imaging.pillow_compat import READ_FAILURES, log_warnings
from livebg.pipeline import Passthrough, Pipeline
from livebg.sinks.atomic_file import AtomicFile, writing

_LOG: Final = logging.getLogger(__name__)
_COLOR: Final = ColorSpec(matrix=BT601, full_range=True)
"""The color of JPEG, so no color conversion is needed when the photo is written."""

_PROFILE_SPACE: Final = slice(16, 20)
"""Bytes of an ICC profile that name its color space."""

_FORMATS: Final = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"})
_ALPHA_FORMATS: Final = frozenset({"PNG", "WEBP", "TIFF", "AVIF"})
_BAND_ROWS: Final = 256
"""Rows computed at a time: a large photo in floating point takes a gigabyte."""

_MAX_SIDE: Final = MappingProxyType({"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_536})
"""Pixels; the other formats hold every photo that can be read."""

_KEPT_EXIF_TAGS: Final = (
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.ImageDescription,
)
"""EXIF tags to copy. The thumbnail and the maker notes are excluded, since they contain small pictures of the room."""


class Photo:
    """A still picture. ``rgb`` is uint8, (height, width, 3), rotated upright; the size may be odd.

    Transparent areas are black. ``notes`` are short clauses about conversions. Raises :class:`~livebg.errors.SourceError` if the
    file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: tuple[str, ...] = ()
        self._profile: bytes | None = None
        try:
            with log_warnings(), Image.open(path) as image:
                self._exif = _kept_exif(image.getexif())
                if getattr(image, "n_frames", 1) > 1:
                    self.notes += (f"only the first of {getattr(image, 'n_frames', 1)} pictures",)
                self.rgb: NDArray[np.uint8] = np.asarray(self._to_rgb(ImageOps.exif_transpose(image)))
        except UnidentifiedImageError:
            raise SourceError(f"{path} is not a readable photo. Use JPEG, PNG, WebP, TIFF, BMP or AVIF.") from None
        except Image.DecompressionBombError:
            raise SourceError(f"{path} is too large. Reduce it to less than 178 megapixels.") from None
        except PermissionError:
            raise SourceError(f"{path} cannot be read (permission denied). Change its permissions.") from None
        except READ_FAILURES as error:
            _LOG.debug("%s: %s", path, error)
            raise SourceError(f"{path} is damaged or truncated. Copy or download it again.") from None

    def _to_rgb(self, image: Image.Image) -> Image.Image:
        """Convert to 8-bit RGB. Keeps an RGB color profile; other color spaces are converted to sRGB."""
        if image.mode in ("I", "F"):
            raise SourceError(
                f"{self._path} has 32-bit samples, which define no white level. Save it with 8 or 16 bits per channel."
            )
        profile = image.info.get("icc_profile")
        if image.mode.startswith("I;16"):
            self.notes += ("converted from 16 to 8 bits",)
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            self.notes += ("transparent areas filled with black",)
            image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image.convert("RGBA")).convert("RGB")
        if profile and profile[_PROFILE_SPACE] != b"RGB ":
            self.notes += (f"converted from {image.mode} to sRGB",)
            return _to_srgb(image, profile)
        self._profile = profile
        return image.convert("RGB")

    @cached_property
    def frame(self) -> Frame:
        """The photo as a frame at time 0; an odd width or height is padded by repeating the edge."""
        height, width = self.rgb.shape[:2]
        even = np.pad(self.rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return Frame(rgb_to_i420(even, _COLOR), 0, Fraction(1), _COLOR)

    def composited(self, frame: Frame, composite: Composite, alpha: Alpha8 | None) -> Image.Image:
        """Returns the composite in RGB, with the detail lost in 4:2:0 restored on the person.

        A composite is nearly linear in the frame, so adding alpha * (photo - frame) approximates compositing the photo itself.
        If alpha is 255, the bytes of the photo are returned. ``alpha`` None means a composite that shows everything.
        """
        whole = np.full((frame.height, frame.width), 255, np.uint8) if alpha is None else alpha
        return self._image(self._detailed(frame, composite, whole, whole))

    def cutout(self, frame: Frame, composite: Composite, alpha: Alpha8) -> Image.Image:
        """Returns RGBA with straight alpha: the bytes of the photo if alpha is 255, black if it is 0."""
        # Straight alpha: restore the full detail even at low alpha.
        pixels = self._detailed(frame, composite, alpha, np.where(alpha > 0, np.uint8(255), np.uint8(0)))
        cropped = self._cropped(alpha)
        pixels[cropped == 0] = 0
        return self._image(np.dstack([pixels, cropped]))

    def _detailed(self, frame: Frame, composite: Composite, alpha: Alpha8, detail: Alpha8) -> NDArray[np.uint8]:
        """Returns the composite in RGB plus ``detail`` / 255 of the detail lost in 4:2:0; the photo if ``alpha`` is 255."""
        size = (frame.width, frame.height)
        before, after = frame.rgb(size), i420_to_rgb(composite.data, composite.color, size)
        height, width = self.rgb.shape[:2]
        pixels = np.empty_like(self.rgb)
        for top in range(0, height, _BAND_ROWS):
            part = (slice(top, min(top + _BAND_ROWS, height)), slice(width))
            lost = self.rgb[part].astype(np.int16) - before[part]
            mixed = np.rint(after[part] + detail[part][..., None] / np.float32(255) * lost).clip(0, 255)
            # Chroma is subsampled 2x2, so at the edge it includes some of the background.
            pixels[part] = np.where(alpha[part][..., None] == 255, self.rgb[part], mixed)
        return pixels

    def matte(self, alpha: Alpha8) -> Image.Image:
        return Image.fromarray(self._cropped(alpha))

    def _cropped(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self.rgb.shape[:2]
        return picture[:height, :width]

    def _image(self, pixels: NDArray[np.uint8]) -> Image.Image:
        image = Image.fromarray(pixels)
        image.info["exif"] = self._exif
        if self._profile:
            image.info["icc_profile"] = self._profile
        return image


def check_suffix(path: Path, mode: str) -> None:
    """Raise :class:`~livebg.errors.ConfigError` if the format of ``path`` cannot hold a photo of this mode."""
    kind = _kind(path)
    if kind is None:
        raise ConfigError(f"Cannot write {path}: {path.suffix or 'no extension'} is not a photo format. Use .png or .jpg.")
    if mode == "cutout" and kind not in _ALPHA_FORMATS:
        raise ConfigError(f"Cannot write {path}: {kind} does not support the transparency of a cutout. Use .png.")


def render_photo(photo: Photo, processor: Pipeline | Passthrough, mode: str) -> Image.Image:
    """Render the photo in ``mode``. Raises :class:`~livebg.errors.ModelError` if the network fails."""
    frame = photo.frame
    if isinstance(processor, Passthrough):
        return photo.composited(frame, processor.process(frame).composite, None)
    matte = processor.matte(frame)
    if mode == "cutout":
        return photo.cutout(frame, processor.composite(frame, matte), matte.alpha)
    if mode == "matte":
        return photo.matte(matte.alpha)
    seen = tighten(matte) if mode == "greenscreen" else matte
    return photo.composited(frame, processor.composite(frame, matte), seen.alpha)


def write_photo(image: Image.Image, part: AtomicFile, path: Path) -> None:
    """Write ``image`` to ``part`` in the format of ``path``, and rename it to ``path``.

    Raises :class:`~livebg.errors.SinkError` if it cannot be written.
    """
    kind = _kind(path) or "PNG"
    max_side = _MAX_SIDE.get(kind)
    if max_side and max(image.size) > max_side:
        size = "{}x{}".format(*image.size)
        raise SinkError(f"Cannot write {path}: {kind} is limited to {max_side} pixels per side, the photo is {size}. Use .png.")
    with writing(path):
        image.save(part.part, format=kind, **_options(image, kind))
    part.commit()


def _kind(path: Path) -> str | None:
    kind = Image.registered_extensions().get(path.suffix.lower())
    return kind if kind in _FORMATS else None


def _options(image: Image.Image, kind: str) -> dict[str, Any]:
    # A matte is data: it must be stored losslessly.
    lossless = image.mode != "RGB"
    quality: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 100 if lossless else 95, "subsampling": 0},
        "WEBP": {"quality": 95, "lossless": lossless, "exact": True},
        "AVIF": {"quality": 100 if lossless else 90, "subsampling": "4:4:4"},
    }
    options = quality.get(kind, {})
    if kind != "BMP" and image.mode != "L":
        options |= {key: image.info[key] for key in ("exif", "icc_profile") if image.info.get(key)}
    return options


def _kept_exif(exif: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in _KEPT_EXIF_TAGS:
        if isinstance(exif.get(tag), str):
            kept[tag] = exif[tag]
    return kept


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert ``image`` with its color profile (CMYK, gray, Lab), or without it if the profile is unusable."""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        _LOG.debug("Cannot use the color profile: %s", error)
        converted = None
    return converted or image.convert("RGB")
