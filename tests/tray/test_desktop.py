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
from livebg.tray.icon import load_image
from livebg.tray.status import TrayState
from tests.support.cli_runner import LivebgCli
from tests.support.fake_daemon import DEADLINE, LIVE, FakeDaemon, temporary_runtime_dir
from tests.support.media import Clip
from tests.support.photos import save_photo
from tests.support.shortcut_portal import Desktop, ShortcutPortal
from tests.support.tray_desktop import (
    PATIENCE,
    FakePanel,
    PanelUser,
    Portal,
    missing_indicator,
    missing_tools,
    session_bus,
    x_server,
)
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(missing_tools() is not None, reason=missing_tools() or ""),
    pytest.mark.skipif(missing_indicator() is not None, reason=missing_indicator() or ""),
]
HIDE = "Hide the room"


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as display:
        yield display


@pytest.fixture
def desktop_cli(cli: LivebgCli, display: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivebgCli]:
    for name in ("WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP", "PYSTRAY_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("NO_AT_BRIDGE", "1")
    with temporary_runtime_dir(monkeypatch), session_bus({"DISPLAY": display}) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield cli


@pytest.fixture
def panel(desktop_cli: LivebgCli) -> Iterator[FakePanel]:  # noqa: ARG001 - it comes first
    panel = FakePanel(os.environ["DBUS_SESSION_BUS_ADDRESS"])
    yield panel
    panel.close()


@pytest.fixture
def user(panel: FakePanel) -> Iterator[PanelUser]:
    user = PanelUser(panel)
    yield user
    user.close()


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
        output = self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode, output


StartTray = Callable[..., TrayProcess]


@pytest.fixture
def start_tray(desktop_cli: LivebgCli) -> Iterator[StartTray]:
    """Start trays. The fixture stops them and the daemons they started."""
    assert desktop_cli
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


def configure(desktop_cli: LivebgCli, camera: str) -> None:
    """Write the configuration for a daemon that the tray starts."""
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "livebg"
    folder.mkdir(parents=True)
    text = CONFIG.format(camera=desktop_cli.folder / camera, model=desktop_cli.folder / "toy.onnx")
    (folder / "config.toml").write_text(text)


@pytest.fixture
def configured_cli(desktop_cli: LivebgCli) -> LivebgCli:
    Clip(count=50).write(desktop_cli.folder / "clip.mp4")
    configure(desktop_cli, "clip.mp4")
    return desktop_cli


@pytest.fixture
def broken_cli(desktop_cli: LivebgCli) -> LivebgCli:
    configure(desktop_cli, "nowhere.mp4")
    return desktop_cli


def current_mode() -> str:
    return str(request("status")["mode"])


def is_answering() -> bool:
    try:
        request("status")
    except NotRunningError:
        return False
    return True


def state_is(state: str) -> bool:
    return bool(request("status")["state"] == state)


@pytest.fixture
def daemon(desktop_cli: LivebgCli) -> "Iterator[subprocess.Popen[bytes]]":
    """A real daemon with a video clip as its camera."""
    Clip(count=50).write(desktop_cli.folder / "clip.mp4")
    words = ["run", "--camera", "clip.mp4", "--output", "null", "--model", "toy.onnx"]
    process = subprocess.Popen([sys.executable, "-m", "livebg", *words], stderr=subprocess.DEVNULL)
    wait_until(is_answering)  # otherwise the tray would start a daemon
    yield process
    process.kill()
    process.wait(DEADLINE)


def green_share(desktop_cli: LivebgCli) -> float:
    """Return the share of green pixels in the current output."""
    assert desktop_cli.livebg("snapshot", "green.png", "--overwrite").code == 0
    with Image.open(desktop_cli.folder / "green.png") as taken:
        screen = np.asarray(taken.convert("RGB"), int)
    return float(((screen[..., 1] > 200) & (screen[..., 0] < 60) & (screen[..., 2] < 60)).mean())


def test_menu_clicks_change_camera_output(
    daemon: "subprocess.Popen[bytes]", tray: TrayProcess, user: PanelUser, desktop_cli: LivebgCli
) -> None:
    user.await_icon()
    user.until(lambda: user.title() == "livebg: Live: background blurred")
    assert daemon.poll() is None
    user.until(lambda: user.picture() == load_image(TrayState.LIVE))
    assert user.line(HIDE).checked

    user.click("Mode", "Green screen")
    user.until(lambda: user.title() == "livebg: Live: solid-color background")
    assert current_mode() == "greenscreen"
    user.until(lambda: green_share(desktop_cli) > 0.1)  # on a busy machine the placeholder may be sent in between
    assert user.line("Mode", "Green screen").checked
    assert not user.line("Mode", "Blur").checked

    user.click("Background", "Dusk")
    user.until(lambda: user.line("Background", "Dusk").checked is True)
    assert request("status")["effect"]["background"] == "dusk"

    user.click("Blur", "Strong")
    user.until(lambda: user.line("Blur", "Strong").checked is True)
    assert request("status")["effect"]["blur"] == 0.05

    user.click(HIDE)
    user.until(lambda: user.picture() == load_image(TrayState.EFFECT_OFF))
    assert current_mode() == "none"
    user.until(lambda: user.title() == "livebg: Effect off: your room is visible")
    user.click(HIDE)
    user.until(lambda: user.line(HIDE).checked is True)
    assert current_mode() == "background"

    user.click("Pause camera")
    user.until(lambda: user.picture() == load_image(TrayState.PAUSED))
    assert state_is("paused")
    assert desktop_cli.livebg("resume").code == 0  # by another program
    user.until(lambda: user.line("Pause camera").checked is False)
    user.click("Quit tray icon")
    assert tray.awaited() == (0, "")
    assert user.sees_no_icon()
    assert request("status")["state"] in ("live", "waking")  # the daemon keeps running


def test_killed_daemon_is_shown_until_it_returns(daemon: "subprocess.Popen[bytes]", tray: TrayProcess, user: PanelUser) -> None:
    user.await_icon()
    user.until(lambda: user.title().startswith("livebg: Live:"))
    before = user.icon_file()
    daemon.kill()
    user.until(lambda: user.title() == "livebg is not running")
    user.until(lambda: user.picture() == load_image(TrayState.NOT_RUNNING))
    assert before.exists()  # a panel that is busy may read it only now
    user.until(lambda: not user.line("Mode").enabled)
    with FakeDaemon(LIVE):
        user.until(lambda: user.title().startswith("livebg: Live:"))
        user.until(lambda: user.line("Mode").enabled)
    assert tray.end() == (0, "")


def test_tray_starts_daemon_and_stops_it(configured_cli: LivebgCli, start_tray: StartTray, user: PanelUser) -> None:
    """Without systemd the tray starts a process. The clip and the network come from the configuration."""
    assert configured_cli
    tray = start_tray()
    user.await_icon()
    user.until(lambda: user.title().startswith("livebg: Live:"))
    assert state_is("live")
    user.until(lambda: user.line("Stop livebg and quit").enabled)
    user.click("Stop livebg and quit")
    assert tray.awaited() == (0, "")
    wait_until(lambda: running_pid() is None)


def test_failed_daemon_start_shows_reason(broken_cli: LivebgCli, start_tray: StartTray, user: PanelUser) -> None:
    assert broken_cli
    tray = start_tray()
    user.await_icon()
    user.until(lambda: "nowhere.mp4" in "".join(user.labels()))  # the menu wraps long lines
    assert user.title() == "livebg is not running"
    assert user.line("Start livebg").enabled
    code, output = tray.end(signal.SIGTERM)
    assert code == 0
    assert "livebg did not start: " in output


def test_incompatible_daemon_is_shown_until_replaced(
    start_tray: StartTray, desktop_cli: LivebgCli, user: PanelUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon with a newer protocol version is running, then one with the current version."""
    assert desktop_cli
    with monkeypatch.context() as patch:
        patch.setattr("livebg.daemon.protocol.VERSION", VERSION + 1)
        with FakeDaemon(LIVE):
            tray = start_tray()
            user.await_icon()
            user.until(lambda: user.title() == "livebg was updated. Restart it.")
            user.until(lambda: user.picture() == load_image(TrayState.RESTART_NEEDED))
            assert user.line("Restart livebg").enabled
    with FakeDaemon(LIVE):
        user.until(lambda: user.title() == "livebg: Live: background blurred")
        assert tray.end() == (0, "")


def test_login_entry_is_toggled(start_tray: StartTray, desktop_cli: LivebgCli, user: PanelUser) -> None:
    entry = Path(os.environ["XDG_CONFIG_HOME"]) / AUTOSTART
    with FakeDaemon(LIVE):
        tray = start_tray()
        user.await_icon()
        user.click("Show this icon at login")
        user.until(lambda: user.line("Show this icon at login").checked is True)
        assert "tray --wait 60\n" in entry.read_text()
        user.click("Show this icon at login")
        user.until(lambda: user.line("Show this icon at login").checked is False)
        assert not entry.exists()
        assert tray.end(signal.SIGHUP) == (0, "")
    assert desktop_cli.livebg("status").code == 6


def test_rejected_command_is_shown_until_next_click(start_tray: StartTray, desktop_cli: LivebgCli, user: PanelUser) -> None:
    assert desktop_cli

    def refuse(_arguments: Any) -> Any:
        raise SourceError("the network is damaged: pull it again")

    with FakeDaemon(LIVE, more={"mode": refuse, "pause": lambda _arguments: {}}):
        tray = start_tray()
        user.await_icon()
        user.click("Mode", "Matte only")
        user.until(lambda: "✗ the network is damaged: pull it again" in user.labels())
        user.click("Pause camera")
        user.until(lambda: "✗ the network is damaged: pull it again" not in user.labels())
        code, output = tray.end()
    assert code == 0
    assert "damaged" in output


def test_chosen_picture_becomes_background(
    start_tray: StartTray, daemon: "subprocess.Popen[bytes]", desktop_cli: LivebgCli, user: PanelUser
) -> None:
    assert daemon.poll() is None
    save_photo(desktop_cli.folder / "my beach.png")
    uri = (desktop_cli.folder / "my beach.png").as_uri()
    with Portal(os.environ["DBUS_SESSION_BUS_ADDRESS"], [uri]):
        tray = start_tray()
        user.await_icon()
        user.until(lambda: user.line("Mode").enabled)
        user.click("Background", "Choose an image...")
        user.until(lambda: request("status")["effect"]["background"] == f"{desktop_cli.folder}/my beach.png")
        user.until(lambda: ("my beach.png", True) in [(line.label, line.checked) for line in user.line("Background").lines])
    assert current_mode() == "background"
    assert tray.end() == (0, "")


def test_preset_and_shortcuts_are_chosen_in_menu(
    start_tray: StartTray, daemon: "subprocess.Popen[bytes]", desktop_cli: LivebgCli, user: PanelUser
) -> None:
    assert daemon.poll() is None
    assert desktop_cli.livebg("preset", "save", "my_desk").code == 0
    desktop = Desktop()
    with ShortcutPortal(os.environ["DBUS_SESSION_BUS_ADDRESS"], desktop) as portal:
        tray = start_tray()
        user.await_icon()
        user.until(lambda: user.line("Mode").enabled)
        assert [line.label for line in user.line("Preset").lines] == ["Office", "Dark room", "Presentation", "my_desk"]
        user.click("Preset", "Dark room")
        user.until(lambda: user.line("Preset", "Dark room").checked is True)
        assert request("presets")["current"] == "dark room"
        user.click("Preset", "my_desk")
        user.until(lambda: user.line("Preset", "my_desk").checked is True)
        assert desktop.dialogs == []
        user.click("Set up shortcuts...")
        user.until(lambda: len(portal.bound) == 2)
        assert len(desktop.dialogs) == 1
        assert tray.end()[0] == 0
        portal.press("pause_or_resume")  # the running livebg holds them, not the tray
        wait_until(lambda: state_is("paused"))


def test_second_tray_is_rejected(start_tray: StartTray, desktop_cli: LivebgCli, user: PanelUser) -> None:
    with FakeDaemon(LIVE):
        tray = start_tray()
        user.await_icon()
        result = desktop_cli.process("tray")
        assert (result.code, result.error_line) == (
            2,
            f"The tray icon is already running (pid {tray.process.pid}). Use that one.",
        )
        assert tray.end() == (0, "")


def test_desktop_without_tray_fails(desktop_cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    result = desktop_cli.process("tray", "--wait", "0")
    assert (result.code, result.error_line.partition(". ")[0]) == (8, "This desktop shows no tray icons")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "ubuntu:GNOME")
    assert "gnome-shell-extension-appindicator" in desktop_cli.process("tray", "--wait", "0").error_line


def test_tray_waits_for_late_panel(start_tray: StartTray, desktop_cli: LivebgCli) -> None:
    assert desktop_cli
    with FakeDaemon(LIVE):
        tray = start_tray("--wait", "30")
        time.sleep(1)
        assert tray.process.poll() is None
        panel = FakePanel(os.environ["DBUS_SESSION_BUS_ADDRESS"])
        user = PanelUser(panel)
        user.await_icon()
        user.until(lambda: user.title().startswith("livebg: Live:"))
        assert tray.end() == (0, "")
        user.close()
        panel.close()
