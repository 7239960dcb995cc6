"""The sockets among those who speak the protocol almost right, in pieces and all at once: every line has one answer.

Who keeps to no protocol at all is in ``test_control_hostile``, what the commands do in ``test_control_storm``.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from livebg.daemon.commands import commands
from livebg.daemon.server import ControlServer
from livebg.daemon.settings_layers import settable_keys
from tests.support.control_server import clients_are_gone, open_files
from tests.support.controller_harness import Desk
from tests.support.fake_daemon import Caller, runtime_folder_of_ones_own
from tests.support.fuzzing import altered, seeds
from tests.support.preview_session import Rude, Stage

Rounds = Callable[[int], int]
PATIENCE: Final = 20.0
ASKED: Final = (
    {"version": 2, "command": "on"},
    {"version": 2, "command": "pause", "arguments": {}},
    {"version": 2, "command": "mode", "arguments": {"mode": "matte"}},
    {"version": 2, "command": "background", "arguments": {"background": "#102030"}},
    *({"version": 2, "command": "set", "arguments": {"settings": {key: 1}}} for key in settable_keys()),
    {"version": 2, "command": "set", "arguments": {"settings": {"effect.blur": "0.1", "camera.mirror": True, "model.name": "x"}}},
)
LOOK: Final = {"version": 2, "command": "look", "arguments": {"views": ["composite", "alpha"], "after": 3, "status": True}}


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of real commands on a session that notes what it is told."""
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        server = ControlServer(folder / "s", commands(Desk(tmp_path).steering), timeout=PATIENCE)
        server.start()
        yield folder / "s"
        server.close()
    assert clients_are_gone()


def lines_of(chance: random.Random) -> bytes:
    """Some messages, each on a line, most of them altered; no line is empty by itself."""
    asked = [chance.choice(ASKED) for _ in range(chance.randrange(1, 6))]
    said = [json.dumps(exchanged(each, chance) if chance.random() < 0.4 else each).encode() for each in asked]
    lines = [altered(line, chance).replace(b"\n", b" ") if chance.random() < 0.6 else line for line in said]
    return b"\n".join(lines) + b"\n"


def exchanged(told: Any, chance: random.Random) -> Any:
    """What is told, a part of it another value."""
    if not isinstance(told, dict) or not told or chance.random() < 0.2:
        return chance.choice((None, True, -1, 1e308, "", "x" * 5000, "\x1b[31m\n", [], [{}], {}, {"": {}}, [[[[]]]], "\ud800"))
    key = chance.choice(sorted(told))
    return told | {key: exchanged(told[key], chance)}


def pieces(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """As a network would cut it."""
    while data:
        length = chance.choice((1, 7, 100, len(data)))
        yield data[:length]
        data = data[length:]


def checked(line: bytes) -> bool:
    """Whether a well-formed answer grants what was asked."""
    assert line.endswith(b"\n")
    answer = json.loads(line)
    assert answer["version"] == 2
    assert answer["ok"] is True or (answer["exit_code"] in (2, 3, 4, 5) and answer["error"].isprintable()), answer
    return bool(answer["ok"])


def test_almost_right_messages_are_answered_one_by_one(control: Path, rounds: Rounds) -> None:
    granted = refused = 0
    for chance in seeds(rounds(60), "almost"):
        said = lines_of(chance)
        with Caller(control) as caller:
            for piece in pieces(said, chance):
                caller.say(piece)
            for _ in range(said.count(b"\n")):
                if checked(caller.hear()):
                    granted += 1
                else:
                    refused += 1
    assert granted > rounds(60) / 10
    assert refused > rounds(60) / 10


def test_many_at_once_who_leave_when_they_like(control: Path, rounds: Rounds) -> None:
    before = open_files()
    failed: list[BaseException] = []

    def one(number: int) -> None:
        try:
            for chance in seeds(rounds(8), f"client {number}"):
                said = lines_of(chance)
                with Caller(control) as caller:
                    whole = list(pieces(said, chance))
                    spoken = whole[: chance.randrange(1, 200)]
                    for piece in spoken:
                        caller.say(piece)
                    if spoken == whole and chance.random() < 0.5:
                        caller.hear()
        except (BrokenPipeError, ConnectionResetError):
            return  # it was hung up on while it still spoke
        except BaseException as error:  # noqa: BLE001 - raised in the test below
            failed.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 3)
        assert not thread.is_alive()
    assert failed == []
    with Caller(control) as caller:
        caller.say(json.dumps(ASKED[0]).encode() + b"\n")
        assert checked(caller.hear())
    assert clients_are_gone()
    assert open_files() <= before


def test_almost_right_looks_are_answered_and_the_session_goes_on(monkeypatch: pytest.MonkeyPatch, rounds: Rounds) -> None:
    with runtime_folder_of_ones_own(monkeypatch) as folder, Stage(folder).on() as stage:
        shown = refused = 0
        for chance in seeds(rounds(40), "look"):
            asked = json.dumps(LOOK).encode()
            line = (altered(asked, chance) if chance.random() < 0.7 else asked).replace(b"\n", b" ") + b"\n"
            with Rude(stage.path) as viewer:
                for piece in pieces(line, chance):
                    viewer.socket.sendall(piece)
                granted = checked(answer := viewer.line())
                shown += granted
                refused += not granted
                if granted:
                    skip(viewer, json.loads(answer)["result"]["pictures"])
                    viewer.ask("composite")
                    checked(viewer.line())
        assert shown
        assert refused
        assert stage.live.output.sent > 0


def skip(viewer: Rude, pictures: Sequence[dict[str, int]]) -> None:
    """Past the bytes that follow a line."""
    left = sum(each["width"] * each["height"] * 3 // 2 for each in pictures)
    while left:
        left -= len(viewer.socket.recv(left))
