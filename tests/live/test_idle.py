"""Without viewers `livebg run` sleeps: few wakeups per second, in all threads together, as the kernel counts them."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.media import Clip
from tests.support.toy_network import ToyNetwork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
_MAX_WAKEUPS_PER_S = 4.0
_SETTLE_S = 2.0
_MEASURE_S = 5.0


@pytest.fixture
def idle_process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    clip, network = Clip(count=10).write(tmp_path / "clip.mp4"), ToyNetwork().write(tmp_path / "toy.onnx")
    homes = {f"XDG_{kind}": str(tmp_path) for kind in ("CONFIG_HOME", "CACHE_HOME", "STATE_HOME", "RUNTIME_DIR")}
    command = [sys.executable, "-m", "tests.support.idle_run", str(clip), str(network)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | homes) as process:
        assert process.stderr is not None
        assert "Running without an output" in process.stderr.readline()
        yield process
        process.terminate()
        process.communicate()


def wakeups(pid: int) -> int:
    """How often the threads of a process have waited and continued."""
    statuses = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(number) for status in statuses for number in re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M))


def test_unwatched_run_wakes_rarely(idle_process: "subprocess.Popen[str]") -> None:
    time.sleep(_SETTLE_S)
    before, start = wakeups(idle_process.pid), time.monotonic()
    time.sleep(_MEASURE_S)
    assert (wakeups(idle_process.pid) - before) / (time.monotonic() - start) <= _MAX_WAKEUPS_PER_S
