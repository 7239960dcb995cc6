"""Whether others have a loopback device open, where its driver has no event to tell that somebody streams from it.

That is v4l2loopback 0.12, which Debian 12 has. There are three ways to know, and none is enough by itself:

- **inotify** on the node tells of an open or a close as it happens. Identical events merge, those from before the watch are
  missing, and a queue may overflow: it is a hint to look, never a count.
- **/proc/PID/fd** tells who has the node open, among the processes that this user may look into. Those of other users, and some
  in sandboxes, are not among them, so "nobody there" means nothing. (``hidepid`` and containers hide even that there are such.)
- **The module's reference count** (``/sys/module/v4l2loopback/refcnt``) goes up by one for each open file of any of its devices,
  whoever opened it, wherever from. Less those of this process, which ``/proc/self/fd`` lists, it is the number of others: 0 is
  certain silence, the only one to be had. Where the module has several devices (OBS has one of its own), /proc tells whether
  those others are at them; what it cannot explain counts as a watcher of ours.

So the count decides, inotify says when to look at it, and /proc tells devices apart. Where there is no count, nothing is known,
and the answer is None, which is to be taken for "somebody". To have a device open is less than to stream from it: who lists the
cameras opens each of them for a moment. So an opener counts once it has stayed for :attr:`OpenerWatch.settle` seconds.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from livebg.v4l2.syscalls import SYSTEM, Kernel, Waker

if TYPE_CHECKING:
    from inotify_simple import INotify

_BREATH: Final = 0.1
"""Seconds between two looks at least, however often somebody opens and closes the device."""
_SHARE: Final = 100
"""A look that took long is followed by a rest that many times as long: a hundredth of a core at most."""
_TRIES: Final = 5


class Openers:
    """Counts who has ``node`` open. ``root`` is where ``dev``, ``proc`` and ``sys`` are."""

    def __init__(self, node: Path, root: Path = Path("/")) -> None:
        self._node = node
        self._proc, self._sys, self._dev = root / "proc", root / "sys", root / "dev"

    def others(self) -> bool | None:
        """Whether another process has the node open; None when that cannot be known."""
        nodes = self._nodes()
        mine = _identity(self._node)
        if mine is None or mine not in nodes.values():
            return None
        count = self._count(nodes)
        if not count:
            return None if count is None else False
        if len(nodes) == 1:
            return True
        return self._among(nodes, mine, count)

    @property
    def limit(self) -> int | None:
        """How many may have the node open at a time; None when that is not told."""
        return _number(self._sys / "class/video4linux" / self._node.name / "max_openers")

    def _nodes(self) -> "dict[str, _Identity]":
        """The module's devices by name: no other driver of video devices has this attribute."""
        names = [path.parent.name for path in (self._sys / "class/video4linux").glob("*/max_openers")]
        found = {name: _identity(self._dev / name) for name in names}
        return {name: identity for name, identity in found.items() if identity is not None}

    def _count(self, nodes: "dict[str, _Identity]") -> int | None:
        """Open files of the module's devices, but for this process's own; None when there is no telling."""
        for _ in range(_TRIES):
            before = self._own(nodes)
            total = _number(self._sys / "module/v4l2loopback/refcnt")
            if total is None:
                return None
            if self._own(nodes) == before <= total:  # else another thread opened or closed one meanwhile
                return total - before
        return None

    def _own(self, nodes: "dict[str, _Identity]") -> int:
        return len(list(_held(self._proc / "self", nodes)))

    def _among(self, nodes: "dict[str, _Identity]", mine: "_Identity", count: int) -> bool | None:
        """Where there are several devices: whether one of ``count`` openers is at ``mine``."""
        elsewhere = 0
        for process in self._proc.glob("[0-9]*"):
            if process.name == str(os.getpid()):
                continue
            try:
                held = set(_held(process, nodes))
            except OSError:  # it ended, or belongs to somebody else
                continue
            if mine in held:
                return True
            elsewhere += bool(held)
        return False if elsewhere >= count else None


class OpenerWatch:
    """Watches ``node`` by its openers: a :class:`livebg.live.presence.device.Watch`."""

    settle: Final = 0.2
    """Seconds; who lists cameras is gone by then."""

    def __init__(self, node: Path, openers: Openers, kernel: Kernel = SYSTEM) -> None:
        """Raises ``FileNotFoundError`` where there is no node."""
        self._node, self._kernel, self._openers = node, kernel, openers
        self._hints = _hints(node)
        self._looked = kernel.now() - _BREATH
        self._took = 0.0

    @property
    def method(self) -> Literal["inotify", "proc"]:
        return "proc" if self._hints is None else "inotify"

    @property
    def interval(self) -> float:
        """Seconds after which to look again although there was no hint."""
        return max(1.0, self._took * _SHARE)

    def wait(self, waker: Waker, timeout: float) -> bool:
        """Sleeps up to ``timeout`` seconds, or until the node is opened or closed (then True) or ``waker`` rings."""
        rest = self._looked + _BREATH - self._kernel.now()
        if rest > 0 and self._kernel.poll(None, waker, min(rest, timeout)).woken:
            return False
        hints = None if self._hints is None else self._hints.fileno()
        return self._kernel.poll(hints, waker, max(0.0, timeout - max(rest, 0.0))).readable

    def heard(self) -> None:
        """Hints say nothing by themselves. Raises ``FileNotFoundError`` when the last one says that the node is gone."""
        from inotify_simple import flags

        if self._hints is not None and any(hint.mask & flags.IGNORED for hint in self._hints.read(timeout=0)):
            raise FileNotFoundError(errno.ENOENT, "the device has gone")

    def look(self) -> bool | None:
        """Whether others have the node open; None when that cannot be known. Raises ``FileNotFoundError`` where it is gone."""
        self._node.stat()
        self._looked = self._kernel.now()
        found = self._openers.others()
        self._took = self._kernel.now() - self._looked
        return found

    def close(self) -> None:
        if self._hints is not None:
            self._hints.close()


_Identity = tuple[int, int]
"""A device's number, or for what is none (as in tests) its file system and inode."""


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (0, found.st_rdev) if stat.S_ISCHR(found.st_mode) else (found.st_dev, found.st_ino)


def _held(process: Path, nodes: dict[str, _Identity]) -> Iterator[_Identity]:
    """Which of the nodes a process has open, as often as it does. Raises ``OSError`` when it may not be looked into."""
    for link in (process / "fd").iterdir():
        try:
            target = os.readlink(link)  # noqa: PTH115 - the text counts, and a Path would be in the way
        except FileNotFoundError:  # closed meanwhile
            continue
        # Only what has a node's name is asked for more: to ask a file on a server that is gone may take for ever.
        if re.sub(r" \(deleted\)$", "", target).rpartition("/")[2] in nodes:
            identity = _identity(link)
            if identity in nodes.values() and identity is not None:
                yield identity


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _hints(node: Path) -> "INotify | None":
    """An inotify that tells when the node is opened or closed; None where the system has none left to give."""
    from inotify_simple import INotify, flags  # not there but on Linux

    try:
        hints = INotify(nonblocking=True)
    except OSError:
        return None
    try:
        hints.add_watch(node, flags.OPEN | flags.CLOSE_WRITE | flags.CLOSE_NOWRITE)
    except FileNotFoundError:
        hints.close()
        raise
    except OSError:
        hints.close()
        return None
    return hints
