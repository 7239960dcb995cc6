"""Detects whether an app uses a v4l2loopback device, so that the camera and the network run only when needed."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Protocol

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.live.presence.debounce import PresenceDebouncer
from livebg.v4l2.client_usage import ClientUsageProbe, Subscription
from livebg.v4l2.open_count import OpenCount, OpenCountProbe
from livebg.v4l2.syscalls import SYSCALLS, EventFd, Syscalls

_LOG = logging.getLogger(__name__)
_DEVICE_POLL_INTERVAL_S: Final = 1.0
"""Interval of checks for the device node; an open descriptor held for longer would prevent unloading the driver."""
_MIN_RETRY_DELAY_S: Final = 0.05
"""Initial delay if the device is missing or inaccessible. It doubles up to the poll interval."""
_MIN_OPENERS: Final = 3
"""Minimum number of openers the driver must allow to listen for events: a writer, a reader and the listener."""

Method = Literal["event", "inotify", "proc", "pipewire", "unknown"]
"""How presence is detected: ``event``: v4l2loopback's usage event; ``inotify``: open descriptors, counted after inotify reports
a change; ``proc``: open descriptors, counted periodically; ``pipewire``: the stream state; ``unknown``: not at all."""


class Presence(Protocol):
    """Detects whether an app uses the output. It runs in its own thread; all members are thread-safe."""

    @property
    def watched(self) -> bool | None:
        """Whether the output is watched, True also if unknown. None until the first reading."""

    @property
    def method(self) -> Method:
        """The current detection method."""

    def run(self) -> None:
        """Run until :meth:`stop`. May be called once."""

    def stop(self) -> None:
        """End :meth:`run` or prevent it from starting. Thread-safe."""


PresenceFactory = Callable[[Callable[[], str | None], Callable[[], object]], Presence]
"""Returns a presence, given a function that returns the output's device node and a callback for changes."""


PresenceProbe = ClientUsageProbe | OpenCountProbe
"""Detects users of one device node. All methods except ``close`` may raise ``OSError``; then reopen the node."""


class AlwaysWatched:
    """The :class:`Presence` of outputs that cannot detect viewers, such as the OBS virtual camera."""

    method: Final[Method] = "unknown"
    watched: Final = True

    def __init__(self, device: Callable[[], str | None], changed: Callable[[], object]) -> None:  # noqa: ARG002 - PresenceMaker signature
        self._changed = changed
        self._stop = threading.Event()

    def run(self) -> None:
        self._changed()
        self._stop.wait()

    def stop(self) -> None:
        self._stop.set()


class DevicePresence:
    """The :class:`Presence` of a v4l2loopback device.

    - ``device`` returns the node's path, None while the output is not open. Without a device no viewer can arrive, so the last
      result stays valid until the device is back; before the first result, the output counts as watched after ``grace`` seconds.
    - ``changed`` is called in the thread of :meth:`run` after each change of :attr:`watched`.
    - ``grace``: seconds without a viewer before the output counts as unwatched, so that a browser restarting a stalled stream
      goes unnoticed. The first reading needs no grace period.
    - ``assume_watched``: whether the output counts as watched while the device is missing or inaccessible, after ``grace``
      seconds. Otherwise the last result stays valid.
    - ``resync``: seconds after which a driver that reports events is polled anyway.
    - ``root`` contains ``dev``, ``proc`` and ``sys``.

    The output counts as unwatched only after two readings, the second one from a poll. It counts as watched immediately.
    """

    def __init__(
        self,
        device: Callable[[], str | None],
        changed: Callable[[], object],
        *,
        grace: float = 4.0,
        assume_watched: bool = True,
        resync: float = 30.0,
        kernel: Syscalls = SYSCALLS,
        root: Path = Path("/"),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._device, self._changed = device, changed
        self._grace, self._assume_watched, self._resync = grace, assume_watched, resync
        self._kernel, self._root, self._clock = kernel, root, clock
        self._debouncer = PresenceDebouncer(grace)
        self._starting = threading.Lock()
        self._stopping = False
        self._waker: EventFd | None = None
        self._path: str | None = None
        self._probe: PresenceProbe | None = None
        self._known = False
        """Whether the last reading had a result."""
        self._next_poll = 0.0
        self._missing_since: float | None = None
        """Time since when the device is missing or inaccessible."""
        self._retry_delay = _MIN_RETRY_DELAY_S
        self._last_message: str | None = None

    @property
    def watched(self) -> bool | None:
        return self._debouncer.watched

    @property
    def method(self) -> Method:
        watch = self._probe
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
            self._close_probe()
            with self._starting:
                self._waker = None
                waker.close()

    def stop(self) -> None:
        with self._starting:
            self._stopping = True
            if self._waker is not None:
                self._waker.wake()

    def _step(self, waker: EventFd) -> None:
        path = self._device()
        if path != self._path:
            self._close_probe()
            self._path, self._retry_delay = path, _MIN_RETRY_DELAY_S
        try:
            watch = self._probe or self._open_probe(path)
            if watch is not None:
                self._wait(watch, waker)
                self._retry_delay = _MIN_RETRY_DELAY_S
                return
        except OSError as error:
            self._log_change(f"cannot be checked for viewers ({error.strerror or error})")
            self._close_probe()
        self._wait_for_device(path, waker)

    def _open_probe(self, path: str | None) -> PresenceProbe | None:
        """Open a probe for the node. Raises ``OSError``."""
        if path is None:
            return None
        self._probe = watch = self._open(Path(path))
        self._debouncer.settle = watch.settle
        self._poll(watch)
        self._missing_since = None
        return watch

    def _open(self, node: Path) -> PresenceProbe:
        openers = OpenCount(node, self._root)
        limit = openers.limit
        if limit is None or limit >= _MIN_OPENERS:
            subscription = Subscription(node, self._kernel)
            if subscription.type is not None:
                return ClientUsageProbe(node, subscription, self._resync, self._kernel)
            subscription.close()
        return OpenCountProbe(node, openers, self._kernel)

    def _wait(self, watch: PresenceProbe, waker: EventFd) -> None:
        """Wait for an event or the time of the next poll and process it. Raises ``OSError``."""
        now = self._clock.monotonic()
        due = self._debouncer.recheck_at
        next_look = self._next_poll if due is None else min(due, self._next_poll)
        if next_look > now and watch.wait(waker, min(next_look - now, _DEVICE_POLL_INTERVAL_S)):
            level = watch.read_event()
            if level is not None:
                self._update(level, fresh=False)
                return
            next_look = now
        if next_look <= self._clock.monotonic() and not self._stopping:
            self._poll(watch)

    def _poll(self, watch: PresenceProbe) -> None:
        level = watch.poll()
        self._next_poll = self._clock.monotonic() + watch.interval
        self._known = level is not None
        self._log_change(f"is monitored by {watch.method}" if self._known else "does not report viewers; the camera stays on")
        self._update(level, fresh=True)

    def _update(self, level: bool | None, *, fresh: bool) -> None:
        before = self.watched
        self._debouncer.update(level, self._clock.monotonic(), fresh=fresh)
        if self.watched != before:
            self._changed()

    def _wait_for_device(self, path: str | None, waker: EventFd) -> None:
        """Wait before retrying a device that is missing or inaccessible."""
        now = self._clock.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        if self._assume_watched and now >= self._missing_since + self._grace and (path is not None or self.watched is None):
            self._update(None, fresh=True)
        self._kernel.poll(None, waker, self._retry_delay)
        if path is not None:
            self._retry_delay = min(self._retry_delay * 2, _DEVICE_POLL_INTERVAL_S)

    def _close_probe(self) -> None:
        watch, self._probe = self._probe, None
        if watch is not None:
            watch.close()

    def _log_change(self, what: str) -> None:
        """Log a message unless it was the last one."""
        message = f"{self._path} {what}"
        if message != self._last_message:
            self._last_message = message
            _LOG.info("%s", message)
