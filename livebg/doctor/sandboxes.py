"""Checks of sandboxed apps: a Flatpak or Snap sees cameras only with permission."""

from typing import Final

from livebg.doctor.context import CheckContext
from livebg.doctor.findings import Finding, ok, skipped, warn
from livebg.doctor.pipewire import RESTART_WIREPLUMBER
from livebg.system.host import Host, ToolMissing

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
_PORTAL: Final = "/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service"
_INSTALL: Final = "Install xdg-desktop-portal and its backend for your desktop (-gnome, -kde, -gtk or -wlr), then log in again"
_SNAPS: Final = ("firefox", "chromium", "brave", "opera", "zoom-client", "slack", "discord", "signal-desktop", "teams-for-linux")


def flatpak(exam: CheckContext) -> Finding:
    """Check that video call apps installed as Flatpaks may access devices."""
    try:
        listed = exam.host.commands.run("flatpak", "list", "--app", "--columns=application")
    except ToolMissing:
        return skipped("Flatpak is not installed")
    known = [line.strip() for line in listed.out.splitlines() if line.strip() in _FLATPAKS]
    if not known:
        return ok("No known video call app is installed as a Flatpak")
    blocked = [app for app in known if not _sees_devices(exam.host, app)]
    if not blocked:
        return ok(f"Flatpaks with access to video devices: {_names(known)}")
    fix = " && ".join(f"flatpak override --user --device=all {app}" for app in blocked)
    return warn(f"Flatpaks that can access cameras at most through the portal: {_names(blocked)}", fix)


def snap(exam: CheckContext) -> Finding:
    """Check that video call apps installed as Snaps have their camera plug connected."""
    try:
        listed = exam.host.commands.run("snap", "list")
    except ToolMissing:
        return skipped("Snap is not installed")
    installed = {line.split()[0] for line in listed.out.splitlines()[1:] if line.strip()}
    known = [name for name in _SNAPS if name in installed]
    if not known:
        return ok("No known video call app is installed as a Snap")
    blocked = [name for name in known if not _is_connected(exam.host, name)]
    if not blocked:
        return ok(f"Snaps with access to cameras: {' and '.join(known)}")
    fix = " && ".join(f"sudo snap connect {name}:camera" for name in blocked)
    return warn(f"Snaps without access to cameras: {' and '.join(blocked)}", fix)


def portal(exam: CheckContext) -> Finding:
    """Check that the desktop portal, which sandboxed apps use, reports a camera. Does not start the portal."""
    target = ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.DBus.Properties", "Get")
    query = ("busctl", "--user", "--auto-start=no", "call", *target, "ss", "org.freedesktop.portal.Camera", "IsCameraPresent")
    answer = exam.host.commands.run(*query)
    if answer.code and exam.backend == "pipewire" and not exam.host.path(_PORTAL).exists():
        return warn("The desktop portal, through which browsers find PipeWire cameras, is not installed", _INSTALL)
    if answer.code:
        return skipped("The desktop portal is not running or does not support cameras")
    if "true" in answer.out:
        return ok("The desktop portal offers a camera to sandboxed apps")
    found = "The desktop portal offers no camera to sandboxed apps"
    return warn(found, RESTART_WIREPLUMBER) if exam.is_written_by_livebg else skipped(f"{found} yet")


def _sees_devices(host: Host, app: str) -> bool:
    shown = host.commands.run("flatpak", "info", "--show-permissions", app)
    granted = next((line for line in shown.out.splitlines() if line.startswith("devices=")), "")
    return "all" in granted.removeprefix("devices=").split(";")


def _is_connected(host: Host, name: str) -> bool:
    """Whether the camera plug of a snap is connected to a slot: ``camera  zoom-client:camera  :camera  -``."""
    rows = [line.split() for line in host.commands.run("snap", "connections", name).out.splitlines()]
    return any(row[:2] == ["camera", f"{name}:camera"] and len(row) > 2 and row[2] != "-" for row in rows)


def _names(apps: list[str]) -> str:
    return " and ".join(_FLATPAKS[app] for app in apps)
