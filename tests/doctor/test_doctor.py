"""Tests of ``livebg doctor`` as a whole, on a simulated machine and on this one."""

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.cli.doctor import print_results
from livebg.doctor import virtual_camera
from livebg.doctor.checks import CHECKS, run_checks
from livebg.doctor.context import Finding, Result
from livebg.system.host import Commands, ToolMissing, ToolTimeout
from tests.support.cli_runner import LivebgCli
from tests.support.doctor_machine import RELEASE, DoctorMachine
from tests.support.fake_daemon import temporary_runtime_dir

FIELDS = {"group", "check", "status", "message", "fix"}


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivebgCli]:
    with temporary_runtime_dir(monkeypatch):
        yield LivebgCli(tmp_path, monkeypatch)


def findings_of(machine: DoctorMachine) -> dict[str, Finding]:
    return {result.check: result.finding for result in run_checks(machine.context(), measuring=False)}


def test_complete_machine_has_no_failure(machine: DoctorMachine) -> None:
    machine.device()
    machine.camera()
    findings = findings_of(machine)
    assert [name for name, finding in findings.items() if finding.status == "FAIL"] == []
    assert findings["device"].message == "The virtual camera 'livebg' is /dev/video42"
    assert findings["speed"] == Finding("skipped", "Skipped by option")
    assert not machine.kernel.open_fds


def test_bare_machine_has_two_failures(machine: DoctorMachine) -> None:
    findings = findings_of(machine)
    failures = {name: finding.fix for name, finding in findings.items() if finding.status == "FAIL"}
    assert failures == {
        "module": f"sudo apt install v4l2loopback-dkms linux-headers-{RELEASE}, then livebg setup",
        "camera": "Plug one in",
    }
    assert findings["Snap"].status == "skipped"
    assert findings["unit"] == Finding("skipped", "systemctl is not installed")


def test_null_output_needs_no_virtual_camera(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.camera()
    monkeypatch.setenv("LIVEBG_OUTPUT__BACKEND", "null")
    findings = findings_of(machine)
    assert [name for name, finding in findings.items() if finding.status == "FAIL"] == []
    assert findings["module"] == Finding("skipped", "Only applies to v4l2loopback, but output.backend is null")
    assert findings["PipeWire library"] == Finding("skipped", "Only applies to pipewire, but output.backend is null")


def test_check_names_are_unique_and_groups_are_contiguous() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    groups = [check.group for check in CHECKS]
    assert list(dict.fromkeys(groups)) == ["virtual camera", "camera", "desktop", "network", "service"]
    assert sorted(groups, key=list(dict.fromkeys(groups)).index) == groups


def test_checks_run_no_privileged_commands(machine: DoctorMachine) -> None:
    machine.device()
    machine.camera()
    findings_of(machine)
    roots = {"sudo", "pkexec", "modprobe", "rmmod", "tee", "dmesg"}
    assert machine.commands.asked
    assert not roots & {line.split()[0] for line in machine.commands.asked}


def test_crashing_check_does_not_stop_others(machine: DoctorMachine) -> None:
    machine.device()
    (machine.root / "sys/devices/virtual/video4linux/video42/max_openers").unlink()
    machine.folder("/sys/devices/virtual/video4linux/video42/max_openers")  # reading a folder raises OSError
    machine.tool("pw-dump", "no JSON")
    machine.commands.answers["systemctl"] = ToolTimeout("systemctl timed out after 5 s")
    findings = findings_of(machine)
    assert findings["openers"].status == "warn"
    assert findings["openers"].message.startswith(f"Check failed: [Errno {errno.EISDIR}] Is a directory")
    assert findings["PipeWire"].status == "warn"
    assert findings["unit"] == Finding("warn", "Check failed: systemctl timed out after 5 s")
    assert findings["version"].status == "ok"
    assert len(findings) == sum(check.systems is None or "linux" in check.systems for check in CHECKS)


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_run_only_matching_checks(machine: DoctorMachine, system: str) -> None:
    machine.system = system
    findings = findings_of(machine)
    assert {"OBS", "libraries", "model", "provider", "speed", "configuration", "version"} <= set(findings)
    assert not {"module", "camera", "PipeWire", "unit"} & set(findings)
    assert findings["OBS"].status == "FAIL"
    if system == "darwin":
        machine.folder("/Applications/OBS.app")
    else:
        machine.tool("reg query", "HKEY_LOCAL_MACHINE\\SOFTWARE\\Classes\\CLSID\\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}\r\n")
    assert virtual_camera.obs(machine.context()).status == "ok"


def test_output_shows_fix_below_finding(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    fix = "sudo apt install v4l2loopback-dkms linux-headers-6.1.0-18-amd64 && something that is longer than a line"
    results = [
        Result("virtual camera", "module", Finding("FAIL", "v4l2loopback [dkms] is not installed", fix)),
        Result("virtual camera", "device", Finding("skipped", "there is none")),
        Result("virtual camera", "writer", Finding("skipped", "there is none")),
        Result("camera", "camera", Finding("ok", "C920 (/dev/video0) is there")),
    ]
    assert print_results(results) == results
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "virtual camera",
        "  FAIL     module: v4l2loopback [dkms] is not installed",
        f"           {fix}",  # not wrapped, so that it can be copied
        "  skipped  device, writer: there is none",
        "",
        "camera",
        "  ok       camera: C920 (/dev/video0) is there",
        "",
        "1 failed, 0 warnings. Fix them in the order shown.",
    ]


def test_doctor_command_works_on_this_machine(cli: LivebgCli) -> None:
    result = cli.livebg("doctor", "--json", "--no-measure")
    reported = json.loads(result.out)
    assert [set(each) for each in reported] == [FIELDS] * len(reported)
    assert {each["status"] for each in reported} <= {"ok", "warn", "FAIL", "skipped"}
    assert result.code == (1 if any(each["status"] == "FAIL" for each in reported) else 0)
    by_name = {each["check"]: each for each in reported}
    assert by_name["model"]["status"] == "ok"
    assert by_name["configuration"]["status"] == "ok"
    assert all(each["fix"] for each in reported if each["status"] == "FAIL")
    spoken = cli.livebg("doctor", "--no-measure")
    assert spoken.code == result.code
    assert by_name["module"]["message"].split()[0] in spoken.out if "module" in by_name else "OBS" in spoken.out


@pytest.mark.skipif(Path("/sys/module/v4l2loopback").exists() or sys.platform != "linux", reason="v4l2loopback is loaded here")
def test_missing_module_fails(cli: LivebgCli) -> None:
    result = cli.livebg("doctor", "--no-measure")
    assert result.code == 1
    assert "v4l2loopback" in result.out
    assert "FAIL" in result.out


def test_invalid_configuration_is_a_finding(cli: LivebgCli) -> None:
    (cli.folder / "bad.toml").write_text("[effect]\nblurr = 1\n")
    result = cli.livebg("doctor", "--json", "--no-measure", "--config", "bad.toml")
    assert result.code == 1
    reported = {each["check"]: each for each in json.loads(result.out)}
    assert reported["configuration"]["status"] == "FAIL"
    assert reported["configuration"]["fix"] == "Did you mean effect.blur?"


def test_tools_run_with_c_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    outcome = Commands().run(sys.executable, "-c", "import os, sys; print(os.environ['LC_ALL']); sys.exit(3)")
    assert (outcome.code, outcome.out) == (3, "C\n")


def test_missing_or_hanging_tool_raises() -> None:
    with pytest.raises(ToolMissing, match=r"^livebg-no-such-tool is not installed$"):
        Commands().run("livebg-no-such-tool")
    with pytest.raises(ToolTimeout, match=r"^.* timed out after 0\.2 s$"):
        Commands().run(sys.executable, "-c", "import time; time.sleep(60)", timeout=0.2)


def test_doctor_help_lists_no_measure() -> None:
    done = subprocess.run([sys.executable, "-m", "livebg", "doctor", "--help"], capture_output=True, text=True, check=True)
    assert "--no-measure" in done.stdout
