"""v4l2loopback's client-usage event: whether somebody streams from the device, told by the driver itself.

What its source says (0.13 to 0.15, and the 0.12 that Ubuntu patched), and what is made of it here:

- The event comes when a reader begins to stream (STREAMON, or the first ``read``), ceases to, or closes; not when somebody just
  opens the device, as those do who list the cameras there are. Its payload is a level, 1 or 0, and not a count of changes: a
  subscription holds one event, and a newer one takes the older one's place.
- ``SEND_INITIAL`` gives the present level at once, on a descriptor that was not subscribed before; subscribing again on the same
  one does nothing. So the level can be read anew on a fresh descriptor only. The driver tells it to all subscribers then.
- A descriptor that only listens is none of the driver's readers or writers. It does count as an opener: beyond ``max_openers``
  (10 unless told otherwise) opening fails with EBUSY, for whoever comes next. One is held here, and two for the moment of a
  reading anew; where there is no room for that beside a writer and a reader, :mod:`livebg.v4l2.open_count` does without.
- While any other descriptor is open, a writer can't change the size of the device's buffers. So livebg listens only while its
  output is open, and that output never changes its size.
- Up to the removal of the device a poll is woken within the kernel for each picture that is written, and sleeps on.
"""

import errno
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal

from livebg.v4l2 import abi
from livebg.v4l2.syscalls import SYSTEM, Kernel, Waker

EVENT_TYPES: Final = (abi.EVENT_CLIENT_USAGE, abi.EVENT_CLIENT_USAGE_UBUNTU)
_UNSUPPORTED: Final = (errno.EINVAL, errno.ENOTTY)
_NOTHING_WAITS: Final = (errno.ENOENT, errno.EAGAIN)


class Subscription:
    """A descriptor of ``node`` that gets the event in one of its ``types``, the first that the driver knows.

    ``type`` is that one, None where the driver knows none. Raises ``OSError`` when the node cannot be opened.
    """

    def __init__(self, node: Path, kernel: Kernel = SYSTEM, types: tuple[int, ...] = EVENT_TYPES) -> None:
        self._kernel = kernel
        with ExitStack() as undo:
            self.fd = kernel.open(node)
            undo.callback(kernel.close, self.fd)
            self.type = next((each for each in types if self._subscribe(each)), None)
            undo.pop_all()

    def level(self) -> bool | None:
        """Whether somebody streams, by the last of the events that wait; None where none does. Raises ``OSError``."""
        level = None
        while (event := self._dequeue()) is not None:
            if event.type == self.type:
                level = event.count > 0
        return level

    def close(self) -> None:
        self._kernel.close(self.fd)

    def _subscribe(self, event_type: int) -> bool:
        """Whether the driver knows the event."""
        wanted = abi.EventSubscription(type=event_type, flags=abi.EVENT_SUB_FL_SEND_INITIAL)
        try:
            self._kernel.ioctl(self.fd, abi.SUBSCRIBE_EVENT, wanted)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            return False
        return True

    def _dequeue(self) -> abi.Event | None:
        event = abi.Event()
        try:
            self._kernel.ioctl(self.fd, abi.DQEVENT, event)
        except OSError as error:
            if error.errno not in _NOTHING_WAITS:
                raise
            return None
        return event


class UsageEvents:
    """Watches ``node`` by its events: a :class:`livebg.live.presence.device.Watch`. Every method but ``close`` may raise
    ``OSError``."""

    method: Final[Literal["event"]] = "event"
    settle: Final = 0.0
    """The driver's word counts at once."""

    def __init__(self, node: Path, subscription: Subscription, resync: float, kernel: Kernel = SYSTEM) -> None:
        """``subscription`` is taken over. ``resync``: seconds after which the level is read anew, since an event may get lost."""
        self._node, self._kernel, self._subscription = node, kernel, subscription
        self.interval = resync

    def wait(self, waker: Waker, timeout: float) -> bool:
        """Sleeps up to ``timeout`` seconds, or until an event comes (then True) or ``waker`` rings."""
        ready = self._kernel.poll(self._subscription.fd, waker, timeout, event=True)
        if ready.failed and not ready.readable:
            raise OSError(errno.ENODEV, "the device has gone")
        return ready.readable

    def heard(self) -> bool:
        """What the event said."""
        level = self._subscription.level()
        if level is None:  # a poll that returns for nothing would do so for ever
            raise OSError(errno.EIO, "the device announces an event and has none")
        return level

    def look(self) -> bool | None:
        """The level, on a fresh descriptor, which replaces the one before; None where the driver does not say."""
        known = self._subscription.type
        try:
            fresh = Subscription(self._node, self._kernel, EVENT_TYPES if known is None else (known,))
        except OSError as error:
            if error.errno == errno.EBUSY:  # so many have it open that there is no room for one more
                return True
            raise
        self._subscription.close()
        self._subscription = fresh
        return fresh.level()

    def close(self) -> None:
        self._subscription.close()
