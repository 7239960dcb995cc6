"""The control socket among friends: requests, refusals, the socket's place."""

import json
import logging
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from livebg.daemon.server import ControlServer, no_arguments
from livebg.errors import ConfigError, SourceError
from tests.support.fake_daemon import DEADLINE, Caller, runtime_folder_of_ones_own

ASKED = b'{"version": 2, "command": "echo", "arguments": {"word": "well"}}\n'
ANSWERED = {"version": 2, "ok": True, "result": {"word": "well"}}


def echo(arguments: Mapping[str, Any]) -> Any:
    return dict(arguments)


def raising(error: Exception) -> Callable[[Mapping[str, Any]], Any]:
    def run() -> Any:
        raise error

    return no_arguments(run)


COMMANDS = {
    "echo": echo,
    "count": no_arguments(lambda: 3),
    "nothing": no_arguments(lambda: None),
    "refuse": raising(ConfigError("the mode is no mode: say portrait")),
    "lost": raising(SourceError("the camera is gone: plug it in")),
    "defect": raising(KeyError("zebra")),
    "picture": no_arguments(lambda: b"no JSON"),
    "number": no_arguments(lambda: float("nan")),
}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        yield folder


@pytest.fixture
def path(folder: Path) -> Iterator[Path]:
    """The socket of a server of COMMANDS."""
    server = ControlServer(folder / "s", COMMANDS)
    server.start()
    yield folder / "s"
    server.close()


def told(caller: Caller) -> dict[str, Any]:
    line = caller.hear()
    assert line.endswith(b"\n")
    fields = json.loads(line)
    assert isinstance(fields, dict)
    return fields


def request(command: str, **arguments: Any) -> bytes:
    return json.dumps({"version": 2, "command": command, "arguments": arguments}).encode() + b"\n"


def test_a_request_is_answered(path: Path) -> None:
    with Caller(path) as caller:
        caller.say(ASKED)
        assert told(caller) == ANSWERED


def test_many_requests_go_over_one_connection_in_order(path: Path) -> None:
    with Caller(path) as caller:
        caller.say(b"".join(request("echo", number=number) for number in range(200)))
        assert [told(caller)["result"]["number"] for _ in range(200)] == list(range(200))
        caller.say(ASKED[:10])
        caller.say(ASKED[10:])
        assert told(caller) == ANSWERED


def test_arguments_may_be_left_out_and_other_fields_are_passed_over(path: Path) -> None:
    with Caller(path) as caller:
        caller.say(b'{"version": 2, "command": "count", "colour": "red"}\n')
        assert told(caller) == {"version": 2, "ok": True, "result": 3}
        caller.say(b'{"version": 2, "command": "nothing"}\r\n')
        assert told(caller) == {"version": 2, "ok": True, "result": None}


NO_OBJECT = "The request is not a JSON object in UTF-8 on one line. See version 2 of the control protocol."
OTHER_VERSION = "expected 2). Use the `livebg` command of the running release, or restart livebg with this one."


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"hello", NO_OBJECT),
        (b"", NO_OBJECT),
        (b"[]", NO_OBJECT),
        (b'"status"', NO_OBJECT),
        (b"null", NO_OBJECT),
        (b'{"version": 2, "command": "count"', NO_OBJECT),
        (b'{"version": 2, "command": "count"}{}', NO_OBJECT),
        (b'{"version": 2, "command": "echo", "arguments": {"a": NaN}}', NO_OBJECT),
        (b'{"version": 2, "command": "\xff"}', NO_OBJECT),
        ('{"version": 2, "command": "count"}'.encode("utf-16"), NO_OBJECT),
        (b"[" * 60_000, NO_OBJECT),
        (b"9" * 60_000, NO_OBJECT),
        (b'{"command": "count"}', f"Incompatible client (no protocol version, {OTHER_VERSION}"),
        (b'{"version": 1, "command": "count"}', f"Incompatible client (protocol version 1, {OTHER_VERSION}"),
        (b'{"version": "2", "command": "count"}', f"Incompatible client (protocol version '2', {OTHER_VERSION}"),
        (b'{"version": true, "command": "count"}', f"Incompatible client (protocol version True, {OTHER_VERSION}"),
        (b'{"version": 2}', 'The request has no command. Example: "command": "status".'),
        (b'{"version": 2, "command": ["count"]}', 'The request has no command. Example: "command": "status".'),
        (b'{"version": 2, "command": "counts"}', "Unknown command counts. Use one of count, defect, echo, lost, "),
        (b'{"version": 2, "command": "\\ud800\\u001b[31m"}', r"Unknown command '\ud800\x1b[31m'. Use one of "),
        (
            b'{"version": 2, "command": "echo", "arguments": []}',
            'The arguments of echo are not an object. Example: "arguments": {}.',
        ),
        (
            b'{"version": 2, "command": "echo", "arguments": null}',
            'The arguments of echo are not an object. Example: "arguments": {}.',
        ),
        (request("count", a=1).strip(), "The command takes no arguments but got 1. Omit them."),
        (request("refuse").strip(), "the mode is no mode: say portrait"),
    ],
    ids=range(24),
)
def test_what_cannot_be_is_refused_in_a_sentence_and_the_next_is_answered(said: bytes, sentence: str, path: Path) -> None:
    with Caller(path) as caller:
        caller.say(said.replace(b"\n", b"") + b"\n" + ASKED)
        refusal = told(caller)
        assert refusal["error"].startswith(sentence)
        assert refusal == {"version": 2, "ok": False, "error": refusal["error"], "exit_code": 2}
        assert told(caller) == ANSWERED


def test_a_refusal_repeats_no_long_word(path: Path) -> None:
    with Caller(path) as caller:
        caller.say(request("a" * 60_000))
        assert told(caller)["error"].startswith(f"Unknown command {'a' * 37}.... ")


def test_an_error_keeps_its_exit_code(path: Path) -> None:
    with Caller(path) as caller:
        caller.say(request("lost"))
        refusal = {"version": 2, "ok": False, "error": "the camera is gone: plug it in", "exit_code": 3}
        assert told(caller) == refusal


@pytest.mark.parametrize(
    ("command", "kind"), [("defect", "KeyError: 'zebra'"), ("picture", "TypeError: "), ("number", "ValueError: ")]
)
def test_a_defect_is_told_and_logged_and_the_daemon_goes_on(
    command: str, kind: str, path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with Caller(path) as caller:
        caller.say(request(command))
        refusal = told(caller)
    assert refusal["error"].startswith(f"Internal error ({kind}")
    assert (refusal["ok"], refusal["exit_code"]) == (False, 1)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.records[0].exc_info is not None
    assert capfd.readouterr() == ("", "")
    with Caller(path) as caller:
        caller.say(ASKED)
        assert told(caller) == ANSWERED


def test_commands_run_beside_each_other(folder: Path) -> None:
    """Two that wait for each other both answer."""
    both = threading.Barrier(2, timeout=DEADLINE)
    server = ControlServer(folder / "s", {"meet": no_arguments(lambda: both.wait() >= 0)})
    server.start()
    with Caller(folder / "s") as one, Caller(folder / "s") as other:
        one.say(request("meet"))
        other.say(request("meet"))
        assert told(one)["result"] is told(other)["result"] is True
    server.close()


def test_the_socket_is_its_users_alone_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        server = ControlServer(folder / "s", {})
        server.start()
        mode = (folder / "s").stat().st_mode
        server.close()
    finally:
        os.umask(before)
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_closed_there_is_no_socket_and_it_may_be_started_again(folder: Path) -> None:
    for _ in range(3):
        server = ControlServer(folder / "s", COMMANDS)
        server.start()
        with Caller(folder / "s") as caller:
            caller.say(ASKED)
            assert told(caller) == ANSWERED
        server.close()
        server.close()
        assert list(folder.iterdir()) == []


def test_closing_what_was_not_started_does_nothing(folder: Path) -> None:
    (folder / "s").touch()
    ControlServer(folder / "s", {}).close()
    assert (folder / "s").exists()


def test_a_server_whose_folder_is_gone_closes(folder: Path) -> None:
    (folder / "there").mkdir()
    server = ControlServer(folder / "there" / "s", {})
    server.start()
    (folder / "there" / "s").unlink()
    (folder / "there").rmdir()
    server.close()


def test_a_path_that_is_taken_is_told(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on .*/s \(Address already in use\)\. "):
        ControlServer(path, {}).start()
    with Caller(path) as caller:  # nothing was taken from the one that is there
        caller.say(ASKED)
        assert told(caller) == ANSWERED


def test_a_folder_that_is_missing_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on .*/missing/s \(No such file or directory\)\. "):
        ControlServer(folder / "missing" / "s", {}).start()


def test_a_path_that_is_too_long_is_told(folder: Path) -> None:
    long = folder / ("s" * (104 - len(bytes(folder)) - 1))
    sentence = f"The path of the control socket {long} has 104 bytes; the maximum is 103. Set XDG_RUNTIME_DIR to a shorter path."
    with pytest.raises(ConfigError) as caught:
        ControlServer(long, {}).start()
    assert str(caught.value) == sentence
    fitting = ControlServer(long.with_name(long.name[1:]), {})
    fitting.start()
    fitting.close()


def test_where_there_are_no_unix_sockets_the_log_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    server = ControlServer(folder / "s", {})
    server.start()
    server.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Python has no UNIX sockets on this system" in caplog.text
    assert list(folder.iterdir()) == []
