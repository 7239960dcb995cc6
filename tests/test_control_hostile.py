"""The control socket among those who do not keep to the protocol: none of them holds up another one, or the end."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebg.live.control import ControlServer, no_arguments
from livebg.live.protocol import MAX_REQUEST
from tests.daemon import DEADLINE, Caller, runtime_folder_of_ones_own

ASKED = b'{"version": 1, "command": "word"}\n'
ANSWER = b'{"version": 1, "ok": true, "result": "well"}\n'
LARGE = "x" * 4_000_000
"""More than a socket holds that nobody reads."""


class Server:
    """A server at a path of its own."""

    def __init__(self, folder: Path, timeout: float = DEADLINE, most: int = 32) -> None:
        self.path = folder / "s"
        self.hanging, self.release = threading.Event(), threading.Event()
        commands = {"word": lambda: "well", "large": lambda: LARGE, "hang": self._hang}
        self._server = ControlServer(
            self.path, {name: no_arguments(run) for name, run in commands.items()}, timeout=timeout, most=most
        )
        self._server.start()

    def _hang(self) -> str:
        self.hanging.set()
        self.release.wait(DEADLINE)
        return "late"

    def close(self) -> None:
        """Close, which must come to its end though a command may hang on."""
        closing = threading.Thread(target=self._server.close)
        closing.start()
        closing.join(DEADLINE)
        assert not closing.is_alive()

    def answers(self) -> bool:
        with Caller(self.path) as caller:
            caller.say(ASKED)
            return caller.hear() == ANSWER


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


def clients_are_gone() -> bool:
    """Whether no thread of a connection is left, once those on their way out have gone."""
    deadline = time.monotonic() + DEADLINE
    while any(thread.name == "livebg control client" for thread in threading.enumerate()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def open_files() -> int:
    """How many file descriptors are open, where the system tells."""
    return sum(1 for _ in Path("/dev/fd").iterdir()) if Path("/dev/fd").exists() else 0


def refusal(line: bytes) -> str:
    told = json.loads(line)
    assert (told["version"], told["ok"]) == (1, False)
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
    {}, optional={"version": st.just(1) | JSON, "command": st.just("word") | JSON, "arguments": JSON}
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
        assert refusal(caller.hear()) == "a request has more than 64 KiB: send a shorter one"
        assert caller.hear() == b""
    assert server.answers()


def test_a_much_too_long_request_is_taken_in_and_refused(server: Server) -> None:
    with Caller(server.path) as caller:
        caller.say(b"x" * 3_000_000 + b"\n")
        assert refusal(caller.hear()) == "a request has more than 64 KiB: send a shorter one"
        assert caller.hear() == b""
    assert server.answers()


def test_a_request_without_an_end_is_refused_in_time(impatient: Server) -> None:
    with Caller(impatient.path) as caller:
        caller.say(b"x" * 200_000)
        assert refusal(caller.hear()) == "a request has more than 64 KiB: send a shorter one"
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
    for said in (b"", b"{", ASKED[:-1], b"x" * 100_000, ASKED * 50, b'{"version": 1, "command": "large"}\n' * 3):
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
        deaf.say(b'{"version": 1, "command": "large"}\n')
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
            assert told == "3 others are connected to livebg at this moment: try again in a few seconds"
            assert late.hear() == b""
        callers[0].finish()
        assert callers[0].hear() == b""
        assert server.answers()
        callers[1].say(ASKED)
        assert callers[1].hear() == ANSWER
    server.close()


def test_closing_waits_for_nobody_who_is_silent_or_does_not_read(folder: Path) -> None:
    server = Server(folder)
    with Caller(server.path) as silent, Caller(server.path) as half, Caller(server.path) as deaf:
        half.say(ASKED[:9])
        deaf.say(b'{"version": 1, "command": "large"}\n')
        assert server.answers()
        server.close()
        assert silent.hear() == half.hear() == b""
        assert len(deaf.hear()) < len(LARGE)
    assert clients_are_gone()


def test_closing_lets_an_answer_under_way_out(folder: Path) -> None:
    server = Server(folder)
    with Caller(server.path) as caller:
        caller.say(b'{"version": 1, "command": "hang"}\n')
        assert server.hanging.wait(DEADLINE)
        soon = threading.Timer(0.1, server.release.set)
        soon.start()
        server.close()
        assert caller.hear() == b'{"version": 1, "ok": true, "result": "late"}\n'
        soon.join(DEADLINE)
    assert clients_are_gone()


def test_closing_leaves_a_command_behind_that_hangs(folder: Path) -> None:
    server = Server(folder)
    with Caller(server.path) as caller:
        caller.say(b'{"version": 1, "command": "hang"}\n')
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
        caller.say(b'{"version": 1, "command": "close"}\n')
        assert caller.hear() == b'{"version": 1, "ok": true, "result": null}\n'


def test_a_thousand_clients_leave_no_thread_and_no_file_descriptor(folder: Path) -> None:
    before = open_files()
    server = Server(folder)
    for _ in range(1000):
        assert server.answers()
    server.close()
    assert clients_are_gone()
    assert open_files() == before
