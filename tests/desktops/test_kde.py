"""livebg's package in KDE Plasma on Wayland: icon, menu, window, portals, screen lock, hot keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from livebg.setup.resources import APP_ID
from tests.bare.machine import HOME, USER
from tests.desktops.camera import CameraReader, PortalReader, Webcam
from tests.desktops.gnome import CONTROL, use_hot_keys
from tests.desktops.kde import KdeUser, kde_user, log_in, prepare
from tests.desktops.machine import BootedMachine, booted, state, until, until_state
from tests.desktops.roots import KDE_WITHOUT_SCREEN

PORTAL: Final = "xdg-desktop-portal-kde"


@pytest.fixture(scope="module")
def machine(
    kde_root: Path, livebg_package: Path, webcam: Webcam, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BootedMachine]:
    """A booted Debian with Plasma and the package, on a computer with a webcam. The user has logged in."""
    with booted(kde_root, tmp_path_factory.mktemp("booted"), KDE_WITHOUT_SCREEN) as running:
        webcam.plug_into(running)
        running.copy_in(livebg_package, "livebg.deb")
        running.must(f"apt-get install --no-install-recommends {HOME}/livebg.deb", user="root", limit=900)
        log_in(running)
        prepare(running)
        yield running


@pytest.fixture
def user(machine: BootedMachine) -> Iterator[KdeUser]:
    with kde_user(machine) as user:
        yield user


def test_plasma_shows_icon_after_login(user: KdeUser) -> None:
    """In the watcher that Plasma's panel reads, and as a button of the panel, which names the state."""
    until(lambda: user.ask("icon", "livebg"), "the icon")
    until(lambda: [label for label in user.labels("plasmashell") if label.startswith("livebg: ")], "the icon in the panel")


def test_menu_pauses_and_resumes(machine: BootedMachine, user: KdeUser) -> None:
    user.choose("Pause camera")
    until_state(machine, "paused")
    user.choose("Pause camera")  # its check mark goes
    until_state(machine, "asleep")


def test_window_opens_from_menu_and_shows_camera(machine: BootedMachine, user: KdeUser) -> None:
    user.choose("Open livebg")
    until(lambda: "Green screen" in user.labels(APP_ID), "the window")
    until_state(machine, "live")
    until(lambda: "Live: background blurred" in user.labels(APP_ID), "the window to show the camera")
    user.keys(CONTROL, ord("q"))
    until_state(machine, "asleep")


def test_portal_gives_camera_to_allowed_app_only(machine: BootedMachine, user: KdeUser, webcam: Webcam) -> None:
    with PortalReader(machine) as denied:
        until(lambda: user.ask("activate", PORTAL, "Cancel"), "the dialog")
        assert denied.step() == {"step": "answered", "answer": 1}
    store = "org.freedesktop.impl.portal.PermissionStore"
    user.ask("call", store, f"/{store.replace('.', '/')}", store, "DeletePermission", "(sss)", "devices", "camera", "")
    with PortalReader(machine) as allowed:
        until(lambda: user.ask("activate", PORTAL, "OK"), "the dialog")
        assert allowed.step() == {"step": "answered", "answer": 0}
        allowed.until_composite(webcam)
        assert allowed.is_moving()


def test_screen_lock_pauses_until_password(machine: BootedMachine, user: KdeUser, webcam: Webcam) -> None:
    with CameraReader(machine) as reader:
        reader.until_composite(webcam)
        user.ask("call", "org.freedesktop.ScreenSaver", "/ScreenSaver", "org.freedesktop.ScreenSaver", "Lock", "()")
        until(lambda: state(machine) == ("paused", "The screen is locked. Unlock it to resume."), "the pause")
        reader.until_placeholder(webcam)
        user.unlock()
        until_state(machine, "live")
        reader.until_composite(webcam)


def test_logind_lock_pauses_until_unlock(machine: BootedMachine) -> None:
    session = machine.must(f"loginctl show-user {USER} --property=Display --value").strip()
    machine.must(f"loginctl lock-session {session}", user="root")
    until_state(machine, "paused")
    machine.must(f"loginctl unlock-session {session}", user="root")
    until_state(machine, "asleep")


def test_hot_keys_are_bound_and_work(machine: BootedMachine, user: KdeUser) -> None:
    user.choose("Set up shortcuts")
    until(lambda: "granted" in machine.run("cat .local/state/livebg/shortcuts.json").out, "the shortcuts")
    use_hot_keys(machine, user)
