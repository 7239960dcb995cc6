"""The tasks of a render, what a worker offers to them, and what runs them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from livebg.config.settings import Settings
from livebg.errors import Cancelled, LivebgError, ModelError
from livebg.interfaces import Segmenter

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)


class ModelUnavailable(ModelError):
    """The network cannot be loaded, so every task that needs it fails."""


class WorkerLost(LivebgError):
    """The process that ran a task has ended, for example because the system ran out of memory. A second try may succeed."""


class Worker:
    """What a task gets from the process that runs it: livebg's own, one that it started, or one on another machine.

    ``load`` loads a network. ``on_advance`` receives the frames done; ``stopped`` is asked with each frame.
    """

    def __init__(
        self, load: Callable[[Settings], Segmenter], on_advance: Callable[[int], None], stopped: Callable[[], bool]
    ) -> None:
        self._load, self._on_advance, self._stopped = load, on_advance, stopped
        self._loaded: tuple[Settings, Segmenter] | None = None

    def segmenter(self, settings: Settings) -> Segmenter:
        """Return the network of ``settings``, which is loaded once. Raises :class:`ModelUnavailable`."""
        if self._loaded is None or self._loaded[0].model != settings.model:
            try:
                self._loaded = settings, self._load(settings)
            except ModelError as error:
                raise ModelUnavailable(error.message, error.hint) from error
        return self._loaded[1]

    def advance(self, frames: int) -> None:
        """Report that ``frames`` more frames of the current task are done.

        Raises :class:`~livebg.errors.Cancelled` if the user stopped the render.
        """
        if self._stopped():
            raise Cancelled("Stopped.")
        self._on_advance(frames)


class Task(Protocol[ResultT_co]):
    """One unit of work: a segment, a photo, an analysis. Tasks and results are pickled, so they hold data only."""

    def run(self, worker: Worker) -> ResultT_co:
        """Do the work. Raises :class:`~livebg.errors.LivebgError` if that fails for a reason that a second try will not
        change."""
        ...


@runtime_checkable
class DiscardableTask(Protocol):
    """A task that may leave something behind if its process is killed."""

    def discard(self) -> None:
        """Remove what a killed process left behind. Never raises an error."""
        ...


@runtime_checkable
class SharedTask(Protocol):
    """A task with files that all machines of a cluster must share, under absolute paths."""

    @property
    def inputs(self) -> Sequence[Path]:
        """The files that it reads besides the background and the network, which are settings."""
        ...

    @property
    def folder(self) -> Path | None:
        """The folder that it writes to."""
        ...


class TaskObserver(Protocol):
    """Follows one task. The methods are called from other threads."""

    @property
    def label(self) -> str:
        """What the task renders, for messages: ``Segment 3 (0:30 to 0:40) of talk.mp4``."""
        ...

    def advanced(self, frames: int) -> None:
        """``frames`` of the task are done so far. A second try starts at 0 again."""
        ...

    def retried(self, error: Exception) -> None:
        """The task failed with ``error`` and is tried again."""
        ...


class Workers(Protocol):
    """Runs tasks, ``count`` at a time, in a ``with`` block. Leaving it closes, after a stop if an exception propagates."""

    @property
    def count(self) -> int: ...

    def submit(self, task: Task[ResultT], observer: TaskObserver, after: Future[Any] | None = None) -> Future[ResultT]:
        """Run ``task`` as soon as a worker is free; the future has its result or error.

        ``after`` is the future of the part of the same file that was submitted before this one. It need not be done: the worker
        that runs it prefers to go on with this one, because neighboring parts have pictures in common. After an unexpected
        error or :class:`WorkerLost` the task is tried once more. A future whose task has not started can be cancelled.
        """
        ...

    def stop(self) -> None:
        """Let all tasks that are not done fail with :class:`~livebg.errors.Cancelled`, running ones between two frames."""
        ...

    def close(self) -> None:
        """Wait until all tasks are done, and end the workers."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc: object) -> None:
        if exc_type is not None:
            self.stop()
        self.close()


def may_retry(error: Exception) -> bool:
    """Return whether a second try may succeed: not after an error that livebg raised deliberately."""
    return isinstance(error, WorkerLost) or not isinstance(error, LivebgError)
