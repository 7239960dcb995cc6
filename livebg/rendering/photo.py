"""Photos: the same pipeline as video, with the photo's own colour detail and depth of edges kept."""

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

from livebg.compositing.composite import tightened
from livebg.errors import ConfigError, SinkError, SourceError
from livebg.imaging.frame import BT601, Alpha8, ColorSpec, Composite, Frame, i420_to_rgb, rgb_to_i420
from livebg.imaging.pillow_compat import READ_FAILURES, reading
from livebg.pipeline import Pipeline, Unprocessed
from livebg.sinks.atomic_file import PartFile, writing

_LOG: Final = logging.getLogger(__name__)
_COLOR: Final = ColorSpec(matrix=BT601, full_range=True)
"""JPEG's own colour: for a photo nothing is lost between here and the file."""

_PROFILE_SPACE: Final = slice(16, 20)
"""Where an ICC profile names the colour space that it is for."""

_WRITTEN: Final = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"})
_WITH_ALPHA: Final = frozenset({"PNG", "WEBP", "TIFF", "AVIF"})
_BAND: Final = 256
"""Rows that are computed at a time: a large photo in floating point is a gigabyte."""

_LARGEST_SIDE: Final = MappingProxyType({"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_536})
"""Pixels; the other kinds hold whatever can be read."""

_KEPT_TAGS: Final = (
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.ImageDescription,
)
"""What is carried over of EXIF. Not its thumbnail nor the maker's notes, which hold small pictures of the room."""


class Photo:
    """A still picture. ``rgb`` is uint8, (height, width, 3), turned upright; the size may be odd.

    What is transparent is black. ``notes`` are short clauses on what is not as in the file. Raises
    :class:`~livebg.errors.SourceError` when the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: tuple[str, ...] = ()
        self._profile: bytes | None = None
        try:
            with reading(), Image.open(path) as image:
                self._exif = _kept_exif(image.getexif())
                if getattr(image, "n_frames", 1) > 1:
                    self.notes += (f"the first of {getattr(image, 'n_frames', 1)} pictures",)
                self.rgb: NDArray[np.uint8] = np.asarray(self._to_rgb(ImageOps.exif_transpose(image)))
        except UnidentifiedImageError:
            raise SourceError(f"{path} is not a photo that can be read: use JPEG, PNG, WebP, TIFF, BMP or AVIF") from None
        except Image.DecompressionBombError:
            raise SourceError(f"{path} is too large for a photo: shrink it below 178 megapixels") from None
        except PermissionError:
            raise SourceError(f"{path} may not be read by this user: change the permissions of the file or its folder") from None
        except READ_FAILURES as error:
            _LOG.debug("%s: %s", path, error)
            raise SourceError(f"{path} is damaged or cut short: get it again from where it came") from None

    def _to_rgb(self, image: Image.Image) -> Image.Image:
        """The picture in 8-bit RGB, with its colour profile where that is one for RGB, else in sRGB."""
        if image.mode in ("I", "F"):
            raise SourceError(
                f"{self._path} holds 32-bit numbers, which say nothing of where white is: save it with 8 or 16 bits a channel"
            )
        profile = image.info.get("icc_profile")
        if image.mode.startswith("I;16"):
            self.notes += ("16 bits brought to 8",)
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            self.notes += ("transparent parts filled with black",)
            image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image.convert("RGBA")).convert("RGB")
        if profile and profile[_PROFILE_SPACE] != b"RGB ":
            self.notes += (f"brought from {image.mode} to sRGB",)
            return _to_srgb(image, profile)
        self._profile = profile
        return image.convert("RGB")

    @cached_property
    def frame(self) -> Frame:
        """The photo as a frame at time 0; an odd edge is repeated."""
        height, width = self.rgb.shape[:2]
        even = np.pad(self.rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return Frame(rgb_to_i420(even, _COLOR), 0, Fraction(1), _COLOR)

    def composited(self, frame: Frame, composite: Composite, alpha: Alpha8 | None) -> Image.Image:
        """The composite in RGB, with the detail that 4:2:0 took given back where the person is.

        A composite is all but linear in the frame, so adding alpha * (photo - frame) to it is as good as compositing the photo
        itself; where alpha is 255 the photo's bytes come out. ``alpha`` None is a composite that shows everything.
        """
        whole = np.full((frame.height, frame.width), 255, np.uint8) if alpha is None else alpha
        return self._image(self._detailed(frame, composite, whole, whole))

    def cutout(self, frame: Frame, composite: Composite, alpha: Alpha8) -> Image.Image:
        """Straight alpha over the person's own colours: the photo's bytes where it is 255, black where it is 0."""
        # What is straight has all of its detail, however little of it will be seen.
        pixels = self._detailed(frame, composite, alpha, np.where(alpha > 0, np.uint8(255), np.uint8(0)))
        cropped = self._cropped(alpha)
        pixels[cropped == 0] = 0
        return self._image(np.dstack([pixels, cropped]))

    def _detailed(self, frame: Frame, composite: Composite, alpha: Alpha8, detail: Alpha8) -> NDArray[np.uint8]:
        """The composite in RGB with the share ``detail`` of what 4:2:0 took from the photo; its bytes where ``alpha`` is 255."""
        size = (frame.width, frame.height)
        before, after = frame.rgb(size), i420_to_rgb(composite.data, composite.color, size)
        height, width = self.rgb.shape[:2]
        pixels = np.empty_like(self.rgb)
        for top in range(0, height, _BAND):
            part = (slice(top, min(top + _BAND, height)), slice(width))
            lost = self.rgb[part].astype(np.int16) - before[part]
            mixed = np.rint(after[part] + detail[part][..., None] / np.float32(255) * lost).clip(0, 255)
            # Chroma has a quarter of the pixels: at the very edge some of the background's comes along.
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


def check_ending(path: Path, mode: str) -> None:
    """Raises :class:`~livebg.errors.ConfigError` when a photo of this mode cannot be written under the ending of ``path``."""
    kind = _kind(path)
    if kind is None:
        raise ConfigError(f"{path}: a photo cannot be written as {path.suffix or 'a file without an ending'}: use .png or .jpg")
    if mode == "cutout" and kind not in _WITH_ALPHA:
        raise ConfigError(f"{path}: {kind} cannot hold the transparency of a cut-out: use .png")


def render_photo(photo: Photo, processor: Pipeline | Unprocessed, mode: str) -> Image.Image:
    """The photo in ``mode``. Raises :class:`~livebg.errors.ModelError` when the network fails."""
    frame = photo.frame
    if isinstance(processor, Unprocessed):
        return photo.composited(frame, processor.process(frame), None)
    matte = processor.matte(frame)
    if mode == "cutout":
        return photo.cutout(frame, processor.composite(frame, matte), matte.alpha)
    if mode == "matte":
        return photo.matte(matte.alpha)
    seen = tightened(matte) if mode == "greenscreen" else matte
    return photo.composited(frame, processor.composite(frame, matte), seen.alpha)


def write_photo(image: Image.Image, part: PartFile, path: Path) -> None:
    """Write ``image`` to ``part`` as the ending of ``path`` says, and give it its name.

    Raises :class:`~livebg.errors.SinkError` when it cannot be written.
    """
    kind = _kind(path) or "PNG"
    largest = _LARGEST_SIDE.get(kind)
    if largest and max(image.size) > largest:
        size = "{}x{}".format(*image.size)
        raise SinkError(f"cannot write {path}: {kind} goes to {largest} pixels a side and the photo has {size}: use .png")
    with writing(path):
        image.save(part.part, format=kind, **_options(image, kind))
    part.keep()


def _kind(path: Path) -> str | None:
    kind = Image.registered_extensions().get(path.suffix.lower())
    return kind if kind in _WRITTEN else None


def _options(image: Image.Image, kind: str) -> dict[str, Any]:
    # A matte is data: its levels must come back as they were.
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
    for tag in _KEPT_TAGS:
        if isinstance(exif.get(tag), str):
            kept[tag] = exif[tag]
    return kept


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """``image`` by way of its own profile (CMYK, grey, Lab), or without it where it does not fit."""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        _LOG.debug("the colour profile cannot be used: %s", error)
        converted = None
    return converted or image.convert("RGB")
