"""The daemon as a whole, in this process: what pauses it, and what a pause turns off."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest

from livebg.daemon.app import run_camera
from livebg.daemon.client import request
from livebg.daemon.controller import SessionController
from livebg.daemon.runtime_dir import hold_lock
from livebg.daemon.saved_choices import SavedChoices
from livebg.daemon.server import Command
from livebg.daemon.settings_layers import SettingsLayers
from livebg.live.recorder import Recorder, RecordingOptions
from livebg.live.threads import WorkerThread
from livebg.sinks.recording import RecordingFile
from tests.support.cli_runner import unset_variables
from tests.support.live_session import PATIENCE, wait_for
from tests.support.media import Clip
from tests.support.microphones import is_running, noting_its_pid, write_program
from tests.support.toy_network import ToyNetwork

jeepney = pytest.importorskip("jeepney", reason="D-Bus is Linux's")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, runtime: Path) -> Iterator[None]:  # noqa: ARG001 - its variables
    unset_variables(monkeypatch)
    for bus in ("SESSION", "SYSTEM"):
        monkeypatch.setenv(f"DBUS_{bus}_BUS_ADDRESS", "unix:path=/nowhere/bus")
    threads = cv2.getNumThreads()  # the daemon changes it
    yield
    cv2.setNumThreads(threads)


@contextmanager
def daemon(folder: Path, **settings: object) -> Iterator[tuple[SessionController, Recorder]]:
    """Run a daemon inside the ``with`` block. Yields its controller and recorder."""
    files = {
        "camera.device": str(Clip(count=50).write(folder / "clip.mp4")),
        "model.name": str(ToyNetwork().write(folder / "toy.onnx")),
    }
    more = {key.replace("__", "."): value for key, value in settings.items()}
    layers = SettingsLayers.start({**files, "output.backend": "null", **more}, None, {})
    parts, started = list[tuple[SessionController, Recorder]](), threading.Event()

    def keep_parts(controller: SessionController, recorder: Recorder) -> dict[str, Command]:
        parts.append((controller, recorder))
        return {}

    with hold_lock() as place:
        choices = SavedChoices(folder / "choices.json")
        thread = WorkerThread("daemon", lambda: run_camera(place, layers, choices, None, keep_parts, {}, lambda _: started.set()))
        thread.start()
        wait_for(lambda: started.is_set() or thread.error, "the start")
        if thread.error is not None:
            raise thread.error
        try:
            yield parts[0]
        finally:
            request("stop", timeout=PATIENCE)
            thread.join(PATIENCE)
        assert not thread.is_alive()


def test_pause_turns_the_microphone_off_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the disk hangs, so that the recorder does nothing."""
    release, send = threading.Event(), RecordingFile.send

    def hang(file: RecordingFile, *arguments: object) -> None:
        release.wait(PATIENCE)
        send(file, *arguments)  # type: ignore[arg-type]

    write_program(tmp_path / "parec", noting_its_pid(tmp_path / "pid"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(RecordingFile, "send", hang)
    with daemon(tmp_path) as (controller, recorder):
        recorder.start(RecordingOptions(path=tmp_path / "a.mkv", audio="default"))
        assert is_running(tmp_path / "pid")
        controller.pause()
        assert not is_running(tmp_path / "pid")
        release.set()


def test_recording_that_starts_during_a_pause_turns_no_microphone_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(tmp_path / "parec", noting_its_pid(tmp_path / "pid"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with daemon(tmp_path) as (controller, recorder):
        controller.pause()
        recorder.start(RecordingOptions(path=tmp_path / "a.mkv", audio="default"))
        wait_for(lambda: recorder.status is not None and recorder.status.frames > 0, "the placeholder")
        assert not (tmp_path / "pid").exists()


@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")
def test_locked_screen_pauses_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.screen_saver import FakeScreenSaver
    from tests.support.tray_desktop import session_bus

    with session_bus({}) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        saver = FakeScreenSaver(address, "org.gnome.ScreenSaver")
        with daemon(tmp_path, output__pause_on_lock=True) as (controller, _):

            def paused() -> bool:
                saver.send(True)  # again, since listening starts asynchronously
                return controller.result().paused

            wait_for(paused, "the pause")
            assert controller.status().reason == "The screen is locked. Unlock it to resume."
            saver.send(False)
            wait_for(lambda: not controller.result().paused, "the end of the pause")
        saver.close()
