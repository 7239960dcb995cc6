"""What runs on a worker of a cluster: checks of the worker, and the task."""

import functools
import pickle
import platform
import time
from dataclasses import dataclass
from typing import Any, Final

import cv2

from livebg.config.settings import Settings
from livebg.errors import LivebgError, ModelError
from livebg.interfaces import Segmenter
from livebg.rendering.cached_segmenter import load_segmenter
from livebg.rendering.cluster_checks import Requirements, describe_worker, worker_name
from livebg.rendering.cluster_paths import SharedPaths
from livebg.rendering.fingerprint import network_fingerprint
from livebg.rendering.worker import DiscardableTask, Task, Worker

_PROGRESS_INTERVAL_S: Final = 0.5
_ACTIVE: Final = frozenset({"executing", "long-running"})
"""The states of a task whose result is wanted. It changes after a stop, and if the client has gone."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A task for a worker of a cluster, with what it must check first. ``topic`` is that of the progress events."""

    task: Task[Any]
    requirements: Requirements
    paths: SharedPaths | None
    topic: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a task, or the error that livebg raised deliberately: for Dask both are successes."""

    result: Any = None
    error: LivebgError | None = None


def run_assignment(content: bytes) -> Outcome:
    """Run a pickled :class:`Assignment` in a thread of a Dask worker. The first report of its progress is its start."""
    from distributed import get_worker

    assignment: Assignment = pickle.loads(content)
    task, worker = assignment.task, get_worker()
    running = _RunningTask(worker, worker.get_current_task(), assignment.topic)
    cv2.setNumThreads(1)  # the cluster keeps the CPUs busy with more tasks
    try:
        name, report = worker_name(worker), describe_worker()
        # The network is checked when it is loaded.
        assignment.requirements.check(name, worker.address, {**report, "network": assignment.requirements.network})
        if assignment.paths:
            assignment.paths.check(name)
        load = functools.partial(_load, assignment.requirements.network)
        if isinstance(task, DiscardableTask):
            task.discard()  # perhaps this is the second try
        return Outcome(task.run(Worker(load, running.advanced, running.is_cancelled)))
    except LivebgError as error:
        return Outcome(error=error)


class _RunningTask:
    """Reports the progress of a task, and knows whether it is still wanted."""

    def __init__(self, worker: Any, key: str, topic: str) -> None:
        self._worker, self._key, self._topic = worker, key, topic
        self._frames = 0
        self._report()

    def is_cancelled(self) -> bool:
        """Look into the worker's own table: this takes no time, and also notices that the client is gone."""
        state = self._worker.state.tasks.get(self._key)
        return state is None or state.state not in _ACTIVE

    def advanced(self, frames: int) -> None:
        """Report ``frames`` more frames, if the last report is half a second old."""
        self._frames += frames
        if time.monotonic() - self._reported_at >= _PROGRESS_INTERVAL_S:
            self._report()

    def _report(self) -> None:
        self._reported_at = time.monotonic()
        self._worker.log_event(self._topic, {"key": self._key, "frames": self._frames})


def _load(sha256: str | None, settings: Settings) -> Segmenter:
    if network_fingerprint(settings) != sha256:
        raise ModelError(f"The worker on {platform.node()} has another network file.", "Copy the same file to all workers.")
    return _segmenter(settings)


@functools.lru_cache(maxsize=1)
def _segmenter(settings: Settings) -> Segmenter:
    """Load the network once for all tasks of this process and its threads."""
    return load_segmenter(settings)
