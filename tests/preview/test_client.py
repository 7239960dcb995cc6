"""Tests of the preview client: clear errors for any server, and reconnection."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livebg.daemon.protocol import VersionMismatch
from livebg.errors import ConfigError, LivebgError, NotRunningError
from livebg.preview.client import Disconnected, PreviewClient, PreviewFrame, Receiver
from tests.support.fake_daemon import DEADLINE, FakeServer
from tests.support.live_session import wait_for
from tests.support.preview_session import PreviewSession

NOT_RUNNING = "livebg is not running. Start it with `livebg run`."


@pytest.fixture
def serve_answer(runtime: Path) -> Iterator[Callable[[bytes], Path]]:
    impostors: list[FakeServer] = []

    def answer(data: bytes) -> Path:
        path = runtime / f"i{len(impostors)}"
        impostors.append(FakeServer(path, data))
        return path

    yield answer
    for impostor in impostors:
        impostor.close()


def frame_answer(**fields: object) -> bytes:
    result = {"number": 1, "placeholder": False, "age": 0.0, "pictures": [], "status": None} | fields
    return json.dumps({"version": 2, "ok": True, "result": result}).encode() + b"\n"


COLOR = {"matrix": 6, "primaries": 6, "transfer": 6, "full_range": False}


def test_missing_daemon_means_not_running(runtime: Path) -> None:
    with pytest.raises(NotRunningError, match="livebg is not running"):
        PreviewClient(runtime / "p")
    with pytest.raises(NotRunningError, match="livebg is not running"):
        PreviewClient()  # the default path


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (
            b'{"version": 1, "ok": true, "result": 1}\n',
            VersionMismatch,
            r"^Incompatible livebg is running \(protocol version 1, expected 2\)\. ",
        ),
        (b'{"version": 2, "ok": false, "error": "a reason", "exit_code": 2}\n', ConfigError, "^a reason$"),
        (b"nonsense\n", LivebgError, "^The response is not a JSON object"),
        (b"", NotRunningError, "not running"),
        (b'{"version": 2', NotRunningError, "not running"),
        (b'{"version": 2, "ok": true, "result": 1}\n', LivebgError, "Incompatible livebg is running"),
        (
            frame_answer(pictures=[{"view": "a", "width": 3, "height": 2, "color": COLOR}]),
            LivebgError,
            "Incompatible livebg is running",
        ),
        (
            frame_answer(pictures=[{"view": "a", "width": 1 << 20, "height": 2, "color": COLOR}]),
            LivebgError,
            "Incompatible livebg is running",
        ),
        (
            frame_answer(pictures=[{"view": "a", "width": 4, "height": 2, "color": COLOR}]) + b"half",
            NotRunningError,
            "not running",
        ),
        (
            frame_answer(status={"state": "flying"}),
            LivebgError,
            r"Incompatible livebg is running \(unexpected status field state\)\.",
        ),
    ],
)
def test_invalid_answer_fails_with_clear_message(
    serve_answer: Callable[[bytes], Path], answer: bytes, kind: type[LivebgError], sentence: str
) -> None:
    with PreviewClient(serve_answer(answer)) as channel, pytest.raises(kind, match=sentence):
        channel.next_frame(["a"])


def test_picture_keeps_bytes_and_color(serve_answer: Callable[[bytes], Path]) -> None:
    described = {"view": "a", "width": 4, "height": 2, "color": COLOR | {"full_range": True}, "newer": 1}
    with PreviewClient(serve_answer(frame_answer(pictures=[described], newer=2) + bytes(range(12)))) as channel:
        seen = channel.next_frame(["a"])
    picture = seen.pictures["a"]
    assert picture.data.tobytes() == bytes(range(12))
    assert (picture.size, picture.color.full_range, seen.number) == ((4, 2), True, 1)


def test_missing_answer_times_out(runtime: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(runtime / "d"))
        deaf.listen()
        with PreviewClient(runtime / "d", timeout=0.2) as channel, pytest.raises(LivebgError, match=r"within 0\.2 s"):
            channel.next_frame(["composite"])


class UpdateReader:
    """Read the updates of a receiver like the window does."""

    def __init__(self, path: Path) -> None:
        self.receiver = Receiver(lambda: PreviewClient(path, timeout=DEADLINE), ("composite",))
        self.last: PreviewFrame | Disconnected | None = None

    def live(self) -> bool:
        self._take()
        return isinstance(self.last, PreviewFrame) and bool(self.last.pictures) and not self.last.placeholder

    def gone(self, reason: str) -> bool:
        self._take()
        return isinstance(self.last, Disconnected) and reason in self.last.reason

    def _take(self) -> None:
        news = self.receiver.next(0.05)
        self.last = self.last if news is None else news


@pytest.fixture
def watching(runtime: Path) -> Iterator[UpdateReader]:
    watching = UpdateReader(runtime / "p")
    watching.receiver.start()
    yield watching
    watching.receiver.close()


def test_preview_reconnects_after_daemon_restart(runtime: Path, watching: UpdateReader) -> None:
    for _ in range(2):
        wait_for(lambda: watching.gone(NOT_RUNNING), "the word that none runs")
        assert watching.receiver.status is None
        with PreviewSession(runtime).on():
            wait_for(watching.live, "a live picture")
            assert watching.receiver.status is not None
    wait_for(lambda: watching.gone(NOT_RUNNING), "the word that none runs")


def test_preview_reconnects_after_incompatible_daemon(runtime: Path, watching: UpdateReader) -> None:
    newer = FakeServer(runtime / "p", b'{"version": 7, "ok": true, "result": {}}\n')
    wait_for(lambda: watching.gone("protocol version 7"), "the word of the version")
    newer.close()
    with PreviewSession(runtime).on():
        wait_for(watching.live, "a live picture")


def test_changed_views_are_received(runtime: Path, watching: UpdateReader) -> None:
    with PreviewSession(runtime).on():
        wait_for(watching.live, "a live picture")
        watching.receiver.views = ("composite", "alpha")

        def both() -> bool:
            return (
                watching.live()
                and isinstance(watching.last, PreviewFrame)
                and set(watching.last.pictures) == {"composite", "alpha"}
            )

        wait_for(both, "the matte")


def test_closed_receiver_stops_requesting(runtime: Path) -> None:
    with PreviewSession(runtime).on() as preview:
        watching = UpdateReader(preview.path)
        watching.receiver.start()
        wait_for(watching.live, "a live picture")
        watching.receiver.close()
        wait_for(lambda: preview.live.audience.count == 0, "its end")
        assert "livebg-preview" not in {thread.name for thread in threading.enumerate()}
