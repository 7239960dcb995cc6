"""Renders photos with the video pipeline, but keeps the full chroma resolution of the photo."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from livebg.compositing.auto_framing import CropWindow
from livebg.compositing.backgrounds import StillBackground
from livebg.compositing.composite import tighten
from livebg.compositing.compositor import Compositor
from livebg.compositing.light import Light
from livebg.compositing.tone_curve import ToneCurve
from livebg.errors import ConfigError, SinkError
from livebg.imaging.frame import BT601, Alpha8, ColorSpec, Composite, Frame, Matte, i420_to_rgb, rgb_to_i420, still_frame
from livebg.pipeline import Passthrough, Pipeline
from livebg.sinks.atomic_file import AtomicFile, writing
from livebg.sources.photo_file import PhotoFile, read_photo

_COLOR: Final = ColorSpec(matrix=BT601, full_range=True)
"""The color of JPEG, so no color conversion is needed when the photo is written."""

_FORMATS: Final = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"})
_ALPHA_FORMATS: Final = frozenset({"PNG", "WEBP", "TIFF", "AVIF"})
_INCHES: Final = 2
"""Resolution unit of EXIF."""

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
        file = read_photo(path)
        self.rgb: NDArray[np.uint8] = file.rgb
        self.notes = file.notes
        self._color = replace(_COLOR, icc=file.icc)
        self._file = file

    @cached_property
    def frame(self) -> Frame:
        """The photo as a frame at time 0; an odd width or height is padded by repeating the edge."""
        return still_frame(self.rgb, self._color)

    def composited(
        self,
        frame: Frame,
        composite: Composite,
        alpha: Alpha8 | None,
        background: StillBackground | None = None,
        curve: ToneCurve | None = None,
    ) -> Image.Image:
        """Return the composite in RGB, with the detail lost in 4:2:0 restored on the person and in ``background``.

        A composite is nearly linear in the frame, so adding alpha * (photo - frame) approximates compositing the photo itself.
        If alpha is 255, the bytes of the photo are returned, brightened by ``curve``. ``alpha`` None means a composite that shows
        everything.
        """
        whole = np.full((frame.height, frame.width), 255, np.uint8) if alpha is None else alpha
        return self._image(self._detailed(frame, composite, (whole, whole), background, curve))

    def cutout(self, frame: Frame, composite: Composite, alpha: Alpha8, curve: ToneCurve | None = None) -> Image.Image:
        """Return RGBA with straight alpha: the photo's bytes, brightened by ``curve``, if alpha is 255, black if it is 0."""
        # Straight alpha: restore the full detail even at low alpha.
        shown = np.where(alpha > 0, np.uint8(255), np.uint8(0))
        pixels = self._detailed(frame, composite, (alpha, shown), None, curve)
        cropped = self._cropped(alpha)
        pixels[cropped == 0] = 0
        return self._image(np.dstack([pixels, cropped]))

    def _detailed(
        self,
        frame: Frame,
        composite: Composite,
        alphas: tuple[Alpha8, Alpha8],
        background: StillBackground | None,
        curve: ToneCurve | None,
    ) -> NDArray[np.uint8]:
        """Return the composite in RGB plus a share of the detail lost in 4:2:0, and the rest of that of ``background``; the
        photo if alpha is 255. ``alphas`` are alpha and the share, 255 for all. ``curve`` brightens the photo.
        """
        alpha, detail = alphas
        size = (frame.width, frame.height)
        before, after = frame.rgb(size), i420_to_rgb(composite.data, composite.color, size)
        exact = before if background is None else background.rgb(frame)
        coarse = before if background is None else i420_to_rgb(rgb_to_i420(exact, frame.color), frame.color, size)
        height, width = self.rgb.shape[:2]
        pixels = np.empty_like(self.rgb)
        for top in range(0, height, _BAND_ROWS):
            part = (slice(top, min(top + _BAND_ROWS, height)), slice(width))
            share = detail[part][..., None] / np.float32(255)
            photo, seen = (each if curve is None else curve.rgb(each, frame.color) for each in (self.rgb[part], before[part]))
            lost = share * (photo.astype(np.int16) - seen)
            lost += (1 - share) * (exact[part].astype(np.int16) - coarse[part])
            mixed = np.rint(after[part] + lost).clip(0, 255)
            # Chroma is subsampled 2x2, so at the edge it includes some of the background.
            pixels[part] = np.where(alpha[part][..., None] == 255, photo, mixed)
        return pixels

    def matte(self, alpha: Alpha8) -> Image.Image:
        """Return the matte without the photo's metadata, except its resolution."""
        return self._with_dpi(Image.fromarray(self._cropped(alpha)))

    def _cropped(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self.rgb.shape[:2]
        return picture[:height, :width]

    def _image(self, pixels: NDArray[np.uint8]) -> Image.Image:
        image = self._with_dpi(Image.fromarray(pixels))
        image.info["exif"] = _kept_exif(self._file)
        if self._file.profile:
            image.info["icc_profile"] = self._file.profile
        return image

    def _with_dpi(self, image: Image.Image) -> Image.Image:
        if self._file.dpi:
            image.info["dpi"] = self._file.dpi
        return image


def check_suffix(path: Path, mode: str) -> None:
    """Raise :class:`~livebg.errors.ConfigError` if the format of ``path`` cannot hold a photo of this mode."""
    kind = _kind(path)
    if kind is None:
        raise ConfigError(f"Cannot write {path}: {path.suffix or 'no extension'} is not a photo format.", "Use .png or .jpg.")
    if mode == "cutout" and kind not in _ALPHA_FORMATS:
        raise ConfigError(f"Cannot write {path}: {kind} does not support the transparency of a cutout.", "Use .png.")


def render_photo(
    photo: Photo,
    processor: Pipeline | Passthrough,
    mode: str,
    background: StillBackground | None = None,
    light: Light | None = None,
) -> Image.Image:
    """Render the photo in ``mode``. ``background`` is that of the processor, if it is a still picture or a color. ``light`` has
    the same settings as the processor's, and has seen no frame.

    Raises :class:`~livebg.errors.ModelError` if the network fails.
    """
    frame = photo.frame
    if isinstance(processor, Passthrough):
        return photo.composited(frame, processor.process(frame).composite, None)
    compositor = processor.compositor
    matte = compositor.shown_matte(processor.matte(frame))
    curve = light.curve(frame, matte) if light else None
    return _framed(_composited(photo, compositor, mode, matte, background, curve), compositor.crop_window(matte))


def _composited(
    photo: Photo, compositor: Compositor, mode: str, matte: Matte, background: StillBackground | None, curve: ToneCurve | None
) -> Image.Image:
    """Return the photo in ``mode``, uncropped, from its matte as shown."""
    frame = photo.frame
    composite = compositor.apply(frame, matte)
    if mode == "cutout":
        return photo.cutout(frame, composite, matte.alpha, curve)
    if mode == "matte":
        return photo.matte(matte.alpha)
    seen = tighten(matte) if mode == "greenscreen" else matte
    return photo.composited(frame, composite, seen.alpha, background, curve)


def _framed(image: Image.Image, window: CropWindow) -> Image.Image:
    """Crop the image to the window and enlarge it to its size: after the detail is restored, which belongs to the full frame."""
    if window.is_full_frame:
        return image
    (left, top), (width, height) = (window.x - window.size / 2, window.y - window.size / 2), image.size
    box = (left * width, top * height, (left + window.size) * width, (top + window.size) * height)
    framed = image.resize(image.size, Image.Resampling.LANCZOS, box)
    framed.info = image.info
    return framed


def write_photo(image: Image.Image, part: AtomicFile, path: Path) -> None:
    """Write ``image`` to ``part`` in the format of ``path``, and rename it to ``path``.

    Raises :class:`~livebg.errors.SinkError` if it cannot be written.
    """
    kind = _kind(path) or "PNG"
    max_side = _MAX_SIDE.get(kind)
    if max_side and max(image.size) > max_side:
        size = "{}x{}".format(*image.size)
        raise SinkError(
            f"Cannot write {path}: {kind} is limited to {max_side} pixels per side, the photo is {size}.", "Use .png."
        )
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
    kept = ("dpi",) if kind == "BMP" or image.mode == "L" else ("dpi", "exif", "icc_profile")
    return options | {key: image.info[key] for key in kept if image.info.get(key)}


def _kept_exif(file: PhotoFile) -> Image.Exif:
    kept = Image.Exif()
    for tag in _KEPT_EXIF_TAGS:
        if isinstance(file.exif.get(tag), str):
            kept[tag] = file.exif[tag]
    if file.dpi:
        kept[ExifTags.Base.XResolution], kept[ExifTags.Base.YResolution] = file.dpi
        kept[ExifTags.Base.ResolutionUnit] = _INCHES
    return kept
