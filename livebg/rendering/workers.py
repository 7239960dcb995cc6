"""Runs tasks in this process or in several ones, and tries a task once more if it fails unexpectedly."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final, Literal, Protocol

from livebg.clock import one_opencv_thread
from livebg.config.choices import MAX_JOBS
from livebg.errors import Cancelled
from livebg.platform.resources import available_memory, usable_cpus
from livebg.rendering.cached_segmenter import load_segmenter
from livebg.rendering.task_queue import QueuedTask, TaskQueue
from livebg.rendering.worker import (
    DiscardableTask,
    ResultT,
    Task,
    TaskObserver,
    Worker,
    WorkerLost,
    Workers,
    may_retry,
)
from livebg.rendering.worker_process import WorkerProcess

_LOG: Final = logging.getLogger(__name__)
_JOB_MEMORY: Final = 200 * 2**20
_PIXEL_MEMORY: Final = 210
"""Bytes that a worker needs at most, and more for each pixel of a frame: decoder, held frames, encoder."""


def count_jobs(requested: int | Literal["auto"], pixels: int = 1920 * 1080) -> int:
    """Return the number of tasks to run at the same time; ``auto``: one per CPU that this process may use, as far as memory
    allows it for frames of so many ``pixels``."""
    if requested != "auto":
        return requested
    return max(1, min(usable_cpus(), available_memory() // (_JOB_MEMORY + pixels * _PIXEL_MEMORY), MAX_JOBS))


def open_workers(count: int) -> Workers:
    """Return ``count`` workers: one runs in this process, several in processes of their own, which start with their first
    tasks."""
    return TaskWorkers([WorkerProcess() for _ in range(count)] if count > 1 else [_ThisProcess()])


class _Runner(Protocol):
    """Runs one task at a time; see :class:`WorkerProcess`."""

    def run(self, task: Task[Any], observer: TaskObserver) -> Any: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class _ThisProcess:
    """Runs tasks in this process."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._worker = Worker(load_segmenter, self._advance, self._stop.is_set)
        self._observer: TaskObserver | None = None
        self._frames = 0

    def run(self, task: Task[Any], observer: TaskObserver) -> Any:
        self._observer, self._frames = observer, 0
        with one_opencv_thread():
            return task.run(self._worker)

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None: ...

    def _advance(self, frames: int) -> None:
        self._frames += frames
        if self._observer:
            self._observer.advanced(self._frames)


class TaskWorkers(Workers):
    """Runs the tasks of one queue with several ``runners``, each in a thread of its own."""

    def __init__(self, runners: Sequence[_Runner]) -> None:
        self._runners = runners
        self._queue = TaskQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(runner,), name=f"render-{number}", daemon=True)
            for number, runner in enumerate(runners)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def count(self) -> int:
        """See :class:`~livebg.rendering.worker.Workers`, as for the other methods."""
        return len(self._runners)

    def submit(self, task: Task[ResultT], observer: TaskObserver, after: Future[Any] | None = None) -> Future[ResultT]:
        return self._queue.put(task, observer, after)

    def stop(self) -> None:
        self._queue.stop()
        for runner in self._runners:
            runner.stop()

    def close(self) -> None:
        self._queue.close()
        for thread in self._threads:
            thread.join()
        for runner in self._runners:
            runner.close()

    def _serve(self, runner: _Runner) -> None:
        queued: QueuedTask | None = None
        while queued := self._queue.take(queued):
            if not queued.set_running_or_notify_cancel():
                continue
            try:
                result = self._run(runner, queued)
            except BaseException as error:  # noqa: BLE001 - the future raises it
                queued.set_exception(error)
            else:
                queued.set_result(result)

    def _run(self, runner: _Runner, queued: QueuedTask) -> Any:
        task, observer = queued.task, queued.observer
        try:
            return self._try(runner, task, observer)
        except Exception as error:
            if self._queue.stopped or not may_retry(error):
                raise
            _LOG.debug("%s failed and is tried again", observer.label, exc_info=error)
            observer.advanced(0)
            observer.retried(error)
        return self._try(runner, task, observer)

    def _try(self, runner: _Runner, task: Task[Any], observer: TaskObserver) -> Any:
        try:
            return runner.run(task, observer)
        except WorkerLost:
            if isinstance(task, DiscardableTask):
                task.discard()
            if self._queue.stopped:
                raise Cancelled("Stopped.") from None
            raise
