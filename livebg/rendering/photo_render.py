"""Renders one photo: a single task."""

from typing import Any, Final

from livebg.config.settings import Settings
from livebg.rendering.jobs import Job, JobResult
from livebg.rendering.photo_task import PhotoTask
from livebg.rendering.video_plan import RenderOptions
from livebg.rendering.worker import Task


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
