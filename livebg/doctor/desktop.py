"""Checks of the desktop between the virtual camera and video call apps, which see cameras only with permission in a sandbox."""

import re
from typing import Final

from livebg.doctor import pipewire as pipewire_camera
from livebg.doctor.context import CheckContext, Finding, fail, ok, skipped, warn
from livebg.system.host import Host, ToolMissing, install_package, last_line
from livebg.system.session_bus import PORTAL, PORTAL_PATH

_WATCHER: Final = "org.kde.StatusNotifierWatcher"
_FLATPAKS: Final = {
    "org.mozilla.firefox": "Firefox",
    "org.chromium.Chromium": "Chromium",
    "com.google.Chrome": "Chrome",
    "com.brave.Browser": "Brave",
    "com.microsoft.Edge": "Edge",
    "com.vivaldi.Vivaldi": "Vivaldi",
    "io.github.ungoogled_software.ungoogled_chromium": "ungoogled Chromium",
    "us.zoom.Zoom": "Zoom",
    "com.slack.Slack": "Slack",
    "com.discordapp.Discord": "Discord",
    "org.signal.Signal": "Signal",
    "com.github.IsmaelMartinez.teams_for_linux": "Teams for Linux",
}
_PORTAL_FILE: Final = f"/usr/share/dbus-1/services/{PORTAL}.service"
_INSTALL_PORTAL: Final = (
    "Install xdg-desktop-portal and its backend for your desktop (-gnome, -kde, -gtk or -wlr), then log in again"
)
_SNAPS: Final = ("firefox", "chromium", "brave", "opera", "zoom-client", "slack", "discord", "signal-desktop", "teams-for-linux")


def session(context: CheckContext) -> Finding:
    """Report the session type: Wayland, X11 or none."""
    variables = context.host.environment
    desktop = variables.get("XDG_CURRENT_DESKTOP", "").replace(":", ", ")
    of = f" ({desktop})" if desktop else ""
    if variables.get("WAYLAND_DISPLAY") or variables.get("XDG_SESSION_TYPE") == "wayland":
        return ok(f"Wayland session{of}")
    if variables.get("DISPLAY") or variables.get("XDG_SESSION_TYPE") == "x11":
        return ok(f"X11 session{of}")
    return ok("No desktop session, which livebg itself does not need")


def pipewire(context: CheckContext) -> Finding:
    """Check that PipeWire offers the virtual camera. It probes a device only once, when the device appears."""
    if context.backend in ("pipewire", "both"):
        return pipewire_camera.offered(context)
    if context.loopback is None:
        return skipped("No virtual camera yet")
    path = str(context.loopback.device.path)
    try:
        dump = context.host.commands.run("pw-dump")
    except ToolMissing:
        return _check_with_wpctl(context)
    if dump.code:
        return skipped(f"PipeWire is not running ({last_line(dump.err) or 'pw-dump failed'})")
    properties = list(pipewire_camera.properties(dump.out))
    if any(each.get("media.class") == "Video/Source" and each.get("api.v4l2.path") == path for each in properties):
        return ok(f"PipeWire offers {context.label!r} as a camera")
    is_known = any(each.get("media.class") == "Video/Device" and each.get("api.v4l2.path") == path for each in properties)
    return _not_offered(context, f"lists {path} only as an output" if is_known else f"does not list {path}")


def tray(context: CheckContext) -> Finding:
    """Check that the desktop shows tray icons."""
    variables = context.host.environment
    if not (variables.get("WAYLAND_DISPLAY") or variables.get("DISPLAY")):
        return skipped("No desktop session")
    shows = _shows_icons(context.host)
    if shows is None:
        return skipped("Cannot check for a tray: the session D-Bus does not respond")
    if shows:
        return ok("This desktop shows tray icons")
    if "GNOME" in variables.get("XDG_CURRENT_DESKTOP", "").upper():
        install = install_package(context.host, "gnome-shell-extension-appindicator")
        return warn("GNOME shows tray icons only with an extension", f"{install}, log in again and enable it in Extensions")
    return warn("This desktop shows no tray icons", "Add a system tray (StatusNotifier, AppIndicator) to your panel")


def _not_offered(context: CheckContext, how: str) -> Finding:
    if not context.is_written_by_livebg:
        return skipped(f"PipeWire {how}, as expected while livebg does not write to it")
    found = f"PipeWire {how}, because it probed the device before livebg's first frame. Firefox and Flatpak apps may not list it"
    return fail(found, f"{pipewire_camera.RESTART_WIREPLUMBER} (`livebg setup` makes livebg start first)")


def _check_with_wpctl(context: CheckContext) -> Finding:
    """Check the same with wpctl, if pw-dump is not installed."""
    try:
        table = context.host.commands.run("wpctl", "status")
    except ToolMissing:
        return skipped("Neither pw-dump nor wpctl is installed")
    if table.code:
        return skipped(f"PipeWire is not running ({last_line(table.err or table.out) or 'wpctl failed'})")
    if re.search(rf"^\W*\d+\. {re.escape(context.label)}\b", _video_sources(table.out), re.MULTILINE):
        return ok(f"PipeWire offers {context.label!r} as a camera")
    return _not_offered(context, f"does not offer {context.label!r}")


def _video_sources(table: str) -> str:
    """Return the section Sources of the section Video."""
    _, _, video = table.partition("\nVideo\n")
    _, _, sources = video.partition("Sources:")
    return re.split(r"[├└]─ \w", sources)[0]


def _shows_icons(host: Host) -> bool | None:
    """Return whether a tray host is on the session bus; None if the bus does not respond. Starts no service."""
    bus = "org.freedesktop.DBus"
    object_path = "/org/freedesktop/DBus"
    try:
        answer = host.commands.run("busctl", "--user", "call", bus, object_path, bus, "NameHasOwner", "s", _WATCHER)
    except ToolMissing:
        command = ("gdbus", "call", "--session", "-d", bus, "-o", object_path, "-m", f"{bus}.NameHasOwner", _WATCHER)
        answer = host.commands.run(*command)
    return None if answer.code else "true" in answer.out


def flatpak(context: CheckContext) -> Finding:
    """Check that video call apps installed as Flatpaks may access devices."""
    try:
        listed = context.host.commands.run("flatpak", "list", "--app", "--columns=application")
    except ToolMissing:
        return skipped("Flatpak is not installed")
    known = [line.strip() for line in listed.out.splitlines() if line.strip() in _FLATPAKS]
    if not known:
        return ok("No known video call app is installed as a Flatpak")
    blocked = [app for app in known if not _sees_devices(context.host, app)]
    if not blocked:
        return ok(f"Flatpaks with access to video devices: {_names(known)}")
    fix = " && ".join(f"flatpak override --user --device=all {app}" for app in blocked)
    return warn(f"Flatpaks that can access cameras at most through the portal: {_names(blocked)}", fix)


def snap(context: CheckContext) -> Finding:
    """Check that video call apps installed as Snaps have their camera plug connected."""
    try:
        listed = context.host.commands.run("snap", "list")
    except ToolMissing:
        return skipped("Snap is not installed")
    installed = {line.split()[0] for line in listed.out.splitlines()[1:] if line.strip()}
    known = [name for name in _SNAPS if name in installed]
    if not known:
        return ok("No known video call app is installed as a Snap")
    blocked = [name for name in known if not _is_connected(context.host, name)]
    if not blocked:
        return ok(f"Snaps with access to cameras: {' and '.join(known)}")
    fix = " && ".join(f"sudo snap connect {name}:camera" for name in blocked)
    return warn(f"Snaps without access to cameras: {' and '.join(blocked)}", fix)


def portal(context: CheckContext) -> Finding:
    """Check that the desktop portal, which sandboxed apps use, reports a camera. Does not start the portal."""
    target = (PORTAL, PORTAL_PATH, "org.freedesktop.DBus.Properties", "Get")
    query = ("busctl", "--user", "--auto-start=no", "call", *target, "ss", "org.freedesktop.portal.Camera", "IsCameraPresent")
    answer = context.host.commands.run(*query)
    if answer.code and context.backend in ("pipewire", "both") and not context.host.path(_PORTAL_FILE).exists():
        return warn("The desktop portal, through which browsers find PipeWire cameras, is not installed", _INSTALL_PORTAL)
    if answer.code:
        return skipped("The desktop portal is not running or does not support cameras")
    if "true" in answer.out:
        return ok("The desktop portal offers a camera to sandboxed apps")
    found = "The desktop portal offers no camera to sandboxed apps"
    return warn(found, pipewire_camera.RESTART_WIREPLUMBER) if context.is_written_by_livebg else skipped(f"{found} yet")


def _sees_devices(host: Host, app: str) -> bool:
    shown = host.commands.run("flatpak", "info", "--show-permissions", app)
    granted = next((line for line in shown.out.splitlines() if line.startswith("devices=")), "")
    return "all" in granted.removeprefix("devices=").split(";")


def _is_connected(host: Host, name: str) -> bool:
    """Return whether the camera plug of a snap is connected to a slot: ``camera  zoom-client:camera  :camera  -``."""
    rows = [line.split() for line in host.commands.run("snap", "connections", name).out.splitlines()]
    return any(row[:2] == ["camera", f"{name}:camera"] and len(row) > 2 and row[2] != "-" for row in rows)


def _names(apps: list[str]) -> str:
    return " and ".join(_FLATPAKS[app] for app in apps)
