"""The order in which workers take tasks: neighboring parts of a file go to the same worker where possible."""

import itertools
import threading
from concurrent.futures import Future
from typing import Any

from livebg.errors import Cancelled
from livebg.rendering.worker import Task, TaskObserver


class QueuedTask(Future[Any]):
    """The future of a task that a worker can take. All parts of a file share the number ``file``."""

    def __init__(self, task: Task[Any], observer: TaskObserver, after: "QueuedTask | None", file: int) -> None:
        super().__init__()
        self.task, self.observer, self.after, self.file = task, observer, after, file

    def cancel_by_user(self) -> None:
        """Fail with Cancelled, unless the future itself has been cancelled."""
        if self.set_running_or_notify_cancel():
            self.set_exception(Cancelled("Stopped."))


class TaskQueue:
    """Tasks that wait for a worker."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: dict[QueuedTask, None] = {}
        self._running: set[QueuedTask] = set()
        self._following: dict[QueuedTask, QueuedTask] = {}
        self._files = itertools.count()
        self._closed = self._stopped = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    def put(self, task: Task[Any], observer: TaskObserver, after: Future[Any] | None) -> QueuedTask:
        """Return the task's future. It has failed with Cancelled if the queue is stopped. Parts of a file are put in order."""
        before = after if isinstance(after, QueuedTask) else None
        with self._condition:
            queued = QueuedTask(task, observer, before, before.file if before else next(self._files))
            if self._stopped:
                queued.cancel_by_user()
                return queued
            if self._closed:
                raise RuntimeError("The workers have been closed.")
            self._waiting[queued] = None
            if before:
                self._following[before] = queued
            self._condition.notify()
        return queued

    def take(self, last: QueuedTask | None) -> QueuedTask | None:
        """Wait for a task; None if the queue has been closed. ``last`` is the task that the worker has just finished.

        A worker goes on with the part after its last one. Otherwise it takes the oldest task, or if another worker is about to
        reach that, the middle of the longest run of the same file.
        """
        with self._condition:
            if last:
                self._running.discard(last)
            while not self._waiting:
                if self._closed:
                    return None
                self._condition.wait()
            queued = self._choose(last)
            del self._waiting[queued]
            if queued.after and self._following.get(queued.after) is queued:
                del self._following[queued.after]
            queued.after = None  # its result can be freed
            self._running.add(queued)
            return queued

    def close(self) -> None:
        """Let :meth:`take` return None once no task waits."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def stop(self) -> None:
        """Let all waiting and later tasks fail with Cancelled."""
        with self._condition:
            self._stopped = True
            cancelled = list(self._waiting)
            self._waiting.clear()
            self._following.clear()
        for queued in cancelled:
            queued.cancel_by_user()

    def _choose(self, last: QueuedTask | None) -> QueuedTask:
        if last and last in self._following:
            return self._following[last]
        oldest = next(iter(self._waiting))
        if oldest.after not in self._running:
            return oldest
        longest = max(self._runs(oldest.file), key=len)
        return longest[len(longest) // 2]

    def _runs(self, file: int) -> list[list[QueuedTask]]:
        """Return the waiting parts of a file, grouped into runs of neighbors."""
        runs: list[list[QueuedTask]] = []
        for queued in self._waiting:
            if queued.file == file:
                if runs and queued.after is runs[-1][-1]:
                    runs[-1].append(queued)
                else:
                    runs.append([queued])
        return runs
