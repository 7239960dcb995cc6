"""A thousand messages to a live session, half of them garbage: the room stays hidden, every message is answered."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from livebg.cli.consent import room_commands
from livebg.daemon.commands import commands, preset_commands, recording_commands
from livebg.daemon.controller import SessionController
from livebg.daemon.preset_switcher import PresetSwitcher
from livebg.daemon.presets import Presets
from livebg.daemon.protocol import VERSION
from livebg.daemon.saved_choices import SavedChoices
from livebg.daemon.server import ControlServer
from livebg.daemon.settings_layers import SettingsLayers, settable_keys
from livebg.daemon.status import CommandResult
from livebg.errors import SourceError
from livebg.imaging.frame import VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.capture_loop import Camera
from livebg.live.recorder import Recorder, RecordingOptions
from livebg.live.session import Session
from tests.support.cli_runner import unset_variables
from tests.support.control_server import clients_are_gone, open_files
from tests.support.controller_harness import BROKEN, MISSING, FakeProcessorFactory
from tests.support.fake_daemon import LineClient, temporary_runtime_dir
from tests.support.live_recording import contains_room, recorded_pictures
from tests.support.live_session import (
    SIZE,
    RecordingSink,
    ToyCamera,
    ends,
    green_processor,
    is_green,
    running,
    shows_room,
    wait_for,
)

SILENCE = 1.5
"""Seconds: three times the promised ones, because test machines are busy."""
EXAMPLES, LENGTH = 100, 12


class ToyCameraSession(Session):
    """The session, but that every other camera is a toy as well; some of them are busy at first."""

    def use_camera(self, camera: Camera) -> None:
        assert camera.geometry_for(VideoFormat(*SIZE, self.format.frame_rate, self.format.color)).apply is not None
        tries = iter([SourceError("it is busy: close it there")])

        def open_toy() -> LiveSource:
            for error in tries:
                raise error
            return ToyCamera()

        super().use_camera(Camera(open_toy, lambda _: Geometry(SIZE)))


@dataclass
class Storm:
    """A live session and its control socket, with a record of when the room may and must not be visible."""

    path: Path
    sink: RecordingSink
    controller: SessionController
    config: Path
    exits: list[Any]
    shown_now: bool = False
    """Whether by the last answer the room may be seen."""
    hidden: list[tuple[float, float]] = field(default_factory=list)
    """Times at which it must not."""
    messages: int = 0
    _since: float = field(default_factory=time.monotonic)

    def send(self, caller: LineClient, message: bytes) -> dict[str, Any]:
        """One message and its answer. From sending on, either state is possible until the answer decides."""
        if not self.shown_now:
            self.hidden.append((self._since, time.monotonic()))
        caller.send(message + b"\n")
        answer = check_answer(caller.readline())
        result = answer.get("result")
        if isinstance(result, dict) and "uptime" not in result:  # a status changes nothing
            held = CommandResult.from_dict(result)
            self.shown_now = not held.effect and not held.paused
        self._since = time.monotonic()
        self.messages += 1
        return answer

    def look_back(self) -> None:
        """No picture of the room at any time at which it must not be seen."""
        if not self.shown_now:
            self.hidden.append((self._since, time.monotonic()))
            self._since = time.monotonic()
        pictures = list(zip(tuple(self.sink.times), tuple(self.sink.composites), strict=False))
        for begin, end in self.hidden:
            assert not [when for when, shown in pictures if begin < when < end and shows_room(shown)]
        self.hidden.clear()


def check_answer(line: bytes) -> dict[str, Any]:
    """An answer as the protocol has it."""
    assert line.endswith(b"\n")
    answer = json.loads(line)
    assert answer["version"] == VERSION
    if answer["ok"] is True:
        assert answer.keys() == {"version", "ok", "result"}
    else:
        assert answer.keys() == {"version", "ok", "error", "exit_code"}
        assert answer["error"]
        assert answer["exit_code"] in (2, 3, 4, 5), answer["error"]  # 1 would be a defect
    return dict(answer)


@pytest.fixture(scope="module")
def storm() -> Iterator[Storm]:
    with pytest.MonkeyPatch.context() as patch, temporary_runtime_dir(patch) as folder:
        unset_variables(patch)
        (folder / "config.toml").touch()
        choices = SavedChoices(folder / "choices.json")
        sink = RecordingSink()
        live = ToyCameraSession(*ends(ToyCamera, sink), green_processor)
        layers = SettingsLayers.start({}, folder / "config.toml", {})
        presets = Presets(folder / "presets")
        (folder / "presets").mkdir()
        (folder / "presets" / "damaged.toml").write_text("[effect]\nmode = 'none'\n")
        (folder / "presets" / "gone.toml").write_text(f"[effect]\nmode = 'background'\nbackground = '/{MISSING}'\n")
        controller = SessionController(live, FakeProcessorFactory(), layers, choices)
        recorder = Recorder(live.audience, live.format, lambda: live.paused)
        requests = commands(controller) | preset_commands(PresetSwitcher(controller, presets)) | recording_commands(recorder)
        requests |= room_commands(controller, recorder)
        server = ControlServer(folder / "s", requests, timeout=30)
        server.start()
        with running(live) as exits:
            wait_for(lambda: sink.people > 3, "the first pictures")
            recorder.start(RecordingOptions(path=folder / "storm.mkv"))
            yield Storm(folder / "s", sink, controller, folder / "config.toml", exits)
            recorder.close()
        server.close()
        shown = recorded_pictures(folder / "storm.mkv")
        assert len(shown) > 20
        assert not any(contains_room(picture) for picture in shown)


def request(command: object, arguments: object = None) -> bytes:
    output = {"version": VERSION, "command": command}
    return json.dumps(output if arguments is None else output | {"arguments": arguments}).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLAIN = ["on", "off", "toggle", "pause", "resume", "reload", "next_preset", "pause_or_resume"]
PRESET_COMMANDS = ["use_preset", "save_preset", "delete_preset"]
PRESETS = ["office", "presentation", "damaged", "gone", "none", "mine", "../config"]
NAMES = st.sampled_from([*PLAIN, *PRESET_COMMANDS, "mode", "background", "set", "stop", "status", "zebra"]) | st.text(max_size=8)
BACKGROUNDS = ["#ff0000", "#204060", f"/{MISSING}"]
SETTINGS: dict[str, Sequence[object]] = {
    "effect.mode": ["matte", "portrait", "none", "cutout"],
    "effect.blur": ["0.1", 0.2, "wide"],
    "effect.background": BACKGROUNDS,
    "camera.device": ["auto", "C920", "gone.mp4"],
    "camera.mirror": ["true", False],
    "model.name": ["livebg-u2", f"/{BROKEN}"],
    "output.size": ["64x48"],
}
VALID = st.one_of(
    st.sampled_from(PLAIN).map(request),
    st.sampled_from(PLAIN).map(request),
    st.sampled_from(["portrait", "greenscreen", "matte", "background"]).map(lambda mode: request("mode", {"mode": mode})),
    st.sampled_from(BACKGROUNDS).map(lambda name: request("background", {"background": name})),
    st.builds(lambda each, name: request(each, {"name": name}), st.sampled_from(PRESET_COMMANDS), st.sampled_from(PRESETS)),
    st.sampled_from([(key, value) for key, values in SETTINGS.items() for value in values]).map(
        lambda pair: request("set", {"settings": dict([pair])})
    ),
)
GARBAGE = st.one_of(
    st.binary(max_size=200).map(lambda value: value.replace(b"\n", b"")),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.builds(request, NAMES | JSON, JSON),
    st.builds(request, st.sampled_from(["mode", "background"]), st.fixed_dictionaries({"mode": JSON}, optional={"x": JSON})),
    st.builds(request, st.sampled_from(PRESET_COMMANDS), st.fixed_dictionaries({"name": JSON}, optional={"x": JSON})),
    st.builds(request, st.just("background"), st.fixed_dictionaries({"background": JSON})),
    st.builds(
        request,
        st.just("set"),
        st.fixed_dictionaries(
            {"settings": st.dictionaries(st.sampled_from(settable_keys()) | st.text(max_size=9), JSON, max_size=3)}
        ),
    ),
)
PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.02])
"""Seconds between two messages: some for the camera's next frame to come."""
FILES = st.sampled_from([None, None, "", "[effect]\nblur = 0.3\n", '[effect]\nmode = "none"\n', "[effect", "\x00"])


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate])  # a failing run cannot be repeated
@given(
    st.lists(st.tuples(st.one_of(VALID, GARBAGE), PAUSES, FILES), min_size=LENGTH, max_size=LENGTH),
)
def test_room_stays_hidden_and_every_message_is_answered(storm: Storm, messages: list[tuple[bytes, float, str | None]]) -> None:
    with LineClient(storm.path) as caller:
        for message, pause, file in messages:
            if file is not None:
                storm.config.write_text(file)
            storm.send(caller, message)
            time.sleep(pause)
    storm.look_back()
    assert storm.exits == []


def test_storm_was_large_and_output_never_stopped(storm: Storm, capsys: pytest.CaptureFixture[str]) -> None:
    """After the test above; and the observer has seen what there was to see."""
    assert storm.messages >= 1000
    assert any(map(shows_room, storm.sink.composites))
    assert any(map(is_green, storm.sink.composites))
    with capsys.disabled():
        print(f"\n{storm.messages} messages, longest silence {storm.sink.longest_silence:.3f} s")  # noqa: T201
    assert storm.sink.longest_silence < SILENCE
    with LineClient(storm.path) as caller:
        for command in ("resume", "on"):
            assert storm.send(caller, request(command))["ok"] is True
    since = len(storm.sink.composites)
    wait_for(lambda: any(map(is_green, storm.sink.composites[since:])), "the person, after all of it")
    storm.look_back()


def test_1000_messages_leave_no_threads_or_descriptors(storm: Storm) -> None:
    storm.config.write_text("")
    messages = [request(command) for command in PLAIN] + [b"garbage", request("zebra"), request("mode", {"mode": "matte"})]
    messages += [request("set", {"settings": {"camera.mirror": mirror}}) for mirror in (True, False)]

    def send(count: int) -> tuple[int, int]:
        for number in range(count):
            with LineClient(storm.path) as caller:
                storm.send(caller, messages[number % len(messages)])
        assert clients_are_gone()
        return threading.active_count(), open_files()

    threads, files = send(22)
    after = send(1001)
    assert after[0] <= threads
    assert after[1] <= files + 2  # a camera may be opened or closed at this moment
    storm.look_back()
