"""System calls on files that every Linux has: eventfd, /dev/null and a terminal."""

import ctypes
import os
import pty
import socket
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from livebg.v4l2.syscalls import SYSCALLS

LONG = 20.0


class WindowSize(ctypes.Structure):
    """A ``winsize``."""

    rows: int
    columns: int

    _fields_ = (("rows", ctypes.c_uint16), ("columns", ctypes.c_uint16), ("pixels", ctypes.c_uint16 * 2))


def test_ioctl_writes_into_argument() -> None:
    master, slave = pty.openpty()
    try:
        SYSCALLS.ioctl(slave, termios.TIOCSWINSZ, WindowSize(rows=24, columns=80))
        answer = WindowSize()
        SYSCALLS.ioctl(slave, termios.TIOCGWINSZ, answer)
    finally:
        os.close(master)
        os.close(slave)
    assert (answer.rows, answer.columns) == (24, 80)


def test_rejected_ioctl_raises() -> None:
    fd = SYSCALLS.open(Path("/dev/null"))
    try:
        with pytest.raises(OSError, match="Inappropriate ioctl"):
            SYSCALLS.ioctl(fd, termios.TIOCGWINSZ, WindowSize())
        assert SYSCALLS.write(fd, b"abc") == 3
    finally:
        SYSCALLS.close(fd)


def test_mapped_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "buffer"
    path.write_bytes(b"0123456789" * 1000)
    fd = SYSCALLS.open(path)
    memory = SYSCALLS.mmap(fd, 10_000, 0)
    SYSCALLS.close(fd)
    assert memory[:12] == b"012345678901"
    memory.close()


def test_poll_distinguishes_readable_wake_and_timeout() -> None:
    fd, waker = os.eventfd(0, os.EFD_NONBLOCK), SYSCALLS.waker()
    try:
        assert SYSCALLS.poll(fd, waker, 0) == (False, False, False)
        os.eventfd_write(fd, 1)
        assert SYSCALLS.poll(fd, waker, LONG) == (True, False, False)
        waker.wake()
        assert SYSCALLS.poll(fd, waker, LONG) == (True, False, True)
    finally:
        waker.close()
        os.close(fd)


def test_event_poll_ignores_data() -> None:
    """A socket's urgent byte looks like a device event to poll."""
    waker = SYSCALLS.waker()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as far:
        near, _ = server.accept()
        with near:
            far.send(b"data")
            assert SYSCALLS.poll(near.fileno(), waker, LONG) == (True, False, False)
            assert SYSCALLS.poll(near.fileno(), waker, 0, event=True) == (False, False, False)
            far.send(b"!", socket.MSG_OOB)
            assert SYSCALLS.poll(near.fileno(), waker, LONG, event=True) == (True, False, False)
    waker.wake()
    assert SYSCALLS.poll(None, waker, LONG) == (False, False, True)
    waker.close()


def test_poll_reports_hangup_as_failed() -> None:
    reader, writer = os.pipe()
    waker = SYSCALLS.waker()
    os.close(writer)
    try:
        assert SYSCALLS.poll(reader, waker, LONG).failed
    finally:
        waker.close()
        os.close(reader)


def test_wake_ends_poll_in_other_thread() -> None:
    fd, waker = os.eventfd(0, os.EFD_NONBLOCK), SYSCALLS.waker()
    found: list[tuple[bool, bool, bool]] = []
    waiting = threading.Thread(target=lambda: found.append(SYSCALLS.poll(fd, waker, LONG)))
    waiting.start()
    waker.wake()
    waiting.join(LONG / 2)
    waker.close()
    os.close(fd)
    assert found == [(False, False, True)]


def test_holders_are_other_processes_with_access(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.touch()
    wait = f"file = open({str(path)!r}, 'rb'); print('open', flush=True); input()"
    with path.open("wb"), subprocess.Popen([sys.executable, "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        found = SYSCALLS.holders(path)
        other.communicate(b"\n")
    assert [(holder.pid, holder.access) for holder in found] == [(other.pid, "reading")]
    assert found[0].program.startswith("python")
    assert SYSCALLS.holders(path) == []


def test_nodes_are_sorted_by_number() -> None:
    numbers = [int(path.name.removeprefix("video")) for path in SYSCALLS.nodes()]
    assert numbers == sorted(numbers)


def test_link_is_resolved(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    (tmp_path / "by-id").symlink_to("video0")
    assert SYSCALLS.resolve(tmp_path / "by-id") == tmp_path / "video0"
