"""Requests to the running livebg: its answers, and the error messages without one."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from livebg.daemon.client import request
from livebg.daemon.protocol import MAX_ANSWER, VersionMismatch
from livebg.daemon.runtime_dir import hold_lock
from livebg.daemon.server import no_arguments
from livebg.errors import ConfigError, LivebgError, ModelError, NotRunningError, SinkError, SourceError
from tests.support.fake_daemon import DEADLINE, LIVE, FakeDaemon, FakeServer

NOT_RUNNING = "livebg is not running. Start it with `livebg run`."


def error_message(kind: type[LivebgError], **arguments: Any) -> str:
    """The sentence of the error, which must be of that very kind."""
    with pytest.raises(LivebgError) as caught:
        request("status", **{"timeout": DEADLINE} | arguments)
    assert type(caught.value) is kind
    return str(caught.value)


def test_request_reaches_users_daemon(runtime: Path) -> None:  # noqa: ARG001
    with FakeDaemon():
        assert request("status") == LIVE.as_dict()


def test_arguments_are_passed(runtime: Path) -> None:
    with FakeDaemon(more={"echo": dict}):
        arguments = {"mode": "pörtrait", "blur": 0.5, "on": True, "none": None}
        assert request("echo", arguments) == arguments
        assert request("echo", path=runtime / "livebg" / "livebg.sock") == {}


@pytest.mark.parametrize("kind", [LivebgError, ConfigError, SourceError, SinkError, ModelError])
def test_refusal_keeps_error_class(kind: type[LivebgError], runtime: Path) -> None:  # noqa: ARG001
    def refuse() -> None:
        raise kind("it cannot be: do otherwise")

    with FakeDaemon(more={"refuse": no_arguments(refuse)}), pytest.raises(LivebgError) as caught:
        request("refuse")
    assert type(caught.value) is kind
    assert str(caught.value) == "it cannot be: do otherwise"


def test_missing_daemon_means_not_running(runtime: Path) -> None:  # noqa: ARG001
    assert error_message(NotRunningError) == NOT_RUNNING


def test_stale_socket_means_not_running(runtime: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(runtime / "s"))
    assert error_message(NotRunningError, path=runtime / "s") == NOT_RUNNING


@pytest.mark.parametrize("place", ["missing/s", "file/s", "file"])
def test_missing_or_invalid_socket_means_not_running(place: str, runtime: Path) -> None:
    (runtime / "file").touch()
    assert error_message(NotRunningError, path=runtime / place) == NOT_RUNNING


def test_locked_but_not_listening_daemon_fails(runtime: Path) -> None:  # noqa: ARG001
    with hold_lock():
        sentence = (
            f"livebg (pid {os.getpid()}) is starting or stopping and accepts no commands. Try again, or kill it by its pid."
        )
        assert error_message(NotRunningError) == sentence


def test_closed_connection_means_not_running(runtime: Path) -> None:
    with FakeServer(runtime / "s", b"") as impostor:
        assert error_message(NotRunningError, path=runtime / "s") == NOT_RUNNING
    assert impostor.received == b'{"version": 2, "command": "status", "arguments": {}}\n'


def test_missing_answer_times_out(runtime: Path) -> None:
    with FakeServer(runtime / "s", None):
        sentence = "livebg did not respond within 0.2 s. Try again, or kill it by its pid."
        assert error_message(LivebgError, path=runtime / "s", timeout=0.2) == sentence


def test_full_listen_queue_times_out(runtime: Path) -> None:
    """Its queue is full, as that of a process that hangs would be."""
    with hold_lock(), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as full:
        path = runtime / "livebg" / "livebg.sock"
        full.bind(str(path))
        full.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
            waiting.connect(str(path))
            sentence = f"livebg (pid {os.getpid()}) did not respond within 0.2 s. Try again, or kill it by its pid."
            assert error_message(LivebgError, timeout=0.2) == sentence


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (
            b'{"version": 1, "ok": true, "result": 1}\n',
            VersionMismatch,
            "Incompatible livebg is running (protocol version 1, expected 2). Restart it.",
        ),
        (
            b"well\n",
            ConfigError,
            "The response is not a JSON object in UTF-8 on one line. See version 2 of the control protocol.",
        ),
        (b'{"version": 2}\n', LivebgError, "livebg rejected the command without a reason. Check its log."),
        (b'{"version": 2, "ok": false, "error": "no", "exit_code": [2]}\n', LivebgError, "no"),
        (b'{"version": 2, "ok": false, "error": "no", "exit_code": 130}\n', LivebgError, "no"),
        (b'{"version": 2, "ok": true', NotRunningError, NOT_RUNNING),
        (b"x" * (MAX_ANSWER + 1) + b"\n", LivebgError, "The response to status exceeds 1024 KiB. Report this bug."),
    ],
    ids=range(7),
)
def test_invalid_answer_fails(answer: bytes, kind: type[LivebgError], sentence: str, runtime: Path) -> None:
    with FakeServer(runtime / "s", answer):
        assert error_message(kind, path=runtime / "s") == sentence


def test_too_long_socket_path_fails(runtime: Path) -> None:
    assert "bytes; the maximum is 103. " in error_message(ConfigError, path=runtime / ("s" * 100))


def test_system_without_unix_sockets_fails(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.delattr(socket, "AF_UNIX")
    assert "Python has no UNIX sockets" in error_message(ConfigError)
