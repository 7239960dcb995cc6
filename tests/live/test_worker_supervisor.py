"""Which worker counts as hung, and when."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from livebg.live.stats import FailureLog
from livebg.live.worker import WorkerLoop
from livebg.live.worker_supervisor import WorkerSupervisor
from tests.support.pipeline_fakes import HandClock


class StillWorker:
    """A worker that thinks about a frame since ``busy_since``, until it is left behind."""

    processed = failed = 0

    def __init__(self) -> None:
        self.busy_since: float | None = None
        self._left = threading.Event()

    def run(self) -> None:
        self._left.wait(60)

    def abandon(self) -> None:
        self._left.set()


class SupervisedWorkers:
    """Workers by a clock that the test sets, ``made`` of them so far."""

    def __init__(self) -> None:
        self.clock = HandClock(0.0)
        self.made: list[StillWorker] = []
        self.failures = FailureLog(self.clock)
        self.workers = WorkerSupervisor(self._make, lambda: None, self.failures, self.clock)
        self.workers.thread.start()

    def _make(self, processed: int, failed: int) -> WorkerLoop:  # noqa: ARG002
        self.made.append(StillWorker())
        return self.made[-1]  # type: ignore[return-value]

    def thinks(self, seconds: float) -> int:
        """The present worker thinks about one frame for so long, or is replaced; how many have been replaced."""
        worker = self.made[-1]
        worker.busy_since = self.clock.seconds
        end = self.clock.seconds + seconds
        while self.clock.seconds < end and worker is self.made[-1]:
            self.clock.seconds = min(self.clock.seconds + 0.1, end)
            self.workers.replace_hung()
        worker.busy_since = None
        return len(self.made) - 1


@contextmanager
def machine() -> Iterator[SupervisedWorkers]:
    made = SupervisedWorkers()
    try:
        yield made
    finally:
        for worker in made.made:
            worker.abandon()


@pytest.fixture
def slow() -> Iterator[SupervisedWorkers]:
    """It has already counted as hung once."""
    with machine() as made:
        assert made.thinks(4.9) == 0
        assert made.thinks(7.0) == 1
        yield made


def test_second_hang_is_given_twice_the_time(slow: SupervisedWorkers) -> None:
    assert slow.thinks(9.0) == 1
    assert slow.thinks(11.0) == 2
    assert "for 10 s and" in str(slow.failures.last)


def test_timeout_returns_to_initial_after_good_period(slow: SupervisedWorkers) -> None:
    for _ in range(700):
        assert slow.thinks(1.0) == 1
    assert slow.thinks(7.0) == 2
    assert "for 5 s and" in str(slow.failures.last)


def test_constantly_slow_network_is_restarted_only_once(slow: SupervisedWorkers) -> None:
    for _ in range(200):
        assert slow.thinks(7.0) == 1
