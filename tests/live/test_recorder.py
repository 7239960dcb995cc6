"""Recordings of a live session: what apps see, thinned if need be, never the room without consent, never at the call's cost."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.compositing.composite import Consent
from livebg.errors import ConfigError, LivebgError, SinkError, SourceError
from livebg.live.frame_path import OutputFrame
from livebg.live.preview_feed import PreviewFeed
from livebg.live.recorder import Recorder, RecordingOptions
from livebg.live.stats import RecordingStatus
from livebg.pipeline import Passthrough
from livebg.sinks.recording import RecordingFile
from livebg.sources.microphone import Microphone, recorder_command
from tests.support.live_recording import contains_room, recorded_pictures, shows_green
from tests.support.live_session import PATIENCE, state, wait_for
from tests.support.microphones import FAKE_PAREC, is_running, noting_its_pid, write_program
from tests.support.pipeline_fakes import HandClock
from tests.support.preview_session import PreviewSession
from tests.support.sink_contract import composite
from tests.support.sink_files import FORMAT


@pytest.fixture
def parec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A microphone that records a tone as `parec` does."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "parec"
    write_program(program)
    monkeypatch.setenv("PATH", str(programs))
    return program


def recorder_of(session: PreviewSession) -> Recorder:
    live = session.live
    recorder = Recorder(live.audience, live.format, lambda: live.paused)
    live.on_pause = recorder.mute
    return recorder


def loudness(path: Path) -> list[tuple[float, float]]:
    """Time in seconds and mean absolute level, 0..1, of each block of sound."""
    with av.open(str(path)) as file:
        return [(float(frame.time or 0), float(np.abs(frame.to_ndarray()).mean())) for frame in file.decode(audio=0)]


def options(path: Path, *, seconds: float | None = None, audio: str | None = None) -> RecordingOptions:
    return RecordingOptions(path=path, seconds=seconds, audio=audio)


def frames_written(recorder: Recorder, count: int) -> Callable[[], bool]:
    return lambda: recorder.status is not None and recorder.status.frames >= count


@pytest.mark.parametrize("name", ["talk.mkv", "talk.mp4"])
def test_recording_contains_what_apps_see(runtime: Path, tmp_path: Path, name: str) -> None:
    session, path = PreviewSession(runtime), tmp_path / name
    recorder = recorder_of(session)
    with session.on():
        assert state(session.live) == "asleep"
        recorder.start(options(path))
        wait_for(lambda: state(session.live) == "live", "a composite: the recording counts as watching")
        wait_for(frames_written(recorder, 20), "twenty frames")
        done = recorder.stop()
        wait_for(lambda: not session.camera_open, "the camera's end")
    shown = recorded_pictures(path)
    assert done.frames == len(shown)
    assert not done.active
    assert done.problem is None
    assert any(shows_green(picture) for picture in shown)
    assert not any(contains_room(picture) for picture in shown)


def test_recording_ends_after_given_seconds(runtime: Path, tmp_path: Path) -> None:
    session = PreviewSession(runtime)
    recorder = recorder_of(session)
    with session.on():
        recorder.start(options(tmp_path / "a.mkv", seconds=0.5))
        wait_for(lambda: recorder.status is None, "the end")
        assert recorder.stop().seconds >= 0.5
    assert len(recorded_pictures(tmp_path / "a.mkv")) > 3


def test_recording_without_picture_leaves_no_file(runtime: Path, tmp_path: Path) -> None:
    recorder = recorder_of(PreviewSession(runtime))  # the session does not run
    recorder.start(options(tmp_path / "a.mkv"))
    done = recorder.stop()
    assert done.frames == 0
    assert "before the first picture" in (done.problem or "")
    assert not list(tmp_path.iterdir())


def test_session_end_completes_recording(runtime: Path, tmp_path: Path) -> None:
    session = PreviewSession(runtime)
    recorder = recorder_of(session)
    with session.on():
        recorder.start(options(tmp_path / "a.mp4"))
        wait_for(frames_written(recorder, 5), "five frames")
    wait_for(lambda: recorder.status is None, "the end")
    assert len(recorded_pictures(tmp_path / "a.mp4")) == recorder.stop().frames


class ScriptedFeed(PreviewFeed):
    """Delivers frames at their times, in seconds of the clock, and then ends."""

    def __init__(self, script: Iterable[tuple[float, OutputFrame]], clock: HandClock) -> None:
        super().__init__(lambda _: None, lambda _: True)
        self._script, self._clock = enumerate(script), clock

    def wait_for_newer(self, after: int | None, timeout: float) -> OutputFrame | None:  # noqa: ARG002
        number, (seconds, frame) = next(self._script, (0, (0.0, None)))
        if frame is None:
            self.close()
            return None
        self._clock.seconds = seconds
        return replace(frame, number=number)


def test_repeated_picture_lasts_without_being_encoded_each_time(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.mkv", HandClock(0)
    dark, bright = (OutputFrame(composite(0, luma=luma)) for luma in (60, 200))
    feed = ScriptedFeed([(number / 10, dark if number < 20 else bright) for number in range(30)], clock)
    recorder = Recorder(feed, FORMAT, lambda: False, clock)
    recorder.start(options(path))
    wait_for(lambda: recorder.status is None, "the end")
    with av.open(str(path)) as file:
        shown = [(round(float(frame.time or 0), 3), int(frame.to_ndarray()[8, 8]) > 130) for frame in file.decode(video=0)]
    assert [time for time, is_bright in shown if not is_bright] == [0, 0.5, 1, 1.5]
    assert [time for time, is_bright in shown if is_bright] == [2, 2.5, 2.9]
    assert recorder.stop().frames == len(shown)


class TestRoom:
    """The effect is off, with consent: apps see the room."""

    @pytest.fixture
    def session(self, runtime: Path) -> PreviewSession:
        return PreviewSession(runtime, build=lambda: Passthrough(Consent("test")))

    def test_recording_shows_placeholder_instead_of_room(self, session: PreviewSession, tmp_path: Path) -> None:
        recorder = recorder_of(session)
        with session.on():
            recorder.start(options(tmp_path / "a.mkv"))
            wait_for(lambda: state(session.live) == "live", "the room")
            wait_for(frames_written(recorder, 20), "twenty frames")
            recorder.stop()
        assert any(contains_room(picture.data) for picture in session.sink.composites)
        assert not any(contains_room(picture) for picture in recorded_pictures(tmp_path / "a.mkv"))

    def test_consent_records_room(self, session: PreviewSession, tmp_path: Path) -> None:
        recorder = recorder_of(session)
        with session.on():
            recorder.start(options(tmp_path / "a.mkv"), Consent("test"))
            wait_for(lambda: state(session.live) == "live", "the room")
            wait_for(frames_written(recorder, 20), "twenty frames")
            recorder.stop()
        assert any(contains_room(picture) for picture in recorded_pictures(tmp_path / "a.mkv"))


class TestFailures:
    def test_only_one_recording_at_a_time(self, runtime: Path, tmp_path: Path) -> None:
        session = PreviewSession(runtime)
        recorder = recorder_of(session)
        with session.on():
            recorder.start(options(tmp_path / "a.mkv"))
            with pytest.raises(ConfigError, match=r"already records .*a\.mkv"):
                recorder.start(options(tmp_path / "b.mkv"))
            recorder.stop()
        assert not (tmp_path / "b.mkv").exists()

    def test_stop_without_recording_fails(self, runtime: Path) -> None:
        with pytest.raises(ConfigError, match="not recording"):
            recorder_of(PreviewSession(runtime)).stop()

    @pytest.mark.parametrize(
        ("name", "error"), [("a.avi", ConfigError), ("missing/a.mkv", SinkError), ("old.mkv", SinkError)], ids=str
    )
    def test_unusable_file_is_refused(self, runtime: Path, tmp_path: Path, name: str, error: type[LivebgError]) -> None:
        (tmp_path / "old.mkv").write_text("old")
        recorder = recorder_of(PreviewSession(runtime))
        with pytest.raises(error):
            recorder.start(options(tmp_path / name))
        assert recorder.status is None
        assert (tmp_path / "old.mkv").read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["old.mkv"]

    def test_full_disk_ends_recording_but_not_call(self, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        session = PreviewSession(runtime)
        recorder = recorder_of(session)

        def fail(*_: object) -> None:
            raise SinkError("Cannot write a.mkv: no space left on device.", "Free some disk space, or choose another folder.")

        with session.on():
            recorder.start(options(tmp_path / "a.mkv"))
            wait_for(lambda: state(session.live) == "live", "a composite")
            monkeypatch.setattr(RecordingFile, "send", fail)
            wait_for(lambda: recorder.status is None, "the end of the recording")
            sent = len(session.sink.composites)
            with session.channel() as channel:
                wait_for(lambda: bool(channel.next_frame(("composite",)).pictures), "a picture")
            assert len(session.sink.composites) > sent
        assert "no space left" in (recorder.stop().problem or "")

    def test_slow_encoder_thins_recording_but_not_call(
        self, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = PreviewSession(runtime)
        recorder = recorder_of(session)
        release, send = threading.Event(), RecordingFile.send

        def slow(file: RecordingFile, *arguments: object) -> None:
            release.wait(20)
            send(file, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(RecordingFile, "send", slow)
        with session.on():
            recorder.start(options(tmp_path / "a.mkv"))
            wait_for(lambda: state(session.live) == "live", "a composite")
            sent = len(session.sink.composites)
            wait_for(lambda: len(session.sink.composites) > sent + 20, "the call goes on")
            assert recorder.status is not None
            assert recorder.status.frames == 0
            release.set()
            wait_for(frames_written(recorder, 2), "two frames")
            recorder.stop()
            assert recorder.stop().frames < len(session.sink.composites)


class TestMicrophone:
    @pytest.mark.usefixtures("parec")
    def test_pause_and_lock_silence_microphone(self, runtime: Path, tmp_path: Path) -> None:
        session, path = PreviewSession(runtime), tmp_path / "a.mkv"
        recorder = recorder_of(session)
        with session.on():
            recorder.start(options(path, audio="default"))
            wait_for(lambda: is_recording_for(recorder, 1.5), "sound")
            session.live.lock(True)
            paused_at = seconds(recorder)
            wait_for(lambda: is_recording_for(recorder, paused_at + 1.5), "the pause")
            assert not microphones()
            session.live.resume()
            resumed_at = seconds(recorder)
            wait_for(lambda: is_recording_for(recorder, resumed_at + 1.5), "sound again")
            done = recorder.stop()
            assert not microphones()
        assert done.audio == "default"
        levels = loudness(path)
        assert max(level for time, level in levels if time < paused_at) > 0.1
        assert max(level for time, level in levels if paused_at + 0.5 < time < resumed_at - 0.3) < 0.01
        assert max(level for time, level in levels if time > resumed_at + 0.5) > 0.1

    def test_microphone_that_ends_leaves_picture(self, runtime: Path, tmp_path: Path, parec: Path) -> None:
        parec.write_text(FAKE_PAREC.replace("while True:", "for _ in range(5):"))
        session = PreviewSession(runtime)
        recorder = recorder_of(session)
        with session.on():
            recorder.start(options(tmp_path / "a.mkv", audio="default"))
            wait_for(lambda: recorder.status is not None and recorder.status.problem is not None, "the problem")
            assert recorder.status is not None
            assert recorder.status.audio is None
            count = recorder.status.frames
            wait_for(frames_written(recorder, count + 5), "more frames")
            assert "without sound" in (recorder.stop().problem or "")

    def test_pause_turns_microphone_off_before_it_returns(
        self, runtime: Path, tmp_path: Path, parec: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even if the disk hangs, so that the recorder does nothing."""
        session, release, send = PreviewSession(runtime), threading.Event(), RecordingFile.send
        recorder = recorder_of(session)
        parec.write_text(noting_its_pid(tmp_path / "pid"))

        def hang(file: RecordingFile, *arguments: object) -> None:
            release.wait(20)
            send(file, *arguments)  # type: ignore[arg-type]

        with session.on():
            monkeypatch.setattr(RecordingFile, "send", hang)
            recorder.start(options(tmp_path / "a.mkv", audio="default"))
            assert is_running(tmp_path / "pid")
            session.live.pause()
            assert not is_running(tmp_path / "pid")
            release.set()
            assert recorder.stop().problem is None

    def test_pause_turns_off_a_microphone_that_is_being_checked(self, runtime: Path, tmp_path: Path, parec: Path) -> None:
        """The recording has not begun yet, so nothing watches: the pause changes nothing else."""
        silent = FAKE_PAREC.split("while True:")[0] + f"time.sleep({PATIENCE})\n"
        write_program(parec, noting_its_pid(tmp_path / "pid", silent))
        session = PreviewSession(runtime)
        recorder = recorder_of(session)
        with session.on():
            starting = threading.Thread(target=lambda: recorder.start(options(tmp_path / "a.mkv", audio="default")))
            starting.start()
            wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the microphone")
            session.live.pause()
            assert not is_running(tmp_path / "pid")
            starting.join(PATIENCE)
            recorder.close()

    def test_recording_that_cannot_start_leaves_the_microphone_off(self, runtime: Path, tmp_path: Path, parec: Path) -> None:
        write_program(parec, noting_its_pid(tmp_path / "pid"))
        (tmp_path / "old.mkv").write_text("old")
        with pytest.raises(SinkError):
            recorder_of(PreviewSession(runtime)).start(options(tmp_path / "old.mkv", audio="default"))
        assert not is_running(tmp_path / "pid")

    def test_microphone_is_off_during_a_pause_that_did_not_mute_it(self, tmp_path: Path, parec: Path) -> None:
        write_program(parec, noting_its_pid(tmp_path / "pid"))
        paused = threading.Event()
        recorder = Recorder(PreviewFeed(lambda _: None, lambda _: True), FORMAT, paused.is_set)
        recorder.start(options(tmp_path / "a.mkv", audio="default"))
        assert is_running(tmp_path / "pid")
        paused.set()
        wait_for(lambda: not is_running(tmp_path / "pid"), "the microphone's end")
        recorder.close()

    @pytest.mark.usefixtures("parec")
    def test_microphone_survives_short_pauses(self, runtime: Path, tmp_path: Path) -> None:
        session = PreviewSession(runtime)
        recorder = recorder_of(session)
        with session.on():
            recorder.start(options(tmp_path / "a.mkv", audio="default"))
            for _ in range(20):
                session.live.pause()
                session.live.resume()
                time.sleep(0.02)
            done = recorder.stop()
        assert (done.audio, done.problem) == ("default", None)

    def test_unknown_microphone_is_refused_with_reason(self, runtime: Path, tmp_path: Path, parec: Path) -> None:
        parec.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('Stream error: No such entity')\n")
        with pytest.raises(SourceError, match=r"Cannot record the microphone \(Stream error: No such entity\)"):
            recorder_of(PreviewSession(runtime)).start(options(tmp_path / "a.mkv", audio="gone"))
        assert not (tmp_path / "a.mkv").exists()

    def test_pipewire_records_no_other_microphone(self) -> None:
        command = recorder_command("usb", 48_000, lambda name: name if name == "pw-record" else None)
        assert "--properties={ node.dont-fallback = true node.dont-reconnect = true }" in command

    def test_missing_program_is_refused(self, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SourceError, match="needs parec or pw-record"):
            recorder_of(PreviewSession(runtime)).start(options(tmp_path / "a.mkv", audio="default"))
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("program", ["parec", "pw-record"])
    @pytest.mark.parametrize("source", ["default", "alsa_input.usb"])
    def test_commands_record_through_sound_server(self, program: str, source: str) -> None:
        command = recorder_command(source, 48_000, lambda name: name if name == program else None)
        assert command[0] == program
        assert any("48000" in argument for argument in command)
        assert any(source in argument for argument in command) == (source != "default")

    def test_livebg_opens_no_alsa_device(self) -> None:
        root = Path(sys.modules["livebg"].__file__ or "").parent
        for module in root.rglob("*.py"):
            assert '"alsa"' not in module.read_text("utf-8"), module


def is_recording_for(recorder: Recorder, wanted: float) -> bool:
    return seconds(recorder) >= wanted


def seconds(recorder: Recorder) -> float:
    status: RecordingStatus | None = recorder.status
    return 0.0 if status is None else status.seconds


def microphones() -> bool:
    time.sleep(0.3)  # the recorder looks at the pause every 0.1 s
    return any(b"programs/parec" in command for command in running_commands())


def running_commands() -> Iterator[bytes]:
    """The command lines of all processes."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            yield file.read_bytes()


def test_recording_whose_file_cannot_be_removed_ends(runtime: Path, tmp_path: Path) -> None:
    """Otherwise the status would name it for ever, and no other could start."""
    recorder, place = recorder_of(PreviewSession(runtime)), tmp_path / "talks"
    place.mkdir()
    recorder.start(options(place / "a.mkv"))  # the session does not run, so there is no picture to keep
    shutil.rmtree(place)
    place.touch()
    assert not recorder.stop().active
    assert recorder.status is None
    recorder.start(options(tmp_path / "b.mkv"))
    recorder.stop()


class Pausing:
    """A session whose pause arrives just after the recorder has found that there is none, once ``armed``."""

    def __init__(self) -> None:
        self.armed, self.paused, self.answered = threading.Event(), threading.Event(), threading.Event()
        self.recorder: Recorder | None = None

    def is_paused(self) -> bool:
        paused = self.paused.is_set()
        if not paused and self.armed.is_set():
            self.armed.clear()
            threading.Thread(target=self._pause).start()
            self.answered.wait(0.5)
        return paused

    def _pause(self) -> None:
        assert self.recorder is not None
        self.paused.set()
        self.recorder.mute()
        self.answered.set()


@pytest.mark.parametrize("starting", [True, False])
@pytest.mark.usefixtures("parec")
def test_microphone_is_never_started_after_a_pause(tmp_path: Path, starting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pause, started_late = Pausing(), list[str]()
    start = Microphone.start

    def record_start(microphone: Microphone) -> None:
        if pause.answered.is_set():
            started_late.append("started")
        start(microphone)

    monkeypatch.setattr(Microphone, "start", record_start)
    recorder = pause.recorder = Recorder(PreviewFeed(lambda _: None, lambda _: True), FORMAT, pause.is_paused)
    if starting:
        pause.armed.set()
        with suppress(SourceError):  # there may be no sound before the pause
            recorder.start(options(tmp_path / "a.mkv", audio="default"))
    else:
        pause.paused.set()
        recorder.start(options(tmp_path / "a.mkv", audio="default"))
        pause.armed.set()
        pause.paused.clear()
    assert pause.answered.wait(PATIENCE)
    recorder.close()
    assert started_late == []
