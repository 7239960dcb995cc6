"""Tasks in this process and in several ones: results, retries, killed workers, stopping, and orphans."""

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import psutil
import pytest

from livebg.config.settings import Settings
from livebg.errors import Cancelled, SourceError
from livebg.platform.resources import usable_cpus
from livebg.rendering.cached_segmenter import load_segmenter
from livebg.rendering.worker import ModelUnavailable, Worker, WorkerLost, Workers
from livebg.rendering.workers import count_jobs, open_workers
from tests.support.toy_network import ToyNetwork
from tests.support.waiting import wait_until
from tests.support.worker_tasks import (
    HANG_S,
    Digest,
    Exiting,
    Failing,
    Logging,
    RecordingObserver,
    Segmenting,
    Unpicklable,
    announced,
)

LABEL = RecordingObserver().label


@pytest.fixture(params=[1, 2], ids=["here", "processes"])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with open_workers(request.param) as workers:
        yield workers


@pytest.fixture
def processes() -> Iterator[Workers]:
    with open_workers(2) as workers:
        yield workers


def here() -> Worker:
    """A worker of this process, for tasks that need no network."""
    return Worker(load_segmenter, lambda _frames: None, lambda: False)


def toy_settings(folder: Path) -> Settings:
    path = ToyNetwork(gain=1.6, offset=-0.3).write(folder / "toy.onnx")
    return Settings.model_validate({"model": {"name": str(path), "provider": "cpu"}})


def test_results_are_the_same_in_any_number_of_processes() -> None:
    digests = []
    for count in (1, 2):
        with open_workers(count) as workers:
            futures = [workers.submit(Digest(frames), RecordingObserver()) for frames in range(20)]
            digests.append([future.result(HANG_S)[0] for future in futures])
            ids = {future.result()[1] for future in futures}
        assert workers.count == count
        assert (os.getpid() in ids) == (count == 1)
    assert digests[0] == digests[1]


def test_progress_ends_with_all_frames(workers: Workers) -> None:
    observer = RecordingObserver()
    workers.submit(Digest(500), observer).result(HANG_S)
    assert observer.frames[-1] == 500
    assert observer.frames == sorted(observer.frames)


def test_unexpected_error_is_tried_once_more(workers: Workers, tmp_path: Path) -> None:
    observer = RecordingObserver()
    assert workers.submit(Failing(tmp_path, errors=1), observer).result(HANG_S) == 1
    assert [str(error) for error in observer.retries] == ["try 0"]
    assert observer.frames[-2:] == [0, 1]


def test_second_unexpected_error_is_final(workers: Workers, tmp_path: Path) -> None:
    observer = RecordingObserver()
    with pytest.raises(ZeroDivisionError, match="try 1"):
        workers.submit(Failing(tmp_path, errors=9), observer).result(HANG_S)
    assert len(observer.retries) == 1
    assert workers.submit(Digest(3), observer).result(HANG_S)[0] == Digest(3).run(here())[0]


def test_deliberate_error_is_final(workers: Workers, tmp_path: Path) -> None:
    observer = RecordingObserver()
    with pytest.raises(SourceError) as caught:
        workers.submit(Failing(tmp_path, errors=1, deliberate=True), observer).result(HANG_S)
    assert (caught.value.message, caught.value.hint) == ("It is empty.", "Copy it again.")
    assert observer.retries == []


@pytest.mark.parametrize("raises", [True, False])
def test_unpicklable_error_or_result_fails_only_its_task(raises: bool, processes: Workers) -> None:
    observer = RecordingObserver()
    with pytest.raises(Exception, match="_Awkward: 1 2" if raises else "pickle"):
        processes.submit(Unpicklable(raises), observer).result(HANG_S)
    assert len(observer.retries) == 1
    assert "In a worker process:\nTraceback" in observer.retries[0].__notes__[-1]
    assert processes.submit(Digest(1), observer).result(HANG_S)


class RaisingObserver(RecordingObserver):
    """Fails while the task goes on."""

    def advanced(self, frames: int) -> None:
        if frames:
            raise OSError("no space left")


def test_error_of_an_observer_never_mixes_up_results(workers: Workers) -> None:
    expected = [Digest(frames).run(here())[0] for frames in range(20)]
    with pytest.raises(OSError, match="no space left"):
        workers.submit(Digest(1000), RaisingObserver()).result(HANG_S)
    futures = [workers.submit(Digest(frames), RecordingObserver()) for frames in range(20)]
    assert [future.result(HANG_S)[0] for future in futures] == expected


def test_killed_process_costs_only_its_own_task(processes: Workers, tmp_path: Path) -> None:
    killed, other = RecordingObserver(), RecordingObserver()
    undisturbed = processes.submit(Digest(40), RecordingObserver()).result(HANG_S)
    first = processes.submit(Digest(40, tmp_path / "first"), killed)
    second = processes.submit(Digest(41, tmp_path / "second"), other)
    pids = announced(tmp_path / "first"), announced(tmp_path / "second")
    os.kill(pids[0], signal.SIGKILL)
    digest, pid = first.result(HANG_S)
    assert digest == undisturbed[0]
    assert pid not in pids
    (error,) = killed.retries
    assert isinstance(error, WorkerLost)
    assert error.message == f"{LABEL} failed: its process was killed (SIGKILL)."
    assert not second.done()
    assert other.retries == []
    processes.stop()


def test_process_that_always_ends_is_an_error_with_advice(processes: Workers) -> None:
    sentence = rf"^{re.escape(LABEL)} failed: its process ended unexpectedly \(exit code 9\)\. If memory is short, use a smaller"
    with pytest.raises(WorkerLost, match=sentence):
        processes.submit(Exiting(), RecordingObserver()).result(HANG_S)
    assert processes.submit(Digest(1), RecordingObserver()).result(HANG_S)


def test_stop_cancels_running_and_waiting_tasks(workers: Workers, tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    observers = [RecordingObserver() for _ in names]
    futures = [workers.submit(Digest(9, tmp_path / name), each) for name, each in zip(names, observers, strict=True)]
    for name in names[: workers.count]:
        announced(tmp_path / name)
    workers.stop()
    for future in [*futures, workers.submit(Digest(1), RecordingObserver())]:
        assert isinstance(future.exception(HANG_S), Cancelled)
    assert not any(each.retries for each in observers)
    assert sum((tmp_path / name).exists() for name in names) == workers.count


def test_stop_does_not_wait_for_processes_that_start(tmp_path: Path) -> None:
    with open_workers(2) as workers:
        futures = [workers.submit(Digest(9, tmp_path / name, deaf=True), RecordingObserver()) for name in ("a", "b", "c")]
        workers.stop()
        for future in futures:
            assert isinstance(future.exception(HANG_S), Cancelled)
    assert list(tmp_path.iterdir()) == []


def test_error_in_block_stops_the_workers(tmp_path: Path) -> None:
    workers = open_workers(1)
    future = workers.submit(Digest(9, tmp_path / "a"), RecordingObserver())
    announced(tmp_path / "a")
    with pytest.raises(ZeroDivisionError), workers:
        raise ZeroDivisionError
    assert isinstance(future.exception(0), Cancelled)


def test_waiting_future_can_be_cancelled(tmp_path: Path) -> None:
    with open_workers(1) as workers:
        running = workers.submit(Digest(9, tmp_path / "a"), RecordingObserver())
        waiting = workers.submit(Digest(9, tmp_path / "b"), RecordingObserver())
        announced(tmp_path / "a")
        assert waiting.cancel()
        workers.stop()
        wait([running, waiting], HANG_S)
    assert waiting.cancelled()
    assert not (tmp_path / "b").exists()


def test_closing_waits_for_all_tasks() -> None:
    with open_workers(2) as workers:
        futures = [workers.submit(Digest(frames), RecordingObserver()) for frames in range(9)]
    assert all(future.done() for future in futures)
    ids = {future.result()[1] for future in futures}
    assert not any(running(pid) for pid in ids)
    with pytest.raises(RuntimeError, match="closed"):
        workers.submit(Digest(1), RecordingObserver())


def test_each_process_loads_the_network_once(processes: Workers, tmp_path: Path) -> None:
    settings = toy_settings(tmp_path)
    futures = [processes.submit(Segmenting(settings, shade), RecordingObserver()) for shade in range(12)]
    results = [future.result(HANG_S) for future in futures]
    assert len({(pid, network) for pid, network, _, _ in results}) == len({pid for pid, _, _, _ in results})
    with open_workers(1) as here:
        again = [here.submit(Segmenting(settings, shade), RecordingObserver()).result(HANG_S) for shade in range(12)]
    assert {threads for _, _, _, threads in [*results, *again]} == {1}
    assert [alpha for _, _, alpha, _ in again] == [alpha for _, _, alpha, _ in results]


def test_unloadable_network_is_its_own_error(workers: Workers, tmp_path: Path) -> None:
    settings = Settings.model_validate({"model": {"name": str(tmp_path / "missing.onnx")}})
    with pytest.raises(ModelUnavailable, match=r"missing\.onnx does not exist\. Give the path"):
        workers.submit(Segmenting(settings, 1), RecordingObserver()).result(HANG_S)


@pytest.mark.parametrize(("level", "messages"), [(logging.NOTSET, ["loud 2"]), (logging.DEBUG, ["fine 1", "loud 2"])])
def test_processes_log_through_this_one(level: int, messages: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    caplog.set_level(level, "livebg")
    with open_workers(2) as workers:
        workers.submit(Logging(), RecordingObserver()).result(HANG_S)
    assert [record.getMessage() for record in caplog.records if record.name == "livebg.rendering.test"] == messages


def parent(folder: Path, *options: str) -> "subprocess.Popen[str]":
    """A process with two workers, in a process group of their own."""
    command = [sys.executable, "-m", "tests.support.worker_tasks", str(folder), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("options", [(), ("deaf",)], ids=["between frames", "within a frame"])
def test_killed_parent_leaves_no_process(options: tuple[str, ...], tmp_path: Path) -> None:
    with parent(tmp_path, *options) as process:
        pids = [announced(tmp_path / name) for name in ("a", "b")]
        assert all(running(pid) for pid in pids)
        process.kill()
        wait_until(lambda: not any(running(pid) for pid in pids))
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_workers_ignore_signals_and_the_parent_decides(number: signal.Signals, tmp_path: Path) -> None:
    """The terminal sends Ctrl-C to all processes of the group."""
    with parent(tmp_path) as process:
        pids = [announced(tmp_path / name) for name in ("a", "b")]
        for pid in pids:
            os.kill(pid, number)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=HANG_S)
    assert (process.returncode, err) == (0, "")
    assert out.split() == ["Cancelled"] * 4
    assert not any(running(pid) for pid in pids)


def test_requested_number_of_jobs_is_used() -> None:
    assert count_jobs(3) == 3
    assert count_jobs(3, 10**12) == 3


def test_automatic_number_of_jobs_depends_on_cpus_and_memory() -> None:
    assert 1 <= count_jobs("auto", 0) <= usable_cpus()
    assert count_jobs("auto", 0) >= count_jobs("auto") >= count_jobs("auto", 7680 * 4320)
    assert count_jobs("auto", 10**12) == 1
