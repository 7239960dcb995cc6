"""v4l2loopback's client-usage event: the driver reports whether a program streams from the device.

How it works, according to the source (0.13 to 0.15, and Ubuntu's patched 0.12), and how livebg uses it:

- The event is sent when a reader starts streaming (STREAMON, or the first ``read``), stops, or closes; not when a program only
  opens the device, as programs that list cameras do. Its payload is a level, 1 or 0, not a count: a subscription holds one
  event, and a newer event replaces an older one.
- ``SEND_INITIAL`` returns the current level immediately on a newly subscribed descriptor; subscribing again on the same one has
  no effect. So reading the level again requires a new descriptor. The driver then sends the event to all subscribers.
- A listening descriptor is not one of the driver's readers or writers, but it counts as an opener: beyond ``max_openers`` (10 by
  default) opening fails with EBUSY for the next program. livebg holds one, and two briefly while it reads the level again. If
  the limit does not allow that beside a writer and a reader, livebg uses :mod:`livebg.v4l2.open_count` instead.
- While any other descriptor is open, a writer cannot change the size of the device's buffers. So livebg listens only while its
  output is open, and that output never changes its size.
- Until the device is removed, the kernel wakes a poll internally for each written picture, and it sleeps again.
"""

import errno
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal

from livebg.v4l2 import abi
from livebg.v4l2.syscalls import SYSCALLS, EventFd, Syscalls

EVENT_TYPES: Final = (abi.EVENT_CLIENT_USAGE, abi.EVENT_CLIENT_USAGE_UBUNTU)
_NO_EVENT: Final = (errno.ENOENT, errno.EAGAIN)


class Subscription:
    """A descriptor of ``node`` subscribed to the first of the event ``types`` that the driver supports.

    ``type`` is that type, None if the driver supports none. Raises ``OSError`` if the node cannot be opened.
    """

    def __init__(self, node: Path, kernel: Syscalls = SYSCALLS, types: tuple[int, ...] = EVENT_TYPES) -> None:
        self._kernel = kernel
        with ExitStack() as undo:
            self.fd = kernel.open(node)
            undo.callback(kernel.close, self.fd)
            self.type = next((each for each in types if self._subscribe(each)), None)
            undo.pop_all()

    def level(self) -> bool | None:
        """Return whether a program streams, from the newest pending event; None if there is none. Raises ``OSError``."""
        level = None
        while (event := self._dequeue()) is not None:
            if event.type == self.type:
                level = event.count > 0
        return level

    def close(self) -> None:
        self._kernel.close(self.fd)

    def _subscribe(self, event_type: int) -> bool:
        """Subscribe to an event; return whether the driver supports it."""
        subscription = abi.EventSubscription(type=event_type, flags=abi.EVENT_SUB_FL_SEND_INITIAL)
        return self._kernel.try_ioctl(self.fd, abi.SUBSCRIBE_EVENT, subscription)

    def _dequeue(self) -> abi.Event | None:
        event = abi.Event()
        return event if self._kernel.try_ioctl(self.fd, abi.DQEVENT, event, _NO_EVENT) else None


class ClientUsageProbe:
    """Detects use of ``node`` by events. Every method except ``close`` may raise ``OSError``."""

    method: Final[Literal["event"]] = "event"
    settle: Final = 0.0
    """Seconds. Events are reliable immediately."""

    def __init__(self, node: Path, subscription: Subscription, resync: float, kernel: Syscalls = SYSCALLS) -> None:
        """Take ownership of ``subscription``. ``resync``: seconds after which the level is read again, in case an event was
        lost.
        """
        self._node, self._kernel, self._subscription = node, kernel, subscription
        self.interval = resync

    def wait(self, waker: EventFd, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for an event (returns True) or a wake-up from ``waker``."""
        ready = self._kernel.poll(self._subscription.fd, waker, timeout, event=True)
        if ready.failed and not ready.readable:
            raise OSError(errno.ENODEV, "the device is gone")
        return ready.readable

    def read_event(self) -> bool:
        """Return the level in the event."""
        level = self._subscription.level()
        if level is None:  # otherwise poll would return immediately forever
            raise OSError(errno.EIO, "the device signals an event but has none")
        return level

    def poll(self) -> bool | None:
        """Return the level from a new descriptor, which replaces the previous one; None if the driver does not report it."""
        event_type = self._subscription.type
        try:
            renewed = Subscription(self._node, self._kernel, EVENT_TYPES if event_type is None else (event_type,))
        except OSError as error:
            if error.errno == errno.EBUSY:  # the maximum number of openers is reached
                return True
            raise
        self._subscription.close()
        self._subscription = renewed
        return renewed.level()

    def close(self) -> None:
        self._subscription.close()
