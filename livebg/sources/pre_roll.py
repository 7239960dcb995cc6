"""Reads the pictures before a range, so that the range's own do not depend on where decoding starts."""

from collections.abc import Generator
from typing import TypeAlias

import av

from livebg.sources.decoder import Decoder
from livebg.sources.pixel_layout import Orientation, PictureFormat

Picture: TypeAlias = tuple[av.VideoFrame, int]
"""A decoded picture and its pts."""


class PreRoll:
    """Reads the pictures of ``decoder`` up to the first one with ``pts >= first``.

    Attributes: ``history``, the one or two pictures that the deinterlacer needs before that picture; ``last``, the pts of the
    last picture read, or None; ``rejected``, whether decoding must start earlier: after a seek, a picture before the range is
    missing, or the pictures up to the next key frame were damaged, which a decoder with more history may conceal otherwise.
    """

    def __init__(self, decoder: Decoder, first: int) -> None:
        self.history: list[Picture] = []
        self.last: int | None = None
        self.rejected = False
        self._decoder = decoder
        self._first = first
        self._layout: PictureFormat | None = None

    def read(self, pictures: Generator[Picture, None, None]) -> Picture | None:
        """Return the range's first picture; None if there is none or decoding must start earlier."""
        checked = not self._decoder.seeked
        for picture, pts in pictures:
            if not checked:
                if self._decoder.damage or (self.last is None and pts >= self._first):
                    self.rejected = True
                    return None
                checked = self.last is not None and picture.key_frame
            self.last = pts
            if pts >= self._first:
                return picture, pts
            self._remember(picture, pts)
        self.rejected = not checked and (self.last is None or bool(self._decoder.damage))
        return None

    def _remember(self, picture: av.VideoFrame, pts: int) -> None:
        """Keep what the deinterlacer would still use: the last interlaced picture and the one after it (see ``Normalizer``)."""
        if not (picture.interlaced_frame or self.history):
            return
        layout, previous = PictureFormat.of(picture, Orientation(), True), self._layout
        self._layout = layout
        if picture.interlaced_frame:
            self.history = [(picture, pts)]
        elif picture.key_frame or layout != previous:
            self.history = []
        else:
            self.history[1:] = [(picture, pts)]
