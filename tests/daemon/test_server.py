"""The control server with regular clients: requests, refusals, the socket's path."""

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
from tests.support.fake_daemon import DEADLINE, LineClient

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
def path(runtime: Path) -> Iterator[Path]:
    """The socket of a server of COMMANDS."""
    server = ControlServer(runtime / "s", COMMANDS)
    server.start()
    yield runtime / "s"
    server.close()


def receive(caller: LineClient) -> dict[str, Any]:
    line = caller.readline()
    assert line.endswith(b"\n")
    fields = json.loads(line)
    assert isinstance(fields, dict)
    return fields


def request(command: str, **arguments: Any) -> bytes:
    return json.dumps({"version": 2, "command": command, "arguments": arguments}).encode() + b"\n"


def test_request_is_answered(path: Path) -> None:
    with LineClient(path) as caller:
        caller.send(ASKED)
        assert receive(caller) == ANSWERED


def test_requests_on_one_connection_are_answered_in_order(path: Path) -> None:
    with LineClient(path) as caller:
        caller.send(b"".join(request("echo", number=number) for number in range(200)))
        assert [receive(caller)["result"]["number"] for _ in range(200)] == list(range(200))
        caller.send(ASKED[:10])
        caller.send(ASKED[10:])
        assert receive(caller) == ANSWERED


def test_arguments_are_optional_and_extra_fields_ignored(path: Path) -> None:
    with LineClient(path) as caller:
        caller.send(b'{"version": 2, "command": "count", "colour": "red"}\n')
        assert receive(caller) == {"version": 2, "ok": True, "result": 3}
        caller.send(b'{"version": 2, "command": "nothing"}\r\n')
        assert receive(caller) == {"version": 2, "ok": True, "result": None}


NO_OBJECT = "The request is not a JSON object in UTF-8 on one line. See version 2 of the control protocol."
OTHER_VERSION = "expected 2). Use the `livebg` command of the running release, or restart livebg with this one."


@pytest.mark.parametrize(
    ("line", "sentence"),
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
def test_invalid_request_is_rejected_and_connection_continues(line: bytes, sentence: str, path: Path) -> None:
    with LineClient(path) as caller:
        caller.send(line.replace(b"\n", b"") + b"\n" + ASKED)
        refusal = receive(caller)
        assert refusal["error"].startswith(sentence)
        assert refusal == {"version": 2, "ok": False, "error": refusal["error"], "exit_code": 2}
        assert receive(caller) == ANSWERED


def test_refusal_shortens_long_command_name(path: Path) -> None:
    with LineClient(path) as caller:
        caller.send(request("a" * 60_000))
        assert receive(caller)["error"].startswith(f"Unknown command {'a' * 37}.... ")


def test_error_keeps_exit_code(path: Path) -> None:
    with LineClient(path) as caller:
        caller.send(request("lost"))
        refusal = {"version": 2, "ok": False, "error": "the camera is gone: plug it in", "exit_code": 3}
        assert receive(caller) == refusal


@pytest.mark.parametrize(
    ("command", "kind"), [("defect", "KeyError: 'zebra'"), ("picture", "TypeError: "), ("number", "ValueError: ")]
)
def test_internal_error_is_reported_and_logged(
    command: str, kind: str, path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with LineClient(path) as caller:
        caller.send(request(command))
        refusal = receive(caller)
    assert refusal["error"].startswith(f"Internal error ({kind}")
    assert (refusal["ok"], refusal["exit_code"]) == (False, 1)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.records[0].exc_info is not None
    assert capfd.readouterr() == ("", "")
    with LineClient(path) as caller:
        caller.send(ASKED)
        assert receive(caller) == ANSWERED


def test_commands_run_concurrently(runtime: Path) -> None:
    """Two that wait for each other both answer."""
    both = threading.Barrier(2, timeout=DEADLINE)
    server = ControlServer(runtime / "s", {"meet": no_arguments(lambda: both.wait() >= 0)})
    server.start()
    with LineClient(runtime / "s") as one, LineClient(runtime / "s") as other:
        one.send(request("meet"))
        other.send(request("meet"))
        assert receive(one)["result"] is receive(other)["result"] is True
    server.close()


def test_socket_mode_is_0600_for_any_umask(runtime: Path) -> None:
    before = os.umask(0)
    try:
        server = ControlServer(runtime / "s", {})
        server.start()
        mode = (runtime / "s").stat().st_mode
        server.close()
    finally:
        os.umask(before)
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_closing_removes_socket_and_allows_restart(runtime: Path) -> None:
    for _ in range(3):
        server = ControlServer(runtime / "s", COMMANDS)
        server.start()
        with LineClient(runtime / "s") as caller:
            caller.send(ASKED)
            assert receive(caller) == ANSWERED
        server.close()
        server.close()
        assert list(runtime.iterdir()) == []


def test_closing_before_start_does_nothing(runtime: Path) -> None:
    (runtime / "s").touch()
    ControlServer(runtime / "s", {}).close()
    assert (runtime / "s").exists()


def test_server_closes_when_folder_is_gone(runtime: Path) -> None:
    (runtime / "there").mkdir()
    server = ControlServer(runtime / "there" / "s", {})
    server.start()
    (runtime / "there" / "s").unlink()
    (runtime / "there").rmdir()
    server.close()


def test_listening_on_used_path_fails(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on .*/s \(Address already in use\)\. "):
        ControlServer(path, {}).start()
    with LineClient(path) as caller:  # the running one is unaffected
        caller.send(ASKED)
        assert receive(caller) == ANSWERED


def test_listening_in_missing_folder_fails(runtime: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on .*/missing/s \(No such file or directory\)\. "):
        ControlServer(runtime / "missing" / "s", {}).start()


def test_listening_on_too_long_path_fails(runtime: Path) -> None:
    long = runtime / ("s" * (104 - len(bytes(runtime)) - 1))
    sentence = f"The path of the control socket {long} has 104 bytes; the maximum is 103. Set XDG_RUNTIME_DIR to a shorter path."
    with pytest.raises(ConfigError) as caught:
        ControlServer(long, {}).start()
    assert str(caught.value) == sentence
    fitting = ControlServer(long.with_name(long.name[1:]), {})
    fitting.start()
    fitting.close()


def test_missing_unix_sockets_are_logged(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    server = ControlServer(runtime / "s", {})
    server.start()
    server.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Python has no UNIX sockets on this system" in caplog.text
    assert list(runtime.iterdir()) == []
