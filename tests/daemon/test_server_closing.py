"""Closing the control server: no client delays it, and no resource is leaked."""

import threading
from pathlib import Path

from livebg.daemon.server import ControlServer, no_arguments
from tests.support.control_server import LARGE, REQUEST, RunningServer, clients_are_gone, open_files
from tests.support.fake_daemon import DEADLINE, LineClient


def test_close_does_not_wait_for_silent_clients(runtime: Path) -> None:
    server = RunningServer(runtime)
    with LineClient(server.path) as silent, LineClient(server.path) as half, LineClient(server.path) as deaf:
        half.send(REQUEST[:9])
        deaf.send(b'{"version": 2, "command": "large"}\n')
        assert server.answers()
        server.close()
        assert silent.readline() == half.readline() == b""
        assert len(deaf.readline()) < len(LARGE)
    assert clients_are_gone()


def test_close_lets_pending_answer_finish(runtime: Path) -> None:
    server = RunningServer(runtime)
    with LineClient(server.path) as caller:
        caller.send(b'{"version": 2, "command": "hang"}\n')
        assert server.hanging.wait(DEADLINE)
        soon = threading.Timer(0.1, server.release.set)
        soon.start()
        server.close()
        assert caller.readline() == b'{"version": 2, "ok": true, "result": "late"}\n'
        soon.join(DEADLINE)
    assert clients_are_gone()


def test_close_abandons_hanging_command(runtime: Path) -> None:
    server = RunningServer(runtime)
    with LineClient(server.path) as caller:
        caller.send(b'{"version": 2, "command": "hang"}\n')
        assert server.hanging.wait(DEADLINE)
        server.close()
        assert caller.readline() == b""
    assert not server.path.exists()
    server.release.set()


def test_command_may_close_server(runtime: Path) -> None:
    servers: list[ControlServer] = []
    server = ControlServer(runtime / "s", {"close": no_arguments(lambda: servers[0].close())})
    servers.append(server)
    server.start()
    with LineClient(runtime / "s") as caller:
        caller.send(b'{"version": 2, "command": "close"}\n')
        assert caller.readline() == b'{"version": 2, "ok": true, "result": null}\n'


def test_1000_clients_leave_no_thread_and_no_descriptor(runtime: Path) -> None:
    before = open_files()
    server = RunningServer(runtime)
    for _ in range(1000):
        assert server.answers()
    server.close()
    assert clients_are_gone()
    assert open_files() == before
