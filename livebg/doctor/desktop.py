"""Checks of the desktop between the virtual camera and video call apps."""

import re
from typing import Final

from livebg.doctor import pipewire as pipewire_camera
from livebg.doctor.context import CheckContext
from livebg.doctor.findings import Finding, fail, ok, skipped, warn
from livebg.system.distribution import install_package
from livebg.system.host import Host, ToolMissing, last_line

_WATCHER: Final = "org.kde.StatusNotifierWatcher"


def session(exam: CheckContext) -> Finding:
    """Report the session type: Wayland, X11 or none."""
    variables = exam.host.environment
    desktop = variables.get("XDG_CURRENT_DESKTOP", "").replace(":", ", ")
    of = f" ({desktop})" if desktop else ""
    if variables.get("WAYLAND_DISPLAY") or variables.get("XDG_SESSION_TYPE") == "wayland":
        return ok(f"Wayland session{of}")
    if variables.get("DISPLAY") or variables.get("XDG_SESSION_TYPE") == "x11":
        return ok(f"X11 session{of}")
    return ok("No desktop session, which livebg itself does not need")


def pipewire(exam: CheckContext) -> Finding:
    """Check that PipeWire offers the virtual camera. It probes a device only once, when the device appears."""
    if exam.backend == "pipewire":
        return pipewire_camera.offered(exam)
    if exam.loopback is None:
        return skipped("No virtual camera yet")
    path = str(exam.loopback.device.path)
    try:
        dump = exam.host.commands.run("pw-dump")
    except ToolMissing:
        return _wireplumber(exam)
    if dump.code:
        return skipped(f"PipeWire is not running ({last_line(dump.err) or 'pw-dump failed'})")
    properties = list(pipewire_camera.properties(dump.out))
    if any(each.get("media.class") == "Video/Source" and each.get("api.v4l2.path") == path for each in properties):
        return ok(f"PipeWire offers {exam.label!r} as a camera")
    is_known = any(each.get("media.class") == "Video/Device" and each.get("api.v4l2.path") == path for each in properties)
    return _not_offered(exam, f"lists {path} only as an output" if is_known else f"does not list {path}")


def tray(exam: CheckContext) -> Finding:
    """Check that the desktop shows tray icons."""
    variables = exam.host.environment
    if not (variables.get("WAYLAND_DISPLAY") or variables.get("DISPLAY")):
        return skipped("No desktop session")
    shows = _shows_icons(exam.host)
    if shows is None:
        return skipped("Cannot check for a tray: the session D-Bus does not respond")
    if shows:
        return ok("This desktop shows tray icons")
    if "GNOME" in variables.get("XDG_CURRENT_DESKTOP", "").upper():
        install = install_package(exam.host, "gnome-shell-extension-appindicator")
        return warn("GNOME shows tray icons only with an extension", f"{install}, log in again and enable it in Extensions")
    return warn("This desktop shows no tray icons", "Add a system tray (StatusNotifier, AppIndicator) to your panel")


def _not_offered(exam: CheckContext, how: str) -> Finding:
    if not exam.is_written_by_livebg:
        return skipped(f"PipeWire {how}, as expected while livebg does not write to it")
    found = f"PipeWire {how}, because it probed the device before livebg's first frame. Firefox and Flatpak apps may not list it"
    return fail(found, f"{pipewire_camera.RESTART_WIREPLUMBER} (`livebg setup` makes livebg start first)")


def _wireplumber(exam: CheckContext) -> Finding:
    """Same check with wpctl, if pw-dump is not installed."""
    try:
        table = exam.host.commands.run("wpctl", "status")
    except ToolMissing:
        return skipped("Neither pw-dump nor wpctl is installed")
    if table.code:
        return skipped(f"PipeWire is not running ({last_line(table.err or table.out) or 'wpctl failed'})")
    if re.search(rf"^\W*\d+\. {re.escape(exam.label)}\b", _video_sources(table.out), re.MULTILINE):
        return ok(f"PipeWire offers {exam.label!r} as a camera")
    return _not_offered(exam, f"does not offer {exam.label!r}")


def _video_sources(table: str) -> str:
    """Return the section Sources of the section Video."""
    _, _, video = table.partition("\nVideo\n")
    _, _, sources = video.partition("Sources:")
    return re.split(r"[├└]─ \w", sources)[0]


def _shows_icons(host: Host) -> bool | None:
    """Whether a tray host is on the session bus; None if the bus does not respond. Starts no service."""
    bus = "org.freedesktop.DBus"
    object_path = "/org/freedesktop/DBus"
    try:
        answer = host.commands.run("busctl", "--user", "call", bus, object_path, bus, "NameHasOwner", "s", _WATCHER)
    except ToolMissing:
        command = ("gdbus", "call", "--session", "-d", bus, "-o", object_path, "-m", f"{bus}.NameHasOwner", _WATCHER)
        answer = host.commands.run(*command)
    return None if answer.code else "true" in answer.out
