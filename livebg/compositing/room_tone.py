"""Darkens the background and takes color from it."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import ColorSpec, planes


@dataclass(frozen=True, slots=True)
class RoomTone:
    """How much darker and grayer a background becomes, both 0..1: ``dim`` 1 is black, ``desaturate`` 1 is gray.

    Both scale the picture's values, so they keep the hue and can be applied before or after any resizing. Raises ValueError for
    other values.
    """

    dim: float = 0.0
    desaturate: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.dim <= 1 and 0 <= self.desaturate <= 1):
            raise ValueError(f"Dimming and desaturation must be 0 to 1, got {self.dim} and {self.desaturate}.")

    def scales(self, color: ColorSpec) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
        """Return for Y, U and V the factor and the offset that produce the new level."""
        kept, black = 1 - self.dim, 0 if color.full_range else 16
        chroma = kept * (1 - self.desaturate)
        return (kept, black * (1 - kept)), (chroma, 128 * (1 - chroma)), (chroma, 128 * (1 - chroma))

    def i420(self, data: NDArray[np.uint8], color: ColorSpec) -> NDArray[np.uint8]:
        """Return ``data``, an I420 picture in the given color, with this tone: a new array, or the same if nothing changes."""
        if self == UNCHANGED:
            return data
        toned = np.empty_like(data)
        for plane, target, (factor, offset) in zip(planes(data), planes(toned), self.scales(color), strict=True):
            cv2.convertScaleAbs(plane, dst=target, alpha=factor, beta=offset)
        return toned

    def rgb(self, rgb: NDArray[np.uint8], color: ColorSpec) -> NDArray[np.uint8]:
        """Return ``rgb``, uint8 (height, width, 3), with this tone: a new array, or the same if nothing changes.

        ``color`` is what the picture will be converted to: its luma is the gray of a desaturated picture.
        """
        if self == UNCHANGED:
            return rgb
        luma = color.rgb_to_yuv(rgb.shape[0])[0, :3]
        gray = np.tile(luma / luma.sum(), (3, 1))
        mixed = self.desaturate * gray + (1 - self.desaturate) * np.eye(3)
        return np.asarray(cv2.transform(rgb, (1 - self.dim) * mixed), np.uint8)


UNCHANGED: Final = RoomTone()
