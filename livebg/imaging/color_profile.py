"""ICC profiles of photos: converts colors between sRGB and a photo's color space, and makes profiles."""

import io
import logging
import struct
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from livebg.imaging.frame import ColorSpec, rgb_to_i420

_LOG: Final = logging.getLogger(__name__)

_SPACE: Final = slice(16, 20)
"""Bytes of an ICC profile that name its color space."""

_UNUSABLE: Final = (ImageCms.PyCMSError, OSError, TypeError, ValueError)
"""Exceptions that a damaged profile causes, and one that only works in the other direction."""

Matrix = NDArray[np.float64]


class RgbSpace(NamedTuple):
    """An RGB space with white point D65: chromaticities (x, y) of red, green and blue, and a gamma; None for sRGB's curve."""

    primaries: tuple[tuple[float, float], ...]
    gamma: float | None = None


ADOBE_RGB: Final = RgbSpace(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)
CODE_POINTS: Final = MappingProxyType(
    {
        9: RgbSpace(((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))),
        12: RgbSpace(((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))),
    }
)
"""Wide color spaces (BT.2020, Display P3) by the H.273 code point of their primaries."""

_D65: Final = (0.3127, 0.3290)
_D50: Final = np.array([0.9642, 1.0, 0.8249])
"""XYZ of the white point of the profile connection space."""
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB_CURVE: Final = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Parameters g, a, b, c, d of the ICC function type 3."""


def is_rgb(profile: bytes) -> bool:
    return profile[_SPACE] == b"RGB "


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert ``image`` with its color profile (CMYK, gray, Lab), or without it if the profile is unusable."""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except _UNUSABLE as error:
        _LOG.debug("Cannot use the color profile: %s", error)
        converted = None
    return converted or image.convert("RGB")


def is_usable(profile: bytes) -> bool:
    """Return whether colors can be converted from sRGB to an RGB profile: some profiles of scanners have no inverse."""
    try:
        _transform(b"", profile)
    except _UNUSABLE as error:
        _LOG.debug("Cannot use the color profile: %s", error)
        return False
    return True


@lru_cache(maxsize=8)
def is_srgb(profile: bytes) -> bool:
    """Return whether an RGB profile differs from sRGB by at most one level."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    return bool(np.abs(convert(lattice, b"", profile).astype(int) - lattice).max() <= 1)


def convert(rgb: NDArray[np.uint8], source: bytes, target: bytes) -> NDArray[np.uint8]:
    """Convert RGB, uint8, (height, width, 3), from one usable RGB profile to another; empty bytes mean sRGB.

    Keeps each color as it appears (relative colorimetric); a color outside the target is clipped.
    """
    if source == target:
        return rgb
    converted = ImageCms.applyTransform(Image.fromarray(rgb), _transform(source, target))
    assert converted is not None
    return np.array(converted)


def srgb_to_i420(rgb: NDArray[np.uint8], color: ColorSpec) -> NDArray[np.uint8]:
    """Convert sRGB, uint8, (height, width, 3) of even size, to I420 in ``color`` including its ICC profile."""
    return rgb_to_i420(convert(rgb, b"", color.icc), color)


@lru_cache(maxsize=8)
def _transform(source: bytes, target: bytes) -> ImageCms.ImageCmsTransform:
    given, wanted = (
        ImageCms.ImageCmsProfile(io.BytesIO(each) if each else ImageCms.createProfile("sRGB")) for each in (source, target)
    )
    return ImageCms.buildTransform(given, wanted, "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)


def make_profile(space: RgbSpace) -> bytes:
    """Return an ICC profile, version 4.3, of ``space``."""
    colorants = _to_d50() @ _rgb_to_xyz(space.primaries)
    curve = _parametric(3, *_SRGB_CURVE) if space.gamma is None else _parametric(0, space.gamma)
    tags = {b"desc": _text("livebg"), b"cprt": _text("No copyright"), b"wtpt": _xyz(_D50)}
    tags[b"chad"] = b"sf32\0\0\0\0" + _numbers(_to_d50())
    tags |= {name + b"XYZ": _xyz(colorants[:, column]) for column, name in enumerate((b"r", b"g", b"b"))}
    tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    table, body = struct.pack(">L", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sLL", name, 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">L4sL4s4s4s12s4s", 128 + len(table + body), b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"", b"acsp")
    return header + bytes(28) + _numbers(_D50) + bytes(48) + table + body


def _rgb_to_xyz(primaries: tuple[tuple[float, float], ...]) -> Matrix:
    columns = np.column_stack([_at_unit_luminance(*each) for each in primaries])
    return np.asarray(columns * np.linalg.solve(columns, _at_unit_luminance(*_D65)))


def _at_unit_luminance(x: float, y: float) -> Matrix:
    """Return the XYZ of a chromaticity."""
    return np.array([x / y, 1, (1 - x - y) / y])


def _to_d50() -> Matrix:
    """Return the Bradford adaptation from D65."""
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ _at_unit_luminance(*_D65))
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD)


def _numbers(values: Matrix) -> bytes:
    return b"".join(struct.pack(">l", round(value * 65536)) for value in np.ravel(values).tolist())


def _xyz(values: Matrix) -> bytes:
    return b"XYZ \0\0\0\0" + _numbers(values)


def _parametric(kind: int, *parameters: float) -> bytes:
    return struct.pack(">4sLHH", b"para", 0, kind, 0) + _numbers(np.array(parameters))


def _text(text: str) -> bytes:
    content = text.encode("utf-16-be")
    return struct.pack(">4sLLL4sLL", b"mluc", 0, 1, 12, b"enUS", len(content), 28) + content
