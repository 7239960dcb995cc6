"""``livebg render --cluster`` with real worker processes: the same bytes as a render without a cluster."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import psutil
import pytest

from tests.support.cli_runner import LivebgCli
from tests.support.dask_cluster import CHECKOUT, DaskCluster
from tests.support.media import Clip
from tests.support.toy_network import ToyNetwork
from tests.support.waiting import wait_until

needs_dask = [
    pytest.importorskip(name, reason=f"{name}, of the extra livebg[cluster], is not installed")
    for name in ("dask", "distributed", "cryptography")
]
JOB = Path(".talk.portrait.mp4.livebg")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``talk.mp4``, a clip of three segments with sound, and ``alone.mp4``, its output without a cluster."""
    folder = tmp_path_factory.mktemp("rendered")
    clip = Clip(count=240, width=128, height=96, rate=Fraction(8), audio="aac", options={"g": "8"})
    clip.write(folder / "talk.mp4")
    network = ToyNetwork(gain=1.6, offset=-0.3).write(folder / "toy.onnx")
    with start_render(folder / "talk.mp4", "-o", folder / "alone.mp4", "--jobs", "1", "--model", network) as render:
        _, errors = render.communicate(timeout=120)
    assert render.returncode == 0, errors
    return folder


@pytest.fixture
def talk(cli: LivebgCli, rendered: Path) -> str:
    """A copy of the clip."""
    shutil.copy(rendered / "talk.mp4", cli.folder / "talk.mp4")
    return "talk.mp4"


@pytest.fixture
def expected(rendered: Path) -> bytes:
    return (rendered / "alone.mp4").read_bytes()


def start_render(*arguments: str | Path) -> "subprocess.Popen[str]":
    """``livebg render ARGUMENTS`` in a process group of its own."""
    command = [sys.executable, "-m", "livebg", "render", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def is_running(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def writes_segment(process: psutil.Process) -> bool:
    """Whether the process has an unfinished segment open."""
    with suppress(psutil.Error):
        return any(file.path.endswith(".part") for file in process.open_files())
    return False


def kill_while_it_writes(process: psutil.Process) -> bool:
    """Kill the process if it has an unfinished segment, which it cannot finish in the meantime since it is suspended."""
    if writes_segment(process):
        time.sleep(0.2)  # the worker sends its report of the start from another thread
    process.suspend()
    is_writing = writes_segment(process)
    if is_writing:
        process.kill()
    else:
        process.resume()
    return is_writing


def test_local_cluster_renders_the_same_bytes(cli: LivebgCli, talk: str, expected: bytes, photo: Path) -> None:
    assert cli.render(str(photo), "-o", "alone.png").code == 0
    (cli.folder / "out").mkdir()
    with start_render(
        talk, str(photo), "-o", "out", "--cluster", "local", "--jobs", "2", "--model", cli.folder / "toy.onnx"
    ) as render:
        _, errors = render.communicate(timeout=120)
    assert render.returncode == 0, errors
    assert "leave this machine" not in errors
    assert {path.name for path in (cli.folder / "out").iterdir()} == {"talk.portrait.mp4", "photo.portrait.png"}
    assert (cli.folder / "out" / "talk.portrait.mp4").read_bytes() == expected
    assert (cli.folder / "out" / "photo.portrait.png").read_bytes() == (cli.folder / "alone.png").read_bytes()


def test_killed_worker_does_not_change_bytes(cli: LivebgCli, talk: str, expected: bytes, tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster:
        workers = [psutil.Process(cluster.worker().pid) for _ in range(2)]
        with start_render(talk, "--cluster", cluster.address, "--model", cli.folder / "toy.onnx") as render:
            wait_until(lambda: any(map(kill_while_it_writes, workers)))
            _, errors = render.communicate(timeout=120)
    assert render.returncode == 0, errors
    assert "The worker that rendered Segment" in errors
    assert (cli.folder / "talk.portrait.mp4").read_bytes() == expected
    assert cli.files() == {"talk.mp4", "talk.portrait.mp4"}


def lose_all_workers(render: "subprocess.Popen[str]", worker: psutil.Process) -> None:
    """Kill the only worker while it writes, and wait until the render reports that."""
    wait_until(lambda: kill_while_it_writes(worker))
    assert render.stderr is not None
    assert any(line.startswith("No worker is left; waiting for one.") for line in iter(render.stderr.readline, ""))


def test_render_waits_for_a_new_worker(cli: LivebgCli, talk: str, expected: bytes, tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster:
        worker = psutil.Process(cluster.worker().pid)
        with start_render(talk, "--quiet", "--cluster", cluster.address, "--model", cli.folder / "toy.onnx") as render:
            lose_all_workers(render, worker)
            cluster.worker()
            _, errors = render.communicate(timeout=120)
    assert render.returncode == 0, errors
    assert (cli.folder / "talk.portrait.mp4").read_bytes() == expected


def test_render_without_workers_can_be_stopped_and_continues(cli: LivebgCli, talk: str, expected: bytes, tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster:
        worker = psutil.Process(cluster.worker().pid)
        with start_render(talk, "--cluster", cluster.address, "--model", cli.folder / "toy.onnx") as render:
            lose_all_workers(render, worker)
            os.killpg(render.pid, signal.SIGINT)
            _, errors = render.communicate(timeout=60)
    assert render.returncode == 130, errors
    with start_render(talk, "--model", cli.folder / "toy.onnx") as render:
        _, errors = render.communicate(timeout=120)
    assert render.returncode == 0, errors
    assert "starts over" not in errors
    assert (cli.folder / "talk.portrait.mp4").read_bytes() == expected


def test_interrupted_cluster_render_continues_without_it(cli: LivebgCli, talk: str, expected: bytes) -> None:
    """Ctrl-C reaches the whole process group."""
    with start_render(talk, "--cluster", "local", "--jobs", "1", "--model", cli.folder / "toy.onnx") as render:
        wait_until(lambda: (cli.folder / JOB / "0001.json").exists())
        children = psutil.Process(render.pid).children(recursive=True)
        os.killpg(render.pid, signal.SIGINT)
        _, errors = render.communicate(timeout=60)
    assert render.returncode == 130, errors
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("livebg: Stopped")
    assert "continue" in errors
    wait_until(lambda: not any(map(is_running, children)))
    assert cli.files() >= {str(JOB), str(JOB / "0000.json"), str(JOB / "0001.json")}
    with start_render(talk, "--model", cli.folder / "toy.onnx") as render:
        _, errors = render.communicate(timeout=120)
    assert render.returncode == 0, errors
    assert "starts over" not in errors
    assert (cli.folder / "talk.portrait.mp4").read_bytes() == expected
    assert cli.files() == {"talk.mp4", "talk.portrait.mp4"}


def test_room_is_shown_on_a_cluster_only_on_request(cli: LivebgCli, talk: str) -> None:
    """Mode none works on a cluster as it does without one."""
    assert cli.render(talk, "-o", "alone.mp4", "--mode", "none", "--jobs", "1").code == 0
    with start_render(
        talk, "-o", "far.mp4", "--mode", "none", "--cluster", "local", "--jobs", "1", "--model", cli.folder / "toy.onnx"
    ) as render:
        _, errors = render.communicate(timeout=120)
    assert render.returncode == 0, errors
    assert (cli.folder / "far.mp4").read_bytes() == (cli.folder / "alone.mp4").read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cluster", "tcp://render:8786"], "The connection to tcp://render:8786 is not encrypted"),
        (["--cluster", "render"], "The cluster 'render' is not an address"),
        (["--insecure-cluster"], "--insecure-cluster needs --cluster"),
        (["--cluster", "tls://render:8786"], "tls://render:8786 needs certificates"),
    ],
)
def test_cluster_is_refused_before_work(cli: LivebgCli, clip: Path, options: list[str], sentence: str) -> None:
    before = cli.files()
    done = cli.render(str(clip), *options)
    assert done.code == 2
    assert done.error_line.startswith(sentence)
    assert cli.files() == before
