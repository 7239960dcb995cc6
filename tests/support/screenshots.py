"""Takes the pictures of window, tray and preview in ``.github``: ``python -m tests.support.screenshots FOLDER [CLIP]``.

They show the running program in desktops without a screen. ``CLIP`` is what the camera sees, by default the demo's photo,
animated. Needs what the tests of window, tray and preview need, and grim.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont, ImageGrab

from livebg.daemon.client import request
from livebg.demo.clips import animate_photo, find_material
from livebg.errors import LivebgError
from livebg.tray.icon import load_image
from livebg.tray.status import TrayState
from tests.support.fake_daemon import temporary_runtime_dir
from tests.support.tray_desktop import session_bus, x_server
from tests.support.waiting import wait_until
from tests.support.window_desktop import APP, Reader, accessibility_bus, sway
from tests.tray.test_panel import HEIGHT, PANEL

WINDOW_SIZE = (1000, 720)
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
_CONFIG = """
camera.device = "{camera}"
output.backend = "null"
governor.enabled = false
effect.light = 0.3
effect.dim = 0.2
"""


def livebg(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "livebg", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A livebg that gets Ctrl-C in the end."""
    process = livebg(*arguments)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def state() -> str:
    with suppress(LivebgError):
        return str(request("status")["state"])
    return "not running"


@contextmanager
def session(home: Path, camera: Path, variables: dict[str, str]) -> Iterator[str]:
    """A livebg whose camera is a file, and the session bus of its desktop; yields its address."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP", "NO_AT_BRIDGE", "LANGUAGE", "PYSTRAY_BACKEND"):
            patch.delenv(name, raising=False)
        places = {"HOME": home, "XDG_CONFIG_HOME": home / "config", "XDG_STATE_HOME": home / "state"}
        for name, value in (variables | {key: str(place) for key, place in places.items()}).items():
            patch.setenv(name, value)
        folder = home / "config" / "livebg"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(_CONFIG.format(camera=camera))
        with temporary_runtime_dir(patch), session_bus(variables) as address:
            patch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
            yield address


def take_window(home: Path, camera: Path, path: Path) -> None:
    """The window while a preset is active and the call is recorded."""
    with ExitStack() as desktop:
        compositor = desktop.enter_context(sway())
        variables = {"WAYLAND_DISPLAY": compositor.display, "GSK_RENDERER": "cairo"}
        address = desktop.enter_context(session(home, camera, variables))
        desktop.enter_context(running("run"))
        wait_until(lambda: state() == "live", "livebg to run: without a virtual camera it counts as watched")
        reader = Reader(accessibility_bus(address))
        desktop.callback(reader.close)
        desktop.enter_context(running("window"))
        reader.until_shown("slider", "Blur")
        request("save_preset", {"name": "Evening"})
        desktop.enter_context(running("record", str(home / "call.mkv")))
        wait_until(lambda: reader.widgets("push button")["Record"]["checked"], "the recording")
        this = f"[app_id={re.escape(APP)}]"
        compositor.msg(f"{this} resize set {WINDOW_SIZE[0]} px {WINDOW_SIZE[1]} px")
        compositor.msg(f"{this} move position 0 0")
        time.sleep(4)  # until pictures, fps and the toast are those of a running call
        subprocess.run(["grim", "-g", "0,0 {}x{}".format(*WINDOW_SIZE), str(path)], check=True)


def take_tray(home: Path, camera: Path, path: Path) -> None:
    """The menu in a panel of Xfce, and all icons on light and dark."""
    channels = home / "config" / "xfce4" / "xfconf" / "xfce-perchannel-xml"
    channels.mkdir(parents=True)
    (channels / "xfce4-panel.xml").write_text(PANEL)
    with ExitStack() as desktop:
        display = desktop.enter_context(x_server("460x480x24"))
        desktop.enter_context(session(home, camera, {"DISPLAY": display, "NO_AT_BRIDGE": "1"}))
        panel = subprocess.Popen(["xfce4-panel", "--disable-wm-check"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        desktop.callback(panel.kill)
        desktop.enter_context(running("run"))
        wait_until(lambda: state() == "live", "livebg to run: without a virtual camera it counts as watched")
        tray = livebg("tray", "--wait", "30")
        desktop.callback(tray.terminate)
        time.sleep(10)
        for command in (["mousemove", "16", str(HEIGHT // 2), "click", "1"], ["key", *["Down"] * 6, "Right"]):
            subprocess.run(["xdotool", *command], check=True)
            time.sleep(2)
        menu = ImageGrab.grab(xdisplay=display).convert("RGB")
    _beside_icons(menu).save(path, optimize=True)


def _beside_icons(menu: Image.Image) -> Image.Image:
    font, states = ImageFont.truetype(FONT, 14), list(TrayState)
    step, width = menu.height // (len(states) + 1), 130
    sheet = Image.new("RGB", (menu.width + 2 * width, menu.height))
    sheet.paste(menu, (0, 0))
    for column, (back, text) in enumerate((("#f0f0f0", "#202020"), ("#2b2b2b", "#f0f0f0"))):
        left = menu.width + column * width
        sheet.paste(back, (left, 0, left + width, menu.height))
        for number, each in enumerate(states):
            icon = load_image(each).resize((24, 24), Image.Resampling.LANCZOS)
            middle = round((number + 1) * step)
            sheet.paste(icon, (left + 10, middle - 12), icon)
            ImageDraw.Draw(sheet).text((left + 42, middle), each.value, text, font, anchor="lm")
    return sheet


def take_preview(home: Path, camera: Path, path: Path) -> None:
    """The preview with the original picture and the matte."""
    with ExitStack() as desktop:
        display = desktop.enter_context(x_server("1400x400x24"))
        desktop.enter_context(session(home, camera, {"DISPLAY": display}))
        desktop.enter_context(running("run"))
        wait_until(lambda: state() == "live", "livebg to run: without a virtual camera it counts as watched")
        desktop.enter_context(running("preview", "--original", "--alpha"))
        wait_until(lambda: ImageGrab.grab(xdisplay=display).convert("L").getbbox(), "the preview to open")
        time.sleep(8)  # until frame rate and latency are those of a running call
        shown = ImageGrab.grab(xdisplay=display).convert("RGB")
    shown.crop(shown.getbbox()).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--only", choices=["window", "tray", "preview"])
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    takes = {"window": take_window, "tray": take_tray, "preview": take_preview}
    with tempfile.TemporaryDirectory() as home:
        clip = options.clip or Path(home, "clip.mp4")
        if options.clip is None:
            animate_photo(find_material().photo, clip, 150, lambda _: None)
        for name, take in takes.items():
            if options.only in (None, name):
                Path(home, name).mkdir()
                take(Path(home, name), clip.resolve(), options.folder.resolve() / f"{name}.png")


if __name__ == "__main__":
    os.umask(0o077)
    main()
