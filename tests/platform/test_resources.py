"""The limits of control groups, in both versions, on files as the kernel writes them."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from livebg.platform.resources import available_memory, usable_cpus

Kernel = Callable[[str, Mapping[str, str]], tuple[Path, Path]]


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Write the process's groups and the files of all groups. There are eight CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)

    def write(own: str, files: Mapping[str, str]) -> tuple[Path, Path]:
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / name).write_text(content)
        return tmp_path / "own", tmp_path / "cgroup"

    return write


@pytest.mark.parametrize(
    ("own", "files", "count"),
    [
        ("0::/\n", {}, 8),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/outside\n", {"cpu.max": "200000 100000\n"}, 2),
        ("1:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "400000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 4),
        ("1:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 8),
        ("", {"cpu.max": "100000 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "strange\n"}, 8),
    ],
)
def test_quota_limits_cpus(own: str, files: Mapping[str, str], count: int, kernel: Kernel) -> None:
    assert usable_cpus(*kernel(own, files)) == count


def test_affinity_limits_cpus(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 5, 7}, raising=False)
    assert usable_cpus(*kernel("0::/\n", {"cpu.max": "500000 100000\n"})) == 3


MIB = 2**20


@pytest.mark.parametrize(
    ("own", "files", "mebibytes"),
    [
        ("0::/\n", {}, 1000),
        ("0::/\n", {"memory.max": "max\n", "memory.current": f"{MIB}\n"}, 1000),
        ("0::/\n", {"memory.max": f"{500 * MIB}\n", "memory.current": f"{100 * MIB}\n"}, 400),
        (
            "0::/\n",
            {
                "memory.max": f"{500 * MIB}\n",
                "memory.current": f"{450 * MIB}\n",
                "memory.stat": f"anon 5\ninactive_file {300 * MIB}\n",
            },
            350,
        ),
        ("0::/\n", {"memory.max": f"{10 * MIB}\n", "memory.current": f"{11 * MIB}\n"}, 0),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": f"{90 * MIB}", "memory/memory.usage_in_bytes": f"{30 * MIB}"}, 60),
    ],
)
def test_group_limits_memory(
    own: str, files: Mapping[str, str], mebibytes: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 1000 * MIB

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    assert available_memory(*kernel(own, files)) == mebibytes * MIB
