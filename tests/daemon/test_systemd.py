"""Notifications to the service manager, on a real datagram socket in place of systemd's."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.daemon.systemd import SystemdNotifier

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no systemd on Windows")


class NotifySocket:
    """A service manager's end of the notification socket."""

    def __init__(self, address: str) -> None:
        self.name = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """What came since it was asked last."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[NotifySocket]:
    listener = NotifySocket(str(tmp_path / "notify"))
    yield listener
    listener.close()


class ManualClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def test_notifications_are_sent(systemd: NotifySocket) -> None:
    manager = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    manager.ready()
    manager.stopping()
    assert systemd.heard() == ["READY=1", "STOPPING=1"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_abstract_socket_is_supported() -> None:
    listener = NotifySocket(f"@livebg-test-{os.getpid()}")
    SystemdNotifier({"NOTIFY_SOCKET": listener.name}).ready()
    assert listener.heard() == ["READY=1"]
    listener.close()


def test_watchdog_is_notified_twice_per_interval(systemd: NotifySocket) -> None:
    clock = ManualClock()
    manager = SystemdNotifier({"NOTIFY_SOCKET": systemd.name, "WATCHDOG_USEC": "10000000"}, clock)
    beats = []
    for _ in range(320):  # ten seconds of pictures, and the one at their end
        manager.alive()
        beats += systemd.heard()
        clock.now += 1 / 32
    manager.alive()
    beats += systemd.heard()
    assert beats == ["WATCHDOG=1"] * 3


def test_failed_watchdog_notification_is_retried_after_a_while(tmp_path: Path) -> None:
    """Not at the next picture: a full queue would delay each of them."""
    later, clock = tmp_path / "later", ManualClock()
    manager = SystemdNotifier({"NOTIFY_SOCKET": str(later), "WATCHDOG_USEC": "10000000"}, clock)
    manager.alive()
    listener = NotifySocket(str(later))
    manager.alive()
    assert listener.heard() == []
    clock.now += 1
    manager.alive()
    assert listener.heard() == ["WATCHDOG=1"]
    listener.close()


@pytest.mark.parametrize(
    "watchdog",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getppid())}],
)
def test_no_watchdog_for_this_process_sends_nothing(systemd: NotifySocket, watchdog: dict[str, str]) -> None:
    manager = SystemdNotifier({"NOTIFY_SOCKET": systemd.name, **watchdog})
    manager.alive()
    assert systemd.heard() == []


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "nonsense"}, {"NOTIFY_SOCKET": "/gone/away"}]
)
def test_missing_socket_is_ignored(environment: dict[str, str]) -> None:
    manager = SystemdNotifier({**environment, "WATCHDOG_USEC": "10"})
    manager.ready()
    manager.alive()
    manager.stopping()


def test_full_queue_does_not_block(systemd: NotifySocket) -> None:
    manager = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    for _ in range(20):  # a datagram socket holds about ten
        manager.ready()
    assert 0 < len(systemd.heard()) < 20
