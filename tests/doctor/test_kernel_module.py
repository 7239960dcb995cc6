"""Tests of the doctor's kernel module checks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.doctor.findings import Finding
from livebg.doctor.kernel_module import after_restart, installed, loaded, secure_boot
from livebg.system.host import ToolTimeout
from tests.support.doctor_machine import ARCH, DEBIAN, FEDORA, RELEASE, TUMBLEWEED, UBUNTU, Patient, patient_in

OTHER = "6.1.0-17-amd64"
SECURE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
KEY = "/var/lib/dkms/mok.pub"


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    with patient_in(tmp_path, monkeypatch) as patient:
        yield patient


def secure(patient: Patient, on: bool = True) -> None:
    patient.file(SECURE, "\x06\x00\x00\x00" + ("\x01" if on else "\x00"))


@pytest.mark.parametrize(
    ("release", "fix"),
    [
        (DEBIAN, f"sudo apt install v4l2loopback-dkms linux-headers-{RELEASE}, then livebg setup"),
        (UBUNTU, f"sudo apt install v4l2loopback-dkms linux-headers-{RELEASE}, then livebg setup"),
        (FEDORA, f"sudo dnf install akmod-v4l2loopback kernel-devel-{RELEASE}, then livebg setup"),
        (TUMBLEWEED, "sudo zypper install v4l2loopback-kmp-default kernel-default-devel, then livebg setup"),
        (ARCH, "sudo pacman -S v4l2loopback-dkms linux-headers, then livebg setup"),
        (
            "ID=plan9\n",
            "Install your distribution's v4l2loopback package and the headers of the running kernel, then livebg setup",
        ),
    ],
)
def test_a_module_that_is_not_installed(patient: Patient, release: str, fix: str) -> None:
    patient.file("/etc/os-release", release)
    patient.file(f"/lib/modules/{RELEASE}/kernel/drivers/media/v4l2-core/videodev.ko.xz")
    found = "The kernel module v4l2loopback, which provides the virtual camera, is not installed"
    assert installed(patient.exam()) == Finding("FAIL", found, fix)
    assert loaded(patient.exam()).status == "skipped"


@pytest.mark.parametrize("name", ["v4l2loopback.ko", "v4l2loopback.ko.xz", "v4l2loopback.ko.zst", "v4l2loopback.ko.gz"])
def test_a_module_that_is_there_but_not_loaded(patient: Patient, name: str) -> None:
    patient.file(f"/lib/modules/{RELEASE}/extra/v4l2loopback/{name}")
    assert installed(patient.exam()) == Finding("ok", f"v4l2loopback is installed for kernel {RELEASE}")
    assert loaded(patient.exam()) == Finding("FAIL", "v4l2loopback is installed but not loaded", "livebg setup")


def test_a_module_that_was_set_up_but_is_not_loaded(patient: Patient) -> None:
    patient.module()
    patient.file("/etc/modules-load.d/livebg.conf", "# made by livebg\nv4l2loopback\n")
    finding = loaded(patient.exam())
    assert (finding.status, finding.fix) == ("FAIL", "sudo modprobe v4l2loopback")
    assert "configured to load at boot" in finding.message


def test_a_module_that_is_loaded(patient: Patient) -> None:
    patient.loaded("0.12.7")
    patient.file("/sys/module/v4l2loopback/parameters/video_nr", "10,42,-1,-1,-1,-1,-1,-1\n")
    assert installed(patient.exam()) == Finding("ok", "v4l2loopback 0.12.7 is loaded")
    assert loaded(patient.exam()) == Finding("ok", "v4l2loopback 0.12.7 is loaded, with video_nr=10,42")


def test_a_module_for_another_kernel_without_headers(patient: Patient) -> None:
    patient.module(OTHER)
    patient.folder(f"/lib/modules/{RELEASE}/kernel")
    finding = installed(patient.exam())
    assert finding.status == "FAIL"
    assert f"is installed for {OTHER}, but not for the running kernel {RELEASE}, whose headers are missing" in finding.message
    assert finding.fix == f"sudo apt install linux-headers-{RELEASE} && sudo dkms autoinstall"


def test_a_module_for_another_kernel_that_was_not_built(patient: Patient) -> None:
    patient.module(OTHER)
    patient.folder(f"/lib/modules/{RELEASE}/build")
    patient.tool("dkms status v4l2loopback", f"v4l2loopback/0.12.7, {OTHER}, x86_64: installed\n")
    finding = installed(patient.exam())
    assert finding.message.endswith(f"(dkms: v4l2loopback/0.12.7, {OTHER}, x86_64: installed)")
    assert finding.fix == f"sudo dkms autoinstall -k {RELEASE}"


def test_sources_that_were_never_built(patient: Patient) -> None:
    patient.folder("/var/lib/dkms/v4l2loopback/0.12.7/source")
    patient.folder(f"/lib/modules/{RELEASE}/build")
    patient.tool("dkms status v4l2loopback", "v4l2loopback/0.12.7: added\n")
    finding = installed(patient.exam())
    assert finding.status == "FAIL"
    assert "is installed for no kernel, but not for" in finding.message
    assert "(dkms: v4l2loopback/0.12.7: added)" in finding.message


def test_a_kernel_that_was_updated_under_the_running_one(patient: Patient) -> None:
    patient.module(OTHER)
    finding = installed(patient.exam())
    assert "whose modules were removed by an update" in finding.message
    assert finding.fix == "Reboot"


@pytest.mark.parametrize("on", [None, False])
def test_without_secure_boot(patient: Patient, on: bool | None) -> None:
    patient.module()
    patient.file("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
    if on is not None:
        secure(patient, on)
    found = "This machine has no Secure Boot" if on is None else "Secure Boot is off"
    assert secure_boot(patient.exam()) == Finding("ok", found)


def test_secure_boot_that_let_the_module_in(patient: Patient) -> None:
    secure(patient)
    patient.loaded()
    assert secure_boot(patient.exam()) == Finding("ok", "Secure Boot is on, and v4l2loopback is loaded")


def test_secure_boot_before_the_module_is_installed(patient: Patient) -> None:
    secure(patient)
    finding = secure_boot(patient.exam())
    assert finding.status == "skipped"
    assert finding.message.startswith("Secure Boot is on")


def test_a_key_that_secure_boot_does_not_know(patient: Patient) -> None:
    secure(patient)
    patient.module()
    patient.file(KEY)
    patient.tool(f"mokutil --test-key {KEY}", f"{KEY} is not enrolled\n", code=1)
    patient.tool("modinfo --field signer v4l2loopback", "DKMS module signing key\n")
    found = f"Secure Boot is on, and the signing key {KEY} of v4l2loopback is not enrolled"
    fix = f"sudo mokutil --import {KEY}, then reboot and choose Enroll MOK"
    assert secure_boot(patient.exam()) == Finding("FAIL", found, fix)
    not_loaded = "v4l2loopback is not loaded, because the kernel rejects it"
    assert loaded(patient.exam()) == Finding("FAIL", not_loaded, fix)


def test_an_unsigned_module_though_there_is_a_key(patient: Patient) -> None:
    secure(patient)
    patient.module()
    patient.file(KEY)
    patient.folder("/var/lib/dkms/v4l2loopback/0.12.7")
    patient.tool(f"mokutil --test-key {KEY}", f"{KEY} is already enrolled\n")
    patient.tool("modinfo --field signer v4l2loopback", "")
    finding = secure_boot(patient.exam())
    assert finding.message == f"Secure Boot is on, and v4l2loopback is not signed, although the key {KEY} is enrolled"
    which = f"v4l2loopback/0.12.7 -k {RELEASE}"
    assert finding.fix == f"sudo dkms build --force {which} && sudo dkms install --force {which}"


def test_an_unsigned_module_without_a_key(patient: Patient) -> None:
    secure(patient)
    patient.module()
    patient.tool("modinfo --field signer v4l2loopback", "\n")
    finding = secure_boot(patient.exam())
    assert (finding.status, finding.message) == ("FAIL", "Secure Boot is on, and v4l2loopback is not signed")
    assert finding.fix is not None
    assert "disable Secure Boot" in finding.fix


@pytest.mark.parametrize(
    "line",
    [
        "Failed to insert module 'v4l2loopback': Key was rejected by service",
        "Loading of module with unavailable key is rejected",
        "Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7",
    ],
)
def test_a_rejection_in_the_journal(patient: Patient, line: str) -> None:
    patient.module()
    patient.file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    patient.tool("journalctl --boot", f"v4l2loopback: loading out-of-tree module taints kernel.\n{line}\n")
    finding = secure_boot(patient.exam())
    assert finding.status == "FAIL"
    assert finding.message.startswith("Secure Boot is off, but kernel lockdown is integrity, and a module was rejected")


def test_secure_boot_with_a_known_key_and_nothing_said(patient: Patient) -> None:
    secure(patient)
    patient.module()
    patient.file(KEY)
    patient.tool("mokutil --test-key", f"{KEY} is already enrolled\n")
    patient.tool("modinfo --field signer", "DKMS module signing key\n")
    patient.tool("journalctl --boot", "", code=1)
    assert secure_boot(patient.exam()).status == "ok"
    patient.commands.answers["journalctl --boot"] = ToolTimeout("journalctl did not answer within 5 s")
    assert secure_boot(patient.exam()).status == "ok"


LIST = "/etc/modules-load.d/livebg.conf"
OPTIONS = "/etc/modprobe.d/livebg.conf"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({LIST: "v4l2loopback\n", OPTIONS: "options v4l2loopback card_label=livebg exclusive_caps=1 video_nr=42\n"}, None),
        (
            {
                "/etc/modules": "# at boot\nv4l2loopback\n",
                OPTIONS: 'options v4l2loopback devices=2 card_label="livebg","OBS Virtual Camera" exclusive_caps=1,1\n',
            },
            None,
        ),
        ({OPTIONS: "options v4l2loopback card_label=livebg\n"}, "v4l2loopback is not loaded automatically"),
        ({LIST: "v4l2loopback\n"}, "no device is named 'livebg'"),
        (
            {LIST: "#v4l2loopback\n", OPTIONS: '# options v4l2loopback card_label="livebg"\n'},
            "v4l2loopback is not loaded automatically and no device is named 'livebg'",
        ),
        (
            {
                LIST: "v4l2loopback\n",
                OPTIONS: "options v4l2loopback card_label=livebg\n",
                "/usr/lib/modprobe.d/obs.conf": 'options v4l2loopback card_label="OBS Virtual Camera"\n',
            },
            "no device is named 'livebg'",
        ),
        (
            {
                LIST: "v4l2loopback\n",
                OPTIONS: "options v4l2loopback card_label=livebg\n",
                "/usr/lib/modprobe.d/obs.conf": 'options v4l2loopback card_label="OBS Virtual Camera"\n',
                "/etc/modprobe.d/obs.conf": "# hides the other\n",
            },
            None,
        ),
    ],
)
def test_what_a_restart_leaves(patient: Patient, files: dict[str, str], found: str | None) -> None:
    patient.device()
    for path, text in files.items():
        patient.file(path, text)
    finding = after_restart(patient.exam())
    if found is None:
        assert finding == Finding("ok", "The virtual camera will exist after a reboot")
    else:
        assert finding == Finding("warn", f"After a reboot {found}", "livebg setup")
