"""The tray with an icon that is shown nowhere: the tests read and click its menu as a panel does."""

import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from livebg.daemon.status import PresetList
from livebg.errors import DisplayError, LivebgError
from livebg.system.host import Commands, ToolResult
from livebg.tray.actions import ActionRunner, Autostart
from livebg.tray.app import Tray
from livebg.tray.icon import PystrayIcon
from livebg.tray.launcher import DaemonLauncher
from tests.support.fake_daemon import FakeDaemon, temporary_runtime_dir
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="requires a Linux desktop")
DEADLINE = 20.0
COMMAND = ("/nowhere/livebg",)


@pytest.fixture
def pystray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """pystray with its dummy backend, which it chooses when it is imported."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "pystray"}
    monkeypatch.setenv("PYSTRAY_BACKEND", "dummy")
    yield importlib.import_module("pystray")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pystray"]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> dict[int, Callable[[], bool]]:
    """The handlers that the icon gives to GLib, by signal."""
    handlers: dict[int, Callable[[], bool]] = {}
    repository = ModuleType("gi.repository")
    repository.GLib = SimpleNamespace(  # type: ignore[attr-defined]
        PRIORITY_DEFAULT=0,
        LogLevelFlags=SimpleNamespace(LEVEL_WARNING=16),
        unix_signal_add=lambda _priority, number, handler: handlers.update({number: handler}),
        log_set_handler=lambda *_: None,
    )
    monkeypatch.setitem(sys.modules, "gi", ModuleType("gi"))
    monkeypatch.setitem(sys.modules, "gi.repository", repository)
    return handlers


@dataclass
class Machine(Commands):
    """A machine with livebg's systemd unit. It records the commands; ``code`` is the exit code of starting the unit."""

    code: int = 0
    calls: list[str] = field(default_factory=list)

    def run(self, *command: str, timeout: float | None = 5.0) -> ToolResult:  # noqa: ARG002
        self.calls.append(" ".join(command))
        return ToolResult(0 if command[2] == "cat" else self.code, "", "Job for livebg.service failed.")


@dataclass
class Panel:
    """Runs a tray, and holds its icon."""

    folder: Path
    machine: Machine = field(default_factory=Machine)
    notified: list[str] = field(default_factory=list)
    icons: list[Any] = field(default_factory=list)

    def start(self) -> None:
        launcher = DaemonLauncher(COMMAND, self.folder / "run.log", commands=self.machine, request=lambda _command: {})
        self.tray = Tray("own", ActionRunner(COMMAND, launcher, Autostart(COMMAND, self.folder), notify=self.notify))
        self.thread = threading.Thread(target=self.tray.run)
        self.thread.start()
        wait_until(lambda: bool(self.icons[0].visible))

    def notify(self, text: str) -> None:
        self.notified.append(text)

    @property
    def title(self) -> str:
        return str(self.icons[0].title)

    def items(self) -> Mapping[str, Any]:
        return {str(item.text): item for item in self.icons[0].menu.items}

    def click(self, label: str) -> None:
        self.items()[label](self.icons[0])

    def until_ended(self) -> None:
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()


@pytest.fixture
def panel(pystray: Any, signals: Mapping[int, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    """A panel that has started no tray yet, in a separate runtime folder."""
    assert signals == {}
    panel = Panel(tmp_path)

    class Icon(pystray._base.Icon):  # type: ignore[misc]
        """An icon whose loop waits for its end."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._ended = threading.Event()
            super().__init__(*arguments, **options)
            panel.icons.append(self)

        def _run(self) -> None:
            self._mark_ready()
            assert self._ended.wait(DEADLINE)

        def _stop(self) -> None:
            self._ended.set()

        def _ignore(self) -> None:
            pass

        _show = _hide = _update_icon = _update_title = _update_menu = _ignore

    monkeypatch.setattr(pystray, "Icon", Icon)
    with temporary_runtime_dir(monkeypatch):
        yield panel
        if panel.icons:
            panel.icons[0].stop()
            panel.until_ended()


def test_menu_shows_the_status_and_its_commands_reach_the_daemon(panel: Panel) -> None:
    received: list[Mapping[str, Any]] = []
    with FakeDaemon(more={"mode": received.append}):
        panel.start()
        assert panel.title == "livebg: Live: background blurred"
        items = panel.items()
        assert items["Hide the room"].checked
        assert not items["Pause camera"].checked
        modes = {str(item.text): item for item in items["Mode"].submenu.items}
        assert [name for name, item in modes.items() if item.checked and item.radio] == ["Blur"]
        modes["Matte only"](panel.icons[0])
        wait_until(lambda: received == [{"mode": "matte"}])
    assert panel.machine.calls == []
    assert panel.notified == []


def test_tray_starts_a_daemon_that_does_not_run(panel: Panel) -> None:
    panel.start()
    wait_until(lambda: panel.machine.calls[-1:] == ["systemctl --user start livebg.service"])
    assert panel.title == "livebg is not running"
    with FakeDaemon():
        wait_until(lambda: panel.title == "livebg: Live: background blurred")


def test_failed_action_is_shown_until_the_next_click(panel: Panel) -> None:
    panel.machine.code = 1
    panel.start()
    failure = "livebg did not start: Job for livebg.service failed."
    wait_until(lambda: panel.notified == [failure])
    wait_until(lambda: f"✗ {failure}" in " ".join(panel.items()))
    panel.click("Show this icon at login")
    wait_until(lambda: "✗" not in "".join(panel.items()))
    wait_until(lambda: bool(panel.items()["Show this icon at login"].checked))


def test_failure_without_a_notification_service_is_still_shown(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    def notify(_text: str) -> None:
        raise LivebgError("There is no notification service.")

    monkeypatch.setattr(panel, "notify", notify)
    panel.machine.code = 1
    panel.start()
    wait_until(lambda: "✗" in "".join(panel.items()))


def test_click_after_a_defect_still_reaches_the_daemon(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_autostart: Autostart, _on: bool) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(Autostart, "switch", fail)
    received: list[Mapping[str, Any]] = []
    with FakeDaemon(more={"pause": received.append}):
        panel.start()
        panel.click("Show this icon at login")
        wait_until(lambda: panel.notified == ["Internal error (KeyError: 'a defect'). Report this bug."])
        panel.click("Pause camera")
        wait_until(lambda: received == [{}])


def test_pause_does_not_wait_for_an_effect_that_is_loading(panel: Panel) -> None:
    loading, loaded, received = threading.Event(), threading.Event(), list[str]()

    def load(_arguments: Mapping[str, Any]) -> None:
        loading.set()
        assert loaded.wait(DEADLINE)
        received.append("mode")

    with FakeDaemon(more={"on": load, "off": load, "pause": lambda _: received.append("pause")}):
        panel.start()
        panel.click("Hide the room")
        assert loading.wait(DEADLINE)
        panel.click("Pause camera")
        wait_until(lambda: received == ["pause"], timeout=DEADLINE / 2)
        loaded.set()
        wait_until(lambda: received == ["pause", "mode"])


def test_icon_is_updated_after_a_defect(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeDaemon():
        panel.start()
        failed = threading.Event()

        def fail_once() -> PresetList:
            failed.set()
            raise KeyError("a defect")

        with monkeypatch.context() as patch:
            patch.setattr("livebg.tray.app.poll_presets", lambda: fail_once() if not failed.is_set() else PresetList())
            assert failed.wait(DEADLINE)
    wait_until(lambda: panel.title == "livebg is not running")


def test_quit_leaves_the_daemon_running(panel: Panel) -> None:
    with FakeDaemon() as daemon:
        panel.start()
        panel.click("Quit tray icon")
        panel.until_ended()
        assert not panel.tray.restart_requested
        assert not daemon.ended


def test_stop_and_quit_ends_both(panel: Panel) -> None:
    with FakeDaemon() as daemon:
        panel.start()
        panel.click("Stop livebg and quit")
        panel.until_ended()
        wait_until(lambda: daemon.ended)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_tray(panel: Panel, signals: Mapping[int, Callable[[], bool]], number: int) -> None:
    with FakeDaemon() as daemon:
        panel.start()
        assert signals[number]() is False
        panel.until_ended()
        assert not daemon.ended


def test_diagnostics_do_not_delay_other_actions(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run in a separate thread; their failure is shown like any other."""
    monkeypatch.setenv("PATH", "/nowhere")
    with FakeDaemon():
        panel.start()
        panel.click("Run diagnostics")
        wait_until(lambda: panel.notified == ["`livebg doctor` failed. Run it in a terminal."])


@pytest.mark.usefixtures("pystray")
def test_backend_that_shows_no_icon_is_refused() -> None:
    """pystray would start a thread that waits forever, so that the process would not end."""
    with pytest.raises(DisplayError, match=r"^PYSTRAY_BACKEND=dummy shows no icon\. Unset it\.$"):
        PystrayIcon("own", lambda _action: None)
    assert not [thread for thread in threading.enumerate() if "setup_handler" in thread.name]


def test_unknown_backend_is_refused(pystray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pystray
    for name in [name for name in sys.modules if name.partition(".")[0] == "pystray"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("PYSTRAY_BACKEND", "teletype")
    with pytest.raises(DisplayError, match=r"Cannot show the tray icon .*teletype"):
        PystrayIcon("own", lambda _action: None)
