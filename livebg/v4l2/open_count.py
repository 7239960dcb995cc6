"""Detects whether other programs have a loopback device open, for drivers without a client-usage event.

That is v4l2loopback 0.12, as in Debian 12. There are three sources, and none is sufficient:

- **inotify** on the node reports opens and closes as they happen. Identical events merge, earlier events are missing, and the
  queue can overflow: it is a hint to look, never a count.
- **/proc/PID/fd** shows which processes have the node open, among those that this user can inspect. Other users' processes and
  some sandboxed ones are missing, so an empty result proves nothing. (``hidepid`` and containers hide even their existence.)
- **The module's reference count** (``/sys/module/v4l2loopback/refcnt``) increases by one for each open file of any of its
  devices, in every process. Minus this process's own files, listed in ``/proc/self/fd``, it is the number of other openers: 0 is
  the only reliable proof that there are none. If the module has several devices (such as OBS's), /proc shows which device the
  openers use; an opener that it does not explain counts as one of ours.

So the count decides, inotify triggers a check, and /proc distinguishes devices. Without a count the result is None (unknown),
which must be treated as "in use". Programs that list cameras open each device briefly, so an opener counts only after
:attr:`OpenCountProbe.settle` seconds.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from livebg.v4l2.syscalls import SYSCALLS, EventFd, Syscalls

if TYPE_CHECKING:
    from inotify_simple import INotify

_MIN_POLL_INTERVAL_S: Final = 0.1
"""The least time between two checks, however often programs open and close the device."""
_PAUSE_FACTOR: Final = 100
"""A check is followed by a pause this many times as long as the check: at most 1 % of a core."""
_MAX_TRIES: Final = 5


class OpenCount:
    """Detects openers of ``node``. ``root`` is the folder with ``dev``, ``proc`` and ``sys``."""

    def __init__(self, node: Path, root: Path = Path("/")) -> None:
        self._node = node
        self._proc, self._sys, self._dev = root / "proc", root / "sys", root / "dev"

    def others(self) -> bool | None:
        """Return whether another process has the node open; None if unknown."""
        nodes = self._nodes()
        ours = _identity(self._node)
        if ours is None or ours not in nodes.values():
            return None
        count = self._count(nodes)
        if not count:
            return None if count is None else False
        if len(nodes) == 1:
            return True
        return self._has_node_open(nodes, ours, count)

    @property
    def limit(self) -> int | None:
        """The maximum number of openers of the node; None if unknown."""
        return _read_int(self._sys / "class/video4linux" / self._node.name / "max_openers")

    def _nodes(self) -> "dict[str, _Identity]":
        """Return the module's devices by name; no other video driver has this attribute."""
        names = [path.parent.name for path in (self._sys / "class/video4linux").glob("*/max_openers")]
        found = {name: _identity(self._dev / name) for name in names}
        return {name: identity for name, identity in found.items() if identity is not None}

    def _count(self, nodes: "dict[str, _Identity]") -> int | None:
        """Return the number of open files of the module's devices in other processes; None if unknown."""
        for _ in range(_MAX_TRIES):
            before = self._own_files(nodes)
            total = _read_int(self._sys / "module/v4l2loopback/refcnt")
            if total is None:
                return None
            if self._own_files(nodes) == before <= total:  # otherwise another thread opened or closed one: retry
                return total - before
        return None

    def _own_files(self, nodes: "dict[str, _Identity]") -> int:
        return len(list(_open_nodes(self._proc / "self", nodes)))

    def _has_node_open(self, nodes: "dict[str, _Identity]", ours: "_Identity", count: int) -> bool | None:
        """Return whether one of ``count`` openers has ``ours`` open, if there are several devices; None if unknown."""
        elsewhere = 0
        for process in self._proc.glob("[0-9]*"):
            if process.name == str(os.getpid()):
                continue
            try:
                opened_nodes = set(_open_nodes(process, nodes))
            except OSError:  # it exited, or belongs to another user
                continue
            if ours in opened_nodes:
                return True
            elsewhere += bool(opened_nodes)
        return False if elsewhere >= count else None


class OpenCountProbe:
    """Detects use of ``node`` by its openers, with the members of :class:`livebg.v4l2.client_usage.ClientUsageProbe`."""

    settle: Final = 0.2
    """Seconds. Programs that list cameras close the device within this time."""

    def __init__(self, node: Path, openers: OpenCount, kernel: Syscalls = SYSCALLS) -> None:
        """Raise ``FileNotFoundError`` if the node does not exist."""
        self._node, self._kernel, self._openers = node, kernel, openers
        self._inotify = _inotify(node)
        self._checked_at = kernel.now() - _MIN_POLL_INTERVAL_S
        self._check_duration_s = 0.0

    @property
    def method(self) -> Literal["inotify", "proc"]:
        return "proc" if self._inotify is None else "inotify"

    @property
    def interval(self) -> float:
        """Seconds after which to check without a hint."""
        return max(1.0, self._check_duration_s * _PAUSE_FACTOR)

    def wait(self, waker: EventFd, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for an open or close of the node (returns True) or a wake-up from ``waker``."""
        rest = self._checked_at + _MIN_POLL_INTERVAL_S - self._kernel.now()
        if rest > 0 and self._kernel.poll(None, waker, min(rest, timeout)).woken:
            return False
        inotify = None if self._inotify is None else self._inotify.fileno()
        return self._kernel.poll(inotify, waker, max(0.0, timeout - max(rest, 0.0))).readable

    def read_event(self) -> None:
        """Read the hints; they carry no state. Raises ``FileNotFoundError`` if the last one reports that the node is gone."""
        from inotify_simple import flags

        if self._inotify is not None and any(hint.mask & flags.IGNORED for hint in self._inotify.read(timeout=0)):
            raise FileNotFoundError(errno.ENOENT, "the device is gone")

    def poll(self) -> bool | None:
        """Return whether other processes have the node open; None if unknown. Raises ``FileNotFoundError`` if the node is
        gone.
        """
        self._node.stat()
        self._checked_at = self._kernel.now()
        found = self._openers.others()
        self._check_duration_s = self._kernel.now() - self._checked_at
        return found

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()


_Identity = tuple[int, int]
"""A device number, or for other files (as in tests) the file system and inode."""


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (0, found.st_rdev) if stat.S_ISCHR(found.st_mode) else (found.st_dev, found.st_ino)


def _open_nodes(process: Path, nodes: dict[str, _Identity]) -> Iterator[_Identity]:
    """Yield the nodes that a process has open, once per open file. Raises ``OSError`` if it cannot be inspected."""
    for link in (process / "fd").iterdir():
        try:
            target = os.readlink(link)  # noqa: PTH115 - only the text is needed
        except FileNotFoundError:  # closed in the meantime
            continue
        # Stat only files with a node's name: stat on an unreachable network file system can block forever.
        if re.sub(r" \(deleted\)$", "", target).rpartition("/")[2] in nodes:
            identity = _identity(link)
            if identity in nodes.values() and identity is not None:
                yield identity


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _inotify(node: Path) -> "INotify | None":
    """Return an inotify instance that reports opens and closes of the node; None if the system's limit is reached."""
    from inotify_simple import INotify, flags  # available only on Linux

    try:
        inotify = INotify(nonblocking=True)
    except OSError:
        return None
    try:
        inotify.add_watch(node, flags.OPEN | flags.CLOSE_WRITE | flags.CLOSE_NOWRITE)
    except FileNotFoundError:
        inotify.close()
        raise
    except OSError:
        inotify.close()
        return None
    return inotify
