"""The preview socket with clients that violate the protocol: none delays the session, another client, or the end."""

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
from tests.support.fake_daemon import temporary_runtime_dir
from tests.support.live_session import SIZE, wait_for
from tests.support.preview_session import PreviewSession, RawClient

BYTES = SIZE[0] * SIZE[1] * 3 // 2


@pytest.fixture
def preview(runtime: Path) -> Iterator[PreviewSession]:
    with PreviewSession(runtime).on() as preview:
        yield preview


@pytest.fixture
def one_second_session(runtime: Path) -> Iterator[PreviewSession]:
    """Hangs up after a second."""
    with PreviewSession(runtime, timeout=1.0).on() as preview:
        yield preview


@pytest.fixture(scope="module")
def shared_session() -> Iterator[PreviewSession]:
    with pytest.MonkeyPatch.context() as patch, temporary_runtime_dir(patch) as runtime, PreviewSession(runtime).on() as preview:
        yield preview


def is_answered(preview: PreviewSession) -> bool:
    with preview.channel() as channel:
        return bool(channel.next_frame(["composite"]).pictures)


def assert_output_continues(preview: PreviewSession) -> None:
    """The output continues at its pace, whatever clients do."""
    sent = len(preview.sink.composites)
    wait_for(lambda: len(preview.sink.composites) > sent + 10, "pictures")


def error_of(line: bytes) -> str:
    reported = json.loads(line)
    assert reported["ok"] is False
    return str(reported["error"])


def test_socket_mode_is_0600(preview: PreviewSession) -> None:
    assert stat.S_IMODE(preview.path.stat().st_mode) == 0o600


def test_answer_is_one_line_and_announced_bytes(preview: PreviewSession) -> None:
    with RawClient(preview.path) as client:
        client.ask("composite", status=True)
        reported = json.loads(client.line())["result"]
        assert [picture["view"] for picture in reported["pictures"]] == ["composite"]
        assert (reported["pictures"][0]["width"], reported["pictures"][0]["height"]) == SIZE
        assert reported["status"]["state"] == "live"
        picture = b""
        while len(picture) < BYTES:
            picture += client.socket.recv(BYTES - len(picture))
        client.ask("composite")
        assert json.loads(client.line())["ok"] is True  # no byte more than it named
        assert picture in [composite.data.tobytes() for composite in preview.sink.composites]


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
def test_invalid_request_is_rejected_and_camera_stays_off(
    preview: PreviewSession, arguments: dict[str, object], sentence: str
) -> None:
    with RawClient(preview.path) as client:
        client.socket.sendall(json.dumps({"version": 2, "command": "look", "arguments": arguments}).encode() + b"\n")
        assert error_of(client.line()).startswith(sentence)
        assert preview.live.audience.count == 0
        assert not preview.cameras
        client.ask("composite")
        assert json.loads(client.line())["ok"] is True


def test_original_view_is_not_available_by_default(runtime: Path) -> None:
    with PreviewSession(runtime, shows=views()).on() as preview, RawClient(preview.path) as client:
        client.ask("original")
        assert error_of(client.line()) == "Invalid views of look. Pass each of composite, alpha at most once."


def test_other_version_and_command_are_rejected(preview: PreviewSession) -> None:
    with RawClient(preview.path) as client:
        client.socket.sendall(b'{"version": 1, "command": "look"}\n')
        assert "(protocol version 1, expected 2)" in error_of(client.line())
        client.socket.sendall(b'{"version": 2, "command": "stop"}\n')
        assert error_of(client.line()) == "Unknown command stop. Use one of look."


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300))
def test_random_bytes_are_rejected_line_by_line(shared_session: PreviewSession, data: bytes) -> None:
    with RawClient(shared_session.path) as client:
        client.socket.sendall(data + b"\n")
        for _ in range(data.count(b"\n") + 1):
            error_of(client.line())
    assert shared_session.live.audience.count == 0


def test_client_that_never_reads_is_dropped_and_camera_sleeps(one_second_session: PreviewSession) -> None:
    with RawClient(one_second_session.path) as deaf:
        for number in range(400):  # more answers than a socket holds
            try:
                deaf.ask("composite", "alpha", "original", after=number)
            except OSError:
                break
        assert_output_continues(one_second_session)
        assert is_answered(one_second_session)
        wait_for(lambda: one_second_session.live.audience.count == 0, "its end")
        wait_for(lambda: not one_second_session.camera_open, "the camera's end")
        assert deaf.is_hung_up_on()


def test_silent_client_is_dropped(one_second_session: PreviewSession) -> None:
    with RawClient(one_second_session.path) as silent:
        silent.ask("composite")
        silent.line()
        wait_for(lambda: one_second_session.live.audience.count == 1, "its seat")
        wait_for(lambda: one_second_session.live.audience.count == 0, "its end")
        assert silent.is_hung_up_on()
    assert is_answered(one_second_session)


def test_slow_client_gets_newest_picture(preview: PreviewSession) -> None:
    with preview.channel() as slow:
        numbers = []
        for _ in range(5):
            seen = slow.next_frame(["composite"])
            assert seen.number is not None
            numbers.append(seen.number)
            time.sleep(0.2)  # at fifteen pictures a second at the least, some are missed
    assert all(later > earlier + 1 for earlier, later in itertools.pairwise(numbers))


@pytest.mark.parametrize("data", [b"", b"{", b'{"version": 2, "command": "look"', b"x" * 100_000])
def test_client_that_disconnects_early_is_dropped(preview: PreviewSession, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with RawClient(preview.path) as client:
        client.socket.sendall(data)
    with RawClient(preview.path) as client:  # also during an answer
        client.ask("composite", "alpha", "original")
        client.socket.recv(10)
    wait_for(lambda: preview.live.audience.count == 0, "their ends")
    assert is_answered(preview)
    assert caplog.records == []


def test_client_limit_is_reported_and_slot_is_reused(runtime: Path) -> None:
    with PreviewSession(runtime, most=3).on() as preview, ExitStack() as stack:
        channels = [stack.enter_context(preview.channel()) for _ in range(3)]
        for channel in channels:
            assert channel.next_frame(["composite"]).pictures
        with RawClient(preview.path) as late:
            assert "livebg already has 3 clients" in error_of(late.line())
        channels[0].close()
        wait_for(lambda: preview.live.audience.count == 2, "one to leave")
        wait_for(lambda: is_accepted(preview), "a free seat")


def is_accepted(preview: PreviewSession) -> bool:
    with RawClient(preview.path) as client:
        with suppress(BrokenPipeError):  # disconnected with an error message
            client.ask("composite")
        return json.loads(client.line() or b'{"ok": false}')["ok"] is True


def test_1000_connections_do_not_stop_output(one_second_session: PreviewSession) -> None:
    one_second_session.watchers.set_watched(True)
    for _ in range(10):
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(RawClient(one_second_session.path))
            assert_output_continues(one_second_session)
    wait_for(lambda: is_accepted(one_second_session), "an answer after them")


def test_close_does_not_wait_for_client_that_never_reads(runtime: Path) -> None:
    with PreviewSession(runtime).on() as preview:
        deaf = RawClient(preview.path)
        deaf.ask("composite", after=0)
        wait_for(lambda: preview.live.audience.count == 1, "its seat")
        deaf.socket.settimeout(0.5)
        with suppress(OSError):  # with full buffers its requests are no longer read
            for number in range(100):
                deaf.ask("composite", after=number)
    deaf.socket.close()
