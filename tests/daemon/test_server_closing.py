"""Closing the control server: no client delays it, and no resource is leaked."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.daemon.server import ControlServer, no_arguments
from tests.support.control_server import LARGE, REQUEST, RunningServer, clients_are_gone, open_files
from tests.support.fake_daemon import DEADLINE, LineClient, temporary_runtime_dir


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with temporary_runtime_dir(monkeypatch) as folder:
        yield folder


def test_close_does_not_wait_for_silent_clients(folder: Path) -> None:
    server = RunningServer(folder)
    with LineClient(server.path) as silent, LineClient(server.path) as half, LineClient(server.path) as deaf:
        half.send(REQUEST[:9])
        deaf.send(b'{"version": 2, "command": "large"}\n')
        assert server.answers()
        server.close()
        assert silent.readline() == half.readline() == b""
        assert len(deaf.readline()) < len(LARGE)
    assert clients_are_gone()


def test_close_lets_pending_answer_finish(folder: Path) -> None:
    server = RunningServer(folder)
    with LineClient(server.path) as caller:
        caller.send(b'{"version": 2, "command": "hang"}\n')
        assert server.hanging.wait(DEADLINE)
        soon = threading.Timer(0.1, server.release.set)
        soon.start()
        server.close()
        assert caller.readline() == b'{"version": 2, "ok": true, "result": "late"}\n'
        soon.join(DEADLINE)
    assert clients_are_gone()


def test_close_abandons_hanging_command(folder: Path) -> None:
    server = RunningServer(folder)
    with LineClient(server.path) as caller:
        caller.send(b'{"version": 2, "command": "hang"}\n')
        assert server.hanging.wait(DEADLINE)
        server.close()
        assert caller.readline() == b""
    assert not server.path.exists()
    server.release.set()


def test_command_may_close_server(folder: Path) -> None:
    servers: list[ControlServer] = []
    server = ControlServer(folder / "s", {"close": no_arguments(lambda: servers[0].close())})
    servers.append(server)
    server.start()
    with LineClient(folder / "s") as caller:
        caller.send(b'{"version": 2, "command": "close"}\n')
        assert caller.readline() == b'{"version": 2, "ok": true, "result": null}\n'


def test_1000_clients_leave_no_thread_and_no_descriptor(folder: Path) -> None:
    before = open_files()
    server = RunningServer(folder)
    for _ in range(1000):
        assert server.answers()
    server.close()
    assert clients_are_gone()
    assert open_files() == before
