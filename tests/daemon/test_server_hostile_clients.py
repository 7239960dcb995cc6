"""The control socket among those who do not keep to the protocol: none of them holds up another one, or the end."""

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
from tests.support.control_server import ANSWER, ASKED, LARGE, Server, clients_are_gone
from tests.support.fake_daemon import DEADLINE, Caller, runtime_folder_of_ones_own


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        yield folder


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    yield server
    server.close()


@pytest.fixture
def impatient(folder: Path) -> Iterator[Server]:
    """A server that hangs up after a second."""
    server = Server(folder, timeout=1.0)
    yield server
    server.close()


@pytest.fixture(scope="module")
def lasting() -> Iterator[Server]:
    """A server that is asked by many tests' many examples."""
    with pytest.MonkeyPatch.context() as patch, runtime_folder_of_ones_own(patch) as folder:
        server = Server(folder)
        yield server
        server.close()


def refusal(line: bytes) -> str:
    told = json.loads(line)
    assert (told["version"], told["ok"]) == (2, False)
    assert isinstance(told["error"], str)
    return str(told["error"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_refused_line_by_line_and_the_next_request_is_answered(lasting: Server, parts: list[bytes]) -> None:
    said = b"".join(parts)
    with Caller(lasting.path) as caller:
        for part in parts:
            caller.say(part)
        caller.say(b"\n" + ASKED)
        for _ in range(said.count(b"\n") + 1):
            refusal(caller.hear())
        assert caller.hear() == ANSWER


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
def test_any_json_is_answered_or_refused_in_one_line(lasting: Server, said: Any) -> None:
    with Caller(lasting.path) as caller:
        caller.say(json.dumps(said).encode() + b"\n" + ASKED)
        line = caller.hear()
        assert line == ANSWER or refusal(line)
        assert caller.hear() == ANSWER


def test_64_kib_are_taken_and_a_byte_more_is_refused(server: Server) -> None:
    fitting = ASKED.strip() + b" " * (MAX_REQUEST - len(ASKED.strip()))
    assert len(fitting) == 65536
    with Caller(server.path) as caller:
        caller.say(fitting + b"\n")
        assert caller.hear() == ANSWER
        caller.say(fitting + b" \n")
        assert refusal(caller.hear()) == "The request exceeds 64 KiB. Send a shorter one."
        assert caller.hear() == b""
    assert server.answers()


def test_a_much_too_long_request_is_taken_in_and_refused(server: Server) -> None:
    with Caller(server.path) as caller:
        caller.say(b"x" * 3_000_000 + b"\n")
        assert refusal(caller.hear()) == "The request exceeds 64 KiB. Send a shorter one."
        assert caller.hear() == b""
    assert server.answers()


def test_a_request_without_an_end_is_refused_in_time(impatient: Server) -> None:
    with Caller(impatient.path) as caller:
        caller.say(b"x" * 200_000)
        assert refusal(caller.hear()) == "The request exceeds 64 KiB. Send a shorter one."
        assert caller.hear() == b""


def test_who_says_nothing_is_hung_up_on_and_others_are_not(impatient: Server) -> None:
    with Caller(impatient.path) as silent:
        assert impatient.answers()
        assert silent.hear() == b""
    assert impatient.answers()


def test_who_says_it_drop_by_drop_is_hung_up_on(impatient: Server) -> None:
    """The time is for the whole request, not for each byte."""
    with Caller(impatient.path) as slow:
        heard = threading.Event()

        def listen() -> None:
            assert slow.hear() == b""
            heard.set()

        listening = threading.Thread(target=listen)
        listening.start()
        drops = 0
        while not heard.wait(0.05) and drops < DEADLINE / 0.05:
            drops += 1
            try:
                slow.say(b" ")
            except OSError:
                break
        listening.join(DEADLINE)
        assert heard.is_set()
        assert drops > 1
    assert impatient.answers()


def test_who_hangs_up_in_the_middle_is_forgotten(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    for said in (b"", b"{", ASKED[:-1], b"x" * 100_000, ASKED * 50, b'{"version": 2, "command": "large"}\n' * 3):
        caller = Caller(server.path)
        caller.say(said)
        caller.close()
    assert server.answers()
    assert caplog.records == []


def test_who_says_all_at_once_and_then_listens_is_answered(server: Server) -> None:
    with Caller(server.path) as caller:
        caller.say(ASKED * 2 + ASKED[:-1])
        caller.finish()
        assert [caller.hear() for _ in range(3)] == [ANSWER, ANSWER, b""]


def test_who_never_reads_holds_up_nobody_and_is_dropped(impatient: Server) -> None:
    with Caller(impatient.path) as deaf:
        deaf.say(b'{"version": 2, "command": "large"}\n')
        assert impatient.answers()
        assert clients_are_gone()
        assert len(deaf.hear()) < len(LARGE)


def test_one_too_many_is_told_and_the_next_is_welcome_when_one_has_left(folder: Path) -> None:
    server = Server(folder, most=3)
    with ExitStack() as stack:
        callers = [stack.enter_context(Caller(server.path)) for _ in range(3)]
        for caller in callers:
            caller.say(ASKED)
            assert caller.hear() == ANSWER
        with Caller(server.path) as late:
            told = refusal(late.hear())
            assert told == "livebg already has 3 clients. Try again in a few seconds."
            assert late.hear() == b""
        callers[0].finish()
        assert callers[0].hear() == b""
        assert server.answers()
        callers[1].say(ASKED)
        assert callers[1].hear() == ANSWER
    server.close()
