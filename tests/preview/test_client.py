"""Tests of the preview client: clear errors for any server, and reconnection."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livebg.daemon.protocol import VersionMismatch
from livebg.errors import ConfigError, LivebgError, NotRunningError
from livebg.preview.client import PreviewClient, PreviewFrame
from livebg.preview.receiver import Disconnected, Receiver
from tests.support.fake_daemon import DEADLINE, runtime_folder_of_ones_own
from tests.support.live_session import wait_for
from tests.support.preview_session import Stage

NOT_RUNNING = "livebg is not running. Start it with `livebg run`."


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        yield folder


class Impostor:
    """A server that sends ``answer`` to every client and disconnects."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self._path, self._answer = path, answer
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection:
                if not connection.recv(65536):
                    return
                connection.sendall(self._answer)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(str(self._path))
        self._thread.join(DEADLINE)
        self._listening.close()
        self._path.unlink()


@pytest.fixture
def answering(folder: Path) -> Iterator[Callable[[bytes], Path]]:
    impostors: list[Impostor] = []

    def answer(said: bytes) -> Path:
        path = folder / f"i{len(impostors)}"
        impostors.append(Impostor(path, said))
        return path

    yield answer
    for impostor in impostors:
        impostor.close()


def told(**fields: object) -> bytes:
    result = {"number": 1, "placeholder": False, "age": 0.0, "pictures": [], "status": None} | fields
    return json.dumps({"version": 2, "ok": True, "result": result}).encode() + b"\n"


COLOR = {"matrix": 6, "primaries": 6, "transfer": 6, "full_range": False}


def test_none_runs(folder: Path) -> None:
    with pytest.raises(NotRunningError, match="livebg is not running"):
        PreviewClient(folder / "p")
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
        (told(pictures=[{"view": "a", "width": 3, "height": 2, "color": COLOR}]), LivebgError, "Incompatible livebg is running"),
        (
            told(pictures=[{"view": "a", "width": 1 << 20, "height": 2, "color": COLOR}]),
            LivebgError,
            "Incompatible livebg is running",
        ),
        (told(pictures=[{"view": "a", "width": 4, "height": 2, "color": COLOR}]) + b"half", NotRunningError, "not running"),
        (told(status={"state": "flying"}), LivebgError, r"Incompatible livebg is running \(unexpected status field state\)\."),
    ],
)
def test_whatever_is_answered_is_a_picture_or_a_sentence(
    answering: Callable[[bytes], Path], answer: bytes, kind: type[LivebgError], sentence: str
) -> None:
    with PreviewClient(answering(answer)) as channel, pytest.raises(kind, match=sentence):
        channel.next_frame(["a"])


def test_a_picture_arrives_as_it_was_sent_with_its_colour(answering: Callable[[bytes], Path]) -> None:
    described = {"view": "a", "width": 4, "height": 2, "color": COLOR | {"full_range": True}, "newer": 1}
    with PreviewClient(answering(told(pictures=[described], newer=2) + bytes(range(12)))) as channel:
        seen = channel.next_frame(["a"])
    picture = seen.pictures["a"]
    assert picture.data.tobytes() == bytes(range(12))
    assert (picture.size, picture.color.full_range, seen.number) == ((4, 2), True, 1)


def test_who_does_not_answer_is_not_waited_for(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(folder / "d"))
        deaf.listen()
        with PreviewClient(folder / "d", timeout=0.2) as channel, pytest.raises(LivebgError, match=r"within 0\.2 s"):
            channel.next_frame(["composite"])


class Watching:
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
def watching(folder: Path) -> Iterator[Watching]:
    watching = Watching(folder / "p")
    watching.receiver.start()
    yield watching
    watching.receiver.close()


def test_livebg_goes_and_comes_back_under_a_preview(folder: Path, watching: Watching) -> None:
    for _ in range(2):
        wait_for(lambda: watching.gone(NOT_RUNNING), "the word that none runs")
        assert watching.receiver.status is None
        with Stage(folder).on():
            wait_for(watching.live, "a live picture")
            assert watching.receiver.status is not None
    wait_for(lambda: watching.gone(NOT_RUNNING), "the word that none runs")


def test_a_livebg_of_another_version_is_told_and_followed_by_this_one(folder: Path, watching: Watching) -> None:
    newer = Impostor(folder / "p", b'{"version": 7, "ok": true, "result": {}}\n')
    wait_for(lambda: watching.gone("protocol version 7"), "the word of the version")
    newer.close()
    with Stage(folder).on():
        wait_for(watching.live, "a live picture")


def test_other_views_are_seen_once_they_are_wanted(folder: Path, watching: Watching) -> None:
    with Stage(folder).on():
        wait_for(watching.live, "a live picture")
        watching.receiver.views = ("composite", "alpha")

        def both() -> bool:
            return (
                watching.live()
                and isinstance(watching.last, PreviewFrame)
                and set(watching.last.pictures) == {"composite", "alpha"}
            )

        wait_for(both, "the matte")


def test_who_has_closed_looks_no_more(folder: Path) -> None:
    with Stage(folder).on() as stage:
        watching = Watching(stage.path)
        watching.receiver.start()
        wait_for(watching.live, "a live picture")
        watching.receiver.close()
        wait_for(lambda: stage.live.audience.count == 0, "its end")
        assert "livebg-preview" not in {thread.name for thread in threading.enumerate()}
