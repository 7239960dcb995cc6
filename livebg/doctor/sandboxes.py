"""Checks on programs in sandboxes: a Flatpak or Snap sees cameras by leave alone."""

from collections.abc import Iterator
from typing import Final

from livebg.doctor.context import Examination
from livebg.doctor.findings import Finding, ok, skipped, warn
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
_LOOK_AGAIN: Final = "systemctl --user restart wireplumber"
_PORTAL: Final = "/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service"
_INSTALL: Final = "install xdg-desktop-portal and its part for your desktop (-gnome, -kde, -gtk or -wlr), then log in again"
_SNAPS: Final = ("firefox", "chromium", "brave", "opera", "zoom-client", "slack", "discord", "signal-desktop", "teams-for-linux")


def flatpak(exam: Examination) -> Finding:
    """Which programs of a call are Flatpaks, and whether they may see devices."""
    try:
        listed = exam.host.commands.run("flatpak", "list", "--app", "--columns=application")
    except ToolMissing:
        return skipped("there are no Flatpaks here")
    known = [line.strip() for line in listed.out.splitlines() if line.strip() in _FLATPAKS]
    if not known:
        return ok("no program of a call that is known to livebg is a Flatpak")
    blind = [app for app in known if not _sees_devices(exam.host, app)]
    if not blind:
        return ok(f"Flatpaks that may see video devices: {_names(known)}")
    mend = " && ".join(f"flatpak override --user --device=all {app}" for app in blind)
    return warn(f"Flatpaks that see cameras through PipeWire's portal alone, if at all: {_names(blind)}", mend)


def snap(exam: Examination) -> Finding:
    """Which programs of a call are Snaps, and whether their plug for cameras is connected."""
    try:
        listed = exam.host.commands.run("snap", "list")
    except ToolMissing:
        return skipped("there are no Snaps here")
    there = {line.split()[0] for line in listed.out.splitlines()[1:] if line.strip()}
    known = [name for name in _SNAPS if name in there]
    if not known:
        return ok("no program of a call that is known to livebg is a Snap")
    blind = [name for name in known if not _is_connected(exam.host, name)]
    if not blind:
        return ok(f"Snaps that may see cameras: {' and '.join(known)}")
    mend = " && ".join(f"sudo snap connect {name}:camera" for name in blind)
    return warn(f"Snaps that may not see cameras: {' and '.join(blind)}", mend)


def portal(exam: Examination) -> Finding:
    """Whether the desktop's portal, which sandboxes ask, knows of a camera; it is not started for that."""
    place = ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.DBus.Properties", "Get")
    asked = ("busctl", "--user", "--auto-start=no", "call", *place, "ss", "org.freedesktop.portal.Camera", "IsCameraPresent")
    answer = exam.host.commands.run(*asked)
    if answer.code and exam.backend == "pipewire" and not exam.host.path(_PORTAL).exists():
        return warn("there is no portal, through which browsers find PipeWire's cameras", _INSTALL)
    if answer.code:
        return skipped("the desktop's portal does not run, or knows nothing of cameras")
    if "true" in answer.out:
        return ok("the desktop's portal has a camera to offer to sandboxes")
    found = "the desktop's portal has no camera to offer to sandboxes"
    return warn(found, _LOOK_AGAIN) if exam.is_written_by_livebg else skipped(f"{found} as yet")


def _sees_devices(host: Host, app: str) -> bool:
    shown = host.commands.run("flatpak", "info", "--show-permissions", app)
    granted = next((line for line in shown.out.splitlines() if line.startswith("devices=")), "")
    return "all" in granted.removeprefix("devices=").split(";")


def _is_connected(host: Host, name: str) -> bool:
    """Whether the table of a snap's plugs has a slot beside its camera's."""
    return any(row[:2] == ["camera", f"{name}:camera"] and row[2] != "-" for row in _rows(host, name))


def _rows(host: Host, name: str) -> Iterator[list[str]]:
    for line in host.commands.run("snap", "connections", name).out.splitlines()[1:]:
        columns = line.split()
        if len(columns) >= 3:
            yield columns


def _names(apps: list[str]) -> str:
    return " and ".join(_FLATPAKS[app] for app in apps)
