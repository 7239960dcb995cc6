"""Tests of the tray's parts: polling, launching livebg, external windows, autostart and backend detection."""

import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from livebg.daemon.protocol import VersionMismatch
from livebg.daemon.status import PresetEntry, PresetList
from livebg.errors import DisplayError, LivebgError, NotRunningError, SetupError
from livebg.setup.resources import APP_ID, AUTOSTART
from livebg.system.host import Commands, ToolResult
from livebg.tray.actions import (
    TERMINALS,
    ActionRunner,
    Autostart,
    choose_picture,
    doctor_command,
    launch,
    log_command,
    terminal_command,
)
from livebg.tray.desktop import DesktopProbe, find_backend, notify
from livebg.tray.launcher import DaemonLauncher
from livebg.tray.menu import DaemonCommand, LocalAction
from livebg.tray.status import CameraChoice, Cameras, TrayState, poll_presets, poll_status
from tests.support.fake_daemon import LIVE, FakeDaemon
from tests.support.waiting import wait_until

if sys.platform == "linux":
    from tests.support.tray_desktop import NotificationService, Portal, session_bus

LATIN = Path(os.fsdecode(b"/home/me/caf\xe9.png"))
"""A path that is not UTF-8."""
DEADLINE = 20.0
linux = pytest.mark.skipif(sys.platform != "linux", reason="requires a Linux desktop")
COMMAND = ("/opt/livebg/bin/livebg",)


def fails(reason: str) -> None:
    pytest.fail(reason)


@pytest.mark.usefixtures("runtime")
def test_poll_reports_running_and_missing_daemon() -> None:
    assert poll_status().state is TrayState.NOT_RUNNING
    with FakeDaemon(LIVE):
        seen = poll_status()
        assert seen.state is TrayState.LIVE
        assert seen.status is not None
        assert seen.status.pid == LIVE.pid
    assert poll_status().state is TrayState.NOT_RUNNING


def test_poll_reports_starting_daemon() -> None:
    def asked(_command: str) -> object:
        raise NotRunningError("not yet")

    assert poll_status(asked, lambda: 4711).state is TrayState.WAKING
    assert poll_status(lambda _command: {"state": "live"}, lambda: 4711).state is TrayState.ERROR


@pytest.mark.usefixtures("runtime")
def test_poll_reports_presets_of_running_daemon() -> None:
    assert poll_presets() == PresetList()
    with FakeDaemon(LIVE):  # of a release without presets
        assert poll_presets() == PresetList()
    answer = {"presets": [{"name": "office", "builtin": True, "later": 1}], "current": "office"}
    with FakeDaemon(LIVE, more={"presets": lambda _arguments: answer}):
        assert poll_presets() == PresetList((PresetEntry("office", True),), "office")


@pytest.mark.usefixtures("runtime")
def test_shortcuts_are_set_up_by_daemon_and_shown(tmp_path: Path) -> None:
    shown: list[str] = []
    found = [
        {"action": "next_preset", "description": "Apply the next preset", "trigger": "Press <Super>F10"},
        {"action": "pause_or_resume", "description": "Pause", "trigger": ""},
    ]
    launcher = starter(Service(), tmp_path / "run.log")
    runner = ActionRunner(COMMAND, launcher, Autostart(COMMAND, tmp_path), notify=shown.append)
    with FakeDaemon(LIVE, more={"set_up_shortcuts": lambda _arguments: {"shortcuts": found}}):
        runner.run(LocalAction.SHORTCUTS, fails)
        assert shown == ["Apply the next preset: Press <Super>F10; Pause: no keys"]
    with FakeDaemon(LIVE, more={"set_up_shortcuts": lambda _arguments: {"shortcuts": []}}):  # canceled
        runner.run(LocalAction.SHORTCUTS, fails)
    assert len(shown) == 1


def test_cameras_are_listed_only_after_device_change(tmp_path: Path) -> None:
    surveys: list[int] = []

    def survey() -> tuple[CameraChoice, ...]:
        surveys.append(1)
        return (CameraChoice("C920", "C920"),)

    cameras = Cameras(tmp_path, survey)
    for _ in range(20):
        assert cameras() == (CameraChoice("C920", "C920"),)
    assert len(surveys) == 2  # initially, and again after udev has set the permissions
    os.utime(tmp_path, ns=(1, 1))
    for _ in range(20):
        cameras()
    assert len(surveys) == 4


class NoService(Commands):
    """Commands on a machine without livebg's systemd unit."""

    def run(self, *command: str, timeout: float | None = 5.0) -> ToolResult:  # noqa: ARG002
        return ToolResult(1, "", f"{command[0]}: no such unit")


@dataclass
class Service(Commands):
    """Commands on a machine with livebg's systemd unit. ``code`` is the exit code of starting it."""

    code: int = 0
    pid: int = 0
    commands: list[str] = field(default_factory=list)

    def run(self, *command: str, timeout: float | None = 5.0) -> ToolResult:  # noqa: ARG002
        self.commands.append(" ".join(command))
        match command[0], command[2]:
            case "systemctl", "show":
                return ToolResult(0, f"{self.pid}\n")
            case "systemctl", "start" | "restart":
                return ToolResult(self.code, "", "Job for livebg.service failed.")
            case "journalctl", _:
                return ToolResult(0, "livebg: there is no camera: plug one in\n")
        return ToolResult(0, "")


def starter(commands: Commands, log: Path, command: tuple[str, ...] = COMMAND, answers: bool = True) -> DaemonLauncher:
    def asked(_command: str) -> object:
        if not answers:
            raise NotRunningError("...")
        return {}

    return DaemonLauncher(command, log, commands=commands, request=asked, find_pid=lambda: None)


def test_installed_service_is_started(tmp_path: Path) -> None:
    service = Service()
    starter(service, tmp_path / "run.log").start()
    assert "systemctl --user start livebg.service" in service.commands
    assert not (tmp_path / "run.log").exists()


def test_service_failure_shows_livebg_error(tmp_path: Path) -> None:
    with pytest.raises(LivebgError, match=r"^livebg did not start: there is no camera: plug one in$"):
        starter(Service(code=1), tmp_path / "run.log").start()


def test_service_daemon_is_restarted_by_service(tmp_path: Path) -> None:
    service = Service(pid=4711)
    DaemonLauncher(COMMAND, tmp_path / "log", commands=service, request=lambda _command: {}, find_pid=lambda: 4711).restart()
    assert service.commands[-1] == "systemctl --user restart livebg.service"


def test_livebg_that_is_busy_at_its_start_is_awaited(tmp_path: Path) -> None:
    errors = [NotRunningError("It is not running."), LivebgError("It did not respond within 2 s.")]

    def ask(_command: str) -> object:
        if errors:
            raise errors.pop(0)
        return {}

    DaemonLauncher(COMMAND, tmp_path / "log", commands=Service(), request=ask, find_pid=lambda: None).start()
    assert errors == []


def test_livebg_of_another_version_is_not_awaited(tmp_path: Path) -> None:
    def ask(_command: str) -> object:
        raise VersionMismatch("It is newer.", "Restart.", 99)

    with pytest.raises(VersionMismatch):
        DaemonLauncher(COMMAND, tmp_path / "log", commands=Service(), request=ask, find_pid=lambda: None).start()


@linux
def test_process_with_log_is_started_without_service(tmp_path: Path) -> None:
    script = tmp_path / "livebg"
    script.write_text('#!/bin/sh\necho "livebg: cannot $1" >&2\nexit 3\n')
    script.chmod(0o755)
    log = tmp_path / "state" / "run.log"
    with pytest.raises(LivebgError, match=r"^livebg did not start: cannot run$"):
        starter(NoService(), log, (str(script),), answers=False).start()
    assert log.read_text() == "livebg: cannot run\n"


def test_missing_livebg_fails(tmp_path: Path) -> None:
    message = r"^Cannot start livebg \(No such file or directory: /nowhere/livebg\)\. Reinstall it\.$"
    with pytest.raises(LivebgError, match=message):
        starter(NoService(), tmp_path / "run.log", ("/nowhere/livebg",), answers=False).start()


@linux
def test_restart_kills_unresponsive_daemon(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    service = Service(pid=1)

    def holder() -> int | None:
        return other.pid if other.poll() is None else None

    DaemonLauncher(COMMAND, tmp_path / "log", commands=service, request=lambda _command: {}, find_pid=holder).restart()
    assert other.wait(DEADLINE) < 0
    assert "systemctl --user start livebg.service" in service.commands


def test_terminals_have_order_and_own_syntax() -> None:
    there = {"konsole", "gnome-terminal"}
    find = {name: f"/usr/bin/{name}" for name in there}.get
    assert terminal_command(("tail", "log"), find) == ("gnome-terminal", "--", "tail", "log")
    assert terminal_command(("tail",), lambda _name: None) is None
    for name in TERMINALS:
        words = terminal_command(("tail", "log"), {name: name}.get)
        assert words is not None
        assert (words[0], words[-2:]) == (name, ("tail", "log"))


@linux
def test_doctor_command_runs_this_installation(tmp_path: Path) -> None:
    fake = tmp_path / "my livebg"
    fake.write_text('#!/bin/sh\necho "examined: $1"\n')
    fake.chmod(0o755)
    done = subprocess.run(doctor_command((str(fake),)), input="\n", capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert done.stdout == "examined: doctor\n\nPress Enter to close this window. "


def test_log_command_uses_journal_or_file(tmp_path: Path) -> None:
    assert log_command(True, tmp_path / "log")[:2] == ("journalctl", "--user")
    with pytest.raises(LivebgError, match="not written a log yet"):
        log_command(False, tmp_path / "log")
    (tmp_path / "log").write_text("well\n")
    assert log_command(False, tmp_path / "log")[-1] == str(tmp_path / "log")


@linux
def test_failed_window_reports_reason_and_success_nothing() -> None:
    received: list[str] = []
    heard = threading.Event()

    def failed(reason: str) -> None:
        received.append(reason)
        heard.set()

    launch(["/bin/sh", "-c", "true"], fails)
    launch(["/bin/sh", "-c", "echo working; echo 'livebg: no display here' >&2; exit 8"], failed)
    assert heard.wait(DEADLINE)
    assert received == ["no display here"]
    with pytest.raises(LivebgError, match="Cannot start /nowhere/to/be/found"):
        launch(["/nowhere/to/be/found"], fails)


@linux
def test_program_that_writes_many_errors_takes_no_memory() -> None:
    received: list[str] = []
    tracemalloc.start()
    launch(["/bin/sh", "-c", "yes warning | head -n 500000 >&2; echo 'livebg: the end' >&2; exit 1"], received.append)
    wait_until(lambda: received == ["the end"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@linux
@pytest.mark.parametrize(
    ("script", "chosen"),
    [
        ("echo '/home/me/my beach.png'", Path("/home/me/my beach.png")),
        (r"printf '/home/me/caf\351.png\n'", LATIN),
        ("exit 1", None),
        ("exit 0", None),
    ],
)
def test_choose_picture_asks_zenity_without_a_portal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, chosen: Path | None
) -> None:
    (tmp_path / "zenity").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "zenity").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    assert choose_picture() == chosen


@linux
@pytest.mark.parametrize("zenity", ["", "echo 'cannot open display' >&2; exit 255"])
def test_choose_picture_without_any_dialog_raises_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zenity: str) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    if zenity:
        (tmp_path / "zenity").write_text(f"#!/bin/sh\n{zenity}\n")
        (tmp_path / "zenity").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LivebgError, match="Install zenity"):
        choose_picture()


def test_chosen_file_becomes_command(tmp_path: Path) -> None:
    def doer(picture: Path | None) -> ActionRunner:
        begin = starter(NoService(), tmp_path / "log")
        return ActionRunner(COMMAND, begin, Autostart(COMMAND, tmp_path), choose=lambda: picture)

    assert doer(None).run(LocalAction.CHOOSE_BACKGROUND, fails) is None
    picture = tmp_path / "beach.jpg"
    assert doer(picture).run(LocalAction.CHOOSE_BACKGROUND, fails) == DaemonCommand("background", {"background": str(picture)})


def test_autostart_entry_is_added_and_removed(tmp_path: Path) -> None:
    autostart = Autostart(("/opt/my livebg",), tmp_path / "config")
    assert not autostart.is_on
    autostart.switch(True)
    assert autostart.is_on
    assert 'Exec="/opt/my livebg" tray --wait 60\n' in (tmp_path / "config" / AUTOSTART).read_text()
    autostart.switch(False)
    assert not autostart.is_on
    autostart.switch(False)


@pytest.mark.parametrize("on", [True, False])
def test_autostart_under_the_former_name_is_replaced_or_removed(tmp_path: Path, on: bool) -> None:
    former, autostart = tmp_path / "autostart" / "livebg-tray.desktop", Autostart(COMMAND, tmp_path)
    former.parent.mkdir()
    former.write_text("[Desktop Entry]\nExec=/opt/livebg/bin/livebg tray --wait 60\n")
    assert autostart.is_on
    autostart.switch(on)
    assert autostart.is_on is on
    assert not former.exists()
    assert (tmp_path / AUTOSTART).exists() is on


def test_autostart_entry_of_a_package_is_hidden_for_one_user(tmp_path: Path) -> None:
    packaged = tmp_path / "xdg" / AUTOSTART
    packaged.parent.mkdir(parents=True)
    packaged.write_text("[Desktop Entry]\nExec=/usr/bin/livebg tray --wait 60\n")
    autostart = Autostart(COMMAND, tmp_path / "config", (tmp_path / "none", tmp_path / "xdg"))
    assert autostart.is_on
    autostart.switch(False)
    assert not autostart.is_on
    assert packaged.exists()
    autostart.switch(True)
    assert autostart.is_on


@pytest.mark.parametrize("line", ["Hidden=true", "X-GNOME-Autostart-enabled=false"])
def test_disabled_autostart_entry_is_off(tmp_path: Path, line: str) -> None:
    autostart = Autostart(COMMAND, tmp_path)
    autostart.switch(True)
    text = (tmp_path / AUTOSTART).read_text().replace("X-GNOME-Autostart-enabled=true", "")
    (tmp_path / AUTOSTART).write_text(f"{text}{line}\n")
    assert not autostart.is_on
    autostart.switch(True)
    assert autostart.is_on


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root ignores file permissions")
def test_unwritable_folder_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SetupError, match="Cannot read or write"):
        Autostart(COMMAND, tmp_path / "config").switch(True)


def desktop(variables: Mapping[str, str], *there: str, system: str = "linux") -> DesktopProbe:
    return DesktopProbe(
        system,
        variables,
        has_bus=lambda: "bus" in there,
        shows_icons=lambda: "icons" in there,
        shows_x_icons=lambda: "x icons" in there,
        introspection=lambda: "gi" in there,
    )


X11, WAYLAND = {"DISPLAY": ":0"}, {"WAYLAND_DISPLAY": "wayland-0"}


def test_backend_follows_desktop() -> None:
    assert find_backend(desktop(WAYLAND, "gi", "bus", "icons")) == "appindicator"
    assert find_backend(desktop(X11, "gi", "bus", "icons", "x icons")) == "appindicator"
    assert find_backend(desktop(X11, "gi", "bus", "x icons")) == "gtk"
    assert find_backend(desktop({}, system="darwin")) == "own"


def test_wayland_waits_for_panel_whose_xwayland_tray_is_first() -> None:
    answers = iter((False, True))
    probe = replace(desktop({**WAYLAND, **X11}, "gi", "bus", "x icons"), shows_icons=lambda: next(answers))
    assert find_backend(probe, timeout=30.0) == "appindicator"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (desktop({}, "gi", "bus", "icons"), "No display found"),
        (desktop(X11, "bus", "icons"), "needs the system's PyGObject"),
        (desktop(X11, "gi", "x icons"), "D-Bus, which does not respond"),
        (desktop(X11, "gi", "bus"), "This desktop shows no tray icons"),
        (desktop(WAYLAND, "gi", "bus", "x icons"), "This desktop shows no tray icons"),
        (desktop({**WAYLAND, **X11}, "gi", "bus", "x icons"), "This desktop shows no tray icons"),
        (desktop({**WAYLAND, "XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}, "gi", "bus"), "gnome-shell-extension-appindicator"),
    ],
)
def test_missing_backend_error_explains_why(found: DesktopProbe, sentence: str) -> None:
    with pytest.raises(DisplayError, match=sentence) as caught:
        find_backend(found)
    assert caught.value.exit_code == 8


@linux
@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")
@pytest.mark.parametrize(
    ("uris", "chosen"),
    [
        (["file:///home/me/my%20beach.png"], Path("/home/me/my beach.png")),
        (["file:///home/me/caf%E9.png"], LATIN),
        (None, None),
    ],
)
def test_choose_picture_asks_the_portal_first(
    monkeypatch: pytest.MonkeyPatch, uris: list[str] | None, chosen: Path | None
) -> None:
    with session_bus({}) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        with Portal(address, uris):
            assert choose_picture() == chosen


@linux
@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")
def test_notification_names_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its icon and desktop entry are those that setup installs."""
    with session_bus({}) as address, NotificationService(address) as service:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        notify("no camera")
    (shown,) = service.shown
    assert shown == ("livebg", 0, APP_ID, "livebg", "no camera", [], {"desktop-entry": ("s", APP_ID)}, -1)
