"""Checks of the real camera, which is queried but never started."""

from fractions import Fraction
from typing import Final

from livebg.config.parsing import parse_size
from livebg.doctor.context import CheckContext, Finding, fail, format_processes, from_error, ok, skipped, warn
from livebg.doctor.virtual_camera import access, group_advice, loopback_nodes
from livebg.errors import SourceError
from livebg.platform.user_paths import expand_user, is_file
from livebg.system.devices import CameraInfo
from livebg.v4l2.find_camera import find_camera

_MIN_SMOOTH_FPS: Final = Fraction(20)
"""Frame rate in frames per second below which a call looks jerky."""


def camera(context: CheckContext) -> Finding:
    """Check that the configured camera is present."""
    name = context.camera
    substitute = _camera_substitute(name)
    if substitute:
        return ok(substitute)
    try:
        found = find_camera(name, context.host.kernel)
    except SourceError as error:
        return from_error(error)
    is_first = name == "auto" and len(context.devices.cameras) > 1
    return ok(f"Found {found}{', the first of several' if is_first else ''}")


def mode(context: CheckContext) -> Finding:
    """Check that the camera offers a mode close to the requested size and a sufficient frame rate."""
    chosen = _camera_facts(context)
    if chosen is None:
        return skipped("No camera to check")
    if chosen.error:
        return fail(f"Cannot read the modes of {chosen.device} ({chosen.error})", "Unplug it and plug it in again")
    if chosen.choice is None:
        formats = ", ".join(dict.fromkeys(each.pixel_format for each in chosen.modes)) or "none"
        return fail(f"{chosen.device} offers no supported pixel format, only {formats}", "Set camera.device to another camera")
    requested, rate = context.settings.camera.size, max(chosen.choice.frame_rates, default=None)
    wanted = parse_size(requested) or (0, 0)
    if rate is not None and rate < _MIN_SMOOTH_FPS:
        advice = "Set camera.size to a faster mode, listed by `livebg devices`"
        return warn(f"{chosen.device} delivers only {float(rate):.3g} frames per second at {chosen.choice}", advice)
    if chosen.choice.width * chosen.choice.height * 2 < wanted[0] * wanted[1]:
        return warn(
            f"{chosen.device} delivers {chosen.choice} instead of the requested {requested}",
            "Set camera.size to one of its sizes, listed by `livebg devices`",
        )
    return ok(f"The camera delivers {chosen.choice}{f' at {float(rate):.4g} frames per second' if rate else ''}")


def in_use(context: CheckContext) -> Finding:
    """Check that no other program has the camera open. Most cameras serve one program at a time."""
    chosen = _camera_facts(context)
    if chosen is None:
        return skipped("No camera to check")
    others = context.others(chosen.holders)
    if others:
        found = f"{chosen.device} is open in {format_processes(others)}, so livebg gets no pictures while that program uses it"
        return warn(found, f"Select {context.label!r} as the camera in that program, or close it")
    if context.running.status and context.running.status.camera.name:
        return ok("Only livebg has the camera open")
    return ok("No program has the camera open")


def permissions(context: CheckContext) -> Finding:
    """Check that the user has permission to open the cameras."""
    loopbacks = loopback_nodes(context.host)
    forbidden = [each.path for each in context.devices.inaccessible if isinstance(each.error, PermissionError)]
    closed = [path for path in forbidden if path.name not in loopbacks]
    if closed:
        found = f"No permission to open {access(context.host, closed[0])}"
        return (warn if context.devices.cameras else fail)(found, group_advice(context.host))
    if not context.devices.cameras:
        return skipped("No camera to check")
    return ok("The user has permission to open the camera")


def _camera_substitute(name: str) -> str | None:
    """Describe what replaces a local camera, or return None."""
    if "://" in name:
        return "A network camera is configured, which only `livebg run` connects to"
    path = expand_user(name)
    return f"The file {path} is used instead of a camera" if is_file(path) else None


def _camera_facts(context: CheckContext) -> CameraInfo | None:
    name = context.camera
    if _camera_substitute(name):
        return None
    try:
        device = find_camera(name, context.host.kernel)
    except SourceError:
        return None
    return next((facts for facts in context.devices.cameras if facts.device.path == device.path), None)
