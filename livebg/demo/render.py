"""Renders the demo with the source, pipeline and sink of ``livebg render``: one matte for three looks."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from livebg.compositing.composite import Consent, passthrough
from livebg.config.choices import Mode
from livebg.config.settings import Settings
from livebg.demo.clips import COLOR, RATE, SIZE, Material, animate_photo
from livebg.demo.layout import CaptionedGrid, Picture, cell_size, contact_sheet, to_rgb
from livebg.factory import build_pipeline
from livebg.imaging.frame import Composite, Frame, VideoFormat, rgb_to_i420
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
        animate_photo(material.photo, filmed, frames, lambda done: progress("filming", done, frames))
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
        """Yields each frame of the clip with its rendered picture."""
        format_ = source.format
        aspect = float(format_.width * format_.sample_aspect_ratio / format_.height)
        grid, sheet_cell = CaptionedGrid(SIZE, aspect), cell_size(aspect, (_SHEET_CELL_WIDTH, _SHEET_CELL_WIDTH))
        total = min(self.frames, source.frame_estimate or self.frames)
        moments = {total * (2 * number + 1) // (2 * _MOMENTS_PER_CLIP) for number in range(_MOMENTS_PER_CLIP)}
        pipelines = [build_pipeline(_with_mode(self.settings, mode), self.segmenter) for mode in _MODES]
        for number, frame in enumerate(islice(source, self.frames)):
            looks = _looks(pipelines, frame)
            if number in moments:
                self.moments.append([to_rgb(look, sheet_cell) for look in looks])
            yield frame, grid.picture([to_rgb(look, grid.cell) for look in looks])
            self.progress(source.path.stem, number + 1, total)


def _looks(pipelines: Sequence[Pipeline], frame: Frame) -> list[Frame | Composite]:
    """Returns the frame itself and all its looks. The network, the most expensive step, runs once: one matte serves all looks."""
    matte = pipelines[0].matte(frame)
    return [frame, *(pipeline.composite(frame, matte) for pipeline in pipelines)]


def _with_mode(settings: Settings, mode: Mode) -> Settings:
    return settings.model_copy(update={"effect": settings.effect.model_copy(update={"mode": mode})})
