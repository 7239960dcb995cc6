"""Tests of ``livebg doctor`` as a whole, on a simulated machine and on this one."""

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.cli.doctor import tell
from livebg.doctor import obs
from livebg.doctor.checks import CHECKS, run_checks
from livebg.doctor.findings import Finding, Result
from livebg.system.host import Commands, ToolMissing, ToolTimeout
from tests.support.cli_runner import Workshop
from tests.support.doctor_machine import RELEASE, Patient, patient_in
from tests.support.fake_daemon import runtime_folder_of_ones_own

FIELDS = {"group", "check", "status", "message", "fix"}


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    with patient_in(tmp_path, monkeypatch) as patient:
        yield patient


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    with runtime_folder_of_ones_own(monkeypatch):
        yield Workshop(tmp_path, monkeypatch)


def found(patient: Patient) -> dict[str, Finding]:
    return {result.check: result.finding for result in run_checks(patient.exam(), measuring=False)}


def test_a_machine_that_is_well(patient: Patient) -> None:
    patient.device()
    patient.camera()
    findings = found(patient)
    assert [name for name, finding in findings.items() if finding.status == "FAIL"] == []
    assert findings["device"].message == "The virtual camera 'livebg' is /dev/video42"
    assert findings["speed"] == Finding("skipped", "Skipped by option")
    assert not patient.kernel.open_fds


def test_a_bare_machine(patient: Patient) -> None:
    findings = found(patient)
    failures = {name: finding.fix for name, finding in findings.items() if finding.status == "FAIL"}
    assert failures == {
        "module": f"sudo apt install v4l2loopback-dkms linux-headers-{RELEASE}, then livebg setup",
        "camera": "Plug one in",
    }
    assert findings["Snap"].status == "skipped"
    assert findings["unit"] == Finding("skipped", "systemctl is not installed")


def test_names_are_unique_and_groups_stay_together() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    groups = [check.group for check in CHECKS]
    assert list(dict.fromkeys(groups)) == ["virtual camera", "camera", "desktop", "network", "service"]
    assert sorted(groups, key=list(dict.fromkeys(groups)).index) == groups


def test_every_failure_and_every_command_asked_is_harmless(patient: Patient) -> None:
    patient.device()
    patient.camera()
    found(patient)
    roots = {"sudo", "pkexec", "modprobe", "rmmod", "tee", "dmesg"}
    assert patient.commands.asked
    assert not roots & {line.split()[0] for line in patient.commands.asked}


def test_a_check_that_fails_does_not_keep_the_others(patient: Patient) -> None:
    patient.device()
    (patient.root / "sys/devices/virtual/video4linux/video42/max_openers").unlink()
    patient.folder("/sys/devices/virtual/video4linux/video42/max_openers")  # reading a folder raises OSError
    patient.tool("pw-dump", "no JSON")
    patient.commands.answers["systemctl"] = ToolTimeout("systemctl timed out after 5 s")
    findings = found(patient)
    assert findings["openers"].status == "warn"
    assert findings["openers"].message.startswith(f"Check failed: [Errno {errno.EISDIR}] Is a directory")
    assert findings["PipeWire"].status == "warn"
    assert findings["unit"] == Finding("warn", "Check failed: systemctl timed out after 5 s")
    assert findings["version"].status == "ok"
    assert len(findings) == sum(check.systems is None or "linux" in check.systems for check in CHECKS)


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_elsewhere_only_what_means_something(patient: Patient, system: str) -> None:
    patient.system = system
    findings = found(patient)
    assert {"OBS", "libraries", "model", "provider", "speed", "configuration", "version"} <= set(findings)
    assert not {"module", "camera", "PipeWire", "unit"} & set(findings)
    assert findings["OBS"].status == "FAIL"
    if system == "darwin":
        patient.folder("/Applications/OBS.app")
    else:
        patient.tool("reg query", "HKEY_LOCAL_MACHINE\\SOFTWARE\\Classes\\CLSID\\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}\r\n")
    assert obs.installed(patient.exam()).status == "ok"


def test_people_read_what_to_do_below_what_was_found(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    fix = "sudo apt install v4l2loopback-dkms linux-headers-6.1.0-18-amd64 && something that is longer than a line"
    results = [
        Result("virtual camera", "module", Finding("FAIL", "v4l2loopback [dkms] is not installed", fix)),
        Result("virtual camera", "device", Finding("skipped", "there is none")),
        Result("virtual camera", "writer", Finding("skipped", "there is none")),
        Result("camera", "camera", Finding("ok", "C920 (/dev/video0) is there")),
    ]
    assert tell(results) == results
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


def test_the_command_on_this_machine(shop: Workshop) -> None:
    said = shop.livebg("doctor", "--json", "--no-measure")
    told = json.loads(said.out)
    assert [set(each) for each in told] == [FIELDS] * len(told)
    assert {each["status"] for each in told} <= {"ok", "warn", "FAIL", "skipped"}
    assert said.code == (1 if any(each["status"] == "FAIL" for each in told) else 0)
    by_name = {each["check"]: each for each in told}
    assert by_name["model"]["status"] == "ok"
    assert by_name["configuration"]["status"] == "ok"
    assert all(each["fix"] for each in told if each["status"] == "FAIL")
    spoken = shop.livebg("doctor", "--no-measure")
    assert spoken.code == said.code
    assert by_name["module"]["message"].split()[0] in spoken.out if "module" in by_name else "OBS" in spoken.out


@pytest.mark.skipif(Path("/sys/module/v4l2loopback").exists() or sys.platform != "linux", reason="v4l2loopback is loaded here")
def test_without_the_module_it_fails_and_says_so(shop: Workshop) -> None:
    said = shop.livebg("doctor", "--no-measure")
    assert said.code == 1
    assert "v4l2loopback" in said.out
    assert "FAIL" in said.out


def test_a_bad_configuration_file_is_a_finding(shop: Workshop) -> None:
    (shop.folder / "bad.toml").write_text("[effect]\nblurr = 1\n")
    said = shop.livebg("doctor", "--json", "--no-measure", "--config", "bad.toml")
    assert said.code == 1
    told = {each["check"]: each for each in json.loads(said.out)}
    assert told["configuration"]["status"] == "FAIL"
    assert told["configuration"]["fix"] == "Did you mean effect.blur?"


def test_tools_are_run_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    outcome = Commands().run(sys.executable, "-c", "import os, sys; print(os.environ['LC_ALL']); sys.exit(3)")
    assert (outcome.code, outcome.out) == (3, "C\n")


def test_a_tool_that_is_missing_or_hangs() -> None:
    with pytest.raises(ToolMissing, match=r"^livebg-no-such-tool is not installed$"):
        Commands().run("livebg-no-such-tool")
    with pytest.raises(ToolTimeout, match=r"^.* timed out after 0\.2 s$"):
        Commands().run(sys.executable, "-c", "import time; time.sleep(60)", timeout=0.2)


def test_help_names_it() -> None:
    done = subprocess.run([sys.executable, "-m", "livebg", "doctor", "--help"], capture_output=True, text=True, check=True)
    assert "--no-measure" in done.stdout
