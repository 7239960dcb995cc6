"""Checks of the v4l2loopback device, and of OBS's virtual camera, which livebg uses on macOS and Windows."""

import re
import stat
from pathlib import Path
from typing import Final

from livebg.config.parsing import parse_size
from livebg.doctor.context import NO_DEVICE, CheckContext, Finding, fail, format_processes, needs_loopback, ok, skipped, warn
from livebg.doctor.kernel_module import RELOAD, SETUP
from livebg.setup.loopback import MAX_DEVICE_NUMBER, loaded
from livebg.system.devices import LoopbackInfo
from livebg.system.host import Host
from livebg.v4l2.client_usage import Subscription
from livebg.v4l2.device import Device
from livebg.v4l2.find_camera import GROUP_ADVICE

_MIN_OPENERS: Final = 4
"""livebg opens the device up to twice, the video call app once, its settings page or PipeWire once."""
_SETUP_AND_RELOAD: Final = f"{SETUP}, then {RELOAD}"
_RELEASE_FORMAT: Final = "v4l2-ctl -d {} -c keep_format=0"
_OBS_MACOS: Final = ("/Library/CoreMediaIO/Plug-Ins/DAL/obs-mac-virtualcam.plugin", "/Applications/OBS.app")
_OBS_WINDOWS: Final = r"HKLM\SOFTWARE\Classes\CLSID\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
"""Registry key of OBS's virtual camera."""
_INSTALL_OBS: Final = "Install OBS Studio, start it, press Start Virtual Camera once, stop it and quit OBS"


def device(context: CheckContext) -> Finding:
    """Check that there is exactly one loopback device with livebg's label."""
    loopbacks = [facts.device for facts in context.devices.loopbacks]
    matching = [each for each in loopbacks if each.card == context.label]
    if len(matching) == 1:
        return ok(f"The virtual camera {context.label!r} is {matching[0].path}")
    if matching:
        paths = " and ".join(str(each.path) for each in matching)
        return fail(
            f"{len(matching)} loopback devices are named {context.label!r} ({paths}), but livebg needs exactly one",
            _SETUP_AND_RELOAD,
        )
    if any(each.path.name in loopback_nodes(context.host) for each in context.devices.inaccessible):
        return skipped("A loopback device exists but cannot be opened (see device permissions)")
    if not loopbacks and not loaded(context.host):
        return skipped(NO_DEVICE)
    if loopbacks:
        names = " and ".join(f"{each.card!r} ({each.path})" for each in loopbacks)
        return fail(f"No loopback device is named {context.label!r}, only {names}", SETUP)
    return fail(f"There is no virtual camera named {context.label!r}", SETUP)


def permissions(context: CheckContext) -> Finding:
    """Check that the user has permission to open the loopback devices."""
    nodes = loopback_nodes(context.host)
    closed = [
        each.path for each in context.devices.inaccessible if each.path.name in nodes and isinstance(each.error, PermissionError)
    ]
    if closed:
        return fail(f"No permission to open {access(context.host, closed[0])}", group_advice(context.host))
    if not context.devices.loopbacks:
        return skipped(NO_DEVICE)
    return ok("The user has permission to open the device")


@needs_loopback
def exclusive_caps(context: CheckContext, loopback: LoopbackInfo) -> Finding:
    """Check that the device announces only capture while livebg writes, which Chromium requires."""
    one = loopback.device
    if not (one.captures and one.outputs):
        return ok("It announces one direction at a time, as Chromium requires")
    if _has_exclusive_caps(context.host, one):
        return ok("It was created with exclusive_caps=1, as Chromium requires")
    return fail(
        f"{one.path} was created without exclusive_caps=1, so Chromium and programs based on it do not list it", _SETUP_AND_RELOAD
    )


@needs_loopback
def number(context: CheckContext, loopback: LoopbackInfo) -> Finding:  # noqa: ARG001 - signature of all checks
    """Check that the device number is below 64, because Firefox ignores higher numbers."""
    one = loopback.device
    limit = MAX_DEVICE_NUMBER + 1
    if int(one.path.name.removeprefix("video")) < limit:
        return ok(f"Its number is below {limit}, so Firefox finds it")
    return warn(f"Firefox ignores {one.path}, because its number is not below {limit}", _SETUP_AND_RELOAD)


@needs_loopback
def writer(context: CheckContext, loopback: LoopbackInfo) -> Finding:
    """Check that no other program writes to the device."""
    one = loopback.device
    if context.is_written_by_livebg or any(holder.pid == context.running.pid for holder in loopback.holders):
        return ok("livebg is writing to it, and no other program can")
    is_streamed_to = _has_writer(context.host, one)
    if is_streamed_to is None:
        return skipped("This v4l2loopback does not report writers without exclusive_caps")
    if not is_streamed_to:
        return ok("No program is writing to it")
    others = [holder for holder in context.others(loopback.holders) if holder.access != "reading"]
    if others:
        pids = " ".join(str(holder.pid) for holder in others)
        return fail(f"Another program is writing to {one.path}: {format_processes(others)}", f"Close it, or run `kill {pids}`")
    return _hidden_writer(context.host, one)


def _hidden_writer(host: Host, one: Device) -> Finding:
    """Explain a device that reports a writer although no visible process has it open."""
    is_kept = _keeps_format(host, one)
    if is_kept and one.outputs:
        return ok("No program is writing to it, but its format is kept")
    if is_kept:
        found = f"{one.path} accepts no frames: because its format is kept, it appears to have a writer"
        return fail(found, _RELEASE_FORMAT.format(one.path))
    return fail(
        f"A program of another user or in a sandbox is writing to {one.path}",
        f"Find it with `sudo fuser -v {one.path}` and close it",
    )


@needs_loopback
def picture_format(context: CheckContext, loopback: LoopbackInfo) -> Finding:
    """Check that the device accepts livebg's format. It keeps its format while a program reads or keep_format is set."""
    one = loopback.device
    now = loopback.format
    if context.is_written_by_livebg:
        return ok(f"It carries livebg's pictures{', ' + now if now else ''}")
    if _has_writer(context.host, one) and loopback.holders:
        return skipped("Its format is set by the program that writes to it")
    readers = context.others(loopback.holders)
    is_kept = _keeps_format(context.host, one)
    if now is None or not (readers or is_kept):
        return ok("It accepts any size")
    by = format_processes(readers) or "keep_format"
    if _is_wanted(context, now):
        return ok(f"It is fixed to {now} by {by}, which is the format that livebg writes")
    steps = [f"Close {format_processes(readers)}"] if readers else []
    steps += [_RELEASE_FORMAT.format(one.path)] if is_kept else []
    return fail(f"{one.path} is fixed to {now} by {by}, so livebg cannot set its format", ", then ".join(steps))


@needs_loopback
def max_openers(context: CheckContext, loopback: LoopbackInfo) -> Finding:
    """Check that enough programs can open the device at the same time."""
    one = loopback.device
    attribute = f"/sys/devices/virtual/video4linux/{one.path.name}/max_openers"
    most = context.host.read(attribute) or ""
    if not most.isdecimal():
        return skipped("The module does not report its limit of openers")
    holders = loopback.holders
    fix = f"echo 10 | sudo tee {attribute}"
    if len(holders) >= int(most):
        return fail(f"{one.path} has reached its limit of {most} openers: {format_processes(holders)}", fix)
    if int(most) < _MIN_OPENERS:
        return warn(f"{one.path} can be opened only {most} times, including livebg", fix)
    return ok(f"It can be opened {most} times")


@needs_loopback
def on_demand(context: CheckContext, loopback: LoopbackInfo) -> Finding:
    """Check that the module reports readers, so that the camera can be off while there are none."""
    subscription = Subscription(loopback.device.path, context.host.kernel)
    subscription.close()
    if subscription.type is not None:
        return ok("The module reports when an app uses the camera, so the real camera is off otherwise")
    return ok("This v4l2loopback (older than 0.13) does not report readers, so livebg checks which programs have it open")


def loopback_nodes(host: Host) -> set[str]:
    """Return the names of v4l2loopback's nodes from sysfs, including those that cannot be opened."""
    folder = host.path("/sys/devices/virtual/video4linux")
    return {entry.parent.name for entry in folder.glob("video*/max_openers")}


def access(host: Host, path: Path) -> str:
    """Format a node with its permissions: ``/dev/video42 (rw-rw----, group video)``."""
    try:
        status = host.path(path).stat()
    except OSError:
        return str(path)
    group = next((name for name, gid, _ in _groups(host) if gid == status.st_gid), status.st_gid)
    return f"{path} ({stat.filemode(status.st_mode)[1:]}, group {group})"


def group_advice(host: Host) -> str:
    """Return the step that gives this user permission to open video devices."""
    user = host.environment.get("USER", "")
    if any(name == "video" and user in members and gid not in host.groups for name, gid, members in _groups(host)):
        return "Log out and in again: you were added to the group video after this login"
    return GROUP_ADVICE


def _groups(host: Host) -> list[tuple[str, int, list[str]]]:
    """Return name, id and members of the groups in /etc/group."""
    rows = [line.split(":") for line in (host.read("/etc/group") or "").splitlines()]
    return [(row[0], int(row[2]), row[3].split(",")) for row in rows if len(row) == 4 and row[2].isdecimal()]


def _has_exclusive_caps(host: Host, one: Device) -> bool:
    """Return whether the device was created with exclusive_caps=1; False if unknown."""
    numbers = (host.read("/sys/module/v4l2loopback/parameters/video_nr") or "").split(",")
    values = (host.read("/sys/module/v4l2loopback/parameters/exclusive_caps") or "").split(",")
    return (one.path.name.removeprefix("video"), "Y") in zip(numbers, values, strict=False)


def _has_writer(host: Host, one: Device) -> bool | None:
    """Return whether the device reports a writer; None if unknown, because 0.12 has no attribute for it."""
    if not (one.captures and one.outputs):
        return one.captures
    try:
        state = host.read(f"/sys/devices/virtual/video4linux/{one.path.name}/state")
    except OSError:  # reading fails while there is no state
        return False
    return None if state is None and not _has_exclusive_caps(host, one) else state == "capture"


def _keeps_format(host: Host, one: Device) -> bool | None:
    """Return whether keep_format is set; None if v4l2-ctl is not installed."""
    control = host.commands.try_run("v4l2-ctl", "-d", str(one.path), "-C", "keep_format")
    match = re.search(r"keep_format:\s*(\d)", control.out)
    return match[1] == "1" if match else None


def _is_wanted(context: CheckContext, now: str) -> bool:
    size, pixel_format = now.split(" ", 1)
    wanted = parse_size(context.settings.output.size) or parse_size(context.settings.camera.size)
    return pixel_format == "YU12" and parse_size(size) == wanted


def obs(context: CheckContext) -> Finding:
    """Check that OBS's virtual camera is installed."""
    host = context.host
    if host.system == "darwin":
        present = any(host.path(place).exists() for place in _OBS_MACOS)
    else:
        present = host.commands.try_run("reg", "query", _OBS_WINDOWS).code == 0
    if present:
        return ok("OBS's virtual camera is installed. It must not be active in OBS itself")
    return fail("OBS's virtual camera, which livebg needs on this system, is not installed", _INSTALL_OBS)
