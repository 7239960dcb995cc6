"""The CPUs and the memory that this process may use, which containers and batch systems limit."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = Path("/proc/self/cgroup")


def usable_cpus(own: Path = _OWN_CGROUP, cgroups: Path = _CGROUPS) -> int:
    """Return the number of CPUs in the affinity mask, at most the quota of the control groups, rounded up."""
    allowed = getattr(os, "sched_getaffinity", None)
    count = len(allowed(0)) if allowed else os.cpu_count() or 1
    for folder in _folders(own, cgroups, "cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")  # version 2 of control groups, or else 1
        quota, period = quota or _read(folder / "cpu.cfs_quota_us"), period or _read(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            count = min(count, math.ceil(int(quota) / int(period)))
    return max(count, 1)


def available_memory(own: Path = _OWN_CGROUP, cgroups: Path = _CGROUPS) -> int:
    """Return the bytes of memory that this process and its children may still use."""
    available: int = psutil.virtual_memory().available
    for folder in _folders(own, cgroups, "memory"):
        for limit, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            most, used = _read(folder / limit), _read(folder / usage)
            if most.isdecimal() and used.isdecimal():
                available = min(available, int(most) - int(used) + _cache(folder))
    return max(available, 0)


def _folders(own: Path, cgroups: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control group and of those around it. In a container the own one is the root."""
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        root = cgroups / controllers if controllers else cgroups
        if not controllers or controller in controllers.split(","):
            folder = root / path.lstrip("/")
            yield from (each for each in (folder, *folder.parents) if each.is_relative_to(root) and each.is_dir())


def _cache(folder: Path) -> int:
    """Return the bytes of file contents that the kernel frees when memory is short."""
    values = dict(line.split(" ", 1) for line in _read(folder / "memory.stat").splitlines() if " " in line)
    value = values.get("total_inactive_file", values.get("inactive_file", "0"))
    return int(value) if value.isdecimal() else 0


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
