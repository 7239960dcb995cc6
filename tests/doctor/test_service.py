"""Tests of the doctor's checks of the settings, the service and the running daemon."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from livebg import __version__
from livebg.daemon.runtime_dir import hold_lock
from livebg.doctor import service
from livebg.doctor.context import Finding
from tests.support.doctor_machine import DoctorMachine
from tests.support.fake_daemon import LIVE, FakeDaemon

SHOW = "systemctl --user show livebg.service"
LOG = "journalctl --user --unit=livebg.service --lines=20"
WELL = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "ExecMainStatus": "0",
    "NRestarts": "0",
    "ExecStart": "{ path=/home/ada/.local/bin/livebg ; argv[]=/home/ada/.local/bin/livebg run ; ignore_errors=no ; pid=4242 }",
}


@pytest.fixture
def machine(machine: DoctorMachine) -> DoctorMachine:
    machine.file("/home/ada/.local/bin/livebg")
    return machine


def unit_finding(machine: DoctorMachine, **changed: str) -> Finding:
    machine.tool(SHOW, "".join(f"{key}={value}\n" for key, value in (WELL | changed).items()))
    return service.unit(machine.context())


def test_running_service_passes(machine: DoctorMachine) -> None:
    assert unit_finding(machine) == Finding("ok", "The service is enabled and running")


@pytest.mark.parametrize(
    ("changed", "status", "words", "fix"),
    [
        ({"LoadState": "not-found"}, "warn", "not installed as a service", "livebg setup"),
        ({"LoadState": "masked"}, "FAIL", "livebg.service is masked", "systemctl --user status livebg.service"),
        ({"LoadState": "bad-setting"}, "FAIL", "is not valid", "systemctl --user status livebg.service"),
        ({"UnitFileState": "disabled"}, "warn", "does not start at login", "systemctl --user enable livebg.service"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "warn", "not running", "systemctl --user start livebg.service"),
        ({"NRestarts": "3"}, "warn", "restarted 3 times", LOG),
        (
            {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "2"},
            "FAIL",
            "its settings are invalid or conflict",
            LOG,
        ),
        ({"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "4"}, "FAIL", "camera cannot be written", LOG),
        ({"ActiveState": "failed", "Result": "watchdog", "ExecMainStatus": "6"}, "FAIL", "watchdog, exit code 6", LOG),
        (
            {"ExecStart": "{ path=/old/venv/bin/livebg ; argv[]=... }"},
            "FAIL",
            "starts /old/venv/bin/livebg",
            "livebg setup",
        ),
    ],
)
def test_broken_service_is_reported(machine: DoctorMachine, changed: dict[str, str], status: str, words: str, fix: str) -> None:
    finding = unit_finding(machine, **changed)
    assert (finding.status, finding.fix) == (status, fix)
    assert words in finding.message


def test_service_at_start_limit_needs_reset(machine: DoctorMachine) -> None:
    finding = unit_finding(machine, ActiveState="failed", Result="start-limit-hit")
    assert finding.status == "FAIL"
    assert finding.fix is not None
    assert finding.fix.endswith("systemctl --user reset-failed livebg.service && systemctl --user start livebg.service")


def test_program_in_folder_with_spaces_is_found(machine: DoctorMachine) -> None:
    program = "/home/ada/my tools/bin/livebg"
    started = {"ExecStart": f"{{ path={program} ; argv[]={program} run ; ignore_errors=no ; pid=4242 }}"}
    assert f"starts {program}, which does not exist" in unit_finding(machine, **started).message
    machine.file(program)
    assert unit_finding(machine, **started).status == "ok"


def test_missing_service_manager_is_skipped(machine: DoctorMachine) -> None:
    machine.tool(SHOW, code=1, err="Failed to connect to bus: No medium found\n")
    found = "The systemd user manager is not available (Failed to connect to bus: No medium found)"
    assert service.unit(machine.context()) == Finding("skipped", found)


def test_unit_in_home_beside_package_warns(machine: DoctorMachine) -> None:
    machine.file("/usr/lib/systemd/user/livebg.service")
    unit = "/home/ada/.config/systemd/user/livebg.service"
    finding = unit_finding(machine, FragmentPath=unit)
    assert (finding.status, finding.fix) == ("warn", "livebg setup")
    assert f"{unit} replaces that of the package" in finding.message
    for path in ("/usr/lib/systemd/user/livebg.service", "/etc/systemd/user/livebg.service"):
        assert unit_finding(machine, FragmentPath=path).status == "ok"


def test_installation_is_reported(machine: DoctorMachine) -> None:
    context = machine.context()
    assert service.installation(context) == Finding("ok", f"livebg is installed in {sys.prefix}")
    machine.file("/usr/lib/systemd/user/livebg.service")
    finding = service.installation(context)
    assert finding.status == "warn"
    assert "the package livebg is installed too, as /usr/bin/livebg" in finding.message
    context.command = ("/usr/bin/livebg",)
    assert service.installation(context) == Finding("ok", "livebg is installed for all users, by the package livebg")


def test_valid_configuration_passes(machine: DoctorMachine, tmp_path: Path) -> None:
    assert service.configuration(machine.context()) == Finding("ok", "No configuration file, so the defaults apply")
    file = tmp_path / "my.toml"
    file.write_text("[effect]\nblur = 0.1\n")
    assert service.configuration(machine.context(file)) == Finding("ok", f"{file} is valid")


@pytest.mark.parametrize(
    ("text", "words", "fix"),
    [
        ("[effect]\nblurr = 0.1\n", "Unknown key effect.blurr in ", "Did you mean effect.blur?"),
        ("[effect\n", "is not valid TOML", "Correct the file"),
    ],
)
def test_invalid_configuration_fails(machine: DoctorMachine, tmp_path: Path, text: str, words: str, fix: str) -> None:
    file = tmp_path / "my.toml"
    file.write_text(text)
    context = machine.context(file)
    finding = service.configuration(context)
    assert (finding.status, finding.fix) == ("FAIL", fix)
    assert words in finding.message
    assert context.label == "livebg"  # other checks use the defaults


def test_daemon_not_running_warns(machine: DoctorMachine) -> None:
    context = machine.context()
    found, fix = "livebg is not running, so the virtual camera has no picture", "livebg run, or systemctl --user start livebg"
    assert service.running(context) == Finding("warn", found, fix)
    assert service.version(context) == Finding("ok", f"livebg {__version__}")


def test_running_daemon_passes(machine: DoctorMachine) -> None:
    with FakeDaemon(replace(LIVE, last_error=None, version=__version__)):
        context = machine.context()
        assert service.running(context) == Finding("ok", "livebg (pid 4242) is live")
        assert service.version(context) == Finding("ok", f"livebg {__version__}, same as the running one")


def test_running_daemon_reports_last_error(machine: DoctorMachine) -> None:
    with FakeDaemon(LIVE):
        finding = service.running(machine.context())
    assert finding.status == "ok"
    assert "the last error was 75 s ago: the camera [C920] was lost" in finding.message


def test_daemon_without_camera_warns(machine: DoctorMachine) -> None:
    with FakeDaemon(replace(LIVE, state="camera lost", reason="the camera C920 has gone")):
        finding = service.running(machine.context())
    assert finding == Finding("warn", "livebg (pid 4242) is camera lost: the camera C920 has gone", "livebg status --watch")


def test_other_running_version_warns(machine: DoctorMachine) -> None:
    with FakeDaemon(replace(LIVE, version="0.0.9")):
        finding = service.version(machine.context())
    assert (finding.status, finding.message) == ("warn", f"livebg 0.0.9 is running, but livebg {__version__} is installed")
    assert finding.fix == "livebg stop && livebg run, or systemctl --user restart livebg"


def test_starting_daemon_warns(machine: DoctorMachine) -> None:
    with hold_lock():
        finding = service.running(machine.context())
    found = f"livebg (pid {os.getpid()}) is starting or stopping and accepts no commands"
    assert finding == Finding("warn", found, "Try again, or kill it by its pid")


def test_incompatible_daemon_fails(machine: DoctorMachine) -> None:
    with FakeDaemon(replace(LIVE, uptime="long")):  # type: ignore[arg-type]
        finding = service.running(machine.context())
    assert finding.status == "FAIL"
    assert finding.message == "Incompatible livebg is running (unexpected status field uptime)"
    assert finding.fix == "Restart it"
