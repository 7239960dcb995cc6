"""Sockets with nearly valid requests, in pieces and all at once: every line gets one answer.

Clients without any protocol are in ``test_server_hostile_clients``, the commands' effects in ``test_server_storm``.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from livebg.daemon.server import ControlServer
from livebg.daemon.settings_layers import settable_keys
from tests.support.control_server import clients_are_gone, open_files
from tests.support.controller_harness import ControllerHarness
from tests.support.fake_daemon import LineClient, temporary_runtime_dir
from tests.support.fuzzing import mutate, seeds
from tests.support.preview_session import PreviewSession, RawClient

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
    """The socket with real commands on a session that records its calls."""
    with temporary_runtime_dir(monkeypatch) as folder:
        server = ControlServer(folder / "s", ControllerHarness(tmp_path).commands, timeout=PATIENCE)
        server.start()
        yield folder / "s"
        server.close()
    assert clients_are_gone()


def random_lines(chance: random.Random) -> bytes:
    """Several messages, each on a line, most of them altered; no line is empty by itself."""
    asked = [chance.choice(ASKED) for _ in range(chance.randrange(1, 6))]
    received = [json.dumps(mutate_value(each, chance) if chance.random() < 0.4 else each).encode() for each in asked]
    lines = [mutate(line, chance).replace(b"\n", b" ") if chance.random() < 0.6 else line for line in received]
    return b"\n".join(lines) + b"\n"


def mutate_value(value: Any, chance: random.Random) -> Any:
    """A message in which one part has another value."""
    if not isinstance(value, dict) or not value or chance.random() < 0.2:
        return chance.choice((None, True, -1, 1e308, "", "x" * 5000, "\x1b[31m\n", [], [{}], {}, {"": {}}, [[[[]]]], "\ud800"))
    key = chance.choice(sorted(value))
    return value | {key: mutate_value(value[key], chance)}


def pieces(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """As a network would cut it."""
    while data:
        length = chance.choice((1, 7, 100, len(data)))
        yield data[:length]
        data = data[length:]


def is_granted(line: bytes) -> bool:
    """Whether a well-formed answer accepts the request."""
    assert line.endswith(b"\n")
    answer = json.loads(line)
    assert answer["version"] == 2
    assert answer["ok"] is True or (answer["exit_code"] in (2, 3, 4, 5) and answer["error"].isprintable()), answer
    return bool(answer["ok"])


def test_mutated_messages_are_answered_one_by_one(control: Path, rounds: Rounds) -> None:
    granted = refused = 0
    for chance in seeds(rounds(60), "almost"):
        output = random_lines(chance)
        with LineClient(control) as caller:
            for piece in pieces(output, chance):
                caller.send(piece)
            for _ in range(output.count(b"\n")):
                if is_granted(caller.readline()):
                    granted += 1
                else:
                    refused += 1
    assert granted > rounds(60) / 10
    assert refused > rounds(60) / 10


def test_concurrent_clients_may_disconnect_at_any_time(control: Path, rounds: Rounds) -> None:
    before = open_files()
    failed: list[BaseException] = []

    def one(number: int) -> None:
        try:
            for chance in seeds(rounds(8), f"client {number}"):
                output = random_lines(chance)
                with LineClient(control) as caller:
                    whole = list(pieces(output, chance))
                    spoken = whole[: chance.randrange(1, 200)]
                    for piece in spoken:
                        caller.send(piece)
                    if spoken == whole and chance.random() < 0.5:
                        caller.readline()
        except (BrokenPipeError, ConnectionResetError):
            return  # disconnected while it was still sending
        except BaseException as error:  # noqa: BLE001 - raised in the test below
            failed.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 3)
        assert not thread.is_alive()
    assert failed == []
    with LineClient(control) as caller:
        caller.send(json.dumps(ASKED[0]).encode() + b"\n")
        assert is_granted(caller.readline())
    assert clients_are_gone()
    assert open_files() <= before


def test_mutated_preview_requests_are_answered(monkeypatch: pytest.MonkeyPatch, rounds: Rounds) -> None:
    with temporary_runtime_dir(monkeypatch) as folder, PreviewSession(folder).on() as preview:
        shown = refused = 0
        for chance in seeds(rounds(40), "look"):
            asked = json.dumps(LOOK).encode()
            line = (mutate(asked, chance) if chance.random() < 0.7 else asked).replace(b"\n", b" ") + b"\n"
            with RawClient(preview.path) as viewer:
                for piece in pieces(line, chance):
                    viewer.socket.sendall(piece)
                granted = is_granted(answer := viewer.line())
                shown += granted
                refused += not granted
                if granted:
                    skip_pictures(viewer, json.loads(answer)["result"]["pictures"])
                    viewer.ask("composite")
                    is_granted(viewer.line())
        assert shown
        assert refused
        assert preview.live.output.sent > 0


def skip_pictures(viewer: RawClient, pictures: Sequence[dict[str, int]]) -> None:
    """Past the bytes that follow a line."""
    left = sum(each["width"] * each["height"] * 3 // 2 for each in pictures)
    while left:
        left -= len(viewer.socket.recv(left))
