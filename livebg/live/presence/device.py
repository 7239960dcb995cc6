"""Is anybody watching the virtual camera: the camera is open, and the network runs, only while somebody does."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Protocol

from livebg.live.presence.debounce import Judgement
from livebg.v4l2.client_usage import Subscription, UsageEvents
from livebg.v4l2.open_count import Openers, OpenerWatch
from livebg.v4l2.syscalls import SYSTEM, Kernel, Waker

_LOG = logging.getLogger(__name__)
_TICK: Final = 1.0
"""Seconds between two looks at where the device is; a descriptor held longer would keep its driver from being unloaded."""
_ABSENT: Final = 0.05
"""The same while there is no device, or it could not be asked; then each time twice as long, up to a tick."""
_OPENERS: Final = 3
"""A writer, a reader, and one that listens: the least room there must be for the last."""

Method = Literal["event", "inotify", "proc", "pipewire", "unknown"]
"""How presence is told: by v4l2loopback's event; by who has the device open, counted when inotify hints at a change, or from
time to time; by PipeWire's state of the stream; or not at all."""


class Presence(Protocol):
    """Tells whether anybody watches. It runs in a thread of its own; everything may be asked from any thread."""

    @property
    def watched(self) -> bool | None:
        """None until the first reading; then True when somebody watches, and also when that cannot be known."""

    @property
    def method(self) -> Method:
        """How that is known at present."""

    def run(self) -> None:
        """Watches until :meth:`stop`, once."""

    def stop(self) -> None:
        """Ends :meth:`run`, from any thread, or keeps it from beginning."""


class Watch(Protocol):
    """One way to watch one node. Every method but ``close`` may raise ``OSError``: then the node has to be approached anew."""

    @property
    def method(self) -> Method: ...

    @property
    def settle(self) -> float:
        """Seconds for which a look has to show somebody before that counts."""

    @property
    def interval(self) -> float:
        """Seconds after which to :meth:`look` although nothing was heard."""

    def wait(self, waker: Waker, timeout: float) -> bool:
        """Sleeps until something can be heard (then True), the waker rings, or ``timeout`` seconds have gone."""

    def heard(self) -> bool | None:
        """Takes in what came: whether somebody watches, or None for a hint to look."""

    def look(self) -> bool | None:
        """Reads anew whether somebody watches; None when that cannot be known."""

    def close(self) -> None: ...


class AlwaysWatched:
    """The :class:`Presence` of outputs that nobody can be seen to watch, such as OBS's camera."""

    method: Final[Method] = "unknown"
    watched: Final = True

    def __init__(self, device: Callable[[], str | None], changed: Callable[[], None]) -> None:  # noqa: ARG002 - as all presences
        self._changed = changed
        self._stop = threading.Event()

    def run(self) -> None:
        self._changed()
        self._stop.wait()

    def stop(self) -> None:
        self._stop.set()


class DevicePresence:
    """The :class:`Presence` of a v4l2loopback device.

    - ``device`` tells the node's path, None while the output is not open. Without a device nobody new can come, so what was found
      last stands until it is back; where nothing was found yet, somebody is taken to watch after ``grace`` seconds.
    - ``changed`` is called in the thread of :meth:`run` after each change of :attr:`watched`.
    - ``grace``: seconds for which nobody may have watched before that counts, so that a browser's restart of a silent stream
      goes unnoticed. The first reading needs no grace: there is nothing yet to bridge.
    - ``resync``: seconds after which a driver that tells by events is asked anew.
    - ``root`` is where ``dev``, ``proc`` and ``sys`` are; ``clock`` is in seconds and never goes back.

    Nobody counts only after two readings that say so, the second one made anew. Somebody counts at once.
    """

    def __init__(
        self,
        device: Callable[[], str | None],
        changed: Callable[[], None],
        *,
        grace: float = 4.0,
        resync: float = 30.0,
        kernel: Kernel = SYSTEM,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device, self._changed = device, changed
        self._grace, self._resync = grace, resync
        self._kernel, self._root, self._clock = kernel, root, clock
        self._judgement = Judgement(grace)
        self._starting = threading.Lock()
        self._stopping = False
        self._waker: Waker | None = None
        self._path: str | None = None
        self._watch: Watch | None = None
        self._known = False
        """Whether the last reading told anything."""
        self._next_look = 0.0
        self._alone_since: float | None = None
        """Since when there is nothing to read."""
        self._retry = _ABSENT
        self._told: str | None = None

    @property
    def watched(self) -> bool | None:
        return self._judgement.watched

    @property
    def method(self) -> Method:
        watch = self._watch
        return watch.method if watch is not None and self._known else "unknown"

    def run(self) -> None:
        with self._starting:
            if self._stopping:
                return
            waker = self._waker = self._kernel.waker()
        try:
            while not self._stopping:
                self._step(waker)
        finally:
            self._let_go()
            with self._starting:
                self._waker = None
                waker.close()

    def stop(self) -> None:
        with self._starting:
            self._stopping = True
            if self._waker is not None:
                self._waker.wake()

    def _step(self, waker: Waker) -> None:
        path = self._device()
        if path != self._path:
            self._let_go()
            self._path, self._retry = path, _ABSENT
        try:
            watch = self._watch or self._approach(path)
            if watch is not None:
                self._attend(watch, waker)
                self._retry = _ABSENT
                return
        except OSError as error:
            self._tell(f"cannot be asked who watches it ({error.strerror or error})")
            self._let_go()
        self._endure(path, waker)

    def _approach(self, path: str | None) -> Watch | None:
        """Begins to watch the node. Raises ``OSError``."""
        if path is None:
            return None
        self._watch = watch = self._open(Path(path))
        self._judgement.settle = watch.settle
        self._look(watch)
        self._alone_since = None
        return watch

    def _open(self, node: Path) -> Watch:
        openers = Openers(node, self._root)
        limit = openers.limit
        if limit is None or limit >= _OPENERS:
            subscription = Subscription(node, self._kernel)
            if subscription.type is not None:
                return UsageEvents(node, subscription, self._resync, self._kernel)
            subscription.close()
        return OpenerWatch(node, openers, self._kernel)

    def _attend(self, watch: Watch, waker: Waker) -> None:
        """Waits for what ``watch`` hears, or for the time of the next look. Raises ``OSError``."""
        now = self._clock()
        due = self._judgement.due
        next_look = self._next_look if due is None else min(due, self._next_look)
        if next_look > now and watch.wait(waker, min(next_look - now, _TICK)):
            level = watch.heard()
            if level is not None:
                self._judge(level, anew=False)
                return
            next_look = now
        if next_look <= self._clock() and not self._stopping:
            self._look(watch)

    def _look(self, watch: Watch) -> None:
        level = watch.look()
        self._next_look = self._clock() + watch.interval
        self._known = level is not None
        self._tell(f"is watched by {watch.method}" if self._known else "does not tell who watches it: the camera stays on")
        self._judge(level, anew=True)

    def _judge(self, level: bool | None, *, anew: bool) -> None:
        before = self.watched
        self._judgement.take(level, self._clock(), anew=anew)
        if self.watched != before:
            self._changed()

    def _endure(self, path: str | None, waker: Waker) -> None:
        """Waits a moment for a device that isn't there, or could not be asked."""
        now = self._clock()
        if self._alone_since is None:
            self._alone_since = now
        if now >= self._alone_since + self._grace and (path is not None or self.watched is None):
            self._judge(None, anew=True)
        self._kernel.poll(None, waker, self._retry)
        if path is not None:
            self._retry = min(self._retry * 2, _TICK)

    def _let_go(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    def _tell(self, what: str) -> None:
        """Logs what is new."""
        told = f"{self._path} {what}"
        if told != self._told:
            self._told = told
            _LOG.info("%s", told)
