"""Tests of the doctor's kernel module checks."""

import pytest

from livebg.doctor.context import Finding
from livebg.doctor.kernel_module import after_restart, installed, loaded, secure_boot
from livebg.system.host import ToolTimeout
from tests.support.doctor_machine import ARCH, DEBIAN, FEDORA, RELEASE, TUMBLEWEED, UBUNTU, DoctorMachine

OTHER = "6.1.0-17-amd64"
SECURE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
KEY = "/var/lib/dkms/mok.pub"


def set_secure_boot(machine: DoctorMachine, on: bool = True) -> None:
    machine.file(SECURE, "\x06\x00\x00\x00" + ("\x01" if on else "\x00"))


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
def test_missing_module_suggests_distribution_package(machine: DoctorMachine, release: str, fix: str) -> None:
    machine.file("/etc/os-release", release)
    machine.file(f"/lib/modules/{RELEASE}/kernel/drivers/media/v4l2-core/videodev.ko.xz")
    found = "The kernel module v4l2loopback, which provides the virtual camera, is not installed"
    assert installed(machine.context()) == Finding("FAIL", found, fix)
    assert loaded(machine.context()).status == "skipped"


@pytest.mark.parametrize("name", ["v4l2loopback.ko", "v4l2loopback.ko.xz", "v4l2loopback.ko.zst", "v4l2loopback.ko.gz"])
def test_installed_but_unloaded_module_suggests_setup(machine: DoctorMachine, name: str) -> None:
    machine.file(f"/lib/modules/{RELEASE}/extra/v4l2loopback/{name}")
    assert installed(machine.context()) == Finding("ok", f"v4l2loopback is installed for kernel {RELEASE}")
    assert loaded(machine.context()) == Finding("FAIL", "v4l2loopback is installed but not loaded", "livebg setup")


def test_configured_but_unloaded_module_suggests_modprobe(machine: DoctorMachine) -> None:
    machine.module()
    machine.file("/etc/modules-load.d/livebg.conf", "# made by livebg\nv4l2loopback\n")
    finding = loaded(machine.context())
    assert (finding.status, finding.fix) == ("FAIL", "sudo modprobe v4l2loopback")
    assert "configured to load at boot" in finding.message


def test_loaded_module_passes(machine: DoctorMachine) -> None:
    machine.loaded("0.12.7")
    machine.file("/sys/module/v4l2loopback/parameters/video_nr", "10,42,-1,-1,-1,-1,-1,-1\n")
    assert installed(machine.context()) == Finding("ok", "v4l2loopback 0.12.7 is loaded")
    assert loaded(machine.context()) == Finding("ok", "v4l2loopback 0.12.7 is loaded, with video_nr=10,42")


def test_module_for_other_kernel_needs_headers(machine: DoctorMachine) -> None:
    machine.module(OTHER)
    machine.folder(f"/lib/modules/{RELEASE}/kernel")
    finding = installed(machine.context())
    assert finding.status == "FAIL"
    assert f"is installed for {OTHER}, but not for the running kernel {RELEASE}, whose headers are missing" in finding.message
    assert finding.fix == f"sudo apt install linux-headers-{RELEASE} && sudo dkms autoinstall"


def test_unknown_distribution_names_the_headers(machine: DoctorMachine) -> None:
    machine.file("/etc/os-release", "ID=plan9\n")
    machine.module(OTHER)
    machine.folder(f"/lib/modules/{RELEASE}/kernel")
    assert installed(machine.context()).fix == f"Install the headers of kernel {RELEASE} && sudo dkms autoinstall"


def test_module_for_other_kernel_needs_build(machine: DoctorMachine) -> None:
    machine.module(OTHER)
    machine.folder(f"/lib/modules/{RELEASE}/build")
    machine.tool("dkms status v4l2loopback", f"v4l2loopback/0.12.7, {OTHER}, x86_64: installed\n")
    finding = installed(machine.context())
    assert finding.message.endswith(f"(dkms: v4l2loopback/0.12.7, {OTHER}, x86_64: installed)")
    assert finding.fix == f"sudo dkms autoinstall -k {RELEASE}"


def test_sources_never_built_fail(machine: DoctorMachine) -> None:
    machine.folder("/var/lib/dkms/v4l2loopback/0.12.7/source")
    machine.folder(f"/lib/modules/{RELEASE}/build")
    machine.tool("dkms status v4l2loopback", "v4l2loopback/0.12.7: added\n")
    finding = installed(machine.context())
    assert finding.status == "FAIL"
    assert "is installed for no kernel, but not for" in finding.message
    assert "(dkms: v4l2loopback/0.12.7: added)" in finding.message


def test_updated_kernel_suggests_reboot(machine: DoctorMachine) -> None:
    machine.module(OTHER)
    finding = installed(machine.context())
    assert "whose modules were removed by an update" in finding.message
    assert finding.fix == "Reboot"


@pytest.mark.parametrize("on", [None, False])
def test_secure_boot_off_passes(machine: DoctorMachine, on: bool | None) -> None:
    machine.module()
    machine.file("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
    if on is not None:
        set_secure_boot(machine, on)
    found = "This machine has no Secure Boot" if on is None else "Secure Boot is off"
    assert secure_boot(machine.context()) == Finding("ok", found)


def test_loaded_module_passes_with_secure_boot(machine: DoctorMachine) -> None:
    set_secure_boot(machine)
    machine.loaded()
    assert secure_boot(machine.context()) == Finding("ok", "Secure Boot is on, and v4l2loopback is loaded")


def test_secure_boot_is_skipped_without_module(machine: DoctorMachine) -> None:
    set_secure_boot(machine)
    finding = secure_boot(machine.context())
    assert finding.status == "skipped"
    assert finding.message.startswith("Secure Boot is on")


def test_unenrolled_key_fails(machine: DoctorMachine) -> None:
    set_secure_boot(machine)
    machine.module()
    machine.file(KEY)
    machine.tool(f"mokutil --test-key {KEY}", f"{KEY} is not enrolled\n", code=1)
    machine.tool("modinfo --field signer v4l2loopback", "DKMS module signing key\n")
    found = f"Secure Boot is on, and the signing key {KEY} of v4l2loopback is not enrolled"
    fix = f"sudo mokutil --import {KEY}, then reboot and choose Enroll MOK"
    assert secure_boot(machine.context()) == Finding("FAIL", found, fix)
    not_loaded = "v4l2loopback is not loaded, because the kernel rejects it"
    assert loaded(machine.context()) == Finding("FAIL", not_loaded, fix)


def test_unsigned_module_with_key_fails(machine: DoctorMachine) -> None:
    set_secure_boot(machine)
    machine.module()
    machine.file(KEY)
    machine.folder("/var/lib/dkms/v4l2loopback/0.12.7")
    machine.tool(f"mokutil --test-key {KEY}", f"{KEY} is already enrolled\n")
    machine.tool("modinfo --field signer v4l2loopback", "")
    finding = secure_boot(machine.context())
    assert finding.message == f"Secure Boot is on, and v4l2loopback is not signed, although the key {KEY} is enrolled"
    which = f"v4l2loopback/0.12.7 -k {RELEASE}"
    assert finding.fix == f"sudo dkms build --force {which} && sudo dkms install --force {which}"


def test_unsigned_module_without_key_fails(machine: DoctorMachine) -> None:
    set_secure_boot(machine)
    machine.module()
    machine.tool("modinfo --field signer v4l2loopback", "\n")
    finding = secure_boot(machine.context())
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
def test_rejection_in_journal_fails(machine: DoctorMachine, line: str) -> None:
    machine.module()
    machine.file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    machine.tool("journalctl --boot", f"v4l2loopback: loading out-of-tree module taints kernel.\n{line}\n")
    finding = secure_boot(machine.context())
    assert finding.status == "FAIL"
    assert finding.message.startswith("Secure Boot is off, but kernel lockdown is integrity, and a module was rejected")


def test_enrolled_key_without_rejection_passes(machine: DoctorMachine) -> None:
    set_secure_boot(machine)
    machine.module()
    machine.file(KEY)
    machine.tool("mokutil --test-key", f"{KEY} is already enrolled\n")
    machine.tool("modinfo --field signer", "DKMS module signing key\n")
    machine.tool("journalctl --boot", "", code=1)
    assert secure_boot(machine.context()).status == "ok"
    machine.commands.answers["journalctl --boot"] = ToolTimeout("journalctl did not answer within 5 s")
    assert secure_boot(machine.context()).status == "ok"


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
def test_virtual_camera_after_reboot_is_checked(machine: DoctorMachine, files: dict[str, str], found: str | None) -> None:
    machine.device()
    for path, text in files.items():
        machine.file(path, text)
    finding = after_restart(machine.context())
    if found is None:
        assert finding == Finding("ok", "The virtual camera will exist after a reboot")
    else:
        assert finding == Finding("warn", f"After a reboot {found}", "livebg setup")
