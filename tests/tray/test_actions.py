"""Every action of the menu, with real programs in place of livebg and of the terminal."""

import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from livebg.errors import LivebgError, NotRunningError
from livebg.system.host import Commands, ToolResult
from livebg.tray.actions import ActionRunner, Autostart, doctor_summary
from livebg.tray.launcher import DaemonLauncher
from livebg.tray.menu import DaemonCommand, LocalAction
from tests.support.fake_daemon import FakeDaemon
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="requires a Linux desktop")
DEADLINE = 20.0
SERVICE_LOG = "journalctl --user --unit=livebg.service --lines=500 --follow"
FINDINGS = (
    '[{"check": "camera", "status": "FAIL", "message": "no camera", "fix": "plug one in"},'
    ' {"check": "model", "status": "ok", "message": "fine", "fix": ""}]'
)


@dataclass
class Service(Commands):
    """Commands on a machine with livebg's systemd unit if ``exists``, which start and stop it successfully."""

    exists: bool = True
    calls: list[str] = field(default_factory=list)

    def run(self, *command: str, timeout: float | None = 5.0) -> ToolResult:  # noqa: ARG002
        self.calls.append(" ".join(command))
        return ToolResult(0 if self.exists else 1, "")


@dataclass
class Desk:
    """A runner of actions whose programs write their arguments to files, and what it reports."""

    folder: Path
    service: Service = field(default_factory=Service)
    notified: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed: threading.Event = field(default_factory=threading.Event)

    def program(self, name: str, then: str = "") -> Path:
        """A program that writes its arguments to ``NAME.arguments``, then runs ``then``."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "$*" > "{path}.part"; mv "{path}.part" "{path}.arguments"\n{then}\n')
        path.chmod(0o755)
        return path

    def arguments(self, name: str) -> str:
        """The arguments of a program, as soon as it has run."""
        path = self.folder / f"{name}.arguments"
        wait_until(path.exists, f"{name} did not run")
        return path.read_text().strip()

    def run(self, action: LocalAction | DaemonCommand) -> DaemonCommand | None:
        command = (str(self.folder / "livebg"),)
        launcher = DaemonLauncher(
            command, self.folder / "run.log", commands=self.service, request=lambda _command: {}, find_pid=lambda: None
        )
        autostart = Autostart(command, self.folder / "config")
        return ActionRunner(command, launcher, autostart, notify=self.notified.append).run(action, self._fail)

    def _fail(self, reason: str) -> None:
        self.failures.append(reason)
        self.failed.set()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """No terminal is installed until a test makes one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return Desk(tmp_path)


@pytest.fixture
def shell(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The programs also find the shell's tools; a terminal is an ``xterm`` that the test makes."""
    monkeypatch.setenv("PATH", f"{desk.folder}{os.pathsep}/bin")
    if any((Path("/bin") / name).exists() for name in ("xdg-terminal-exec", "x-terminal-emulator", "gnome-terminal")):
        pytest.skip("This machine has a terminal emulator, which would open.")
    return desk


@pytest.mark.usefixtures("runtime")
def test_command_reaches_the_daemon(desk: Desk) -> None:
    received: list[dict[str, object]] = []
    with FakeDaemon(more={"mode": lambda arguments: received.append(dict(arguments))}):
        assert desk.run(DaemonCommand("mode", {"mode": "matte"})) is None
    assert received == [{"mode": "matte"}]


@pytest.mark.usefixtures("runtime")
def test_command_without_a_daemon_fails(desk: Desk) -> None:
    with pytest.raises(NotRunningError):
        desk.run(DaemonCommand("pause"))


@pytest.mark.usefixtures("runtime")
def test_stop_and_quit_stops_the_daemon(desk: Desk) -> None:
    with FakeDaemon() as daemon:
        desk.run(LocalAction.STOP_AND_QUIT)
        wait_until(lambda: daemon.ended)
    desk.run(LocalAction.STOP_AND_QUIT)  # nothing is left to stop


@pytest.mark.parametrize("action", [LocalAction.START, LocalAction.RESTART])
def test_start_and_restart_without_a_daemon_start_the_service(desk: Desk, action: LocalAction) -> None:
    desk.run(action)
    assert desk.service.calls == ["systemctl --user cat livebg.service", "systemctl --user start livebg.service"]


def test_login_switches_the_autostart_entry(desk: Desk) -> None:
    entry = Autostart((), desk.folder / "config")
    states = []
    for _ in range(3):
        desk.run(LocalAction.LOGIN)
        states.append(entry.is_on)
    assert states == [True, False, True]


def test_preview_failure_is_reported(shell: Desk) -> None:
    shell.program("livebg", "echo 'livebg: No display.' >&2; exit 8")
    shell.run(LocalAction.PREVIEW)
    assert shell.arguments("livebg") == "preview"
    assert shell.failed.wait(DEADLINE)
    assert shell.failures == ["No display."]


def test_program_that_crashes_is_reported(shell: Desk) -> None:
    shell.program("livebg", "kill -SEGV $$")
    shell.run(LocalAction.PREVIEW)
    assert shell.failed.wait(DEADLINE)
    assert shell.failures == [f"{shell.folder / 'livebg'} was ended by signal 11 (Segmentation fault)."]


def test_log_opens_in_a_terminal(shell: Desk) -> None:
    shell.program("xterm")
    shell.run(LocalAction.LOG)
    assert shell.arguments("xterm") == f"-e {SERVICE_LOG}"


def test_log_without_a_terminal_names_the_command(desk: Desk) -> None:
    with pytest.raises(LivebgError, match=f"Run `{SERVICE_LOG}` in a terminal"):
        desk.run(LocalAction.LOG)


def test_log_of_a_daemon_without_service_is_its_file(shell: Desk) -> None:
    shell.program("xterm")
    shell.service.exists = False
    (shell.folder / "run.log").write_text("livebg: ready\n")
    shell.run(LocalAction.LOG)
    assert shell.arguments("xterm") == f"-e tail -n 500 -f {shell.folder / 'run.log'}"


def test_doctor_opens_in_a_terminal(shell: Desk) -> None:
    shell.program("xterm")
    shell.run(LocalAction.DOCTOR)
    assert shell.arguments("xterm").endswith(f"livebg {shell.folder / 'livebg'}")
    assert shell.notified == []


def test_doctor_without_a_terminal_shows_a_notification(shell: Desk) -> None:
    shell.program("livebg", f"echo '{FINDINGS}'")
    shell.run(LocalAction.DOCTOR)
    assert shell.arguments("livebg") == "doctor --json --no-measure"
    assert shell.notified == ["camera: no camera (plug one in)"]


@pytest.mark.parametrize("output", ["[]", '[{"check": "model", "status": "ok", "message": "fine", "fix": ""}]'])
def test_doctor_summary_of_a_healthy_machine(shell: Desk, output: str) -> None:
    assert doctor_summary((str(shell.program("livebg", f"echo '{output}'")),)) == "livebg doctor found no problems"


@pytest.mark.parametrize("output", ["Traceback", ""])
def test_doctor_summary_without_findings_fails(shell: Desk, output: str) -> None:
    with pytest.raises(LivebgError, match=r"doctor` failed\. Run it in a terminal"):
        doctor_summary((str(shell.program("livebg", f"echo '{output}'")),))
