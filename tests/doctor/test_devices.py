"""Tests of the doctor's checks of the virtual and the real camera."""

import errno
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.doctor import camera, virtual_camera
from livebg.doctor.context import Finding
from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import Holder
from tests.support.doctor_machine import NODE, DoctorMachine, set_format
from tests.support.fake_daemon import LIVE, FakeDaemon
from tests.support.fake_v4l2 import CAPTURE, OUTPUT

FIREFOX = Holder(7, "firefox", "reading")
OBS = Holder(8, "obs", "reading and writing")
SET_UP_AGAIN = "livebg setup, then sudo modprobe -r v4l2loopback && sudo modprobe v4l2loopback"
GROUP = "add yourself to the group video with `sudo usermod -aG video $USER` and log in again"
MINE = replace(LIVE, output=replace(LIVE.output, device=NODE))
"""A livebg that outputs to the device."""


def forbid(machine: DoctorMachine, node: str) -> None:
    machine.kernel.refusals[Path(node)] = errno.EACCES
    machine.file(node)
    (machine.root / node.lstrip("/")).chmod(0o660)


def test_device_is_found(machine: DoctorMachine) -> None:
    machine.device()
    assert virtual_camera.device(machine.context()) == Finding("ok", f"The virtual camera 'livebg' is {NODE}")


def test_device_check_is_skipped_without_module(machine: DoctorMachine) -> None:
    assert virtual_camera.device(machine.context()) == Finding("skipped", "No virtual camera to check yet")


def test_missing_device_with_loaded_module_fails(machine: DoctorMachine) -> None:
    machine.loaded()
    finding = virtual_camera.device(machine.context())
    assert finding == Finding("FAIL", "There is no virtual camera named 'livebg'", "livebg setup")


def test_device_with_other_label_fails(machine: DoctorMachine) -> None:
    machine.device(label="OBS Virtual Camera")
    found = f"No loopback device is named 'livebg', only 'OBS Virtual Camera' ({NODE})"
    assert virtual_camera.device(machine.context()) == Finding("FAIL", found, "livebg setup")


def test_label_comes_from_settings(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_OUTPUT__LABEL", "Desk")
    machine.device(label="Desk")
    assert virtual_camera.device(machine.context()).status == "ok"


def test_duplicate_label_fails(machine: DoctorMachine) -> None:
    machine.device()
    machine.device("/dev/video43")
    finding = virtual_camera.device(machine.context())
    assert finding.status == "FAIL"
    assert f"2 loopback devices are named 'livebg' ({NODE} and /dev/video43)" in finding.message
    assert finding.fix == SET_UP_AGAIN


def test_inaccessible_device_fails(machine: DoctorMachine) -> None:
    machine.device()
    forbid(machine, NODE)
    gid = (machine.root / NODE.lstrip("/")).stat().st_gid
    machine.file("/etc/group", f"root:x:99990:\nvideo:x:{gid}:bob\n")
    assert virtual_camera.device(machine.context()).status == "skipped"
    found = f"No permission to open {NODE} (rw-rw----, group video)"
    assert virtual_camera.permissions(machine.context()) == Finding("FAIL", found, GROUP)


def test_new_group_requires_logging_in_again(machine: DoctorMachine) -> None:
    machine.device()
    forbid(machine, NODE)
    machine.file("/etc/group", "video:x:44:bob,ada\n")
    fix = "Log out and in again: you were added to the group video after this login"
    assert virtual_camera.permissions(machine.context()).fix == fix
    machine.groups = frozenset({44})
    assert virtual_camera.permissions(machine.context()).fix == GROUP


def test_accessible_device_passes(machine: DoctorMachine) -> None:
    machine.device()
    assert virtual_camera.permissions(machine.context()) == Finding("ok", "The user has permission to open the device")


@pytest.mark.parametrize("caps", [OUTPUT, CAPTURE, abi.CAP_STREAMING])
def test_exclusive_caps_follow_device_capabilities(machine: DoctorMachine, caps: int) -> None:
    machine.device(caps=caps)
    assert virtual_camera.exclusive_caps(machine.context()).status == "ok"


@pytest.mark.parametrize(
    ("numbers", "values", "status"),
    [
        ("42,-1,-1", "N,N,N", "FAIL"),
        ("10,42,-1", "Y,N,N", "FAIL"),
        ("10,42,-1", "N,Y,N", "ok"),
        ("-1,-1,-1", "Y,Y,Y", "FAIL"),  # created later by v4l2loopback-ctl: the device's capabilities count
    ],
)
def test_device_that_announces_both_needs_exclusive_caps(machine: DoctorMachine, numbers: str, values: str, status: str) -> None:
    machine.device(caps=CAPTURE | OUTPUT)
    machine.file("/sys/module/v4l2loopback/parameters/video_nr", f"{numbers}\n")
    machine.file("/sys/module/v4l2loopback/parameters/exclusive_caps", f"{values}\n")
    finding = virtual_camera.exclusive_caps(machine.context())
    assert finding.status == status
    if status == "FAIL":
        assert "Chromium and programs based on it do not list it" in finding.message
        assert finding.fix == SET_UP_AGAIN


@pytest.mark.parametrize(("node", "status"), [("/dev/video0", "ok"), ("/dev/video63", "ok"), ("/dev/video64", "warn")])
def test_device_number_above_63_warns(machine: DoctorMachine, node: str, status: str) -> None:
    machine.device(node)
    finding = virtual_camera.number(machine.context())
    assert finding.status == status
    assert finding.fix == (SET_UP_AGAIN if status == "warn" else None)


def test_device_without_writer_passes(machine: DoctorMachine) -> None:
    machine.device()
    machine.held(NODE, FIREFOX)
    assert virtual_camera.writer(machine.context()) == Finding("ok", "No program is writing to it")


def test_second_writer_is_named_with_pid(machine: DoctorMachine) -> None:
    machine.device(caps=CAPTURE)
    machine.held(NODE, FIREFOX, OBS)
    found, fix = f"Another program is writing to {NODE}: obs (process 8)", "Close it, or run `kill 8`"
    assert virtual_camera.writer(machine.context()) == Finding("FAIL", found, fix)


def test_second_writer_is_found_without_exclusive_caps(machine: DoctorMachine) -> None:
    machine.device(caps=CAPTURE | OUTPUT)
    machine.file("/sys/devices/virtual/video4linux/video42/state", "capture\n")
    machine.held(NODE, OBS)
    assert virtual_camera.writer(machine.context()).status == "FAIL"


def test_hidden_second_writer_suggests_fuser(machine: DoctorMachine) -> None:
    machine.device(caps=CAPTURE)
    finding = virtual_camera.writer(machine.context())
    assert "of another user or in a sandbox" in finding.message
    assert finding.fix == f"Find it with `sudo fuser -v {NODE}` and close it"


def test_kept_format_looks_like_writer(machine: DoctorMachine) -> None:
    machine.device(caps=CAPTURE)
    machine.tool(f"v4l2-ctl -d {NODE} -C keep_format", "keep_format: 1\n")
    finding = virtual_camera.writer(machine.context())
    assert "because its format is kept" in finding.message
    assert finding.fix == f"v4l2-ctl -d {NODE} -c keep_format=0"


def test_kept_format_passes_when_device_takes_pictures(machine: DoctorMachine) -> None:
    machine.device(caps=CAPTURE | OUTPUT)
    machine.file("/sys/devices/virtual/video4linux/video42/state", "capture\n")
    machine.tool(f"v4l2-ctl -d {NODE} -C keep_format", "keep_format: 1\n")
    assert virtual_camera.writer(machine.context()) == Finding("ok", "No program is writing to it, but its format is kept")


def test_writer_is_unknown_on_0_12_without_exclusive_caps(machine: DoctorMachine) -> None:
    machine.device(caps=CAPTURE | OUTPUT)
    machine.held(NODE, OBS)
    assert virtual_camera.writer(machine.context()).status == "skipped"


def test_format_check_is_skipped_with_second_writer(machine: DoctorMachine) -> None:
    set_format(machine.device(caps=CAPTURE), 320, 240)
    machine.held(NODE, OBS)
    finding = virtual_camera.picture_format(machine.context())
    assert finding == Finding("skipped", "Its format is set by the program that writes to it")


def test_running_livebg_is_not_second_writer(machine: DoctorMachine) -> None:
    set_format(machine.device(caps=CAPTURE), 1280, 720)
    machine.held(NODE, Holder(os.getpid(), "livebg", "reading and writing"), FIREFOX)
    with FakeDaemon(MINE):
        context = machine.context()
        assert virtual_camera.writer(context) == Finding("ok", "livebg is writing to it, and no other program can")
        assert virtual_camera.picture_format(context) == Finding("ok", "It carries livebg's pictures, 1280x720 YU12")


def test_livebg_with_other_output_does_not_hide_writer(machine: DoctorMachine) -> None:
    machine.device(caps=CAPTURE)
    machine.held(NODE, OBS)
    with FakeDaemon(LIVE):
        assert virtual_camera.writer(machine.context()).status == "FAIL"


def test_unlocked_format_passes(machine: DoctorMachine) -> None:
    device = machine.device()
    assert virtual_camera.picture_format(machine.context()) == Finding("ok", "It accepts any size")
    set_format(device, 640, 480, "YUYV")
    machine.tool("v4l2-ctl", "keep_format: 0\n")
    assert virtual_camera.picture_format(machine.context()).status == "ok"


@pytest.mark.parametrize(
    ("held", "kept", "by", "fix"),
    [
        ((FIREFOX,), "0", "firefox (process 7)", "Close firefox (process 7)"),
        ((), "1", "keep_format", f"v4l2-ctl -d {NODE} -c keep_format=0"),
        (
            (FIREFOX,),
            "1",
            "firefox (process 7)",
            f"Close firefox (process 7), then v4l2-ctl -d {NODE} -c keep_format=0",
        ),
    ],
)
def test_locked_format_fails(machine: DoctorMachine, held: tuple[Holder, ...], kept: str, by: str, fix: str) -> None:
    set_format(machine.device(), 640, 480, "YUYV")
    machine.held(NODE, *held)
    machine.tool("v4l2-ctl", f"keep_format: {kept}\n")
    found = f"{NODE} is fixed to 640x480 YUYV by {by}, so livebg cannot set its format"
    assert virtual_camera.picture_format(machine.context()) == Finding("FAIL", found, fix)


def test_format_locked_at_requested_size_passes(machine: DoctorMachine) -> None:
    set_format(machine.device(), 1280, 720)
    machine.held(NODE, FIREFOX)
    finding = virtual_camera.picture_format(machine.context())
    assert finding.status == "ok"
    assert "fixed to 1280x720 YU12 by firefox (process 7)" in finding.message


@pytest.mark.parametrize(("most", "status"), [("10", "ok"), ("3", "warn"), ("2", "FAIL")])
def test_reached_max_openers_fails(machine: DoctorMachine, most: str, status: str) -> None:
    machine.device()
    machine.held(NODE, FIREFOX, OBS)
    attribute = "/sys/devices/virtual/video4linux/video42/max_openers"
    machine.file(attribute, f"{most}\n")
    finding = virtual_camera.max_openers(machine.context())
    assert finding.status == status
    assert finding.fix == (None if status == "ok" else f"echo 10 | sudo tee {attribute}")
    if status == "FAIL":
        assert "has reached its limit of 2 openers: firefox (process 7) and obs (process 8)" in finding.message


@pytest.mark.parametrize(
    ("unknown", "words"),
    [
        ((), "The module reports when an app uses the camera"),
        ((abi.SUBSCRIBE_EVENT,), "(older than 0.13) does not report readers"),
    ],
)
def test_on_demand_support_is_reported(machine: DoctorMachine, unknown: tuple[int, ...], words: str) -> None:
    machine.device().failures = dict.fromkeys(unknown, errno.EINVAL)
    finding = virtual_camera.on_demand(machine.context())
    assert finding.status == "ok"
    assert words in finding.message
    assert not machine.kernel.open_fds


def test_checks_start_no_stream(machine: DoctorMachine) -> None:
    for device in (machine.device(), machine.camera()):
        device.failures = dict.fromkeys((abi.S_FMT, abi.S_PARM, abi.REQBUFS, abi.STREAMON), errno.EBUSY)
    context = machine.context()
    looks = (virtual_camera.device, virtual_camera.writer, virtual_camera.picture_format, camera.camera, camera.mode)
    assert {look(context).status for look in looks} == {"ok"}
    assert not machine.kernel.open_fds


def test_missing_camera_fails(machine: DoctorMachine) -> None:
    assert camera.camera(machine.context()) == Finding("FAIL", "There is no camera", "Plug one in")
    assert camera.mode(machine.context()).status == "skipped"
    assert camera.in_use(machine.context()).status == "skipped"


def test_configured_camera_must_exist(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.camera()
    assert camera.camera(machine.context()) == Finding("ok", "Found HD Pro Webcam C920 (/dev/video0)")
    monkeypatch.setenv("LIVEBG_CAMERA__DEVICE", "Kiyo")
    found, fix = "No camera matches 'Kiyo', only HD Pro Webcam C920 (/dev/video0)", "Choose one of these, or plug it in"
    assert camera.camera(machine.context()) == Finding("FAIL", found, fix)


@pytest.mark.parametrize(("name", "words"), [("rtsp://door/1", "A network camera"), ("toy.onnx", "The file toy.onnx")])
def test_network_camera_or_file_passes(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    monkeypatch.setenv("LIVEBG_CAMERA__DEVICE", name)
    finding = camera.camera(machine.context())
    assert finding.status == "ok"
    assert words in finding.message


def test_camera_with_requested_mode_passes(machine: DoctorMachine) -> None:
    machine.camera()
    assert camera.mode(machine.context()) == Finding("ok", "The camera delivers 1280x720 MJPG at 30 frames per second")


@pytest.mark.parametrize(
    ("modes", "status", "words"),
    [
        ([Mode("GREY", 640, 360, (Fraction(15),))], "skipped", "No camera to check"),
        ([Mode("YUYV", 1280, 720, (Fraction(10),))], "warn", "delivers only 10 frames per second at 1280x720 YUYV"),
        ([Mode("YUYV", 640, 480, (Fraction(30),))], "warn", "delivers 640x480 YUYV instead of the requested 1280x720"),
    ],
)
def test_camera_with_worse_mode_warns(machine: DoctorMachine, modes: list[Mode], status: str, words: str) -> None:
    machine.camera(modes=modes)
    finding = camera.mode(machine.context())
    assert finding.status == status
    assert words in finding.message


def test_camera_without_supported_format_fails(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_CAMERA__DEVICE", "0")
    machine.camera(modes=[Mode("GREY", 640, 360, (Fraction(15),))])
    finding = camera.mode(machine.context())
    assert finding.status == "FAIL"
    assert "offers no supported pixel format, only GREY" in finding.message


def test_camera_that_does_not_answer_fails(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_CAMERA__DEVICE", "0")
    machine.camera().failures[abi.ENUM_FMT] = errno.EIO
    finding = camera.mode(machine.context())
    assert (finding.status, finding.fix) == ("FAIL", "Unplug it and plug it in again")


def test_camera_in_use_names_program(machine: DoctorMachine) -> None:
    machine.camera()
    assert camera.in_use(machine.context()) == Finding("ok", "No program has the camera open")
    machine.held("/dev/video0", Holder(9, "zoom", "reading and writing"))
    finding = camera.in_use(machine.context())
    assert finding.status == "warn"
    assert "HD Pro Webcam C920 (/dev/video0) is open in zoom (process 9)" in finding.message
    assert finding.fix == "Select 'livebg' as the camera in that program, or close it"


def test_camera_open_in_livebg_passes(machine: DoctorMachine) -> None:
    machine.camera()
    machine.held("/dev/video0", Holder(os.getpid(), "livebg", "reading and writing"))
    with FakeDaemon(MINE):
        assert camera.in_use(machine.context()) == Finding("ok", "Only livebg has the camera open")


def test_inaccessible_camera_fails(machine: DoctorMachine) -> None:
    machine.camera()
    forbid(machine, "/dev/video0")
    context = machine.context()
    assert camera.permissions(context).status == "FAIL"
    assert camera.permissions(context).fix == GROUP
    assert "(not /dev/video0)" in camera.camera(context).message
    machine.camera("/dev/video2")
    assert camera.permissions(machine.context()).status == "warn"
