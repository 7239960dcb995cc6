"""V4L2 events: the structs and the subscription to v4l2loopback's event."""

import ctypes
import errno
import sys
from pathlib import Path

import pytest

from livebg.v4l2 import abi
from livebg.v4l2.client_usage import ClientUsageProbe, Subscription
from tests.support.fake_client_usage import NODE, FakeUsage
from tests.support.presence import open_resources

WIDE = sys.maxsize > 2**32
NEW, UBUNTU = abi.EVENT_CLIENT_USAGE, abi.EVENT_CLIENT_USAGE_UBUNTU


@pytest.mark.skipif(not WIDE, reason="the sizes are those of 64 bit")
def test_event_structs_and_requests_match_kernel() -> None:
    assert (ctypes.sizeof(abi.Event), ctypes.sizeof(abi.EventSubscription)) == (136, 32)
    assert (hex(abi.DQEVENT), hex(abi.SUBSCRIBE_EVENT)) == ("0x80885659", "0x4020565a")
    event = abi.Event(type=1, pending=3, sequence=4, id=5)
    event.count, event.timestamp.tv_sec, event.timestamp.tv_nsec = 2, 6, 7
    words = [int.from_bytes(bytes(event)[start : start + 4], "little") for start in (0, 8, 72, 76, 80, 88, 96)]
    assert words == [1, 2, 3, 4, 6, 7, 5]


def test_subscription_reports_level_and_changes() -> None:
    kernel = FakeUsage()
    subscription = Subscription(NODE, kernel)
    assert subscription.type == NEW
    assert subscription.level() is False
    assert subscription.level() is None
    kernel.stream(True)
    assert subscription.level() is True
    kernel.stream(False)
    kernel.stream(True)
    kernel.stream(False)
    assert subscription.level() is False, "the last one counts"
    subscription.close()
    assert not kernel.subscribed


@pytest.mark.parametrize(("known", "found"), [((UBUNTU,), UBUNTU), ((NEW, UBUNTU), NEW), ((NEW,), NEW), ((7,), None)])
@pytest.mark.parametrize("unsupported", [errno.EINVAL, errno.ENOTTY])
def test_both_event_types_are_tried(known: tuple[int, ...], found: int | None, unsupported: int) -> None:
    kernel = FakeUsage(*known)
    kernel.unsupported = unsupported
    kernel.stream(True)
    subscription = Subscription(NODE, kernel)
    assert subscription.type == found
    assert subscription.level() is (True if found else None)
    subscription.close()


def test_other_error_is_raised_and_leaves_nothing_open() -> None:
    kernel = FakeUsage(7)
    kernel.unsupported = errno.ENODEV
    with pytest.raises(OSError, match="No such device"):
        Subscription(NODE, kernel)
    assert not kernel.subscribed


def test_poll_finds_lost_event() -> None:
    kernel = FakeUsage(UBUNTU)
    events = ClientUsageProbe(NODE, Subscription(NODE, kernel), 30.0, kernel)
    assert events.poll() is False
    kernel.stream(True, lost=True)
    assert events.poll() is True
    assert len(kernel.subscribed) == 1
    assert kernel.most_open == 2, "the fresh one is there before the old one goes"
    events.close()
    assert not kernel.subscribed


def test_busy_device_counts_as_open() -> None:
    kernel = FakeUsage()
    events = ClientUsageProbe(NODE, Subscription(NODE, kernel), 30.0, kernel)
    kernel.refused = errno.EBUSY
    assert events.poll() is True
    kernel.refused = errno.EACCES
    with pytest.raises(PermissionError):
        events.poll()
    events.close()


def test_wait_distinguishes_event_timeout_and_wake() -> None:
    kernel = FakeUsage()
    waker = kernel.waker()
    events = ClientUsageProbe(NODE, Subscription(NODE, kernel), 30.0, kernel)
    try:
        assert events.wait(waker, 20)
        assert events.read_event() is False
        assert not events.wait(waker, 0)
        waker.wake()
        assert not events.wait(waker, 20)
        kernel.spurious = True
        with pytest.raises(OSError, match="signals an event but has none"):
            events.read_event()
        kernel.vanish()
        with pytest.raises(OSError, match="is gone"):
            events.wait(waker, 20)
    finally:
        events.close()
        waker.close()


def test_real_kernel_rejects_event_on_other_device() -> None:
    before = open_resources()
    subscription = Subscription(Path("/dev/null"))
    assert subscription.type is None
    subscription.close()
    assert open_resources() == before
