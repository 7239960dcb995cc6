"""Checks on the loopback device that calls see."""

import re
import stat
from pathlib import Path
from typing import Final

from livebg.config.parsing import parse_size
from livebg.doctor.context import Examination, told
from livebg.doctor.findings import Finding, fail, ok, skipped, warn
from livebg.doctor.kernel_module import NO_DEVICE, RELOAD, SETUP, is_loaded
from livebg.system.host import Host, ToolHung, ToolMissing
from livebg.v4l2.client_usage import Subscription
from livebg.v4l2.device import Device
from livebg.v4l2.find_camera import GROUP_ADVICE

_FIREFOX_END: Final = 64
_FEW_OPENERS: Final = 4
"""livebg itself takes up to two, the program of the call one, its settings page or PipeWire another."""
_ANEW: Final = f"{SETUP}, then {RELOAD}"
_HOLD: Final = "v4l2-ctl -d {} -c keep_format=0"


def device(exam: Examination) -> Finding:
    """Whether there is one loopback device of livebg's label."""
    loopbacks = [facts.device for facts in exam.devices.loopbacks]
    alike = [each for each in loopbacks if each.card == exam.label]
    if len(alike) == 1:
        return ok(f"the virtual camera {exam.label!r} is {alike[0].path}")
    if alike:
        paths = " and ".join(str(each.path) for each in alike)
        return fail(f"{len(alike)} loopback devices are called {exam.label!r} ({paths}), where livebg needs one", _ANEW)
    if any(each.path.name in loopback_nodes(exam.host) for each in exam.refused):
        return skipped("a loopback device is there, and may not be opened (see permissions)")
    if not loopbacks and not is_loaded(exam.host):
        return skipped(NO_DEVICE)
    if loopbacks:
        names = " and ".join(f"{each.card!r} ({each.path})" for each in loopbacks)
        return fail(f"no loopback device is called {exam.label!r}, only {names}", SETUP)
    return fail(f"there is no virtual camera called {exam.label!r}", SETUP)


def permissions(exam: Examination) -> Finding:
    """Whether this user may open the loopback devices."""
    nodes = loopback_nodes(exam.host)
    closed = [each.path for each in exam.refused if each.path.name in nodes and isinstance(each.error, PermissionError)]
    if closed:
        return fail(f"{access(exam.host, closed[0])} may not be opened by this user", group_advice(exam.host))
    if not exam.devices.loopbacks:
        return skipped(NO_DEVICE)
    return ok("this user may open it")


def exclusive_caps(exam: Examination) -> Finding:
    """Whether the device shows itself as a camera alone, which Chromium insists on."""
    if exam.loopback is None:
        return skipped(NO_DEVICE)
    one = exam.loopback.device
    if not (one.captures and one.outputs):
        return ok("it announces one direction at a time, as Chromium wants it")
    if _parameter(exam.host, one.path, "exclusive_caps") == "Y":
        return ok("it was made with exclusive_caps=1, as Chromium wants it")
    return fail(f"{one.path} was made without exclusive_caps=1, so Chromium and programs built on it do not list it", _ANEW)


def number(exam: Examination) -> Finding:
    """Firefox looks at the first 64 numbers alone."""
    if exam.loopback is None:
        return skipped(NO_DEVICE)
    one = exam.loopback.device
    if int(one.path.name.removeprefix("video")) < _FIREFOX_END:
        return ok(f"its number is below {_FIREFOX_END}, so Firefox finds it")
    return warn(f"{one.path} has a number that Firefox does not look at: it stops before {_FIREFOX_END}", _ANEW)


def writer(exam: Examination) -> Finding:
    """Whether somebody else sends pictures to it."""
    if exam.loopback is None:
        return skipped(NO_DEVICE)
    one = exam.loopback.device
    if exam.is_written_by_livebg or any(holder.pid == exam.running.pid for holder in exam.loopback.holders):
        return ok("livebg writes to it, and nobody else can")
    is_streamed_to = _is_streamed_to(exam.host, one)
    if is_streamed_to is None:
        return skipped("without exclusive_caps this v4l2loopback does not tell whether somebody writes to it")
    if not is_streamed_to:
        return ok("nobody writes to it")
    others = [holder for holder in exam.others(exam.loopback.holders) if holder.access != "reading"]
    if others:
        pids = " ".join(str(holder.pid) for holder in others)
        return fail(f"another program writes to {one.path}: {told(others)}", f"end it there, or with `kill {pids}`")
    return _unseen_writer(exam.host, one)


def _unseen_writer(host: Host, one: Device) -> Finding:
    """Nobody is seen to have it open, and yet it takes itself for written to."""
    is_kept = _keeps_format(host, one)
    if is_kept and one.outputs:
        return ok("nobody writes to it, though its format is kept")
    if is_kept:
        found = f"{one.path} takes no pictures: it looks as if somebody wrote to it, since its format is kept"
        return fail(found, _HOLD.format(one.path))
    return fail(
        f"another program writes to {one.path}, of another user or in a sandbox",
        f"find it with `sudo fuser -v {one.path}` and end it",
    )


def picture_format(exam: Examination) -> Finding:
    """Whether it will take livebg's format: while somebody reads, or keep_format is set, it keeps the one it has."""
    if exam.loopback is None:
        return skipped(NO_DEVICE)
    one = exam.loopback.device
    now = exam.loopback.format
    if exam.is_written_by_livebg:
        return ok(f"it carries livebg's pictures{', ' + now if now else ''}")
    if _is_streamed_to(exam.host, one) and exam.loopback.holders:
        return skipped("its format is that of whoever writes to it")
    readers = exam.others(exam.loopback.holders)
    is_kept = _keeps_format(exam.host, one)
    if now is None or not (readers or is_kept):
        return ok("it takes whatever size it is given")
    by = told(readers) or "keep_format"
    if _is_wanted(exam, now):
        return ok(f"it is held at {now} by {by}, which is what livebg writes")
    steps = [f"close {told(readers)}"] if readers else []
    steps += [_HOLD.format(one.path)] if is_kept else []
    return fail(f"{one.path} is held at {now} by {by}, and livebg cannot set another", ", then ".join(steps))


def max_openers(exam: Examination) -> Finding:
    """Whether enough programs may have it open at a time."""
    if exam.loopback is None:
        return skipped(NO_DEVICE)
    one = exam.loopback.device
    attribute = f"/sys/devices/virtual/video4linux/{one.path.name}/max_openers"
    most = exam.host.read(attribute) or ""
    if not most.isdecimal():
        return skipped("the module does not tell how many programs may open it")
    holders = exam.loopback.holders
    mend = f"echo 10 | sudo tee {attribute}"
    if len(holders) >= int(most):
        return fail(f"{one.path} may be opened {most} times, and is: {told(holders)}", mend)
    if int(most) < _FEW_OPENERS:
        return warn(f"{one.path} may be opened {most} times only, livebg's own included", mend)
    return ok(f"it may be opened {most} times")


def on_demand(exam: Examination) -> Finding:
    """Whether the module tells when somebody watches, so that the camera can rest while nobody does."""
    if exam.loopback is None:
        return skipped(NO_DEVICE)
    subscription = Subscription(exam.loopback.device.path, exam.host.kernel)
    subscription.close()
    if subscription.type is not None:
        return ok("the module tells when somebody watches, so the camera rests while nobody does")
    return ok("this v4l2loopback does not tell when somebody watches (0.13 does), so livebg goes by who has the device open")


def loopback_nodes(host: Host) -> set[str]:
    """The names of v4l2loopback's nodes, as sysfs tells them, also of those that may not be opened."""
    folder = host.path("/sys/devices/virtual/video4linux")
    return {entry.parent.name for entry in folder.glob("video*/max_openers")}


def access(host: Host, path: Path) -> str:
    """A node with what its rights say: ``/dev/video42 (rw-rw----, group video)``."""
    try:
        status = host.path(path).stat()
    except OSError:
        return str(path)
    group = next((name for name, gid, _ in _groups(host) if gid == status.st_gid), status.st_gid)
    return f"{path} ({stat.filemode(status.st_mode)[1:]}, group {group})"


def group_advice(host: Host) -> str:
    """What lets this user open video devices."""
    user = host.environment.get("USER", "")
    if any(name == "video" and user in members and gid not in host.groups for name, gid, members in _groups(host)):
        return "log out and in again: you are in the group video, but this session is not yet"
    return GROUP_ADVICE


def _groups(host: Host) -> list[tuple[str, int, list[str]]]:
    """The groups with their ids and their members, as /etc/group tells them."""
    rows = [line.split(":") for line in (host.read("/etc/group") or "").splitlines()]
    return [(row[0], int(row[2]), row[3].split(",")) for row in rows if len(row) == 4 and row[2].isdecimal()]


def _parameter(host: Host, path: Path, name: str) -> str | None:
    """What the module was told for this device; None where that cannot be matched."""
    numbers = (host.read("/sys/module/v4l2loopback/parameters/video_nr") or "").split(",")
    values = (host.read(f"/sys/module/v4l2loopback/parameters/{name}") or "").split(",")
    mine = path.name.removeprefix("video")
    at = numbers.index(mine) if mine in numbers else None
    return values[at] if at is not None and at < len(values) else None


def _is_streamed_to(host: Host, one: Device) -> bool | None:
    """Whether the device takes itself for written to; None where 0.12, which has no attribute for it, does not tell."""
    if not (one.captures and one.outputs):
        return one.captures
    try:
        state = host.read(f"/sys/devices/virtual/video4linux/{one.path.name}/state")
    except OSError:  # it answers so while there is nothing to tell
        return False
    return None if state is None and _parameter(host, one.path, "exclusive_caps") != "Y" else state == "capture"


def _keeps_format(host: Host, one: Device) -> bool | None:
    """Whether keep_format is set; None where v4l2-ctl is not there to ask."""
    try:
        outcome = host.commands.run("v4l2-ctl", "-d", str(one.path), "-C", "keep_format")
    except (ToolMissing, ToolHung):
        return None
    told_value = re.search(r"keep_format:\s*(\d)", outcome.out)
    return told_value[1] == "1" if told_value else None


def _is_wanted(exam: Examination, now: str) -> bool:
    size, pixel_format = now.split(" ", 1)
    wanted = parse_size(exam.settings.output.size) or parse_size(exam.settings.camera.size)
    return pixel_format == "YU12" and parse_size(size) == wanted
