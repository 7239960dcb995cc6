"""Checks on v4l2loopback itself: is it there for this kernel, does the machine let it in, is it loaded."""

import os
import re
from pathlib import Path
from typing import Final

from livebg.doctor.context import Examination
from livebg.doctor.findings import Finding, fail, ok, skipped, warn
from livebg.system.distribution import install_headers, install_module
from livebg.system.host import Host, ToolHung, ToolMissing

SETUP: Final = "livebg setup"
RELOAD: Final = "sudo modprobe -r v4l2loopback && sudo modprobe v4l2loopback"
"""Makes its devices anew, as they are set up."""
NO_DEVICE: Final = "there is no device to look at yet"
_LOADED: Final = "/sys/module/v4l2loopback"
_FOLDERS: Final = ("/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules")
_FILE: Final = re.compile(r"v4l2loopback\.ko(\.(xz|zst|gz))?")
_KEYS: Final = ("/var/lib/dkms/mok.pub", "/var/lib/shim-signed/mok/MOK.der", "/etc/pki/akmods/certs/public_key.der")
"""With what Debian's DKMS, Ubuntu's and Fedora's akmods sign the modules that they build."""
_EFI: Final = "/sys/firmware/efi"
_DKMS: Final = "/var/lib/dkms/v4l2loopback"
_WORDS: Final = "v4l2loopback|is rejected|loading is restricted"
_REJECTED: Final = re.compile(
    r"'v4l2loopback': (Key was rejected by service|Required key not available|Operation not permitted)"
    r"|unsigned module loading is restricted|Loading of (unsigned module|module with unavailable key) is rejected"
)


def installed(exam: Examination) -> Finding:
    """Whether v4l2loopback is there for the kernel that runs."""
    host = exam.host
    if is_loaded(host):
        return ok(f"v4l2loopback {_version(host)}is loaded")
    releases = _built_for(host)
    if host.release in releases:
        return ok(f"v4l2loopback is installed for the kernel {host.release}")
    if not releases and not _dkms_sources(host):
        return fail(
            "v4l2loopback, the kernel module behind the virtual camera, is not installed", f"{install_module(host)}, then {SETUP}"
        )
    kernels = " and ".join(sorted(releases)) or "no kernel"
    found = f"v4l2loopback is installed for {kernels}, but not for the kernel that runs, {host.release}"
    if not any(host.path(folder).joinpath(host.release).is_dir() for folder in _FOLDERS):
        return fail(f"{found}, whose modules are gone since it was updated", "restart the machine")
    if not any(host.path(folder).joinpath(host.release, "build").exists() for folder in _FOLDERS):
        return fail(f"{found}, whose headers are missing", f"{install_headers(host)} && sudo dkms autoinstall")
    return fail(f"{found}{_dkms(host)}", f"sudo dkms autoinstall -k {host.release}")


def secure_boot(exam: Examination) -> Finding:
    """Whether Secure Boot, or a locked kernel, keeps the module out."""
    host = exam.host
    enabled = _secure_boot(host)
    lockdown = _lockdown(host)
    if enabled is None and lockdown in (None, "none"):
        return ok("this machine starts without Secure Boot")
    how = "Secure Boot is on" if enabled else f"Secure Boot is off, and the kernel's lockdown is {lockdown or 'none'}"
    if not enabled and lockdown in (None, "none"):
        return ok("Secure Boot is off")
    if is_loaded(host):
        return ok(f"{how}, and v4l2loopback was let in")
    if host.release not in _built_for(host):
        return skipped(f"{how}: whether it lets v4l2loopback in will show once that is installed")
    return _let_in(host, how)


def loaded(exam: Examination) -> Finding:
    """Whether v4l2loopback is loaded."""
    host = exam.host
    if is_loaded(host):
        return ok(f"v4l2loopback {_version(host)}is loaded{_numbers(host)}")
    if host.release not in _built_for(host):
        return skipped("v4l2loopback has to be installed before it can be loaded")
    barrier = secure_boot(exam)
    if barrier.status == "FAIL":
        return Finding("FAIL", "v4l2loopback is not loaded, since the kernel does not let it in", barrier.mend)
    if _is_listed(host):
        return fail("v4l2loopback is set up to be loaded at every start, and is not loaded", "sudo modprobe v4l2loopback")
    return fail("v4l2loopback is installed, but not loaded", SETUP)


def after_restart(exam: Examination) -> Finding:
    """Whether the device will be there again when the machine has been started anew."""
    host = exam.host
    if exam.loopback is None:
        return skipped(NO_DEVICE)
    missing = [] if _is_listed(host) else ["v4l2loopback is not loaded by itself"]
    missing += [] if exam.label in _labels(host) else [f"no device is called {exam.label!r}"]
    if missing:
        return warn(f"after a restart of the machine {' and '.join(missing)}", SETUP)
    return ok("it will be there again after a restart of the machine")


def _let_in(host: Host, how: str) -> Finding:
    key, is_enrolled = _key(host)
    is_signed = _is_signed(host)
    if is_signed is False and is_enrolled:
        return fail(f"{how}, and v4l2loopback is not signed, though there is the key {key} for that", _build_anew(host))
    if key and not is_enrolled:
        mend = f"sudo mokutil --import {key}, then restart and choose Enroll MOK"
        return fail(f"{how}, and the key {key} that v4l2loopback is signed with is not known to it", mend)
    own = "sign it with a key of your own (your distribution tells how, for DKMS), or switch Secure Boot off"
    if is_signed is False:
        return fail(f"{how}, and v4l2loopback is not signed", own)
    if _was_rejected(host):
        return fail(f"{how}, and a module was rejected since this start, for want of a key that is known", own)
    return ok(f"{how}, and nothing tells that it keeps v4l2loopback out")


def is_loaded(host: Host) -> bool:
    return host.path(_LOADED).is_dir()


def _version(host: Host) -> str:
    version = host.read(f"{_LOADED}/version")
    return f"{version} " if version else ""


def _numbers(host: Host) -> str:
    """How it was loaded, as far as livebg minds."""
    numbers = [number for number in (host.read(f"{_LOADED}/parameters/video_nr") or "").split(",") if number not in ("", "-1")]
    return f", with video_nr={','.join(numbers)}" if numbers else ""


def _built_for(host: Host) -> set[str]:
    """The kernel releases for which there is a module file."""
    found = set()
    for folder in _FOLDERS:
        place = host.path(folder)
        releases = [each for each in place.iterdir() if each.is_dir()] if place.is_dir() else []
        found |= {release.name for release in releases if _has_module(release)}
    return found


def _has_module(folder: Path) -> bool:
    return any(_FILE.fullmatch(name) for _, _, names in os.walk(folder) for name in names)


def _dkms_sources(host: Host) -> bool:
    return host.path(_DKMS).is_dir()


def _dkms(host: Host) -> str:
    """What DKMS says of it, as a clause."""
    try:
        outcome = host.commands.run("dkms", "status", "v4l2loopback")
    except (ToolMissing, ToolHung):
        return ""
    lines = [line for line in outcome.out.splitlines() if line.startswith("v4l2loopback")]
    return f" (dkms: {'; '.join(lines)})" if lines else ""


def _secure_boot(host: Host) -> bool | None:
    """None where the firmware has no such thing."""
    variables = host.path(f"{_EFI}/efivars")
    for variable in sorted(variables.glob("SecureBoot-*")) if variables.is_dir() else ():
        return variable.read_bytes()[-1:] == b"\x01"  # after four bytes of attributes
    return None


def _lockdown(host: Host) -> str | None:
    """The chosen one of ``none [integrity] confidentiality``."""
    chosen = re.search(r"\[(\w+)\]", host.read("/sys/kernel/security/lockdown") or "")
    return chosen[1] if chosen else None


def _key(host: Host) -> tuple[str | None, bool]:
    """The key that modules are signed with here, and whether the firmware knows it."""
    for key in _KEYS:
        if not host.path(key).exists():
            continue
        try:
            outcome = host.commands.run("mokutil", "--test-key", key)
        except (ToolMissing, ToolHung):
            return key, False
        return key, "is already enrolled" in outcome.out + outcome.err
    return None, False


def _is_signed(host: Host) -> bool | None:
    """None where that cannot be told."""
    try:
        outcome = host.commands.run("modinfo", "--field", "signer", "v4l2loopback")
    except (ToolMissing, ToolHung):
        return None
    return bool(outcome.out.strip()) if outcome.code == 0 else None


def _build_anew(host: Host) -> str:
    versions = [place.name for place in host.path(_DKMS).glob("[0-9]*")]
    which = f"v4l2loopback/{max(versions, default='VERSION')} -k {host.release}"
    return f"sudo dkms build --force {which} && sudo dkms install --force {which}"


def _was_rejected(host: Host) -> bool:
    """Whether the journal tells so of v4l2loopback, or of a module without a name; not everybody may read all of it."""
    try:
        outcome = host.commands.run("journalctl", "--boot", "--quiet", "--no-pager", "--output=cat", f"--grep={_WORDS}")
    except (ToolMissing, ToolHung):
        return False
    return bool(_REJECTED.search(outcome.out))


def _is_listed(host: Host) -> bool:
    """Whether systemd is told to load it at every start."""
    return bool(re.search(r"^\s*v4l2loopback\b", _texts(host, "modules-load.d", "/etc/modules"), re.MULTILINE))


def _labels(host: Host) -> list[str]:
    """The labels that the module will give its devices when it is loaded the next time; of several lists the last one counts."""
    lines = re.findall(r"^\s*options\s+v4l2loopback\b(.*)", _texts(host, "modprobe.d"), re.MULTILINE)
    lists = [found for line in lines for found in re.findall(r"""card_label=((?:"[^"]*"|[^\s"])*)""", line)]
    return [label.strip('"') for label in lists[-1].split(",")] if lists else []


def _texts(host: Host, folder: str, *more: str) -> str:
    """The system's configuration in folders of this name, file after file by their names, and in more files.

    A file in /etc hides one of its name in /run, and that one in /usr/lib.
    """
    places = [host.path(f"{parent}/{folder}") for parent in ("/usr/lib", "/run", "/etc")]
    files = {file.name: file for place in places if place.is_dir() for file in place.glob("*.conf")}
    texts = [files[name].read_text(errors="replace") for name in sorted(files)]
    return "\n".join(texts + [host.read(each) or "" for each in more])
