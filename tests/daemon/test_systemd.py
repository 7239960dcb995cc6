"""Telling the service manager: a real datagram socket stands in for systemd's."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.daemon.systemd import SystemdNotifier

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no systemd on Windows")


class Listener:
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
def systemd(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(str(tmp_path / "notify"))
    yield listener
    listener.close()


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def test_it_says_what_it_is_told_to_say(systemd: Listener) -> None:
    manager = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    assert manager.enabled
    manager.ready()
    manager.status("live, 30 fps\nÜberall gut")
    manager.reloading()
    manager.stopping()
    ready, status, reloading, stopping = systemd.heard()
    assert ready == "READY=1"
    assert status == "STATUS=live, 30 fps Überall gut"
    first, second = reloading.split("\n")
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0
    assert stopping == "STOPPING=1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_a_socket_without_a_file_is_reached() -> None:
    listener = Listener(f"@livebg-test-{os.getpid()}")
    SystemdNotifier({"NOTIFY_SOCKET": listener.name}).ready()
    assert listener.heard() == ["READY=1"]
    listener.close()


def test_the_watchdog_hears_twice_in_its_time_and_no_oftener(systemd: Listener) -> None:
    clock = Hands()
    manager = SystemdNotifier({"NOTIFY_SOCKET": systemd.name, "WATCHDOG_USEC": "10000000"}, clock)
    beats = []
    for _ in range(320):  # ten seconds of pictures, and the one at their end
        manager.alive()
        beats += systemd.heard()
        clock.now += 1 / 32
    manager.alive()
    beats += systemd.heard()
    assert beats == ["WATCHDOG=1"] * 3


def test_a_beat_that_was_not_taken_is_tried_again_with_the_next_picture(tmp_path: Path) -> None:
    later = tmp_path / "later"
    manager = SystemdNotifier({"NOTIFY_SOCKET": str(later), "WATCHDOG_USEC": "10000000"}, Hands())
    manager.alive()
    listener = Listener(str(later))
    manager.alive()
    assert listener.heard() == ["WATCHDOG=1"]
    listener.close()


@pytest.mark.parametrize(
    "watchdog",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getppid())}],
)
def test_without_a_watchdog_for_this_process_nothing_beats(systemd: Listener, watchdog: dict[str, str]) -> None:
    manager = SystemdNotifier({"NOTIFY_SOCKET": systemd.name, **watchdog})
    manager.alive()
    assert systemd.heard() == []


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "nonsense"}, {"NOTIFY_SOCKET": "/gone/away"}]
)
def test_where_nobody_listens_nothing_happens(environment: dict[str, str]) -> None:
    manager = SystemdNotifier({**environment, "WATCHDOG_USEC": "10"})
    manager.ready()
    manager.alive()
    manager.status("live")
    manager.reloading()
    manager.stopping()


def test_a_service_manager_whose_queue_is_full_holds_nothing_up(systemd: Listener) -> None:
    manager = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    for _ in range(20):  # a datagram socket holds about ten
        manager.ready()
    assert 0 < len(systemd.heard()) < 20
