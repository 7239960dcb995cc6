"""livebg's package in GNOME on Wayland, used with pointer and keyboard: icon, menu, window, portals, screen lock, hot keys."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from livebg.setup.resources import APP_ID, UNIT
from tests.bare.machine import HOME, USER
from tests.desktops.camera import CameraReader, PortalReader, Webcam
from tests.desktops.gnome import CONTROL, ENTER, PASSWORD, TAB, GnomeUser, gnome_user, log_in, prepare, use_hot_keys
from tests.desktops.machine import BootedMachine, state, until, until_state
from tests.support.browsers import FIREFOX, camera_page

SHORTCUTS = "gnome-control-center-global-shortcuts-provider"
SCREENS = os.environ.get("LIVEBG_SCREENSHOTS")
"""A folder for screenshots, to look at."""
ICONS = """
import re, sys
from pathlib import Path
import gi
gi.require_version("Gtk", "4.0")
from gi.repository import Gdk, Gtk
theme = Gtk.IconTheme.get_for_display(Gdk.Display.get_default())
sources = Path("/usr/lib/livebg").glob("lib/*/site-packages/livebg/window/*.py")
names = {name for source in sources for name in re.findall(r'"([a-z-]+-symbolic)"', source.read_text())}
print(len(names), *(name for name in names if not theme.has_icon(name)))
"""


@pytest.fixture(scope="module")
def session(machine: BootedMachine, livebg_package: Path, webcam: Webcam) -> BootedMachine:
    """A GNOME session on a computer with a webcam. The package is in the user's home."""
    log_in(machine)
    prepare(machine)
    webcam.plug_into(machine)
    machine.copy_in(livebg_package, "livebg.deb")
    return machine


@pytest.fixture(scope="module")
def installed(session: BootedMachine) -> BootedMachine:
    """The package is installed, and the user has logged in again since."""
    if session.user_state(UNIT) != "active":
        session.must(f"apt-get install --no-install-recommends {HOME}/livebg.deb", user="root", limit=900)
    session.log_out()
    log_in(session)
    return session


@pytest.fixture
def user(installed: BootedMachine, request: pytest.FixtureRequest) -> Iterator[GnomeUser]:
    with gnome_user(installed) as user:
        yield user
        if SCREENS:
            user.screenshot(Path(SCREENS, f"{request.node.name}.png"))


def screen(user: GnomeUser, path: Path) -> NDArray[np.int16]:
    """The screen as RGB, shape (768, 1366, 3)."""
    user.screenshot(path)
    with Image.open(path) as shot:
        return np.asarray(shot.convert("RGB"), np.int16)


def test_install_provides_camera_without_any_command(
    session: BootedMachine, webcam: Webcam, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a command beyond `apt install` nor a question: a reader sees a composite in the session that is running."""
    begin = time.monotonic()
    session.must(f"apt-get install --no-install-recommends {HOME}/livebg.deb", user="root", limit=900)
    installed = time.monotonic()
    with CameraReader(session) as reader:
        reader.until_composite(webcam)
        seen = time.monotonic()
        assert reader.is_moving()
    with capsys.disabled():
        sys.stdout.write(
            f"\napt install took {installed - begin:.1f} s; a reader saw a composite {seen - begin:.1f} s after its start\n"
        )


def test_theme_has_the_icons_of_the_window(installed: BootedMachine) -> None:
    installed.write("icons.py", ICONS)
    count, *missing = installed.must("python3 icons.py", WAYLAND_DISPLAY="wayland-0").split()
    assert int(count) > 5
    assert missing == []


def test_icon_appears_after_login_and_its_menu_works(installed: BootedMachine, user: GnomeUser) -> None:
    watcher = ("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher", "org.freedesktop.DBus.Properties", "Get", "(ss)")
    (items,) = user.ask("call", *watcher, "org.kde.StatusNotifierWatcher", "RegisteredStatusNotifierItems")
    assert [item for item in items if "livebg" in item]
    user.choose("Pause camera")
    until_state(installed, "paused")
    user.choose("Pause camera")  # its check mark goes
    until_state(installed, "asleep")


def test_window_opens_from_menu_and_shows_camera(installed: BootedMachine, user: GnomeUser, tmp_path: Path) -> None:
    user.choose("Open livebg")
    until(lambda: "Green screen" in user.labels(APP_ID), "the window")
    until_state(installed, "live")
    until(lambda: "Live: background blurred" in user.labels(APP_ID), "the window to show the camera")
    shot = tmp_path / "screen.png"
    first = screen(user, shot)
    until(lambda: np.mean(np.abs(screen(user, shot) - first).max(-1) > 20) > 0.01, "the person in the window to sway")
    user.keys(CONTROL, ord("q"))
    until_state(installed, "asleep")


def test_portal_gives_camera_to_allowed_app_only(installed: BootedMachine, user: GnomeUser, webcam: Webcam) -> None:
    with PortalReader(installed) as denied:
        user.place("Allow app to Use the Camera?")
        user.keys(ENTER)  # "Deny" has the focus
        assert denied.step() == {"step": "answered", "answer": 1}
    store = "org.freedesktop.impl.portal.PermissionStore"
    user.ask("call", store, f"/{store.replace('.', '/')}", store, "DeletePermission", "(sss)", "devices", "camera", "")
    with PortalReader(installed) as allowed:
        user.place("Allow app to Use the Camera?")
        user.keys(TAB)
        user.keys(ENTER)
        assert allowed.step() == {"step": "answered", "answer": 0}
        allowed.until_composite(webcam)
        assert allowed.is_moving()


def test_firefox_sees_camera_through_portal(installed: BootedMachine, user: GnomeUser) -> None:
    """Firefox shares the permission that the user gave in the test before: only Flatpak apps have one of their own."""
    preferences = {key: value for key, value in FIREFOX.items() if "sandbox" not in key}
    lines = [f'user_pref("{key}", {json.dumps(value)});' for key, value in preferences.items()]
    installed.write("profile/user.js", "\n".join(lines))
    installed.write("page.html", camera_page("livebg", (256, 256), [(0.4, 0.2), (0.5, 0.6), (0.3, 0.7)], 40))
    installed.copy_in(Path(__file__).with_name("page_server.py"), "page_server.py")
    server = installed.start("python3 page_server.py page.html 2>/dev/null")
    address = "http://127.0.0.1:8765/"
    firefox = installed.start(f"timeout 300 firefox-esr --no-remote --profile profile {address}", WAYLAND_DISPLAY="wayland-0")
    assert server.stdout is not None
    posted = json.loads(server.stdout.readline() or '{"error": "Firefox ended"}')
    if SCREENS:
        user.screenshot(Path(SCREENS, "firefox.png"))
    end(installed, firefox, "firefox-esr")
    end(installed, server, "page_server.py")
    assert posted.get("label") == "livebg", posted
    assert (posted["width"], posted["height"]) == (256, 256)
    assert len({json.dumps(frame["pixels"]) for frame in posted["frames"]}) > 10


def end(machine: BootedMachine, program: subprocess.Popen[str], name: str) -> None:
    machine.run(f"pkill -TERM -f {name}")
    program.communicate(timeout=60)


def test_screen_lock_pauses_until_password(installed: BootedMachine, user: GnomeUser, webcam: Webcam) -> None:
    with CameraReader(installed) as reader:
        reader.until_composite(webcam)
        user.ask("call", "org.gnome.ScreenSaver", "/org/gnome/ScreenSaver", "org.gnome.ScreenSaver", "Lock", "()")
        until(lambda: state(installed) == ("paused", "The screen is locked. Unlock it to resume."), "the pause")
        reader.until_placeholder(webcam)
        user.keys(ENTER)
        user.place(USER)  # above the field for the password
        user.ask("type", PASSWORD)
        user.keys(ENTER)
        until_state(installed, "live")
        reader.until_composite(webcam)


def test_hot_keys_are_added_in_dialog_and_work(installed: BootedMachine, user: GnomeUser) -> None:
    user.choose("Set up shortcuts")
    until(lambda: user.ask("activate", SHORTCUTS, "Add"), "the dialog of GNOME")
    until(lambda: "granted" in installed.run("cat .local/state/livebg/shortcuts.json").out, "the shortcuts")
    use_hot_keys(installed, user)


def test_shell_had_no_trouble_with_icon(installed: BootedMachine) -> None:
    """The state has changed often in the tests before."""
    journal = installed.must("journalctl --user --boot --output=cat").splitlines()
    assert [line for line in journal if "livebg" in line and "unable to update icon" in line] == []
