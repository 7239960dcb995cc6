"""A file that is being rendered, and its tasks."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from livebg.rendering.jobs import Job, JobResult
from livebg.rendering.worker import Task


class Render(Protocol):
    """One file that is being rendered."""

    job: Job

    @property
    def parts(self) -> int:
        """The number of tasks that can run at the same time."""
        ...

    @property
    def total(self) -> int | None:
        """The number of frames, or None; only for progress bars."""
        ...

    @property
    def done(self) -> int:
        """The number of frames in finished tasks; during an analysis, about that in its finished parts."""
        ...

    @property
    def is_analyzed(self) -> bool:
        """Whether the tasks render. Before, they analyze the file."""
        ...

    @property
    def is_complete(self) -> bool: ...

    def label(self, task: Task[Any]) -> str:
        """Return what a task renders, for messages."""
        ...

    def begin(self) -> list[Task[Any]]:
        """Return the tasks to run first."""
        ...

    def add(self, result: Any) -> list[Task[Any]]:
        """Keep the result of a task. Returns further tasks."""
        ...

    def finish(self) -> JobResult:
        """Complete the output."""
        ...

    def stop(self) -> str | None:
        """End early. Finished parts stay for the next run; returns a sentence on them, if there are any."""
        ...


@dataclass(eq=False)
class RunningRender:
    """A render and its tasks that are not done. ``error`` ends it as soon as there are none."""

    render: Render
    tasks: dict[Future[Any], "TaskProgress"] = field(default_factory=dict)
    last: Future[Any] | None = None
    error: BaseException | None = None
    reported: int = 0
    """The frames that the reporter knows."""

    @property
    def frames(self) -> int:
        return self.render.done + sum(observer.frames for observer in self.tasks.values())


class TaskProgress:
    """Follows one task; see :class:`~livebg.rendering.worker.TaskObserver`."""

    def __init__(self, label: str, on_retry: Callable[[str, Exception], None]) -> None:
        self.label, self.frames = label, 0
        self._on_retry = on_retry

    def advanced(self, frames: int) -> None:
        self.frames = frames

    def retried(self, error: Exception) -> None:
        self._on_retry(self.label, error)
