"""The render of one photo, which is a single task."""

import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from livebg.compositing.backgrounds import StillBackground
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.factory import build_background, build_light, build_pipeline
from livebg.interfaces import Background
from livebg.pipeline import Passthrough, Pipeline
from livebg.rendering.augmented_segmenter import PHOTO_SCALES, augmented
from livebg.rendering.jobs import Job, JobResult, NetworkInfo
from livebg.rendering.photo import Photo, check_suffix, render_photo, write_photo
from livebg.rendering.video_plan import RenderOptions
from livebg.rendering.worker import Task, Worker
from livebg.sinks.atomic_file import AtomicFile, part_path


@dataclass(frozen=True, slots=True)
class PhotoTask:
    """Renders the photo of ``job`` into its output, whose folder exists.

    ``overwrite`` replaces an existing output. ``consent`` turns the effect off (mode ``none``).
    """

    job: Job
    settings: Settings
    overwrite: bool = False
    consent: Consent | None = None
    token: str = field(default_factory=partial(secrets.token_hex, 6))
    """Names the unfinished file, so that it can be removed if the process is killed."""

    def run(self, worker: Worker) -> JobResult:
        """Raise :class:`~livebg.errors.LivebgError` if the photo cannot be read, rendered or written. Then, and if the render
        is stopped, no output remains."""
        begin = time.perf_counter()
        photo = Photo(self.job.input)
        check_suffix(self.job.output, self._mode)
        file = AtomicFile(self.job.output, overwrite=self.overwrite, not_same_as=self.job.input, part=self._part)
        try:
            background = build_background(self.settings) if self._mode in ("background", "greenscreen") else None
            still = background if isinstance(background, StillBackground) else None
            processor, network = self._processor(worker, photo, background)
            image = render_photo(photo, processor, self._mode, still, build_light(self.settings))
            worker.advance(1)
            write_photo(image, file, self.job.output)
        finally:
            file.rollback()
        return JobResult(self.job, 1, time.perf_counter() - begin, network, photo.notes)

    def discard(self) -> None:
        """See :class:`~livebg.rendering.worker.DiscardableTask`."""
        with suppress(OSError):
            self._part.unlink()

    @property
    def inputs(self) -> tuple[Path, ...]:
        """See :class:`~livebg.rendering.worker.SharedTask`."""
        return (self.job.input,)

    @property
    def folder(self) -> Path:
        """See :class:`~livebg.rendering.worker.SharedTask`."""
        return self.job.output.parent

    @property
    def _part(self) -> Path:
        return part_path(self.job.output, f"{_mark(self.job.output)}-{self.token}")

    @property
    def _mode(self) -> str:
        return self.settings.effect.mode if self.consent is None else "none"

    def _processor(
        self, worker: Worker, photo: Photo, background: Background | None
    ) -> tuple[Pipeline | Passthrough, NetworkInfo | None]:
        if self.consent is not None:
            return Passthrough(self.consent), None
        segmenter = augmented(worker.segmenter(self.settings), self.settings, PHOTO_SCALES)
        size = segmenter.input_size(photo.frame.width, photo.frame.height)
        pipeline = build_pipeline(self.settings, segmenter, background=background)
        return pipeline, NetworkInfo(segmenter.name, segmenter.provider, size)


def remove_leftovers(outputs: Sequence[Path]) -> None:
    """Remove the unfinished files of these photos that a killed run left. Never raises an error."""
    marks = {_mark(output) for output in outputs}
    for folder in {output.absolute().parent for output in outputs}:
        with suppress(OSError):
            for part in folder.glob(".livebg-*-*.part"):
                if part.name.split("-")[1] in marks:
                    part.unlink(missing_ok=True)


def _mark(output: Path) -> str:
    """Return what the names of all unfinished files of a photo have in common."""
    return hashlib.sha256(os.fsencode(output.absolute())).hexdigest()[:12]


class PhotoRender:
    """One photo that is being rendered, with the methods of :class:`~livebg.rendering.video_render.VideoRender`."""

    parts: Final = 1
    total: Final = 1
    is_analyzed: Final = True

    def __init__(self, job: Job, settings: Settings, options: RenderOptions) -> None:
        self.job = job
        self._task = PhotoTask(job, settings, options.overwrite, options.consent)
        self._result: JobResult | None = None

    @property
    def done(self) -> int:
        return int(self.is_complete)

    @property
    def is_complete(self) -> bool:
        return self._result is not None

    def begin(self) -> list[Task[Any]]:
        return [self._task]

    def label(self, task: Task[Any]) -> str:  # noqa: ARG002
        return self.job.input.name

    def add(self, result: JobResult) -> list[Task[Any]]:
        self._result = result
        return []

    def finish(self) -> JobResult:
        assert self._result is not None
        return self._result

    def stop(self) -> None:
        return None
