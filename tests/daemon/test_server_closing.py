"""The control socket's end: nobody holds it up, nothing is left behind."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.daemon.server import ControlServer, no_arguments
from tests.support.control_server import ASKED, LARGE, Server, clients_are_gone, open_files
from tests.support.fake_daemon import DEADLINE, Caller, runtime_folder_of_ones_own


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        yield folder


def test_closing_waits_for_nobody_who_is_silent_or_does_not_read(folder: Path) -> None:
    server = Server(folder)
    with Caller(server.path) as silent, Caller(server.path) as half, Caller(server.path) as deaf:
        half.say(ASKED[:9])
        deaf.say(b'{"version": 2, "command": "large"}\n')
        assert server.answers()
        server.close()
        assert silent.hear() == half.hear() == b""
        assert len(deaf.hear()) < len(LARGE)
    assert clients_are_gone()


def test_closing_lets_an_answer_under_way_out(folder: Path) -> None:
    server = Server(folder)
    with Caller(server.path) as caller:
        caller.say(b'{"version": 2, "command": "hang"}\n')
        assert server.hanging.wait(DEADLINE)
        soon = threading.Timer(0.1, server.release.set)
        soon.start()
        server.close()
        assert caller.hear() == b'{"version": 2, "ok": true, "result": "late"}\n'
        soon.join(DEADLINE)
    assert clients_are_gone()


def test_closing_leaves_a_command_behind_that_hangs(folder: Path) -> None:
    server = Server(folder)
    with Caller(server.path) as caller:
        caller.say(b'{"version": 2, "command": "hang"}\n')
        assert server.hanging.wait(DEADLINE)
        server.close()
        assert caller.hear() == b""
    assert not server.path.exists()
    server.release.set()


def test_a_command_may_close_the_server(folder: Path) -> None:
    servers: list[ControlServer] = []
    server = ControlServer(folder / "s", {"close": no_arguments(lambda: servers[0].close())})
    servers.append(server)
    server.start()
    with Caller(folder / "s") as caller:
        caller.say(b'{"version": 2, "command": "close"}\n')
        assert caller.hear() == b'{"version": 2, "ok": true, "result": null}\n'


def test_a_thousand_clients_leave_no_thread_and_no_file_descriptor(folder: Path) -> None:
    before = open_files()
    server = Server(folder)
    for _ in range(1000):
        assert server.answers()
    server.close()
    assert clients_are_gone()
    assert open_files() == before
