"""Arranges pictures side by side: the two-by-two grid of the video, and the contact sheet."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from livebg.imaging.frame import Composite, Frame, planes

Picture = NDArray[np.uint8]
"""RGB, uint8, shape (height, width, 3)."""

CAPTIONS: Final = ("source", "portrait", "green screen", "matte")
_DARK: Final = (18, 18, 20)
_LIGHT: Final = (236, 236, 236)
_GAP_PIXELS: Final = 2
"""Gap between the cells of the video."""


def to_rgb(shown: Frame | Composite, size: tuple[int, int]) -> Picture:
    """Returns the picture in RGB at ``size`` (width, height): area averages to shrink, cubic interpolation to enlarge."""
    scaled = [
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA if plane.shape[1] > size[0] else cv2.INTER_CUBIC)
        for plane in planes(shown.data)
    ]
    return np.asarray(cv2.transform(cv2.merge(scaled), shown.color.yuv_to_rgb(shown.height)), np.uint8)


class CaptionedGrid:
    """Four cells of ``aspect`` (width divided by height), two by two in the center of a picture of ``size``, each with its
    caption."""

    def __init__(self, size: tuple[int, int], aspect: float) -> None:
        self._size = size
        self.cell = cell_size(aspect, ((size[0] - _GAP_PIXELS) // 2, (size[1] - _GAP_PIXELS) // 2))
        """(width, height) of the pictures to pass to :meth:`picture`."""
        width, height = self.cell
        left, top = (size[0] - 2 * width - _GAP_PIXELS) // 2, (size[1] - 2 * height - _GAP_PIXELS) // 2
        self._corners = [
            (left + column * (width + _GAP_PIXELS), top + row * (height + _GAP_PIXELS)) for row in (0, 1) for column in (0, 1)
        ]
        self._badges = [_badge(caption) for caption in CAPTIONS]

    def picture(self, cells: Sequence[Picture]) -> Picture:
        """Combine the cells, in the order of :data:`CAPTIONS`, into one picture."""
        canvas = Image.new("RGB", self._size, _DARK)
        for (left, top), cell, badge in zip(self._corners, cells, self._badges, strict=True):
            canvas.paste(Image.fromarray(cell), (left, top))
            position = (left + 12, top + self.cell[1] - badge.height - 12)
            canvas.paste(badge, position, badge)
        return np.asarray(canvas)


def cell_size(aspect: float, within: tuple[int, int]) -> tuple[int, int]:
    """Returns the largest (width, height) of ``aspect`` that fits. A border of up to two pixels is filled instead."""
    width, height = min(within[0], round(within[1] * aspect)), min(within[1], round(within[0] / aspect))
    return within[0] if within[0] - width <= 2 else width, within[1] if within[1] - height <= 2 else height


def contact_sheet(rows: Sequence[Sequence[Picture]], gap: int = 8) -> Image.Image:
    """Arrange rows of four pictures each, all of one width, below the captions."""
    cell = rows[0][0].shape[1]
    letters = max(12, cell // 20)
    font, heading = ImageFont.load_default(letters), 2 * letters + gap
    width = len(CAPTIONS) * (cell + gap) + gap
    sheet = Image.new("RGB", (width, heading + sum(row[0].shape[0] + gap for row in rows)), _DARK)
    draw = ImageDraw.Draw(sheet)
    for column, caption in enumerate(CAPTIONS):
        center = gap + column * (cell + gap) + cell // 2
        draw.text((center, heading // 2), caption, font=font, fill=_LIGHT, anchor="mm")
    top = heading
    for row in rows:
        for column, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (gap + column * (cell + gap), top))
        top += row[0].shape[0] + gap
    return sheet


def _badge(caption: str) -> Image.Image:
    """Returns the caption in white on a dark, semi-transparent pill, as RGBA."""
    font = ImageFont.load_default(17)
    left, _, right, _ = font.getbbox(caption)
    size = (round(right - left) + 24, 28)
    badge = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(badge)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=14, fill=(*_DARK, 190))
    draw.text((size[0] / 2, size[1] / 2), caption, font=font, fill=(255, 255, 255, 255), anchor="mm")
    return badge
