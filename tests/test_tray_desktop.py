"""The tray as a person meets it: the icon in a panel, its menu clicked over D-Bus, the camera that follows."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from livebg.errors import NotRunningError
from livebg.live.client import ask
from livebg.tray.pictures import draw
from livebg.tray.place import borrow_introspection
from livebg.tray.view import TrayState
from tests.command import Workshop
from tests.daemon import DEADLINE, LIVE, Daemon, runtime_folder_of_ones_own
from tests.media import Clip
from tests.tray_desktop import PATIENCE, Panel, Person, missing_tools, session_bus, x_server

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(missing_tools() is not None, reason=missing_tools() or ""),
    pytest.mark.skipif(not borrow_introspection(), reason="no PyGObject for this Python (python3-gi)"),
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
    """``livebg tray``; what it says is kept."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "livebg", "tray", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, with_signal: int = signal.SIGINT) -> tuple[int, str]:
        """Its exit code, and what it said."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.awaited()

    def awaited(self) -> tuple[int, str]:
        said = self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode, said


@pytest.fixture
def tray() -> Iterator[TrayProcess]:
    tray = TrayProcess()
    yield tray
    tray.process.kill()
    tray.process.communicate()


def seen_mode() -> str:
    return str(ask("status")["mode"])


def answers() -> bool:
    try:
        ask("status")
    except NotRunningError:
        return False
    return True


def state_is(state: str) -> bool:
    return bool(ask("status")["state"] == state)


@pytest.fixture
def daemon(desk: Workshop) -> "Iterator[subprocess.Popen[bytes]]":
    """The real one, with a clip in the camera's place."""
    Clip(count=50).write(desk.folder / "clip.mp4")
    words = ["run", "--camera", "clip.mp4", "--output", "null", "--model", "toy.onnx"]
    process = subprocess.Popen([sys.executable, "-m", "livebg", *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while not answers():  # else the tray would start one
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait(DEADLINE)


def test_a_click_changes_what_others_see(
    daemon: "subprocess.Popen[bytes]", tray: TrayProcess, person: Person, desk: Workshop
) -> None:
    person.await_icon()
    person.until(lambda: person.title() == "livebg: live: you, before the room softly blurred")
    assert daemon.poll() is None
    person.until(lambda: person.picture() == draw(TrayState.LIVE))
    assert person.line(HIDE).checked

    person.click("Mode", "Green screen")
    person.until(lambda: person.title() == "livebg: live: you, before one colour")
    assert seen_mode() == "greenscreen"
    assert person.line("Mode", "Green screen").checked
    assert not person.line("Mode", "Blur").checked

    person.click("Background", "Dusk")
    person.until(lambda: person.line("Background", "Dusk").checked is True)
    assert ask("status")["effect"]["background"] == "dusk"

    person.click("Blur", "Strong")
    person.until(lambda: person.line("Blur", "Strong").checked is True)
    assert ask("status")["effect"]["blur"] == 0.05

    person.click(HIDE)
    person.until(lambda: person.picture() == draw(TrayState.EFFECT_OFF))
    assert seen_mode() == "none"
    person.until(lambda: person.title() == "livebg: effect off: the room is seen")
    person.click(HIDE)
    person.until(lambda: person.line(HIDE).checked is True)
    assert seen_mode() == "background"

    person.click("Pause: nobody sees you")
    person.until(lambda: person.picture() == draw(TrayState.PAUSED))
    assert state_is("paused")
    assert desk.livebg("resume").code == 0  # from elsewhere
    person.until(lambda: person.line("Pause: nobody sees you").checked is False)
    person.click("Quit this icon")
    assert tray.awaited() == (0, "")
    assert person.sees_no_icon()
    assert ask("status")["state"] in ("live", "waking")  # the call goes on


def test_a_livebg_that_is_killed_and_comes_back(daemon: "subprocess.Popen[bytes]", tray: TrayProcess, person: Person) -> None:
    person.await_icon()
    person.until(lambda: person.title().startswith("livebg: live"))
    daemon.kill()
    person.until(lambda: person.title() == "livebg: livebg is not running")
    person.until(lambda: person.picture() == draw(TrayState.NOT_RUNNING))
    person.until(lambda: not person.line("Mode").enabled)
    with Daemon(LIVE):
        person.until(lambda: person.title().startswith("livebg: live"))
        person.until(lambda: person.line("Mode").enabled)
    assert tray.end() == (0, "")
