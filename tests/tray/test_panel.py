"""Tests of the tray in a real Xfce panel with simulated mouse input, checked in screenshots."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageGrab

from livebg.daemon.client import request
from livebg.daemon.server import no_arguments
from livebg.daemon.status import CommandResult
from livebg.tray.desktop import import_system_gi
from livebg.tray.icon import load_image
from livebg.tray.status import TrayState
from tests.support.cli_runner import LivebgCli
from tests.support.fake_daemon import LIVE, FakeDaemon, temporary_runtime_dir
from tests.support.tray_desktop import PATIENCE, missing_tools, session_bus, x_server

MISSING = missing_tools() or next(
    (f"{tool} is not installed" for tool in ("xfce4-panel", "xdotool") if shutil.which(tool) is None), None
)
pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
    pytest.mark.skipif(not import_system_gi(), reason="PyGObject (python3-gi) is not installed for this Python"),
]
HEIGHT = 32
PANEL = f"""<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="{HEIGHT}"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty"><property name="plugin-1" type="string" value="systray"/></property>
</channel>
"""


class Screen:
    """Screenshots and mouse and keyboard input of an X server."""

    def __init__(self, display: str) -> None:
        self._display = display

    def picture(self) -> NDArray[np.uint8]:
        """RGB, uint8, (height, width, 3)."""
        return np.asarray(ImageGrab.grab(xdisplay=self._display).convert("RGB"))

    def until(self, holds: Callable[[], bool], *, trying: Callable[[], None] | None = None) -> None:
        """Wait until ``holds`` is true. ``trying`` is called first and repeated every few seconds."""
        again = time.monotonic()
        deadline = again + PATIENCE
        while not holds():
            assert time.monotonic() < deadline
            if trying and time.monotonic() >= again:
                trying()
                again = time.monotonic() + PATIENCE / 6
            time.sleep(0.1)

    def icon_of(self, state: TrayState) -> bool:
        """Whether the icon is visible at the left end of the panel, at any size."""
        shown = self.picture()[:HEIGHT, :64].astype(int)
        for size in (16, 20, 22, 24):
            icon = load_image(state).resize((size, size), Image.Resampling.BILINEAR)
            rgba = np.asarray(icon).astype(int)
            solid = rgba[..., 3] > 250
            for top in range(HEIGHT - size + 1):
                for left in range(64 - size + 1):
                    there = shown[top : top + size, left : left + size]
                    if np.abs(there - rgba[..., :3])[solid].mean() < 14:
                        return True
        return False

    def click(self, x: int, y: int) -> None:
        subprocess.run(["xdotool", "mousemove", str(x), str(y), "click", "1"], check=True, timeout=PATIENCE)

    def press(self, *keys: str) -> None:
        subprocess.run(["xdotool", "key", *keys], check=True, timeout=PATIENCE)


@pytest.fixture
def screen(cli: LivebgCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    for name in ("WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP", "PYSTRAY_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    assert cli
    channels = tmp_path / "config" / "xfce4" / "xfconf" / "xfce-perchannel-xml"
    channels.mkdir(parents=True)
    (channels / "xfce4-panel.xml").write_text(PANEL)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_AT_BRIDGE", "1")
    with temporary_runtime_dir(monkeypatch), x_server("400x420x24") as display:
        monkeypatch.setenv("DISPLAY", display)
        with session_bus({}) as address:
            monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
            panel = subprocess.Popen(["xfce4-panel", "--disable-wm-check"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            yield Screen(display)
            panel.kill()
            panel.wait(PATIENCE)


class CommandRecorder:
    """A fake daemon that records commands."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def does(self, command: str) -> Callable[[], object]:
        def do() -> object:
            self.asked.append(command)
            return asdict(CommandResult(command == "on", False, "portrait", "#204060", 0.025, "#00ff00", "auto"))

        return do


def test_icon_is_visible_and_menu_runs_command(screen: Screen) -> None:
    steered = CommandRecorder()
    daemon = FakeDaemon(LIVE, more={name: no_arguments(steered.does(name)) for name in ("on", "off")})
    with daemon:
        tray = subprocess.Popen([sys.executable, "-m", "livebg", "tray", "--wait", "30"], stderr=subprocess.PIPE, text=True)
        try:
            screen.until(lambda: screen.icon_of(TrayState.LIVE))
            assert not screen.icon_of(TrayState.EFFECT_OFF)
            bare = screen.picture()
            # Right after drawing the icon, the panel may not have its menu yet and ignore a click.
            screen.until(
                lambda: bool((screen.picture()[HEIGHT + 20 :] != bare[HEIGHT + 20 :]).any(-1).sum() > 10_000),
                trying=lambda: screen.click(16, HEIGHT // 2),
            )
            screen.press("Down", "Return")  # the first enabled item: Hide the room
            screen.until(lambda: steered.asked == ["off"])
            assert request("status")["state"] == "live"
        finally:
            tray.send_signal(signal.SIGTERM)
            assert tray.communicate(timeout=PATIENCE)[1] == ""
    assert tray.returncode == 0
    assert "DISPLAY" in os.environ
