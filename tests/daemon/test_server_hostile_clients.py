"""The control server with clients that violate the protocol: none delays another client or the end."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebg.daemon.protocol import MAX_REQUEST
from tests.support.control_server import ANSWER, LARGE, REQUEST, RunningServer, clients_are_gone
from tests.support.fake_daemon import DEADLINE, LineClient, temporary_runtime_dir


@pytest.fixture
def server(runtime: Path) -> Iterator[RunningServer]:
    server = RunningServer(runtime)
    yield server
    server.close()


@pytest.fixture
def one_second_server(runtime: Path) -> Iterator[RunningServer]:
    """A server that hangs up after a second."""
    server = RunningServer(runtime, timeout=1.0)
    yield server
    server.close()


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RunningServer]:
    """A server that is asked by many tests' many examples."""
    with pytest.MonkeyPatch.context() as patch, temporary_runtime_dir(patch) as runtime:
        server = RunningServer(runtime)
        yield server
        server.close()


def error_of(line: bytes) -> str:
    reported = json.loads(line)
    assert (reported["version"], reported["ok"]) == (2, False)
    assert isinstance(reported["error"], str)
    return str(reported["error"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_random_bytes_are_rejected_line_by_line(shared_server: RunningServer, parts: list[bytes]) -> None:
    output = b"".join(parts)
    with LineClient(shared_server.path) as caller:
        for part in parts:
            caller.send(part)
        caller.send(b"\n" + REQUEST)
        for _ in range(output.count(b"\n") + 1):
            error_of(caller.readline())
        assert caller.readline() == ANSWER


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
REQUESTS = st.fixed_dictionaries(
    {}, optional={"version": st.just(2) | JSON, "command": st.just("word") | JSON, "arguments": JSON}
)


@settings(max_examples=150, deadline=None)
@given(JSON | REQUESTS)
def test_any_json_gets_one_line(shared_server: RunningServer, value: Any) -> None:
    with LineClient(shared_server.path) as caller:
        caller.send(json.dumps(value).encode() + b"\n" + REQUEST)
        line = caller.readline()
        assert line == ANSWER or error_of(line)
        assert caller.readline() == ANSWER


def test_request_limit_is_64_kib(server: RunningServer) -> None:
    fitting = REQUEST.strip() + b" " * (MAX_REQUEST - len(REQUEST.strip()))
    assert len(fitting) == 65536
    with LineClient(server.path) as caller:
        caller.send(fitting + b"\n")
        assert caller.readline() == ANSWER
        caller.send(fitting + b" \n")
        assert error_of(caller.readline()) == "The request exceeds 64 KiB. Send a shorter one."
        assert caller.readline() == b""
    assert server.answers()


def test_much_too_long_request_is_rejected(server: RunningServer) -> None:
    with LineClient(server.path) as caller:
        caller.send(b"x" * 3_000_000 + b"\n")
        assert error_of(caller.readline()) == "The request exceeds 64 KiB. Send a shorter one."
        assert caller.readline() == b""
    assert server.answers()


def test_endless_request_is_rejected(one_second_server: RunningServer) -> None:
    with LineClient(one_second_server.path) as caller:
        caller.send(b"x" * 200_000)
        assert error_of(caller.readline()) == "The request exceeds 64 KiB. Send a shorter one."
        assert caller.readline() == b""


def test_silent_client_is_disconnected_and_others_are_not(one_second_server: RunningServer) -> None:
    with LineClient(one_second_server.path) as silent:
        assert one_second_server.answers()
        assert silent.readline() == b""
    assert one_second_server.answers()


def test_slow_client_is_disconnected(one_second_server: RunningServer) -> None:
    """The time is for the whole request, not for each byte."""
    with LineClient(one_second_server.path) as slow:
        heard = threading.Event()

        def listen() -> None:
            assert slow.readline() == b""
            heard.set()

        listening = threading.Thread(target=listen)
        listening.start()
        drops = 0
        while not heard.wait(0.05) and drops < DEADLINE / 0.05:
            drops += 1
            try:
                slow.send(b" ")
            except OSError:
                break
        listening.join(DEADLINE)
        assert heard.is_set()
        assert drops > 1
    assert one_second_server.answers()


def test_client_that_disconnects_early_is_ignored(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    for entry in (b"", b"{", REQUEST[:-1], b"x" * 100_000, REQUEST * 50, b'{"version": 2, "command": "large"}\n' * 3):
        caller = LineClient(server.path)
        caller.send(entry)
        caller.close()
    assert server.answers()
    assert caplog.records == []


def test_pipelined_requests_are_answered_after_shutdown(server: RunningServer) -> None:
    with LineClient(server.path) as caller:
        caller.send(REQUEST * 2 + REQUEST[:-1])
        caller.finish()
        assert [caller.readline() for _ in range(3)] == [ANSWER, ANSWER, b""]


def test_client_that_never_reads_is_dropped(one_second_server: RunningServer) -> None:
    with LineClient(one_second_server.path) as deaf:
        deaf.send(b'{"version": 2, "command": "large"}\n')
        assert one_second_server.answers()
        assert clients_are_gone()
        assert len(deaf.readline()) < len(LARGE)


def test_client_limit_is_reported_and_slot_is_reused(runtime: Path) -> None:
    server = RunningServer(runtime, most=3)
    with ExitStack() as stack:
        callers = [stack.enter_context(LineClient(server.path)) for _ in range(3)]
        for caller in callers:
            caller.send(REQUEST)
            assert caller.readline() == ANSWER
        with LineClient(server.path) as late:
            reported = error_of(late.readline())
            assert reported == "livebg already has 3 clients. Try again in a few seconds."
            assert late.readline() == b""
        callers[0].finish()
        assert callers[0].readline() == b""
        assert server.answers()
        callers[1].send(REQUEST)
        assert callers[1].readline() == ANSWER
    server.close()
