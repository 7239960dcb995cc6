"""End-to-end tests of the tray: icon in a panel, menu clicks over D-Bus, effect on the camera."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from livebg.daemon.client import request
from livebg.daemon.protocol import VERSION
from livebg.daemon.runtime_dir import running_pid
from livebg.errors import NotRunningError, SourceError
from livebg.setup.resources import AUTOSTART
from livebg.tray.backend import import_system_gi
from livebg.tray.icon import load_image
from livebg.tray.status_view import TrayState
from tests.support.cli_runner import Workshop
from tests.support.fake_daemon import DEADLINE, LIVE, Daemon, runtime_folder_of_ones_own
from tests.support.media import Clip
from tests.support.photos import save_photo
from tests.support.tray_desktop import PATIENCE, Panel, Person, Portal, missing_tools, session_bus, x_server

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(missing_tools() is not None, reason=missing_tools() or ""),
    pytest.mark.skipif(not import_system_gi(), reason="PyGObject (python3-gi) is not installed for this Python"),
]
HIDE = "Hide the room"


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as display:
        yield display


@pytest.fixture
def desk(shop: Workshop, display: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    for name in ("WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP", "PYSTRAY_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("NO_AT_BRIDGE", "1")
    with runtime_folder_of_ones_own(monkeypatch), session_bus({"DISPLAY": display}) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield shop


@pytest.fixture
def panel(desk: Workshop) -> Iterator[Panel]:  # noqa: ARG001 - it comes first
    panel = Panel(os.environ["DBUS_SESSION_BUS_ADDRESS"])
    yield panel
    panel.close()


@pytest.fixture
def person(panel: Panel) -> Iterator[Person]:
    person = Person(panel)
    yield person
    person.close()


class TrayProcess:
    """A ``livebg tray`` process whose output is captured."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "livebg", "tray", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, with_signal: int = signal.SIGINT) -> tuple[int, str]:
        """Stop it and return exit code and output."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.awaited()

    def awaited(self) -> tuple[int, str]:
        said = self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode, said


StartTray = Callable[..., TrayProcess]


@pytest.fixture
def start_tray(desk: Workshop) -> Iterator[StartTray]:
    """Start trays. The fixture stops them and the daemons they started."""
    assert desk
    trays: list[TrayProcess] = []

    def start(*options: str) -> TrayProcess:
        trays.append(TrayProcess(*options))
        return trays[-1]

    yield start
    for tray in trays:
        tray.process.kill()
        tray.process.communicate()
    pid = running_pid()
    if pid and pid != os.getpid():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def tray(start_tray: StartTray) -> TrayProcess:
    return start_tray()


CONFIG = """
camera.device = "{camera}"
output.backend = "null"
model.name = "{model}"
"""


def configure(desk: Workshop, camera: str) -> None:
    """Write the configuration for a daemon that the tray starts."""
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "livebg"
    folder.mkdir(parents=True)
    text = CONFIG.format(camera=desk.folder / camera, model=desk.folder / "toy.onnx")
    (folder / "config.toml").write_text(text)


@pytest.fixture
def whole_desk(desk: Workshop) -> Workshop:
    Clip(count=50).write(desk.folder / "clip.mp4")
    configure(desk, "clip.mp4")
    return desk


@pytest.fixture
def broken_desk(desk: Workshop) -> Workshop:
    configure(desk, "nowhere.mp4")
    return desk


def seen_mode() -> str:
    return str(request("status")["mode"])


def answers() -> bool:
    try:
        request("status")
    except NotRunningError:
        return False
    return True


def state_is(state: str) -> bool:
    return bool(request("status")["state"] == state)


@pytest.fixture
def daemon(desk: Workshop) -> "Iterator[subprocess.Popen[bytes]]":
    """A real daemon with a video clip as its camera."""
    Clip(count=50).write(desk.folder / "clip.mp4")
    words = ["run", "--camera", "clip.mp4", "--output", "null", "--model", "toy.onnx"]
    process = subprocess.Popen([sys.executable, "-m", "livebg", *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while not answers():  # otherwise the tray would start a daemon
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait(DEADLINE)


def green_share(desk: Workshop) -> float:
    """Return the share of green pixels in the current output."""
    assert desk.livebg("snapshot", "green.png", "--overwrite").code == 0
    with Image.open(desk.folder / "green.png") as taken:
        screen = np.asarray(taken.convert("RGB"), int)
    return float(((screen[..., 1] > 200) & (screen[..., 0] < 60) & (screen[..., 2] < 60)).mean())


def test_a_click_changes_what_others_see(
    daemon: "subprocess.Popen[bytes]", tray: TrayProcess, person: Person, desk: Workshop
) -> None:
    person.await_icon()
    person.until(lambda: person.title() == "livebg: Live: background blurred")
    assert daemon.poll() is None
    person.until(lambda: person.picture() == load_image(TrayState.LIVE))
    assert person.line(HIDE).checked

    person.click("Mode", "Green screen")
    person.until(lambda: person.title() == "livebg: Live: solid-color background")
    assert seen_mode() == "greenscreen"
    person.until(lambda: green_share(desk) > 0.1)  # on a busy machine the placeholder may be sent in between
    assert person.line("Mode", "Green screen").checked
    assert not person.line("Mode", "Blur").checked

    person.click("Background", "Dusk")
    person.until(lambda: person.line("Background", "Dusk").checked is True)
    assert request("status")["effect"]["background"] == "dusk"

    person.click("Blur", "Strong")
    person.until(lambda: person.line("Blur", "Strong").checked is True)
    assert request("status")["effect"]["blur"] == 0.05

    person.click(HIDE)
    person.until(lambda: person.picture() == load_image(TrayState.EFFECT_OFF))
    assert seen_mode() == "none"
    person.until(lambda: person.title() == "livebg: Effect off: your room is visible")
    person.click(HIDE)
    person.until(lambda: person.line(HIDE).checked is True)
    assert seen_mode() == "background"

    person.click("Pause camera")
    person.until(lambda: person.picture() == load_image(TrayState.PAUSED))
    assert state_is("paused")
    assert desk.livebg("resume").code == 0  # by another program
    person.until(lambda: person.line("Pause camera").checked is False)
    person.click("Quit tray icon")
    assert tray.awaited() == (0, "")
    assert person.sees_no_icon()
    assert request("status")["state"] in ("live", "waking")  # the daemon keeps running


def test_a_livebg_that_is_killed_and_comes_back(daemon: "subprocess.Popen[bytes]", tray: TrayProcess, person: Person) -> None:
    person.await_icon()
    person.until(lambda: person.title().startswith("livebg: Live:"))
    daemon.kill()
    person.until(lambda: person.title() == "livebg is not running")
    person.until(lambda: person.picture() == load_image(TrayState.NOT_RUNNING))
    person.until(lambda: not person.line("Mode").enabled)
    with Daemon(LIVE):
        person.until(lambda: person.title().startswith("livebg: Live:"))
        person.until(lambda: person.line("Mode").enabled)
    assert tray.end() == (0, "")


def test_it_starts_livebg_and_ends_it_with_itself(whole_desk: Workshop, start_tray: StartTray, person: Person) -> None:
    """Without systemd the tray starts a process. The clip and the network come from the configuration."""
    assert whole_desk
    tray = start_tray()
    person.await_icon()
    person.until(lambda: person.title().startswith("livebg: Live:"))
    assert state_is("live")
    person.until(lambda: person.line("Stop livebg and quit").enabled)
    person.click("Stop livebg and quit")
    assert tray.awaited() == (0, "")
    deadline = time.monotonic() + PATIENCE
    while running_pid() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_livebg_that_does_not_start_is_told_with_its_reason(
    broken_desk: Workshop, start_tray: StartTray, person: Person
) -> None:
    assert broken_desk
    tray = start_tray()
    person.await_icon()
    person.until(lambda: any("nowhere.mp4" in label for label in person.labels()))
    assert person.title() == "livebg is not running"
    assert person.line("Start livebg").enabled
    code, said = tray.end(signal.SIGTERM)
    assert code == 0
    assert "livebg did not start: " in said


def test_another_protocol_version_and_back(
    start_tray: StartTray, desk: Workshop, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon with a newer protocol version is running, then one with the current version."""
    assert desk
    with monkeypatch.context() as patch:
        patch.setattr("livebg.daemon.protocol.VERSION", VERSION + 1)
        with Daemon(LIVE):
            tray = start_tray()
            person.await_icon()
            person.until(lambda: person.title() == "livebg was updated. Restart it.")
            person.until(lambda: person.picture() == load_image(TrayState.RESTART_NEEDED))
            assert person.line("Restart livebg").enabled
    with Daemon(LIVE):
        person.until(lambda: person.title() == "livebg: Live: background blurred")
        assert tray.end() == (0, "")


def test_at_login_or_not(start_tray: StartTray, desk: Workshop, person: Person) -> None:
    entry = Path(os.environ["XDG_CONFIG_HOME"]) / AUTOSTART
    with Daemon(LIVE):
        tray = start_tray()
        person.await_icon()
        person.click("Show this icon at login")
        person.until(lambda: person.line("Show this icon at login").checked is True)
        assert "tray --wait 60\n" in entry.read_text()
        person.click("Show this icon at login")
        person.until(lambda: person.line("Show this icon at login").checked is False)
        assert not entry.exists()
        assert tray.end(signal.SIGHUP) == (0, "")
    assert desk.livebg("status").code == 6


def test_what_livebg_refuses_is_told_and_forgotten_with_the_next_click(
    start_tray: StartTray, desk: Workshop, person: Person
) -> None:
    assert desk

    def refuse(_arguments: Any) -> Any:
        raise SourceError("the network is damaged: pull it again")

    with Daemon(LIVE, more={"mode": refuse, "pause": lambda _arguments: {}}):
        tray = start_tray()
        person.await_icon()
        person.click("Mode", "Matte only")
        person.until(lambda: "✗ the network is damaged: pull it again" in person.labels())
        person.click("Pause camera")
        person.until(lambda: "✗ the network is damaged: pull it again" not in person.labels())
        code, said = tray.end()
    assert code == 0
    assert "damaged" in said


def test_a_chosen_picture_becomes_the_background(
    start_tray: StartTray, daemon: "subprocess.Popen[bytes]", desk: Workshop, person: Person
) -> None:
    assert daemon.poll() is None
    save_photo(desk.folder / "my beach.png")
    uri = (desk.folder / "my beach.png").as_uri()
    with Portal(os.environ["DBUS_SESSION_BUS_ADDRESS"], [uri]):
        tray = start_tray()
        person.await_icon()
        person.until(lambda: person.line("Mode").enabled)
        person.click("Background", "Choose an image...")
        person.until(lambda: request("status")["effect"]["background"] == f"{desk.folder}/my beach.png")
        person.until(lambda: ("my beach.png", True) in [(line.label, line.checked) for line in person.line("Background").lines])
    assert seen_mode() == "background"
    assert tray.end() == (0, "")


def test_a_second_icon_says_that_there_is_one(start_tray: StartTray, desk: Workshop, person: Person) -> None:
    with Daemon(LIVE):
        tray = start_tray()
        person.await_icon()
        said = desk.process("tray")
        assert (said.code, said.sentence) == (2, f"The tray icon is already running (pid {tray.process.pid}). Use that one.")
        assert tray.end() == (0, "")


def test_a_desktop_without_a_tray(desk: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    said = desk.process("tray", "--wait", "0")
    assert (said.code, said.sentence.partition(". ")[0]) == (8, "This desktop shows no tray icons")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "ubuntu:GNOME")
    assert "gnome-shell-extension-appindicator" in desk.process("tray", "--wait", "0").sentence


def test_a_panel_that_starts_later_is_waited_for(start_tray: StartTray, desk: Workshop) -> None:
    assert desk
    with Daemon(LIVE):
        tray = start_tray("--wait", "30")
        time.sleep(1)
        assert tray.process.poll() is None
        panel = Panel(os.environ["DBUS_SESSION_BUS_ADDRESS"])
        person = Person(panel)
        person.await_icon()
        person.until(lambda: person.title().startswith("livebg: Live:"))
        assert tray.end() == (0, "")
        person.close()
        panel.close()
