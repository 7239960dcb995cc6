"""Checks on the real camera, which is asked and never started."""

from fractions import Fraction
from pathlib import Path
from typing import Final

from livebg.config.parsing import parse_size
from livebg.doctor.context import Examination, told
from livebg.doctor.findings import Finding, fail, failed_by, ok, skipped, warn
from livebg.doctor.virtual_camera import access, group_advice, loopback_nodes
from livebg.errors import SourceError
from livebg.system.devices import CameraFacts
from livebg.v4l2.find_camera import find_camera

_SLOW: Final = Fraction(20)
"""Frames a second below which a call looks jerky."""


def camera(exam: Examination) -> Finding:
    """Whether the camera that the settings name is there."""
    name = exam.camera
    elsewhere = _elsewhere(name)
    if elsewhere:
        return ok(elsewhere)
    try:
        found = find_camera(name, exam.host.kernel)
    except SourceError as error:
        return failed_by(error)
    return ok(f"{found} is there{', and the first of several' if _is_first(exam) else ''}")


def mode(exam: Examination) -> Finding:
    """Whether it offers what the settings ask for, or something near."""
    chosen = _chosen(exam)
    if chosen is None:
        return skipped("there is no camera to look at")
    if chosen.trouble:
        return fail(f"{chosen.device} does not tell its modes ({chosen.trouble})", "unplug it and plug it in again")
    if chosen.choice is None:
        formats = ", ".join(dict.fromkeys(each.pixel_format for each in chosen.modes)) or "none"
        return fail(f"{chosen.device} offers no format that livebg reads, only {formats}", "set camera.device to another camera")
    asked, rate = exam.settings.camera.size, max(chosen.choice.frame_rates, default=None)
    wanted = parse_size(asked) or (0, 0)
    if rate is not None and rate < _SLOW:
        advice = "livebg devices, and set camera.size to one that is faster"
        return warn(f"{chosen.device} gives {float(rate):.3g} frames a second at {chosen.choice}", advice)
    if chosen.choice.width * chosen.choice.height * 2 < wanted[0] * wanted[1]:
        return warn(
            f"{chosen.device} gives {chosen.choice} where {asked} is asked for",
            "livebg devices, and set camera.size to one of its sizes",
        )
    return ok(f"it would give {chosen.choice}{f' at {float(rate):.4g} frames a second' if rate else ''}")


def in_use(exam: Examination) -> Finding:
    """Whether another program has it open; most cameras serve one at a time."""
    chosen = _chosen(exam)
    if chosen is None:
        return skipped("there is no camera to look at")
    others = exam.others(chosen.holders)
    if others:
        found = f"{chosen.device} is held open by {told(others)}, and livebg gets no pictures while that one films"
        return warn(found, f"choose {exam.label!r} as the camera there, or close it")
    if exam.running.status and exam.running.status.camera.name:
        return ok("livebg has it open, and nobody else")
    return ok("nobody has it open")


def permissions(exam: Examination) -> Finding:
    """Whether this user may open the cameras."""
    loopbacks = loopback_nodes(exam.host)
    forbidden = [each.path for each in exam.refused if isinstance(each.error, PermissionError)]
    closed = [path for path in forbidden if path.name not in loopbacks]
    if closed:
        found = f"{access(exam.host, closed[0])} may not be opened by this user"
        return (warn if exam.devices.cameras else fail)(found, group_advice(exam.host))
    if not exam.devices.cameras:
        return skipped("there is no camera to look at")
    return ok("this user may open it")


def _elsewhere(name: str) -> str | None:
    """What stands in for a camera, in a sentence."""
    if "://" in name:
        return "a camera in the network is named, which only `livebg run` asks"
    path = Path(name).expanduser()
    return f"the file {path} stands in for the camera" if path.is_file() else None


def _is_first(exam: Examination) -> bool:
    return exam.camera == "auto" and len(exam.devices.cameras) > 1


def _chosen(exam: Examination) -> CameraFacts | None:
    name = exam.camera
    if _elsewhere(name):
        return None
    try:
        device = find_camera(name, exam.host.kernel)
    except SourceError:
        return None
    return next((facts for facts in exam.devices.cameras if facts.device.path == device.path), None)
