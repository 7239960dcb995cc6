"""Runs the tasks of a render on a cluster of Dask: ``livebg render --cluster``.

The cluster gets paths, settings and times, and returns hashes: pictures are read and written through folders that all machines
share. Dask reschedules the tasks of a worker that is lost.
"""

import logging
import pickle
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from livebg.config.settings import Settings
from livebg.errors import Cancelled, LivebgError
from livebg.rendering.cluster_address import ClusterAddress
from livebg.rendering.cluster_checks import cpu_notes, describe_worker, machine_id, notice, required
from livebg.rendering.cluster_connection import Connection, WorkerWatch
from livebg.rendering.cluster_paths import SharedPaths, background_file, check_on_worker, probe_name
from livebg.rendering.cluster_results import verify_exists, verify_files
from livebg.rendering.cluster_task import Assignment, Outcome, run_assignment
from livebg.rendering.jobs import JobResult
from livebg.rendering.segments import SegmentResult
from livebg.rendering.worker import DiscardableTask, ResultT, SharedTask, Task, TaskObserver, WorkerLost, Workers

_LOG: Final = logging.getLogger(__name__)
_LOST: Final = "The connection to the cluster was lost."
_CONTINUE: Final = "Run the same command again to continue."


class ClusterWorkers(Workers):
    """The workers of a cluster. The constructor connects to it, or starts a local one, and checks all workers.

    ``jobs`` is the number of workers of a local cluster. ``settings``, with absolute paths, name the background, and the network
    if ``network`` is true; None: neither is in use. ``warn`` receives a sentence, in another thread, when no worker is left.
    Raises :class:`~livebg.errors.ConfigError` if the cluster cannot be used, and :class:`~livebg.errors.ModelError` if the
    network is missing or is not the same on all workers.
    """

    def __init__(
        self,
        address: ClusterAddress,
        settings: Settings | None,
        jobs: int,
        *,
        network: bool = True,
        warn: Callable[[str], None] = _LOG.warning,
    ) -> None:
        self._background = background_file(settings) if settings else None
        named = settings if network else None
        self._topic = f"livebg-{uuid.uuid4().hex}"
        self._stopped = threading.Event()
        self._submissions: dict[str, _Submission] = {}
        self._checked_folders: set[Path] = set()
        self._count = 1
        self._connection = Connection(address, jobs)
        try:
            reports = self._connection.run_everywhere(describe_worker, named)
            self.notice = notice(address, reports)
            """A sentence for the user if pictures leave this machine, otherwise None. Show it before the first task."""
            self.notes = cpu_notes(reports)
            """Sentences about what can make the output differ from that of this machine."""
            self._requirements = required(named, None if self.notice else machine_id(), address.insecure)
            for name, report in reports.items():
                self._requirements.check(f"{name} on {report['host']}", name, report)
            self._client = self._connection.client
            self._client.subscribe_topic(self._topic, self._on_progress)
            self._watch = WorkerWatch(lambda: len(self._client.nthreads()), lambda: bool(self._submissions), warn)
        except BaseException:
            self._connection.close()
            raise
        _LOG.info("The dashboard of the cluster is at %s", self._client.dashboard_link)

    @property
    def count(self) -> int:
        """The number of tasks that the cluster can run at the same time now, at least 1."""
        with suppress(Exception):  # without a connection, tasks fail soon
            self._count = max(1, sum(self._client.nthreads().values()))
        return self._count

    def submit(
        self,
        task: Task[ResultT],
        observer: TaskObserver,
        after: Future[Any] | None = None,  # noqa: ARG002
    ) -> Future[ResultT]:
        """See :meth:`~livebg.rendering.worker.Workers.submit`. The scheduler chooses the worker, whatever ``after`` is.

        A :class:`~livebg.rendering.worker.SharedTask` runs only if all workers read the same inputs and write to the same folder.
        The files of a segment are compared with their hashes.
        """
        submission = _Submission(task, observer)
        try:
            paths = self._check_shared(task) if isinstance(task, SharedTask) else None
            submission.content = pickle.dumps(Assignment(task, self._requirements, paths, self._topic))
        except Exception as error:  # noqa: BLE001 - the future has it
            submission.fail(error)
        else:
            self._start(submission)
        return submission.future

    def _check_shared(self, task: SharedTask) -> SharedPaths:
        """Check a folder on all workers before its first task. Workers check it, and the inputs, again before each task.

        Raises :class:`~livebg.errors.SourceError` or :class:`~livebg.errors.SinkError` with the name of a worker.
        """
        inputs = (*task.inputs, self._background) if self._background else task.inputs
        paths = SharedPaths.of(inputs, task.folder)
        if paths.folder is None or paths.folder in self._checked_folders:
            return paths
        probe = paths.folder / probe_name()
        try:
            with suppress(OSError):  # a worker reports it
                probe.touch()
            errors = self._connection.run_everywhere(check_on_worker, paths, probe.name)
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
        for error in errors.values():
            if error:
                raise error
        self._checked_folders.add(paths.folder)
        return paths

    def stop(self) -> None:
        """See :meth:`~livebg.rendering.worker.Workers.stop`."""
        self._stopped.set()
        for submission in list(self._submissions.values()):
            submission.cancel_remote()

    def close(self) -> None:
        """See :meth:`~livebg.rendering.worker.Workers.close`."""
        try:
            while submissions := list(self._submissions.values()):
                wait([submission.future for submission in submissions])
        finally:
            self._watch.close()
            self._connection.close()

    def _start(self, submission: "_Submission") -> None:
        """Send the task to the scheduler. Dask itself repeats it only if it loses the worker."""
        if self._stopped.is_set():
            submission.fail(Cancelled("Stopped."))
            return
        key = f"livebg-{uuid.uuid4().hex}"
        self._submissions[key] = submission
        try:
            submission.remote = self._client.submit(run_assignment, submission.content, key=key, pure=False)
        except Exception as error:  # noqa: BLE001 - Dask has several ones for a connection that is closed
            del self._submissions[key]
            submission.fail(WorkerLost(_LOST, _CONTINUE))
            _LOG.debug("Cannot submit a task", exc_info=error)
            return
        submission.remote.add_done_callback(partial(self._finish, key))
        if self._stopped.is_set() or submission.future.cancelled():
            submission.cancel_remote()

    def _finish(self, key: str, remote: Any) -> None:
        """Fulfill the future of a task, or start its second try. Runs in Dask's thread for callbacks."""
        submission = self._submissions[key]
        try:
            submission.succeed(self._verified(submission, remote))
        except WorkerLost as error:
            submission.discard()
            submission.fail(error)
        except Exception as error:  # noqa: BLE001 - the future has it
            if self._stopped.is_set() and not isinstance(error, LivebgError):
                submission.fail(Cancelled("Stopped."))  # the stop came between two questions to Dask
            elif isinstance(error, LivebgError) or submission.tries:
                submission.fail(error)
            else:
                submission.try_again(error)
                self._start(submission)
        finally:
            del self._submissions[key]

    def _verified(self, submission: "_Submission", remote: Any) -> Any:
        """Return the result of a task after comparing its files, or raises its error."""
        if remote.status in ("cancelled", "lost"):
            if self._stopped.is_set():
                raise Cancelled("Stopped.")
            raise WorkerLost(_LOST, _CONTINUE)
        error = remote.exception()
        if type(error).__name__ == "KilledWorker":
            hint = "If their memory is short, run fewer threads per worker."
            raise WorkerLost(f"Several workers that rendered {submission.observer.label} ended.", hint) from error
        outcome: Outcome = remote.result()
        if outcome.error:
            raise outcome.error
        task, result = submission.task, outcome.result
        if isinstance(result, SegmentResult) and isinstance(task, SharedTask) and task.folder:
            verify_files(result.files.values(), task.folder, self._stopped.wait)
        elif isinstance(result, JobResult):
            verify_exists(result.job.output, self._stopped.wait)
        return result

    def _on_progress(self, event: tuple[float, Mapping[str, Any]]) -> None:
        message = event[1]
        submission = self._submissions.get(message["key"])
        if submission:
            submission.advance(message["frames"])


class _Submission:
    """A task that is on its way, and its future. ``content`` is the pickled assignment."""

    def __init__(self, task: Task[Any], observer: TaskObserver) -> None:
        self.task, self.observer, self.content = task, observer, b""
        self.future: Future[Any] = Future()
        self.future.add_done_callback(lambda future: self.cancel_remote() if future.cancelled() else None)
        self.remote: Any = None
        self.tries = 0
        self._started = False

    def advance(self, frames: int) -> None:
        """Pass the progress on. A worker reports 0 frames when it starts: the second time, the first worker has been lost."""
        if not frames and self._started:
            self.observer.retried(WorkerLost(f"The worker that rendered {self.observer.label} was lost."))
        self._started = True
        self.observer.advanced(frames)

    def try_again(self, error: Exception) -> None:
        self.tries += 1
        self._started = False
        self.observer.retried(error)

    def discard(self) -> None:
        if isinstance(self.task, DiscardableTask):
            self.task.discard()

    def cancel_remote(self) -> None:
        if self.remote is not None:
            with suppress(OSError, TimeoutError):
                self.remote.cancel(force=True)

    def succeed(self, result: object) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)
