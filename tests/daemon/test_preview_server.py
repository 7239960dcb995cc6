"""The preview socket among those who do not keep to the protocol: none holds up the session, another client, or the end."""

import itertools
import json
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livebg.daemon.preview_server import views
from tests.support.fake_daemon import runtime_folder_of_ones_own
from tests.support.live_session import SIZE, wait_for
from tests.support.preview_session import Rude, Stage

BYTES = SIZE[0] * SIZE[1] * 3 // 2


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        yield folder


@pytest.fixture
def stage(folder: Path) -> Iterator[Stage]:
    with Stage(folder).on() as stage:
        yield stage


@pytest.fixture
def impatient(folder: Path) -> Iterator[Stage]:
    """Hangs up after a second."""
    with Stage(folder, timeout=1.0).on() as stage:
        yield stage


@pytest.fixture(scope="module")
def lasting() -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch, runtime_folder_of_ones_own(patch) as folder, Stage(folder).on() as stage:
        yield stage


def answered(stage: Stage) -> bool:
    with stage.channel() as channel:
        return bool(channel.next_frame(["composite"]).pictures)


def sends_on(stage: Stage) -> None:
    """The output goes on at its pace, whatever clients do."""
    sent = len(stage.sink.composites)
    wait_for(lambda: len(stage.sink.composites) > sent + 10, "pictures")


def refusal(line: bytes) -> str:
    told = json.loads(line)
    assert told["ok"] is False
    return str(told["error"])


def test_the_socket_is_the_users_alone(stage: Stage) -> None:
    assert stat.S_IMODE(stage.path.stat().st_mode) == 0o600


def test_an_answer_is_a_line_and_the_bytes_that_it_names(stage: Stage) -> None:
    with Rude(stage.path) as client:
        client.ask("composite", status=True)
        told = json.loads(client.line())["result"]
        assert [picture["view"] for picture in told["pictures"]] == ["composite"]
        assert (told["pictures"][0]["width"], told["pictures"][0]["height"]) == SIZE
        assert told["status"]["state"] == "live"
        picture = b""
        while len(picture) < BYTES:
            picture += client.socket.recv(BYTES - len(picture))
        client.ask("composite")
        assert json.loads(client.line())["ok"] is True  # no byte more than it named
        assert picture in [composite.data.tobytes() for composite in stage.sink.composites]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"views": ["bedroom"]}, "Invalid views of look. Pass each of composite, alpha, original at most once."),
        ({"views": ["alpha", "alpha"]}, "Invalid views of look. Pass each of composite, alpha, original at most once."),
        ({"views": "composite"}, "Invalid argument views of look."),
        ({"views": [1]}, "Invalid argument views.0 of look."),
        ({"views": [], "after": "1"}, "Invalid argument after of look."),
        ({"views": [], "after": 1.5}, "Invalid argument after of look."),
        ({"views": [], "status": "yes"}, "Invalid argument status of look."),
        ({"views": [], "raw": True}, "Invalid argument raw of look."),
        ({}, "Invalid argument views of look."),
    ],
)
def test_what_cannot_be_asked_is_refused_and_wakes_nothing(stage: Stage, arguments: dict[str, object], sentence: str) -> None:
    with Rude(stage.path) as client:
        client.socket.sendall(json.dumps({"version": 2, "command": "look", "arguments": arguments}).encode() + b"\n")
        assert refusal(client.line()).startswith(sentence)
        assert stage.live.audience.count == 0
        assert not stage.cameras
        client.ask("composite")
        assert json.loads(client.line())["ok"] is True


def test_the_original_is_no_view_of_the_sessions_own(folder: Path) -> None:
    with Stage(folder, shows=views()).on() as stage, Rude(stage.path) as client:
        client.ask("original")
        assert refusal(client.line()) == "Invalid views of look. Pass each of composite, alpha at most once."


def test_another_version_and_another_command_are_refused(stage: Stage) -> None:
    with Rude(stage.path) as client:
        client.socket.sendall(b'{"version": 1, "command": "look"}\n')
        assert "(protocol version 1, expected 2)" in refusal(client.line())
        client.socket.sendall(b'{"version": 2, "command": "stop"}\n')
        assert refusal(client.line()) == "Unknown command stop. Use one of look."


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_line_by_line(lasting: Stage, said: bytes) -> None:
    with Rude(lasting.path) as client:
        client.socket.sendall(said + b"\n")
        for _ in range(said.count(b"\n") + 1):
            refusal(client.line())
    assert lasting.live.audience.count == 0


def test_who_never_reads_is_forgotten_and_the_camera_sleeps(impatient: Stage) -> None:
    with Rude(impatient.path) as deaf:
        for number in range(400):  # more answers than a socket holds
            try:
                deaf.ask("composite", "alpha", "original", after=number)
            except OSError:
                break
        sends_on(impatient)
        assert answered(impatient)
        wait_for(lambda: impatient.live.audience.count == 0, "its end")
        wait_for(lambda: not impatient.camera_open, "the camera's end")
        assert deaf.is_hung_up_on()


def test_who_falls_silent_is_forgotten(impatient: Stage) -> None:
    with Rude(impatient.path) as silent:
        silent.ask("composite")
        silent.line()
        wait_for(lambda: impatient.live.audience.count == 1, "its seat")
        wait_for(lambda: impatient.live.audience.count == 0, "its end")
        assert silent.is_hung_up_on()
    assert answered(impatient)


def test_who_is_slow_gets_the_newest_picture(stage: Stage) -> None:
    with stage.channel() as slow:
        numbers = []
        for _ in range(5):
            seen = slow.next_frame(["composite"])
            assert seen.number is not None
            numbers.append(seen.number)
            time.sleep(0.2)  # at fifteen pictures a second at the least, some are missed
    assert all(later > earlier + 1 for earlier, later in itertools.pairwise(numbers))


@pytest.mark.parametrize("said", [b"", b"{", b'{"version": 2, "command": "look"', b"x" * 100_000])
def test_who_hangs_up_in_the_middle_is_forgotten(stage: Stage, said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with Rude(stage.path) as client:
        client.socket.sendall(said)
    with Rude(stage.path) as client:  # and with an answer under way
        client.ask("composite", "alpha", "original")
        client.socket.recv(10)
    wait_for(lambda: stage.live.audience.count == 0, "their ends")
    assert answered(stage)
    assert caplog.records == []


def test_one_too_many_is_told(folder: Path) -> None:
    with Stage(folder, most=3).on() as stage, ExitStack() as stack:
        channels = [stack.enter_context(stage.channel()) for _ in range(3)]
        for channel in channels:
            assert channel.next_frame(["composite"]).pictures
        with Rude(stage.path) as late:
            assert "livebg already has 3 clients" in refusal(late.line())
        channels[0].close()
        wait_for(lambda: stage.live.audience.count == 2, "one to leave")
        wait_for(lambda: answered_if_welcome(stage), "a free seat")


def answered_if_welcome(stage: Stage) -> bool:
    with Rude(stage.path) as client:
        with suppress(BrokenPipeError):  # hung up on, and told why
            client.ask("composite")
        return json.loads(client.line() or b'{"ok": false}')["ok"] is True


def test_a_thousand_connections_do_not_keep_the_session_from_sending(impatient: Stage) -> None:
    impatient.watchers.say(True)
    for _ in range(10):
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(Rude(impatient.path))
            sends_on(impatient)
    wait_for(lambda: answered_if_welcome(impatient), "an answer after them")


def test_the_end_does_not_wait_for_who_never_reads(folder: Path) -> None:
    with Stage(folder).on() as stage:
        deaf = Rude(stage.path)
        deaf.ask("composite", after=0)
        wait_for(lambda: stage.live.audience.count == 1, "its seat")
        with suppress(OSError):  # once all buffers are full nobody takes its requests any more, and then it is hung up on
            for number in range(100):
                deaf.ask("composite", after=number)
    deaf.socket.close()
