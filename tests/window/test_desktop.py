"""The window as people use it: in a compositor without a screen, through the accessibility bus and the keyboard."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import livebg
from livebg import __version__
from livebg.daemon.client import request
from livebg.daemon.runtime_dir import running_pid
from livebg.errors import LivebgError
from livebg.preview.client import PreviewClient
from tests.support.cli_runner import LivebgCli
from tests.support.fake_daemon import temporary_runtime_dir
from tests.support.media import Clip, yuv_picture
from tests.support.tray_desktop import session_bus
from tests.support.waiting import wait_until
from tests.support.window_desktop import Reader, Sway, accessibility_bus, missing_tools, report_lock, sway

REASON = missing_tools()
pytestmark = [pytest.mark.desktop, pytest.mark.skipif(REASON is not None, reason=REASON or "")]
needs_keyboard = pytest.mark.skipif(shutil.which("wtype") is None, reason="wtype is not installed")
WIDTH, HEIGHT = 320, 180
CONFIG = """
camera.device = "{camera}"
output.backend = "null"
model.name = "{model}"
"""


def person_before_stripes(_: int, width: int, height: int) -> av.VideoFrame:
    """A bright person on the right, and vertical stripes on the left: nothing moves."""
    luma = np.full((height, width), 16, np.uint8)
    luma[:, (np.arange(width) // 16) % 2 == 1] = 48
    luma[:, width // 2 :] = 235
    gray = np.full((height // 2, width // 2), 128, np.uint8)
    return yuv_picture([luma, gray, gray], "yuv420p")


@pytest.fixture(scope="module")
def compositor() -> Iterator[Sway]:
    with sway() as running:
        yield running


@pytest.fixture
def desktop(cli: LivebgCli, compositor: Sway, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivebgCli]:
    """A session with nothing in it, and the configuration of a livebg whose camera is a clip."""
    for name in ("DISPLAY", "XDG_CURRENT_DESKTOP", "NO_AT_BRIDGE", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", compositor.display)
    monkeypatch.setenv("GSK_RENDERER", "cairo")
    Clip(count=50, width=WIDTH, height=HEIGHT, picture=person_before_stripes).write(cli.folder / "clip.mp4")
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "livebg"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG.format(camera=cli.folder / "clip.mp4", model=cli.folder / "toy.onnx"))
    with temporary_runtime_dir(monkeypatch), session_bus({"WAYLAND_DISPLAY": compositor.display}) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield cli
        pid = running_pid()
        if pid and pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: running_pid() is None, "livebg to end")


@pytest.fixture
def reader(desktop: LivebgCli) -> Iterator[Reader]:  # noqa: ARG001 - it comes first
    reader = Reader(accessibility_bus(os.environ["DBUS_SESSION_BUS_ADDRESS"]))
    yield reader
    reader.close()


def start_daemon() -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-m", "livebg", "run"], stderr=subprocess.DEVNULL)
    wait_until(lambda: state() == "live", "livebg to be live")
    return process


@pytest.fixture
def daemon(desktop: LivebgCli) -> "Iterator[subprocess.Popen[bytes]]":  # noqa: ARG001 - it comes first
    process = start_daemon()
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def window(reader: Reader) -> "Iterator[subprocess.Popen[str]]":  # noqa: ARG001 - it comes first
    command = [sys.executable, "-X", "faulthandler", "-m", "livebg", "window"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    yield process
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "CRITICAL" not in errors, errors


def state() -> str:
    try:
        return str(request("status")["state"])
    except LivebgError as error:
        return str(error)


def previews() -> int:
    return int(request("status")["previews"])


def setting(key: str) -> object:
    return request("settings")["values"][key]


def press(letter: str) -> None:
    """Press Ctrl and a letter on a keyboard that is plugged in for it: the window needs a moment to notice."""
    subprocess.run(["wtype", "-s", "1500", "-M", "ctrl", letter, "-m", "ctrl", "-s", "500"], check=True)


def type_text(text: str, key: str) -> None:
    """Type a text, then press a key."""
    subprocess.run(["wtype", "-s", "1500", text, "-s", "200", "-k", key, "-s", "500"], check=True)


def own_presets() -> list[str]:
    return [each["name"] for each in request("presets")["presets"] if not each["builtin"]]


def room() -> NDArray[np.int_]:
    """The luma of the left part of what others see, where the room is."""
    with PreviewClient() as client:
        while True:
            frame = client.next_frame(["composite"])
            if frame.pictures and not frame.placeholder:
                return frame.pictures["composite"].luma[20:-20, 16 : WIDTH // 2 - 48].astype(int)


@pytest.mark.usefixtures("daemon", "window")
def test_slider_changes_the_frames(reader: Reader) -> None:
    reader.until_shown("slider", "Blur")
    before = room()
    reader.set_value("Blur", 0.15)
    wait_until(lambda: setting("effect.blur") == 0.15, "the setting to change")
    wait_until(lambda: room().std() < before.std() / 2, "the stripes to disappear")


@pytest.mark.usefixtures("daemon", "window")
def test_window_follows_changes_made_elsewhere(reader: Reader) -> None:
    assert reader.until_shown("slider", "Blur")["value"] == pytest.approx(0.025)
    request("set", {"settings": {"effect.blur": 0.1, "camera.mirror": True}})
    wait_until(lambda: reader.widgets("slider")["Blur"]["value"] == pytest.approx(0.1), "the slider to follow")
    request("mode", {"mode": "greenscreen"}, timeout=30)
    wait_until(lambda: "Blur" not in reader.widgets("slider"), "the rows to follow the mode")
    assert reader.widgets("push button")["Green screen"]["checked"]
    request("pause")
    wait_until(lambda: reader.widgets("push button")["Pause camera"]["checked"], "the button to follow")


@pytest.mark.usefixtures("daemon", "window")
def test_background_is_chosen_by_its_thumbnail(reader: Reader) -> None:
    reader.click("push button", "Background")
    wait_until(lambda: setting("effect.mode") == "background", "the mode to change")
    reader.click("push button", "Leaves")
    wait_until(lambda: setting("effect.background") == "leaves", "the background to change")


@pytest.mark.usefixtures("daemon", "window")
def test_every_control_has_a_name_and_takes_the_focus(reader: Reader) -> None:
    reader.until_shown("slider", "Blur")
    for role in ("slider", "push button", "check box", "combo box"):
        found = reader.widgets(role)
        assert found
        assert not [name for name in found if not name or name.startswith(("Gtk", "Adw"))], role
    assert all(each["focusable"] for each in reader.widgets("slider").values())


@pytest.mark.usefixtures("daemon", "window")
def test_room_is_shown_only_after_a_confirmation(reader: Reader) -> None:
    reader.until_shown("slider", "Blur")
    reader.click("push button", "Hide the room")
    reader.until_shown("push button", "Show my room")
    assert request("status")["mode"] == "portrait"
    reader.click("push button", "Cancel")
    wait_until(lambda: "Show my room" not in reader.widgets("push button"), "the dialog to close")
    assert request("status")["mode"] == "portrait"
    reader.click("push button", "Hide the room")
    reader.click("push button", "Show my room")
    wait_until(lambda: request("status")["mode"] == "none", "the room to be visible")
    wait_until(lambda: not reader.widgets("push button")["Hide the room"]["checked"], "the button to follow")
    reader.click("push button", "Hide the room")
    wait_until(lambda: request("status")["mode"] == "portrait", "the room to be hidden")


@needs_keyboard
@pytest.mark.usefixtures("daemon", "window")
def test_keys_pause_and_resume(reader: Reader) -> None:
    reader.until_shown("slider", "Blur")
    press("p")
    wait_until(lambda: state() == "paused", "livebg to pause")
    wait_until(lambda: reader.widgets("push button")["Pause camera"]["checked"], "the button to follow")
    press("p")
    wait_until(lambda: state() != "paused", "livebg to resume")


@needs_keyboard
@pytest.mark.usefixtures("daemon", "window")
def test_preset_is_saved_under_the_typed_name_and_deleted(reader: Reader, compositor: Sway) -> None:
    reader.set_value("Blur", 0.1)
    wait_until(lambda: setting("effect.blur") == 0.1, "the setting to change")
    reader.click("push button", "Save as a preset…")
    wait_until(lambda: compositor.windows() == 2, "the dialog to open")
    type_text("Evening 2", "Return")
    wait_until(lambda: compositor.windows() == 1, "the dialog to close")
    wait_until(lambda: own_presets() == ["Evening 2"], "the preset to be saved")
    request("set", {"settings": {"effect.blur": 0.05}})
    request("use_preset", {"name": "Evening 2"}, timeout=30)
    assert setting("effect.blur") == 0.1
    wait_until(lambda: reader.widgets("push button")["Delete this preset"]["enabled"], "the button to become sensitive")
    reader.click("push button", "Delete this preset")
    wait_until(lambda: not own_presets(), "the preset to be deleted")


@needs_keyboard
@pytest.mark.usefixtures("daemon", "window")
@pytest.mark.parametrize(("name", "key"), [("Evening", "Escape"), ("", "Return"), ("../evil", "Return"), ("Office", "Return")])
def test_preset_is_not_saved(reader: Reader, compositor: Sway, name: str, key: str) -> None:
    """A canceled dialog; no name, forbidden characters, and a built-in preset's name, for which the button is insensitive."""
    reader.until_shown("slider", "Blur")
    reader.click("push button", "Save as a preset…")
    wait_until(lambda: compositor.windows() == 2, "the dialog to open")
    type_text(name, key)
    if key == "Return":
        assert compositor.windows() == 2
        type_text("", "Escape")
    wait_until(lambda: compositor.windows() == 1, "the dialog to close")
    assert own_presets() == []
    reader.set_value("Blur", 0.07)
    wait_until(lambda: setting("effect.blur") == 0.07, "the window to work on")


@needs_keyboard
@pytest.mark.usefixtures("daemon", "window")
def test_about_dialog_shows_the_version(reader: Reader, compositor: Sway) -> None:
    reader.until_shown("slider", "Blur")
    subprocess.run(
        ["wtype", "-s", "1500", "-k", "F10", "-s", "1000", *["-k", "Down"] * 5, "-k", "Return", "-s", "500"], check=True
    )
    wait_until(lambda: compositor.windows() == 2, "the dialog to open")
    wait_until(lambda: __version__ in {*reader.widgets("label"), *reader.widgets("push button")}, "the version")
    type_text("", "Escape")
    wait_until(lambda: compositor.windows() == 1, "the dialog to close")
    reader.set_value("Blur", 0.07)
    wait_until(lambda: setting("effect.blur") == 0.07, "the window to work on")


def test_icons_are_in_the_theme(desktop: LivebgCli) -> None:
    assert desktop
    sources = "".join(path.read_text("utf-8") for path in Path(str(livebg.__file__)).parent.glob("window/*.py"))
    names = sorted(set(re.findall(r'"([a-z-]+-symbolic)"', sources)))
    assert len(names) > 8
    probe = "from livebg.window.toolkit import load_toolkit; load_toolkit(); from gi.repository import Gdk, Gtk; import sys;"
    probe += "theme = Gtk.IconTheme.get_for_display(Gdk.Display.get_default());"
    probe += "print([name for name in sys.argv[1:] if not theme.has_icon(name)])"
    done = subprocess.run([sys.executable, "-c", probe, *names], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("daemon", "window")
def test_hidden_window_does_not_watch(reader: Reader, compositor: Sway) -> None:
    reader.until_shown("slider", "Blur")
    wait_until(lambda: previews() == 1, "the window to watch")
    compositor.msg("workspace", "2")
    wait_until(lambda: previews() == 0, "the hidden window to stop watching")
    compositor.msg("workspace", "1")
    wait_until(lambda: previews() == 1, "the window to watch again")


@pytest.mark.usefixtures("daemon", "window")
def test_locked_screen_stops_watching(reader: Reader) -> None:
    reader.until_shown("slider", "Blur")
    wait_until(lambda: previews() == 1, "the window to watch")
    report_lock(os.environ["DBUS_SESSION_BUS_ADDRESS"], True)
    wait_until(lambda: previews() == 0, "the window to stop watching")
    report_lock(os.environ["DBUS_SESSION_BUS_ADDRESS"], False)
    wait_until(lambda: previews() == 1, "the window to watch again")


def test_window_survives_a_killed_daemon(
    reader: Reader, daemon: "subprocess.Popen[bytes]", window: "subprocess.Popen[str]"
) -> None:
    reader.until_shown("slider", "Blur")
    daemon.kill()
    daemon.wait()
    reader.until_shown("push button", "Start livebg")
    again = start_daemon()
    reader.until_shown("slider", "Blur")
    wait_until(lambda: previews() == 1, "the window to watch again")
    reader.set_value("Blur", 0.07)
    wait_until(lambda: setting("effect.blur") == 0.07, "the setting to change")
    assert window.poll() is None
    again.kill()
    again.wait()


@pytest.mark.usefixtures("window")
def test_first_run_starts_livebg(reader: Reader) -> None:
    reader.until_shown("push button", "Start livebg")
    reader.until_shown("push button", "Check again")  # what the doctor found
    reader.click("push button", "Start livebg")
    reader.until_shown("slider", "Blur")
    assert running_pid() is not None


@pytest.mark.usefixtures("daemon", "window")
def test_window_is_usable_at_360_pixels(reader: Reader, compositor: Sway) -> None:
    reader.until_shown("slider", "Blur")
    wait_until(lambda: compositor.window_size() == (1000, 700), "the window to open")
    compositor.msg(f"[app_id={re.escape('io.github.livebg_project.livebg')}] resize set 360 px 640 px")
    wait_until(lambda: compositor.window_size() == (360, 640), "the window to become narrow")
    time.sleep(0.5)
    assert "Blur" in reader.widgets("slider")
    reader.set_value("Blur", 0.03)
    wait_until(lambda: setting("effect.blur") == 0.03, "the setting to change")


def test_window_without_display_fails_with_one_line(desktop: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY")
    done = desktop.process("window")
    assert done.code == 8
    assert "No display" in done.err
    assert len(done.err.strip().splitlines()) == 1
