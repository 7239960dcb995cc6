"""Checks of the v4l2loopback kernel module: installed for this kernel, allowed by Secure Boot, loaded, loaded at boot."""

import os
import re
from typing import Final

from livebg.doctor.context import NO_DEVICE, CheckContext, Finding, fail, ok, skipped, warn
from livebg.setup import loopback
from livebg.system.host import Host, install_headers, install_module

SETUP: Final = "livebg setup"
RELOAD: Final = "sudo modprobe -r v4l2loopback && sudo modprobe v4l2loopback"
"""Recreates the devices as configured."""
_MODULE_SYSFS: Final = "/sys/module/v4l2loopback"
_MODULE_FOLDERS: Final = ("/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules")
_MODULE_FILE: Final = re.compile(r"v4l2loopback\.ko(\.(xz|zst|gz))?")
_SIGNING_KEYS: Final = ("/var/lib/dkms/mok.pub", "/var/lib/shim-signed/mok/MOK.der", "/etc/pki/akmods/certs/public_key.der")
"""Keys that sign locally built modules: Debian's DKMS, Ubuntu, Fedora's akmods."""
_EFI_FOLDER: Final = "/sys/firmware/efi"
_DKMS_FOLDER: Final = "/var/lib/dkms/v4l2loopback"
_JOURNAL_PATTERN: Final = "v4l2loopback|is rejected|loading is restricted"
_REJECTION: Final = re.compile(
    r"'v4l2loopback': (Key was rejected by service|Required key not available|Operation not permitted)"
    r"|unsigned module loading is restricted|Loading of (unsigned module|module with unavailable key) is rejected"
)


def installed(context: CheckContext) -> Finding:
    """Check that v4l2loopback is installed for the running kernel."""
    host = context.host
    if loopback.loaded(host):
        return ok(f"v4l2loopback {_version(host)}is loaded")
    releases = _installed_releases(host)
    if host.release in releases:
        return ok(f"v4l2loopback is installed for kernel {host.release}")
    if not releases and not host.path(_DKMS_FOLDER).is_dir():
        return fail(
            "The kernel module v4l2loopback, which provides the virtual camera, is not installed",
            f"{install_module(host)}, then {SETUP}",
        )
    kernels = " and ".join(sorted(releases)) or "no kernel"
    found = f"v4l2loopback is installed for {kernels}, but not for the running kernel {host.release}"
    if not any(host.path(folder).joinpath(host.release).is_dir() for folder in _MODULE_FOLDERS):
        return fail(f"{found}, whose modules were removed by an update", "Reboot")
    if not any(host.path(folder).joinpath(host.release, "build").exists() for folder in _MODULE_FOLDERS):
        return fail(f"{found}, whose headers are missing", f"{install_headers(host)} && sudo dkms autoinstall")
    return fail(f"{found}{_dkms_status(host)}", f"sudo dkms autoinstall -k {host.release}")


def secure_boot(context: CheckContext) -> Finding:
    """Check that neither Secure Boot nor kernel lockdown blocks the module."""
    host = context.host
    enabled = _secure_boot(host)
    lockdown = _lockdown(host)
    if enabled is None and lockdown in (None, "none"):
        return ok("This machine has no Secure Boot")
    how = "Secure Boot is on" if enabled else f"Secure Boot is off, but kernel lockdown is {lockdown or 'none'}"
    if not enabled and lockdown in (None, "none"):
        return ok("Secure Boot is off")
    if loopback.loaded(host):
        return ok(f"{how}, and v4l2loopback is loaded")
    if host.release not in _installed_releases(host):
        return skipped(f"{how}. Install v4l2loopback to check whether it is allowed")
    return _secure_boot_verdict(host, how)


def loaded(context: CheckContext) -> Finding:
    """Check that v4l2loopback is loaded."""
    host = context.host
    if loopback.loaded(host):
        return ok(f"v4l2loopback {_version(host)}is loaded{_device_numbers(host)}")
    if host.release not in _installed_releases(host):
        return skipped("v4l2loopback is not installed")
    verdict = secure_boot(context)
    if verdict.status == "FAIL":
        return Finding("FAIL", "v4l2loopback is not loaded, because the kernel rejects it", verdict.fix)
    if _loads_at_boot(host):
        return fail("v4l2loopback is configured to load at boot, but is not loaded", "sudo modprobe v4l2loopback")
    return fail("v4l2loopback is installed but not loaded", SETUP)


def after_restart(context: CheckContext) -> Finding:
    """Check that the device will exist after a reboot."""
    if context.loopback is None:
        return skipped(NO_DEVICE)
    missing = [] if _loads_at_boot(context.host) else ["v4l2loopback is not loaded automatically"]
    labels = [device.label.strip('"') for device in loopback.configured(context.host).devices]
    missing += [] if context.label in labels else [f"no device is named {context.label!r}"]
    if missing:
        return warn(f"After a reboot {' and '.join(missing)}", SETUP)
    return ok("The virtual camera will exist after a reboot")


def _secure_boot_verdict(host: Host, how: str) -> Finding:
    key, is_enrolled = _key(host)
    is_signed = _is_signed(host)
    if is_signed is False and is_enrolled:
        return fail(f"{how}, and v4l2loopback is not signed, although the key {key} is enrolled", _rebuild_command(host))
    if key and not is_enrolled:
        fix = f"sudo mokutil --import {key}, then reboot and choose Enroll MOK"
        return fail(f"{how}, and the signing key {key} of v4l2loopback is not enrolled", fix)
    sign_or_disable = "Sign it with your own key (see your distribution's documentation on DKMS), or disable Secure Boot"
    if is_signed is False:
        return fail(f"{how}, and v4l2loopback is not signed", sign_or_disable)
    if _was_rejected(host):
        return fail(f"{how}, and a module was rejected since boot because its key is not enrolled", sign_or_disable)
    return ok(f"{how}, and no sign that it blocks v4l2loopback")


def _version(host: Host) -> str:
    version = host.read(f"{_MODULE_SYSFS}/version")
    return f"{version} " if version else ""


def _device_numbers(host: Host) -> str:
    """Return the device numbers it was loaded with, as a clause."""
    configured = (host.read(f"{_MODULE_SYSFS}/parameters/video_nr") or "").split(",")
    numbers = [number for number in configured if number not in ("", "-1")]
    return f", with video_nr={','.join(numbers)}" if numbers else ""


def _installed_releases(host: Host) -> set[str]:
    """Return the kernel releases that have a v4l2loopback module file."""
    found = set()
    for folder in _MODULE_FOLDERS:
        folder_path = host.path(folder)
        releases = [each for each in folder_path.iterdir() if each.is_dir()] if folder_path.is_dir() else []
        found |= {
            each.name for each in releases if any(_MODULE_FILE.fullmatch(file) for *_, files in os.walk(each) for file in files)
        }
    return found


def _dkms_status(host: Host) -> str:
    """Return the DKMS status as a clause."""
    status = host.commands.try_run("dkms", "status", "v4l2loopback")
    lines = [line for line in status.out.splitlines() if line.startswith("v4l2loopback")]
    return f" (dkms: {'; '.join(lines)})" if lines else ""


def _secure_boot(host: Host) -> bool | None:
    """Return whether Secure Boot is on; None if the firmware does not support it."""
    variables = host.path(f"{_EFI_FOLDER}/efivars")
    for variable in sorted(variables.glob("SecureBoot-*")) if variables.is_dir() else ():
        return variable.read_bytes()[-1:] == b"\x01"  # the value follows four bytes of attributes
    return None


def _lockdown(host: Host) -> str | None:
    """Return the lockdown mode: the bracketed word in ``none [integrity] confidentiality``."""
    chosen = re.search(r"\[(\w+)\]", host.read("/sys/kernel/security/lockdown") or "")
    return chosen[1] if chosen else None


def _key(host: Host) -> tuple[str | None, bool]:
    """Return the key that signs local modules, and whether it is enrolled in the firmware."""
    for key in _SIGNING_KEYS:
        if not host.path(key).exists():
            continue
        test = host.commands.try_run("mokutil", "--test-key", key)
        return key, "is already enrolled" in test.out + test.err
    return None, False


def _is_signed(host: Host) -> bool | None:
    """Return whether the module is signed; None if unknown."""
    signer = host.commands.try_run("modinfo", "--field", "signer", "v4l2loopback")
    return bool(signer.out.strip()) if signer.code == 0 else None


def _rebuild_command(host: Host) -> str:
    versions = [folder.name for folder in host.path(_DKMS_FOLDER).glob("[0-9]*")]
    module = f"v4l2loopback/{max(versions, default='VERSION')} -k {host.release}"
    return f"sudo dkms build --force {module} && sudo dkms install --force {module}"


def _was_rejected(host: Host) -> bool:
    """Return whether the journal, as far as this user may read it, reports a rejected v4l2loopback or unnamed module."""
    command = ("journalctl", "--boot", "--quiet", "--no-pager", "--output=cat", f"--grep={_JOURNAL_PATTERN}")
    return bool(_REJECTION.search(host.commands.try_run(*command).out))


def _loads_at_boot(host: Host) -> bool:
    """Return whether systemd loads the module at boot.

    A file in /etc overrides a file of the same name in /run, then in /usr/lib.
    """
    places = [host.path(f"{parent}/modules-load.d") for parent in ("/usr/lib", "/run", "/etc")]
    files = {file.name: file for place in places if place.is_dir() for file in place.glob("*.conf")}
    texts = [host.read("/etc/modules") or "", *(file.read_text(errors="replace") for file in files.values())]
    return any(re.search(r"^\s*v4l2loopback\b", text, re.MULTILINE) for text in texts)
