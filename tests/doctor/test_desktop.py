"""Tests of the doctor's desktop checks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livebg.doctor import desktop, sandboxes
from livebg.doctor.findings import Finding
from tests.support.doctor_machine import ARCH, NODE, Patient, patient_in, pipewire_dump
from tests.support.fake_daemon import LIVE, Daemon

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


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    with patient_in(tmp_path, monkeypatch) as patient:
        yield patient


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"XDG_SESSION_TYPE": "wayland", "XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}, "Wayland session (ubuntu, GNOME)"),
        ({"DISPLAY": ":0", "XDG_CURRENT_DESKTOP": "KDE"}, "X11 session (KDE)"),
        ({"XDG_SESSION_TYPE": "tty"}, "No desktop session, which livebg itself does not need"),
    ],
)
def test_the_session(patient: Patient, variables: dict[str, str], words: str) -> None:
    patient.environment = variables
    assert desktop.session(patient.exam()) == Finding("ok", words)


def test_pipewire_offers_it(patient: Patient) -> None:
    patient.device()
    patient.tool("pw-dump", pipewire_dump(DEVICE, WEBCAM, SOURCE))
    assert desktop.pipewire(patient.exam()) == Finding("ok", "PipeWire offers 'livebg' as a camera")


@pytest.mark.parametrize(
    ("objects", "words"),
    [((DEVICE, WEBCAM), f"PipeWire lists {NODE} only as an output"), ((WEBCAM,), f"PipeWire does not list {NODE}")],
)
def test_pipewire_has_filed_it_as_output_only(patient: Patient, objects: tuple[dict[str, Any], ...], words: str) -> None:
    patient.device()
    patient.tool("pw-dump", pipewire_dump(*objects))
    before = desktop.pipewire(patient.exam())
    assert before.status == "skipped"  # expected while no program writes
    assert words in before.message
    with Daemon(MINE):
        finding = desktop.pipewire(patient.exam())
    assert finding.status == "FAIL"
    assert finding.message.startswith(f"{words}, because it probed the device before livebg's first frame")
    assert finding.fix is not None
    assert finding.fix.startswith("systemctl --user restart wireplumber")


def test_wpctl_answers_where_pw_dump_is_missing(patient: Patient) -> None:
    patient.device()
    patient.tool("wpctl status", WPCTL)
    with Daemon(MINE):
        assert desktop.pipewire(patient.exam()).message.startswith("PipeWire does not offer 'livebg', because")
        patient.tool("wpctl status", WPCTL.replace("C920 (V4L2)\n", "C920 (V4L2)\n │      52. livebg (V4L2)\n"))
        assert desktop.pipewire(patient.exam()) == Finding("ok", "PipeWire offers 'livebg' as a camera")


def test_without_pipewire(patient: Patient) -> None:
    assert desktop.pipewire(patient.exam()).status == "skipped"
    patient.device()
    finding = desktop.pipewire(patient.exam())
    assert finding == Finding("skipped", "Neither pw-dump nor wpctl is installed")
    patient.tool("pw-dump", code=255, err="can't connect: Host is down\n")
    assert desktop.pipewire(patient.exam()).message == "PipeWire is not running (can't connect: Host is down)"


def test_flatpaks(patient: Patient) -> None:
    assert sandboxes.flatpak(patient.exam()) == Finding("skipped", "Flatpak is not installed")
    patient.tool("flatpak list", "org.gnome.Maps\norg.mozilla.firefox\ncom.google.Chrome\n")
    permissions = "[Context]\nshared=network;ipc;\nsockets=x11;wayland;pulseaudio;\ndevices={}\nfilesystems=xdg-download;\n"
    patient.tool("flatpak info --show-permissions org.mozilla.firefox", permissions.format("all;"))
    patient.tool("flatpak info --show-permissions com.google.Chrome", permissions.format("all;"))
    assert sandboxes.flatpak(patient.exam()) == Finding("ok", "Flatpaks with access to video devices: Firefox and Chrome")
    patient.tool("flatpak info --show-permissions com.google.Chrome", permissions.format("dri;"))
    found = "Flatpaks that can access cameras at most through the portal: Chrome"
    fix = "flatpak override --user --device=all com.google.Chrome"
    assert sandboxes.flatpak(patient.exam()) == Finding("warn", found, fix)
    patient.tool("flatpak list", "org.gnome.Maps\n")
    assert sandboxes.flatpak(patient.exam()).status == "ok"


def test_snaps(patient: Patient) -> None:
    assert sandboxes.snap(patient.exam()) == Finding("skipped", "Snap is not installed")
    patient.tool("snap list", SNAP_LIST)
    patient.tool("snap connections firefox", CONNECTIONS.format("firefox", ":camera"))
    patient.tool("snap connections chromium", CONNECTIONS.format("chromium", ":camera"))
    assert sandboxes.snap(patient.exam()) == Finding("ok", "Snaps with access to cameras: firefox and chromium")
    patient.tool("snap connections chromium", CONNECTIONS.format("chromium", "-"))
    fix = "sudo snap connect chromium:camera"
    assert sandboxes.snap(patient.exam()) == Finding("warn", "Snaps without access to cameras: chromium", fix)
    patient.tool("snap connections firefox", CONNECTIONS.format("firefox", "-"))
    assert sandboxes.snap(patient.exam()).fix == "sudo snap connect firefox:camera && sudo snap connect chromium:camera"
    patient.tool("snap list", "No snaps are installed yet. Try 'snap install hello-world'.\n")
    assert sandboxes.snap(patient.exam()).status == "ok"


def test_the_portal(patient: Patient) -> None:
    patient.device()
    patient.tool(PORTAL, code=1, err='Call failed: Name "org.freedesktop.portal.Desktop" does not exist\n')
    assert sandboxes.portal(patient.exam()).status == "skipped"
    patient.tool(PORTAL, "v b true\n")
    assert sandboxes.portal(patient.exam()).status == "ok"
    patient.tool(PORTAL, "v b false\n")
    assert sandboxes.portal(patient.exam()).status == "skipped"
    with Daemon(MINE):
        finding = sandboxes.portal(patient.exam())
    assert (finding.status, finding.fix) == ("warn", "systemctl --user restart wireplumber")


@pytest.mark.parametrize(("answer", "status"), [("b true\n", "ok"), ("b false\n", "warn")])
def test_the_tray(patient: Patient, answer: str, status: str) -> None:
    patient.environment = {"DISPLAY": ":0", "XDG_CURRENT_DESKTOP": "XFCE"}
    patient.tool(BUS, answer)
    assert desktop.tray(patient.exam()).status == status


def test_the_tray_of_gnome_needs_an_extension(patient: Patient) -> None:
    patient.environment = {"WAYLAND_DISPLAY": "wayland-0", "XDG_CURRENT_DESKTOP": "GNOME"}
    patient.tool(BUS, "b false\n")
    finding = desktop.tray(patient.exam())
    assert finding.status == "warn"
    assert finding.fix is not None
    assert finding.fix.startswith("sudo apt install gnome-shell-extension-appindicator, log in again")
    patient.file("/etc/os-release", ARCH)
    assert str(desktop.tray(patient.exam()).fix).startswith("sudo pacman -S gnome-shell-extension-appindicator, ")


def test_the_tray_where_it_cannot_be_told(patient: Patient) -> None:
    assert desktop.tray(patient.exam()).message == "No desktop session"
    patient.environment = {"DISPLAY": ":0"}
    patient.tool("gdbus call --session", "(true,)\n")
    assert desktop.tray(patient.exam()).status == "ok"
    patient.tool(BUS, code=1, err="Failed to set bus address: No such file or directory\n")
    assert desktop.tray(patient.exam()).status == "skipped"
