"""Tasks on clusters of real processes: one that livebg starts, and others as a user starts them."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import livebg
from livebg.config.settings import Settings
from livebg.errors import Cancelled, ConfigError, LivebgError, ModelError, SinkError, SourceError
from livebg.rendering.cluster_address import parse_cluster
from livebg.rendering.worker import WorkerLost
from tests.support.cluster_tasks import WriteTask, started_in
from tests.support.dask_cluster import CHECKOUT, DaskCluster
from tests.support.toy_network import ToyNetwork, settings_with
from tests.support.waiting import wait_until
from tests.support.worker_tasks import Digest, Exiting, Failing, RecordingObserver, Segmenting, Unpicklable

dask = pytest.importorskip("dask", reason="dask, of the extra livebg[cluster], is not installed")
pytest.importorskip("distributed", reason="distributed, of the extra livebg[cluster], is not installed")
pytest.importorskip("cryptography", reason="cryptography, of the extra livebg[cluster], is not installed")

from livebg.rendering.cluster import ClusterWorkers  # noqa: E402

LOCAL = parse_cluster("local", insecure=False)
LONG = 2000
"""Frames of a task that does not end by itself in time."""


def workers_of(cluster: DaskCluster, settings: Settings | None = None) -> ClusterWorkers:
    return ClusterWorkers(parse_cluster(cluster.address, insecure=False), settings, 1)


def worker_processes() -> list[psutil.Process]:
    """The child processes but for Python's own that watches semaphores."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def listening(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """The addresses at which the processes accept connections."""
    inet = [each for process in processes for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
    return {(each.laddr.ip, each.laddr.port) for each in inet}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_with(str(ToyNetwork().write(tmp_path_factory.mktemp("network") / "toy.onnx")))


@pytest.fixture(scope="module")
def local(toy: Settings) -> Iterator[ClusterWorkers]:
    """Two worker processes."""
    with ClusterWorkers(LOCAL, toy, 2) as workers:
        yield workers


def test_local_cluster_listens_on_loopback_only(local: ClusterWorkers) -> None:
    """Scheduler, workers, their supervisors and the dashboard."""
    processes = [psutil.Process(), *worker_processes()]
    addresses = listening(processes)
    assert len(processes) == 3
    assert len(addresses) >= 6
    assert {ip for ip, _ in addresses} == {"127.0.0.1"}
    assert local.count == 2
    assert local.notice is None
    assert local.notes == ()


def is_web_server(address: tuple[str, int]) -> bool:
    with socket.create_connection(address, timeout=10) as connection, suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(5) == b"HTTP/"
    return False


@pytest.mark.usefixtures("local")
def test_local_cluster_refuses_other_users() -> None:
    """They can reach the ports, but have no certificate. Only the web pages answer them."""
    addresses = listening([psutil.Process(), *worker_processes()])
    guarded = [address for address in addresses if not is_web_server(address)]
    assert len(guarded) >= 5  # the scheduler, two workers and their supervisors
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for address in guarded:
        with (
            socket.create_connection(address, timeout=10) as connection,
            pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"),
            context.wrap_socket(connection) as encrypted,
        ):
            encrypted.recv(1)


def test_tasks_return_results_and_report_progress(local: ClusterWorkers, tmp_path: Path) -> None:
    observers = [RecordingObserver() for _ in range(3)]
    futures = [local.submit(WriteTask(tmp_path, index, 12, 0.1), each) for index, each in enumerate(observers)]
    results = [future.result(60) for future in futures]
    assert [result.index for result in results] == [0, 1, 2]
    assert all((tmp_path / f"0000{index}.video").stat().st_size == results[index].files["video"].size for index in range(3))
    for observer in observers:
        assert observer.frames
        assert observer.frames == sorted(observer.frames)
        assert observer.retries == []


def test_network_is_loaded_once_per_process(local: ClusterWorkers, toy: Settings) -> None:
    found = [local.submit(Segmenting(toy, shade), RecordingObserver()).result(60) for shade in (0, 0, 255, 255)]
    networks = {(process, network) for process, network, _, _ in found}
    assert len(networks) == len({process for process, _ in networks})
    assert os.getpid() not in dict(networks)
    assert [alpha for _, _, alpha, _ in found] == [found[0][2]] * 2 + [found[2][2]] * 2
    assert found[0][2] != found[2][2]
    assert {threads for _, _, _, threads in found} == {1}


def test_killed_worker_costs_one_segment(local: ClusterWorkers, tmp_path: Path) -> None:
    """The file is that of an undisturbed run, and the other tasks run once."""
    observers = [RecordingObserver() for _ in range(4)]
    futures = [local.submit(WriteTask(tmp_path, index, 30, 0.1), each) for index, each in enumerate(observers)]
    wait_until(lambda: bool(observers[0].frames))
    victim = started_in(tmp_path, 0)[0]
    os.kill(victim, signal.SIGKILL)
    results = [future.result(60) for future in futures]
    assert started_in(tmp_path, 0)[1:] != []
    assert victim not in started_in(tmp_path, 0)[1:]
    assert [len(started_in(tmp_path, index)) for index in range(4)].count(1) == 3
    assert [len(observer.retries) for observer in observers] == [len(started_in(tmp_path, index)) - 1 for index in range(4)]
    folder = tmp_path / "alone"
    folder.mkdir()
    undisturbed = local.submit(WriteTask(folder, 0, 30), RecordingObserver()).result(60)
    assert results[0] == undisturbed
    assert (tmp_path / "00000.video").read_bytes() == (folder / "00000.video").read_bytes()


def test_error_of_livebg_is_not_retried(local: ClusterWorkers, tmp_path: Path) -> None:
    observer = RecordingObserver()
    with pytest.raises(SourceError, match=r"^It is empty\. Copy it again\.$") as caught:
        local.submit(Failing(tmp_path, 1, deliberate=True), observer).result(60)
    assert caught.value.hint == "Copy it again."
    assert observer.retries == []


@pytest.mark.parametrize("errors", [1, 2])
def test_unexpected_error_is_retried_once(local: ClusterWorkers, tmp_path: Path, errors: int) -> None:
    observer = RecordingObserver()
    future = local.submit(Failing(tmp_path, errors), observer)
    if errors == 1:
        assert future.result(60) == 1
    else:
        with pytest.raises(ZeroDivisionError, match="try 1"):
            future.result(60)
    assert [str(error) for error in observer.retries] == ["try 0"]


def test_error_that_cannot_be_pickled_is_reported(local: ClusterWorkers) -> None:
    error = local.submit(Unpicklable(raises=True), RecordingObserver()).exception(60)
    assert error is not None
    assert not isinstance(error, LivebgError)
    assert isinstance(local.submit(Digest(3), RecordingObserver()).result(60), tuple)


def test_task_that_ends_its_workers_is_given_up(local: ClusterWorkers) -> None:
    observer = RecordingObserver()
    with pytest.raises(WorkerLost, match=rf"^Several workers that rendered {re.escape(observer.label)} ended\."):
        local.submit(Exiting(), observer).result(240)
    lost = f"The worker that rendered {observer.label} was lost."
    assert {str(error) for error in observer.retries} <= {lost}  # a process that ends at once reports nothing


def test_pending_future_can_be_cancelled(local: ClusterWorkers, tmp_path: Path) -> None:
    future = local.submit(WriteTask(tmp_path, 0, LONG, 0.02), RecordingObserver())
    assert future.cancel()
    after = [local.submit(WriteTask(tmp_path, index), RecordingObserver()) for index in (1, 2)]
    assert [each.result(60).index for each in after] == [1, 2]
    assert not (tmp_path / "00000.video").exists()


def test_changed_source_is_refused(local: ClusterWorkers, tmp_path: Path) -> None:
    """It changes while the task waits for a worker."""
    source = tmp_path / "talk.mp4"
    source.write_bytes(b"talk")
    busy = [local.submit(WriteTask(tmp_path, index, LONG, 0.01), RecordingObserver()) for index in (1, 2)]
    wait_until(lambda: bool(started_in(tmp_path, 1) and started_in(tmp_path, 2)))
    future = local.submit(WriteTask(tmp_path, 0, source=source), RecordingObserver())
    source.write_bytes(b"another talk")
    for each in busy:
        each.cancel()
    with pytest.raises(SourceError, match=r"The worker tls://127\.0\.0\.1:\d+ on \S+ sees another .*talk\.mp4 \(12 bytes\)"):
        future.result(60)
    assert started_in(tmp_path, 0) == []


def test_missing_folder_is_refused(local: ClusterWorkers, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"The worker tls://127\.0\.0\.1:\d+ on \S+ does not share the folder .*gone"):
        local.submit(WriteTask(tmp_path / "gone", 0), RecordingObserver()).result(60)


def test_missing_source_is_refused(local: ClusterWorkers, tmp_path: Path) -> None:
    task = WriteTask(tmp_path, 0, source=tmp_path / "talk.mp4")
    with pytest.raises(SourceError, match=r"Cannot read .*talk\.mp4 \(No such file or directory\)"):
        local.submit(task, RecordingObserver()).result(60)
    assert list(tmp_path.iterdir()) == []


def test_check_of_folder_leaves_nothing(local: ClusterWorkers, tmp_path: Path) -> None:
    local.submit(WriteTask(tmp_path, 0), RecordingObserver()).result(60)
    assert {path.name for path in tmp_path.iterdir()} == {"0.started", "00000.video"}


def test_stop_cancels_everything_and_leaves_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = {process.pid for process in worker_processes()}
    ports = listening([psutil.Process()])
    scratch = set(Path(os.environ.get("TMPDIR", "/tmp")).glob("livebg-cluster-*"))
    workers = ClusterWorkers(LOCAL, None, 2)
    started = [process for process in worker_processes() if process.pid not in before]
    futures = [workers.submit(WriteTask(tmp_path, index, LONG, 0.05), RecordingObserver()) for index in range(6)]
    wait_until(lambda: bool(started_in(tmp_path, 0)))
    workers.stop()
    assert [type(future.exception(10)) for future in futures] == [Cancelled] * 6
    assert isinstance(workers.submit(WriteTask(tmp_path, 7), RecordingObserver()).exception(10), Cancelled)
    workers.close()
    assert len(started) == 2
    assert not any(process.is_running() for process in started)
    assert listening([psutil.Process()]) == ports
    assert set(Path(os.environ.get("TMPDIR", "/tmp")).glob("livebg-cluster-*")) == scratch
    assert not list(tmp_path.glob("*.video"))
    assert capfd.readouterr() == ("", "")


def test_result_that_is_not_what_the_worker_wrote_is_refused(tmp_path: Path) -> None:
    """The wait for a network file system ends with a stop."""
    workers = ClusterWorkers(LOCAL, None, 1)
    with workers:
        future = workers.submit(WriteTask(tmp_path, 0, claimed=b"else"), RecordingObserver())
        wait_until(lambda: (tmp_path / "00000.video").exists())
        workers.stop()
        assert isinstance(future.exception(10), Cancelled)


def test_stopped_task_frees_its_worker(tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster:
        cluster.worker(threads=1)
        workers = workers_of(cluster)
        future = workers.submit(WriteTask(tmp_path, 0, LONG, 0.02), RecordingObserver())
        wait_until(lambda: bool(started_in(tmp_path, 0)))
        workers.stop()
        assert isinstance(future.exception(10), Cancelled)
        workers.close()
        with workers_of(cluster) as later:
            assert later.count == 1
            assert later.notice is None
            assert later.submit(WriteTask(tmp_path, 1), RecordingObserver()).result(30).index == 1
    assert not (tmp_path / "00000.video").exists()


KILLED_CLIENT = """
import os, pathlib, signal, sys
from livebg.rendering.cluster import ClusterWorkers
from livebg.rendering.cluster_address import parse_cluster
from livebg.rendering.worker import WorkerLost
from tests.support.cluster_tasks import WriteTask, started_in
from tests.support.waiting import wait_until
from tests.support.worker_tasks import RecordingObserver

folder = pathlib.Path(sys.argv[2])
workers = ClusterWorkers(parse_cluster(sys.argv[1], insecure=False), None, 1)
workers.submit(WriteTask(folder, 0, 2000, 0.02), RecordingObserver())
wait_until(lambda: bool(started_in(folder, 0)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_task_of_killed_client_frees_its_worker(tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster:
        cluster.worker(threads=1)
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-c", KILLED_CLIENT, cluster.address, str(tmp_path)]
        assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == -signal.SIGKILL
        assert started_in(tmp_path, 0)
        with workers_of(cluster) as later:
            assert later.submit(WriteTask(tmp_path, 1), RecordingObserver()).result(30).index == 1
    assert not (tmp_path / "00000.video").exists()


def test_lost_scheduler_is_reported(tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster:
        cluster.worker()
        with workers_of(cluster) as workers:
            future = workers.submit(WriteTask(tmp_path, 0, LONG, 0.02), RecordingObserver())
            wait_until(lambda: bool(started_in(tmp_path, 0)))
            cluster.processes[0].kill()
            with pytest.raises(LivebgError, match=r"connection to the cluster was lost\. Run the same command again"):
                future.result(60)


def test_loss_of_all_workers_is_reported_and_a_new_one_continues(tmp_path: Path) -> None:
    reports: list[str] = []
    with DaskCluster(tmp_path) as cluster:
        first = cluster.worker()
        with ClusterWorkers(parse_cluster(cluster.address, insecure=False), None, 1, warn=reports.append) as workers:
            first.kill()
            wait_until(lambda: first.poll() is not None)
            future = workers.submit(WriteTask(tmp_path, 0, 30, 0.1), RecordingObserver())
            wait_until(lambda: bool(reports))
            assert not future.done()
            second = cluster.worker()
            assert future.result(60).index == 0
            wait_until(lambda: len(reports) == 2)
    assert started_in(tmp_path, 0) == [second.pid]
    assert reports[0].startswith("No worker is left; waiting for one.")
    assert reports[1] == "A worker has joined; rendering continues."


def test_worker_with_other_code_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    ignored = shutil.ignore_patterns("lab", "__pycache__", "*.onnx")
    shutil.copytree(Path(livebg.__file__).parent, other / "livebg", ignore=ignored)
    with (other / "livebg" / "segmentation" / "despeckle.py").open("a") as file:
        file.write("# another line\n")
    with DaskCluster(tmp_path) as cluster:
        alike = cluster.worker()
        with workers_of(cluster) as workers:
            # A worker that joins later refuses by itself.
            different = cluster.worker(PYTHONPATH=str(other), cwd=other)
            wait_until(lambda: workers.count == 2)
            alike.kill()
            wait_until(lambda: workers.count == 1)
            sentence = r"The worker tcp://127\.0\.0\.1:\d+ on \S+ has livebg \S+ instead of \S+\. Install the same version"
            with pytest.raises(ConfigError, match=sentence):
                workers.submit(WriteTask(tmp_path, 0), RecordingObserver()).result(60)
        with pytest.raises(ConfigError, match=sentence):
            workers_of(cluster)
        assert different.poll() is None
    assert started_in(tmp_path, 0) == []


def test_worker_with_other_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same relative path in another folder."""
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(tmp_path)
    ToyNetwork().write(tmp_path / "toy.onnx")
    settings = settings_with("toy.onnx")
    with DaskCluster(tmp_path) as cluster:
        cluster.worker(cwd=other)
        with pytest.raises(ModelError, match=r"The worker \S+ on \S+ cannot use the network: .*toy\.onnx does not exist"):
            workers_of(cluster, settings)
        ToyNetwork(gain=2).write(other / "toy.onnx")
        with pytest.raises(ModelError, match=r"The worker \S+ on \S+ has another network file"):
            workers_of(cluster, settings)
        ToyNetwork().write(other / "toy.onnx")
        with workers_of(cluster, settings) as workers:
            assert workers.submit(Segmenting(settings, 0), RecordingObserver()).result(60)
            ToyNetwork(gain=3).write(other / "toy.onnx")
            with pytest.raises(ModelError, match="has another network file"):
                workers.submit(Segmenting(settings, 0), RecordingObserver()).result(60)


def test_worker_without_livebg_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "livebg").mkdir(parents=True)
    (other / "livebg" / "__init__.py").write_text("raise ImportError('No module named livebg')\n")
    with DaskCluster(tmp_path) as cluster:
        cluster.worker(PYTHONPATH=str(other), cwd=other)
        with pytest.raises(ConfigError, match=r"The worker \S+ cannot run livebg \(.*livebg.*\)\. Install the same version"):
            workers_of(cluster)


def test_encrypted_cluster_takes_certificates_from_dask(tmp_path: Path) -> None:
    with DaskCluster(tmp_path, tls=True) as cluster:
        cluster.worker()
        assert cluster.address.startswith("tls://127.0.0.1:")
        with pytest.raises(ConfigError, match=r"needs certificates, and distributed\.comm\.tls\.ca-file .* is not set"):
            workers_of(cluster)
        with dask.config.set(cluster.security()), workers_of(cluster) as workers:
            assert workers.submit(WriteTask(tmp_path, 0), RecordingObserver()).result(60).index == 0


def test_cluster_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConfigError, match=rf"The cluster tcp://127\.0\.0\.1:{port} does not answer"):
        ClusterWorkers(parse_cluster(f"tcp://127.0.0.1:{port}", insecure=False), None, 1)
    assert list(tmp_path.iterdir()) == []
