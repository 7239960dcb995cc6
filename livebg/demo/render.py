"""Renders the demo with the source, pipeline and sink of ``livebg render``: one matte for three looks.

The pictures are arranged side by side: in the two-by-two grid of the video, and on the contact sheet.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from livebg.compositing.composite import Consent, passthrough
from livebg.config.choices import Mode
from livebg.config.settings import Settings
from livebg.demo.clips import COLOR, RATE, SIZE, Material, animate_photo
from livebg.factory import build_pipeline
from livebg.imaging.frame import Composite, Frame, VideoFormat, planes, rgb_to_i420
from livebg.interfaces import Segmenter
from livebg.pipeline import Pipeline
from livebg.sinks.atomic_file import AtomicFile, writing
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from livebg.sources.file import FileSource

FRAMES: Final = 150
_MODES: Final[tuple[Mode, ...]] = ("portrait", "greenscreen", "matte")
_TIME_BASE: Final = Fraction(1, 90_000)
"""MPEG's clock rate, a multiple of the common frame rates."""
_MOMENTS_PER_CLIP: Final = 3
_SHEET_CELL_WIDTH: Final = 480
"""Width in pixels of a picture in the contact sheet."""

Progress = Callable[[str, int, int], None]
"""Receives the current step, the number of its finished frames, and the estimated total."""
Picture = NDArray[np.uint8]
"""RGB, uint8, shape (height, width, 3)."""

CAPTIONS: Final = ("source", "portrait", "green screen", "matte")
_DARK: Final = (18, 18, 20)
_LIGHT: Final = (236, 236, 236)
_GAP_PIXELS: Final = 2
"""Gap between the cells of the video."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The result: files, number of frames in the video, wall-clock seconds."""

    video: Path
    sheet: Path
    frames: int
    seconds: float


def make_demo(
    folder: Path,
    material: Material,
    settings: Settings,
    segmenter: Segmenter,
    consent: Consent,
    *,
    progress: Progress,
    overwrite: bool = False,
    frames: int = FRAMES,
) -> Demo:
    """Make ``demo.mp4`` and ``demo.png`` in ``folder``, which must exist, from at most ``frames`` frames of each clip.

    ``consent`` is for the source, which is shown unchanged beside the results. On failure no partial output remains. Raises
    :class:`~livebg.errors.SinkError` if an output cannot be written or exists (unless ``overwrite``), and the errors of source
    and pipeline.
    """
    start = time.perf_counter()
    video, sheet = folder / "demo.mp4", folder / "demo.png"
    for path in (video, sheet):
        AtomicFile(path, overwrite=overwrite).rollback()  # fail now, not after a minute's work
    with TemporaryDirectory(prefix="livebg-demo-") as scratch, ExitStack() as opened:
        filmed = Path(scratch) / "astronaut.mp4"
        animate_photo(material.photo, filmed, frames, lambda done: progress("animating", done, frames))
        sources = [opened.enter_context(FileSource(path)) for path in (filmed, material.talking_head)]
        renderer = _Renderer(settings, segmenter, consent, progress, frames)
        format_ = VideoFormat(*SIZE, Fraction(RATE), COLOR)
        sink = FileSink(video, format_, _TIME_BASE, encoding=Encoding(), copy_from=filmed, overwrite=overwrite)
        with sink:
            for composite in renderer.render(sources):
                sink.send(composite)
            part = AtomicFile(sheet, overwrite=overwrite)
            opened.callback(part.rollback)
            with writing(sheet):
                contact_sheet(renderer.moments).save(part.part, format="PNG", optimize=True)
        part.commit()
    return Demo(video, sheet, sink.frames, time.perf_counter() - start)


@dataclass(slots=True)
class _Renderer:
    """Renders clips one after the other and collects pictures of each for the contact sheet."""

    settings: Settings
    segmenter: Segmenter
    consent: Consent
    progress: Progress
    frames: int
    moments: list[list[Picture]] = field(default_factory=list)

    def render(self, sources: Sequence[FileSource]) -> Iterator[Composite]:
        start = 0.0
        for source in sources:
            end = start
            for frame, picture in self._clip(source):
                shown = Frame(rgb_to_i420(picture, COLOR), round((start + frame.time) / _TIME_BASE), _TIME_BASE, COLOR)
                yield passthrough(shown, self.consent)
                end = start + frame.time + float(1 / source.format.frame_rate)
            start = end

    def _clip(self, source: FileSource) -> Iterator[tuple[Frame, Picture]]:
        """Yield each frame of the clip with its rendered picture."""
        format_ = source.format
        aspect = float(format_.width * format_.sample_aspect_ratio / format_.height)
        grid, sheet_cell = CaptionedGrid(SIZE, aspect), cell_size(aspect, (_SHEET_CELL_WIDTH, _SHEET_CELL_WIDTH))
        total = min(self.frames, source.frame_estimate or self.frames)
        moments = {total * (2 * number + 1) // (2 * _MOMENTS_PER_CLIP) for number in range(_MOMENTS_PER_CLIP)}
        pipelines = [build_pipeline(self.settings.with_mode(mode), self.segmenter) for mode in _MODES]
        for number, frame in enumerate(islice(source, self.frames)):
            looks = _looks(pipelines, frame)
            if number in moments:
                self.moments.append([to_rgb(look, sheet_cell) for look in looks])
            yield frame, grid.picture([to_rgb(look, grid.cell) for look in looks])
            self.progress(source.path.stem, number + 1, total)


def _looks(pipelines: Sequence[Pipeline], frame: Frame) -> list[Frame | Composite]:
    """Return the frame itself and all its looks. The network, the most expensive step, runs once: one matte serves all looks."""
    compositors = [pipeline.compositor for pipeline in pipelines]
    shown = compositors[0].shown_matte(pipelines[0].matte(frame))
    return [frame, *(each.crop(each.apply(frame, shown), each.crop_window(shown)) for each in compositors)]


def to_rgb(shown: Frame | Composite, size: tuple[int, int]) -> Picture:
    """Return the picture in RGB at ``size`` (width, height): area averages to shrink, cubic interpolation to enlarge."""
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
    """Return the largest (width, height) of ``aspect`` that fits. A border of up to two pixels is filled instead."""
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
    """Return the caption in white on a dark, semi-transparent pill, as RGBA."""
    font = ImageFont.load_default(17)
    left, _, right, _ = font.getbbox(caption)
    size = (round(right - left) + 24, 28)
    badge = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(badge)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=14, fill=(*_DARK, 190))
    draw.text((size[0] / 2, size[1] / 2), caption, font=font, fill=(255, 255, 255, 255), anchor="mm")
    return badge
