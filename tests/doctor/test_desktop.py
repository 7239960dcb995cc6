"""Tests of the doctor's desktop checks."""

from dataclasses import replace
from typing import Any

import pytest

from livebg.doctor import desktop
from livebg.doctor.context import Finding
from tests.support.doctor_machine import ARCH, NODE, DoctorMachine, pipewire_dump
from tests.support.fake_daemon import LIVE, FakeDaemon

MINE = replace(LIVE, output=replace(LIVE.output, device=NODE))
DEVICE: dict[str, Any] = {
    "device.enum.api": "udev",
    "device.api": "v4l2",
    "media.class": "Video/Device",
    "api.v4l2.path": NODE,
    "device.plugged.usec": 4939143,
    "device.sysfs.path": "/sys/devices/virtual/video4linux/video42",
    "device.subsystem": "video4linux",
    "device.product.name": "livebg",
    "device.capabilities": ":video_output:",
    "device.name": "v4l2_device.platform-v4l2loopback-042",
    "device.description": "livebg",
    "object.id": 46,
    "object.path": "v4l2:/dev/video42",
    "api.v4l2.cap.driver": "v4l2 loopback",
    "api.v4l2.cap.card": "livebg",
    "api.v4l2.cap.capabilities": "85200003",
    "api.v4l2.cap.device-caps": "05200002",
}
SOURCE: dict[str, Any] = {
    "device.api": "v4l2",
    "device.id": 46,
    "media.class": "Video/Source",
    "media.role": "Camera",
    "api.v4l2.path": NODE,
    "api.v4l2.cap.driver": "v4l2 loopback",
    "api.v4l2.cap.card": "livebg",
    "node.name": "v4l2_input.platform-v4l2loopback-042",
    "node.description": "livebg (V4L2)",
    "object.id": 51,
}
WEBCAM = SOURCE | {"device.id": 44, "api.v4l2.path": "/dev/video0", "node.description": "HD Pro Webcam C920 (V4L2)"}
WPCTL = """PipeWire 'pipewire-0' [1.0.5, ada@desk, cookie:2717231563]
 └─ Clients:
        32. WirePlumber                         [1.0.5, ada@desk, pid:1403]

Audio
 ├─ Devices:
 │      45. Built-in Audio                      [alsa]
 │
 ├─ Sources:
 │  *   49. livebg                              [vol: 1.00]
 │
 └─ Streams:

Video
 ├─ Devices:
 │      44. HD Pro Webcam C920                  [v4l2]
 │      46. livebg                              [v4l2]
 │
 ├─ Sinks:
 │
 ├─ Sources:
 │  *   50. HD Pro Webcam C920 (V4L2)
 │
 ├─ Filters:
 │
 └─ Streams:

Settings
 └─ Default Configured Devices:
"""
SNAP_LIST = """Name      Version         Rev    Tracking         Publisher   Notes
chromium  124.0.6367.118  2842   latest/stable    canonical✓  -
firefox   125.0.3-1       4209   latest/stable/…  mozilla✓    -
snapd     2.62            21465  latest/stable    canonical✓  snapd
"""
CONNECTIONS = """Interface       Plug                     Slot             Notes
audio-playback  {0}:audio-playback   :audio-playback  -
camera          {0}:camera           {1}          -
network         {0}:network          :network         -
"""
BUS = "busctl --user call org.freedesktop.DBus"
PORTAL = "busctl --user --auto-start=no call org.freedesktop.portal.Desktop"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"XDG_SESSION_TYPE": "wayland", "XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}, "Wayland session (ubuntu, GNOME)"),
        ({"DISPLAY": ":0", "XDG_CURRENT_DESKTOP": "KDE"}, "X11 session (KDE)"),
        ({"XDG_SESSION_TYPE": "tty"}, "No desktop session, which livebg itself does not need"),
    ],
)
def test_session_type_is_reported(machine: DoctorMachine, variables: dict[str, str], words: str) -> None:
    machine.environment = variables
    assert desktop.session(machine.context()) == Finding("ok", words)


def test_pipewire_camera_is_found(machine: DoctorMachine) -> None:
    machine.device()
    machine.tool("pw-dump", pipewire_dump(DEVICE, WEBCAM, SOURCE))
    assert desktop.pipewire(machine.context()) == Finding("ok", "PipeWire offers 'livebg' as a camera")


@pytest.mark.parametrize(
    ("objects", "words"),
    [((DEVICE, WEBCAM), f"PipeWire lists {NODE} only as an output"), ((WEBCAM,), f"PipeWire does not list {NODE}")],
)
def test_pipewire_output_only_device_fails(machine: DoctorMachine, objects: tuple[dict[str, Any], ...], words: str) -> None:
    machine.device()
    machine.tool("pw-dump", pipewire_dump(*objects))
    before = desktop.pipewire(machine.context())
    assert before.status == "skipped"  # expected while no program writes
    assert words in before.message
    with FakeDaemon(MINE):
        finding = desktop.pipewire(machine.context())
    assert finding.status == "FAIL"
    assert finding.message.startswith(f"{words}, because it probed the device before livebg's first frame")
    assert finding.fix is not None
    assert finding.fix.startswith("systemctl --user restart wireplumber")


def test_wpctl_replaces_missing_pw_dump(machine: DoctorMachine) -> None:
    machine.device()
    machine.tool("wpctl status", WPCTL)
    with FakeDaemon(MINE):
        assert desktop.pipewire(machine.context()).message.startswith("PipeWire does not offer 'livebg', because")
        machine.tool("wpctl status", WPCTL.replace("C920 (V4L2)\n", "C920 (V4L2)\n │      52. livebg (V4L2)\n"))
        assert desktop.pipewire(machine.context()) == Finding("ok", "PipeWire offers 'livebg' as a camera")


def test_missing_pipewire_is_skipped(machine: DoctorMachine) -> None:
    assert desktop.pipewire(machine.context()).status == "skipped"
    machine.device()
    finding = desktop.pipewire(machine.context())
    assert finding == Finding("skipped", "Neither pw-dump nor wpctl is installed")
    machine.tool("pw-dump", code=255, err="can't connect: Host is down\n")
    assert desktop.pipewire(machine.context()).message == "PipeWire is not running (can't connect: Host is down)"


def test_flatpak_camera_permissions_are_checked(machine: DoctorMachine) -> None:
    assert desktop.flatpak(machine.context()) == Finding("skipped", "Flatpak is not installed")
    machine.tool("flatpak list", "org.gnome.Maps\norg.mozilla.firefox\ncom.google.Chrome\n")
    permissions = "[Context]\nshared=network;ipc;\nsockets=x11;wayland;pulseaudio;\ndevices={}\nfilesystems=xdg-download;\n"
    machine.tool("flatpak info --show-permissions org.mozilla.firefox", permissions.format("all;"))
    machine.tool("flatpak info --show-permissions com.google.Chrome", permissions.format("all;"))
    assert desktop.flatpak(machine.context()) == Finding("ok", "Flatpaks with access to video devices: Firefox and Chrome")
    machine.tool("flatpak info --show-permissions com.google.Chrome", permissions.format("dri;"))
    found = "Flatpaks that can access cameras at most through the portal: Chrome"
    fix = "flatpak override --user --device=all com.google.Chrome"
    assert desktop.flatpak(machine.context()) == Finding("warn", found, fix)
    machine.tool("flatpak list", "org.gnome.Maps\n")
    assert desktop.flatpak(machine.context()).status == "ok"


def test_snap_camera_connections_are_checked(machine: DoctorMachine) -> None:
    assert desktop.snap(machine.context()) == Finding("skipped", "Snap is not installed")
    machine.tool("snap list", SNAP_LIST)
    machine.tool("snap connections firefox", CONNECTIONS.format("firefox", ":camera"))
    machine.tool("snap connections chromium", CONNECTIONS.format("chromium", ":camera"))
    assert desktop.snap(machine.context()) == Finding("ok", "Snaps with access to cameras: firefox and chromium")
    machine.tool("snap connections chromium", CONNECTIONS.format("chromium", "-"))
    fix = "sudo snap connect chromium:camera"
    assert desktop.snap(machine.context()) == Finding("warn", "Snaps without access to cameras: chromium", fix)
    machine.tool("snap connections firefox", CONNECTIONS.format("firefox", "-"))
    assert desktop.snap(machine.context()).fix == "sudo snap connect firefox:camera && sudo snap connect chromium:camera"
    machine.tool("snap list", "No snaps are installed yet. Try 'snap install hello-world'.\n")
    assert desktop.snap(machine.context()).status == "ok"


def test_portal_camera_is_checked(machine: DoctorMachine) -> None:
    machine.device()
    machine.tool(PORTAL, code=1, err='Call failed: Name "org.freedesktop.portal.Desktop" does not exist\n')
    assert desktop.portal(machine.context()).status == "skipped"
    machine.tool(PORTAL, "v b true\n")
    assert desktop.portal(machine.context()).status == "ok"
    machine.tool(PORTAL, "v b false\n")
    assert desktop.portal(machine.context()).status == "skipped"
    with FakeDaemon(MINE):
        finding = desktop.portal(machine.context())
    assert (finding.status, finding.fix) == ("warn", "systemctl --user restart wireplumber")


@pytest.mark.parametrize(("answer", "status"), [("b true\n", "ok"), ("b false\n", "warn")])
def test_tray_needs_status_notifier_host(machine: DoctorMachine, answer: str, status: str) -> None:
    machine.environment = {"DISPLAY": ":0", "XDG_CURRENT_DESKTOP": "XFCE"}
    machine.tool(BUS, answer)
    assert desktop.tray(machine.context()).status == status


def test_gnome_tray_needs_extension(machine: DoctorMachine) -> None:
    machine.environment = {"WAYLAND_DISPLAY": "wayland-0", "XDG_CURRENT_DESKTOP": "GNOME"}
    machine.tool(BUS, "b false\n")
    finding = desktop.tray(machine.context())
    assert finding.status == "warn"
    assert finding.fix is not None
    assert finding.fix.startswith("sudo apt install gnome-shell-extension-appindicator, log in again")
    machine.file("/etc/os-release", ARCH)
    assert str(desktop.tray(machine.context()).fix).startswith("sudo pacman -S gnome-shell-extension-appindicator, ")


def test_tray_check_is_skipped_without_desktop_or_bus(machine: DoctorMachine) -> None:
    assert desktop.tray(machine.context()).message == "No desktop session"
    machine.environment = {"DISPLAY": ":0"}
    machine.tool("gdbus call --session", "(true,)\n")
    assert desktop.tray(machine.context()).status == "ok"
    machine.tool(BUS, code=1, err="Failed to set bus address: No such file or directory\n")
    assert desktop.tray(machine.context()).status == "skipped"
