"""Checks on the desktop between the virtual camera and the programs of a call."""

import re
from typing import Final

from livebg.doctor import pipewire as pipewire_camera
from livebg.doctor.context import Examination
from livebg.doctor.findings import Finding, fail, ok, skipped, warn
from livebg.system.distribution import install_package
from livebg.system.host import Host, ToolMissing

_WATCHER: Final = "org.kde.StatusNotifierWatcher"
_LOOK_AGAIN: Final = "systemctl --user restart wireplumber"


def session(exam: Examination) -> Finding:
    """Wayland, X11, or none."""
    variables = exam.host.environment
    desktop = variables.get("XDG_CURRENT_DESKTOP", "").replace(":", ", ")
    of = f" ({desktop})" if desktop else ""
    if variables.get("WAYLAND_DISPLAY") or variables.get("XDG_SESSION_TYPE") == "wayland":
        return ok(f"a Wayland session{of}")
    if variables.get("DISPLAY") or variables.get("XDG_SESSION_TYPE") == "x11":
        return ok(f"an X11 session{of}")
    return ok("no desktop session here, which livebg itself does not need")


def pipewire(exam: Examination) -> Finding:
    """Whether PipeWire offers the virtual camera; it looks at a device once, when it appears."""
    if exam.backend == "pipewire":
        return pipewire_camera.offered(exam)
    if exam.loopback is None:
        return skipped("there is no virtual camera yet for PipeWire to see")
    path = str(exam.loopback.device.path)
    try:
        dump = exam.host.commands.run("pw-dump")
    except ToolMissing:
        return _wireplumber(exam)
    if dump.code:
        return skipped(f"PipeWire does not run here ({_last_line(dump.err) or 'pw-dump failed'})")
    properties = list(pipewire_camera.properties(dump.out))
    if any(each.get("media.class") == "Video/Source" and each.get("api.v4l2.path") == path for each in properties):
        return ok(f"PipeWire offers {exam.label!r} as a camera")
    is_known = any(each.get("media.class") == "Video/Device" and each.get("api.v4l2.path") == path for each in properties)
    return _not_offered(exam, f"knows {path} as an output alone" if is_known else f"does not know {path}")


def tray(exam: Examination) -> Finding:
    """Whether the desktop shows the icons of programs."""
    variables = exam.host.environment
    if not (variables.get("WAYLAND_DISPLAY") or variables.get("DISPLAY")):
        return skipped("there is no desktop session to show an icon in")
    shows = _shows_icons(exam.host)
    if shows is None:
        return skipped("the session's D-Bus does not answer, so nobody can say whether there is a tray")
    if shows:
        return ok("this desktop shows tray icons")
    if "GNOME" in variables.get("XDG_CURRENT_DESKTOP", "").upper():
        install = install_package(exam.host, "gnome-shell-extension-appindicator")
        return warn("GNOME shows tray icons only with an extension", f"{install}, log in again and switch it on in Extensions")
    return warn("nothing on this desktop shows tray icons", "add the tray (StatusNotifier, AppIndicator) to your panel")


def _not_offered(exam: Examination, how: str) -> Finding:
    if not exam.is_written_by_livebg:
        return skipped(f"PipeWire {how}, as it must while livebg does not write to it: ask again when it does")
    found = f"PipeWire {how}, since it looked before livebg's first picture: Firefox and Flatpak may not list it"
    return fail(found, f"{_LOOK_AGAIN}; `livebg setup` starts livebg before it from then on")


def _wireplumber(exam: Examination) -> Finding:
    """The same from wpctl's table, where pw-dump is missing."""
    try:
        table = exam.host.commands.run("wpctl", "status")
    except ToolMissing:
        return skipped("neither pw-dump nor wpctl is installed, which would tell what PipeWire knows")
    if table.code:
        return skipped(f"PipeWire does not run here ({_last_line(table.err or table.out) or 'wpctl failed'})")
    if re.search(rf"^\W*\d+\. {re.escape(exam.label)}\b", _video_sources(table.out), re.MULTILINE):
        return ok(f"PipeWire offers {exam.label!r} as a camera")
    return _not_offered(exam, f"does not offer {exam.label!r}")


def _video_sources(table: str) -> str:
    """What lies below Sources below Video."""
    _, _, video = table.partition("\nVideo\n")
    _, _, sources = video.partition("Sources:")
    return re.split(r"[├└]─ \w", sources)[0]


def _shows_icons(host: Host) -> bool | None:
    """Whether somebody owns the watcher's name on the session's bus; None when the bus cannot be asked. It starts nothing."""
    bus = "org.freedesktop.DBus"
    place = "/org/freedesktop/DBus"
    try:
        answer = host.commands.run("busctl", "--user", "call", bus, place, bus, "NameHasOwner", "s", _WATCHER)
    except ToolMissing:
        asked = ("gdbus", "call", "--session", "-d", bus, "-o", place, "-m", f"{bus}.NameHasOwner", _WATCHER)
        answer = host.commands.run(*asked)
    return None if answer.code else "true" in answer.out


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
