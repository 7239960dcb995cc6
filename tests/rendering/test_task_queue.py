"""Which worker renders which part of a file."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

from livebg.errors import Cancelled
from livebg.rendering.task_queue import QueuedTask, TaskQueue
from livebg.rendering.worker import Worker
from tests.support.worker_tasks import HANG_S, RecordingObserver


@dataclass(frozen=True)
class Part:
    """A part of a file, by its number."""

    number: int

    def run(self, worker: Worker) -> None: ...


def queue_of(*counts: int) -> TaskQueue:
    """A queue with files of so many parts each."""
    queue, number = TaskQueue(), 0
    for count in counts:
        before: Future[Any] | None = None
        for _ in range(count):
            before = queue.put(Part(number), RecordingObserver(), before)
            number += 1
    queue.close()
    return queue


def orders(queue: TaskQueue, workers: int) -> list[list[int]]:
    """The parts that each worker takes, if all parts take the same time."""
    last: list[QueuedTask | None] = [None] * workers
    taken: list[list[int]] = [[] for _ in range(workers)]
    while True:
        for worker in range(workers):
            last[worker] = queued = queue.take(last[worker])
            if queued is None:
                return taken
            assert isinstance(queued.task, Part)
            taken[worker].append(queued.task.number)


def test_one_worker_takes_parts_in_order() -> None:
    assert orders(queue_of(5, 3, 1, 1), 1) == [list(range(10))]


def test_two_workers_begin_in_different_halves() -> None:
    assert orders(queue_of(12), 2) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


def test_four_workers_divide_the_longest_runs() -> None:
    assert orders(queue_of(16), 4) == [[0, 1, 2, 3], [8, 9, 10, 11], [4, 5, 6, 7], [12, 13, 14, 15]]


def test_files_are_finished_one_after_the_other() -> None:
    first, second = orders(queue_of(3, 4), 2)
    assert set(first[:2] + second[:2]) == {0, 1, 2, 3}
    assert sorted(first + second) == list(range(7))


def test_photos_are_taken_in_order() -> None:
    assert orders(queue_of(*[1] * 6), 2) == [[0, 2, 4], [1, 3, 5]]


def test_part_that_is_put_late_still_goes_to_an_idle_worker() -> None:
    queue = TaskQueue()
    first = queue.put(Part(0), RecordingObserver(), None)
    assert queue.take(None) is first
    other = queue.put(Part(1), RecordingObserver(), None)
    assert queue.take(first) is other
    second = queue.put(Part(2), RecordingObserver(), first)
    third = queue.put(Part(3), RecordingObserver(), second)
    assert (queue.take(None), queue.take(None)) == (second, third)


def test_two_parts_may_follow_the_same_one() -> None:
    queue = TaskQueue()
    first = queue.put(Part(0), RecordingObserver(), None)
    others = {queue.put(Part(number), RecordingObserver(), first) for number in (1, 2)}
    assert queue.take(None) is first
    assert {queue.take(first), queue.take(None)} == others


def test_stopped_queue_cancels_waiting_and_later_tasks() -> None:
    queue = TaskQueue()
    first = queue.put(Part(0), RecordingObserver(), None)
    second = queue.put(Part(1), RecordingObserver(), first)
    assert queue.take(None) is first
    queue.stop()
    later = queue.put(Part(2), RecordingObserver(), second)
    for future in (second, later):
        with pytest.raises(Cancelled):
            future.result(0)
    assert not first.done()


def test_idle_worker_waits_for_a_task_or_the_end() -> None:
    queue = TaskQueue()
    taken: list[QueuedTask | None] = []

    def serve() -> None:
        queued = None
        while queued := queue.take(queued):
            taken.append(queued)

    thread = threading.Thread(target=serve)
    thread.start()
    futures = [queue.put(Part(number), RecordingObserver(), None) for number in range(3)]
    queue.close()
    thread.join(HANG_S)
    assert taken == futures
