"""Tests of the doctor's checks of the virtual and the real camera."""

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.doctor import camera, virtual_camera
from livebg.doctor.findings import Finding
from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import Holder
from tests.support.doctor_machine import NODE, Patient, patient_in, set_to
from tests.support.fake_daemon import LIVE, Daemon
from tests.support.fake_v4l2 import CAPTURE, OUTPUT

FIREFOX = Holder(7, "firefox", "reading")
OBS = Holder(8, "obs", "reading and writing")
ANEW = "livebg setup, then sudo modprobe -r v4l2loopback && sudo modprobe v4l2loopback"
GROUP = "add yourself to the group video with `sudo usermod -aG video $USER` and log in again"
MINE = replace(LIVE, output=replace(LIVE.output, device=NODE))
"""A livebg that outputs to the device."""


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    with patient_in(tmp_path, monkeypatch) as patient:
        yield patient


def forbid(patient: Patient, node: str) -> None:
    patient.kernel.refusals[Path(node)] = errno.EACCES
    patient.file(node)
    (patient.root / node.lstrip("/")).chmod(0o660)


def test_the_device_is_there(patient: Patient) -> None:
    patient.device()
    assert virtual_camera.device(patient.exam()) == Finding("ok", f"The virtual camera 'livebg' is {NODE}")


def test_no_device_while_the_module_is_not_loaded(patient: Patient) -> None:
    assert virtual_camera.device(patient.exam()) == Finding("skipped", "No virtual camera to check yet")


def test_no_device_though_the_module_is_loaded(patient: Patient) -> None:
    patient.loaded()
    finding = virtual_camera.device(patient.exam())
    assert finding == Finding("FAIL", "There is no virtual camera named 'livebg'", "livebg setup")


def test_a_device_of_another_label(patient: Patient) -> None:
    patient.device(label="OBS Virtual Camera")
    found = f"No loopback device is named 'livebg', only 'OBS Virtual Camera' ({NODE})"
    assert virtual_camera.device(patient.exam()) == Finding("FAIL", found, "livebg setup")


def test_the_label_is_that_of_the_settings(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_OUTPUT__LABEL", "Desk")
    patient.device(label="Desk")
    assert virtual_camera.device(patient.exam()).status == "ok"


def test_two_devices_of_the_label(patient: Patient) -> None:
    patient.device()
    patient.device("/dev/video43")
    finding = virtual_camera.device(patient.exam())
    assert finding.status == "FAIL"
    assert f"2 loopback devices are named 'livebg' ({NODE} and /dev/video43)" in finding.message
    assert finding.fix == ANEW


def test_a_device_that_may_not_be_opened(patient: Patient) -> None:
    patient.device()
    forbid(patient, NODE)
    gid = (patient.root / NODE.lstrip("/")).stat().st_gid
    patient.file("/etc/group", f"root:x:99990:\nvideo:x:{gid}:bob\n")
    assert virtual_camera.device(patient.exam()).status == "skipped"
    found = f"No permission to open {NODE} (rw-rw----, group video)"
    assert virtual_camera.permissions(patient.exam()) == Finding("FAIL", found, GROUP)


def test_a_group_that_the_session_does_not_have_yet(patient: Patient) -> None:
    patient.device()
    forbid(patient, NODE)
    patient.file("/etc/group", "video:x:44:bob,ada\n")
    fix = "Log out and in again: you were added to the group video after this login"
    assert virtual_camera.permissions(patient.exam()).fix == fix
    patient.groups = frozenset({44})
    assert virtual_camera.permissions(patient.exam()).fix == GROUP


def test_a_device_that_may_be_opened(patient: Patient) -> None:
    patient.device()
    assert virtual_camera.permissions(patient.exam()) == Finding("ok", "The user has permission to open the device")


@pytest.mark.parametrize("caps", [OUTPUT, CAPTURE, abi.CAP_STREAMING])
def test_exclusive_caps_by_what_the_device_announces(patient: Patient, caps: int) -> None:
    patient.device(caps=caps)
    assert virtual_camera.exclusive_caps(patient.exam()).status == "ok"


@pytest.mark.parametrize(
    ("numbers", "values", "status"),
    [
        ("42,-1,-1", "N,N,N", "FAIL"),
        ("10,42,-1", "Y,N,N", "FAIL"),
        ("10,42,-1", "N,Y,N", "ok"),
        ("-1,-1,-1", "Y,Y,Y", "FAIL"),  # created later by v4l2loopback-ctl: the device's capabilities count
    ],
)
def test_exclusive_caps_of_a_device_that_announces_both(patient: Patient, numbers: str, values: str, status: str) -> None:
    patient.device(caps=CAPTURE | OUTPUT)
    patient.file("/sys/module/v4l2loopback/parameters/video_nr", f"{numbers}\n")
    patient.file("/sys/module/v4l2loopback/parameters/exclusive_caps", f"{values}\n")
    finding = virtual_camera.exclusive_caps(patient.exam())
    assert finding.status == status
    if status == "FAIL":
        assert "Chromium and programs based on it do not list it" in finding.message
        assert finding.fix == ANEW


@pytest.mark.parametrize(("node", "status"), [("/dev/video0", "ok"), ("/dev/video63", "ok"), ("/dev/video64", "warn")])
def test_firefox_looks_at_low_numbers(patient: Patient, node: str, status: str) -> None:
    patient.device(node)
    finding = virtual_camera.number(patient.exam())
    assert finding.status == status
    assert finding.fix == (ANEW if status == "warn" else None)


def test_nobody_writes(patient: Patient) -> None:
    patient.device()
    patient.held(NODE, FIREFOX)
    assert virtual_camera.writer(patient.exam()) == Finding("ok", "No program is writing to it")


def test_a_second_writer_is_told_by_name_and_pid(patient: Patient) -> None:
    patient.device(caps=CAPTURE)
    patient.held(NODE, FIREFOX, OBS)
    found, fix = f"Another program is writing to {NODE}: obs (process 8)", "Close it, or run `kill 8`"
    assert virtual_camera.writer(patient.exam()) == Finding("FAIL", found, fix)


def test_a_second_writer_shows_without_exclusive_caps(patient: Patient) -> None:
    patient.device(caps=CAPTURE | OUTPUT)
    patient.file("/sys/devices/virtual/video4linux/video42/state", "capture\n")
    patient.held(NODE, OBS)
    assert virtual_camera.writer(patient.exam()).status == "FAIL"


def test_a_second_writer_that_cannot_be_seen(patient: Patient) -> None:
    patient.device(caps=CAPTURE)
    finding = virtual_camera.writer(patient.exam())
    assert "of another user or in a sandbox" in finding.message
    assert finding.fix == f"Find it with `sudo fuser -v {NODE}` and close it"


def test_a_format_that_is_kept_looks_like_a_writer(patient: Patient) -> None:
    patient.device(caps=CAPTURE)
    patient.tool(f"v4l2-ctl -d {NODE} -C keep_format", "keep_format: 1\n")
    finding = virtual_camera.writer(patient.exam())
    assert "because its format is kept" in finding.message
    assert finding.fix == f"v4l2-ctl -d {NODE} -c keep_format=0"


def test_a_format_that_is_kept_does_no_harm_where_the_device_takes_pictures(patient: Patient) -> None:
    patient.device(caps=CAPTURE | OUTPUT)
    patient.file("/sys/devices/virtual/video4linux/video42/state", "capture\n")
    patient.tool(f"v4l2-ctl -d {NODE} -C keep_format", "keep_format: 1\n")
    assert virtual_camera.writer(patient.exam()) == Finding("ok", "No program is writing to it, but its format is kept")


def test_version_0_12_without_exclusive_caps_does_not_tell_its_writer(patient: Patient) -> None:
    patient.device(caps=CAPTURE | OUTPUT)
    patient.held(NODE, OBS)
    assert virtual_camera.writer(patient.exam()).status == "skipped"


def test_the_format_of_a_second_writer_is_its_own(patient: Patient) -> None:
    set_to(patient.device(caps=CAPTURE), 320, 240)
    patient.held(NODE, OBS)
    finding = virtual_camera.picture_format(patient.exam())
    assert finding == Finding("skipped", "Its format is set by the program that writes to it")


def test_the_running_livebg_is_no_second_writer(patient: Patient) -> None:
    set_to(patient.device(caps=CAPTURE), 1280, 720)
    patient.held(NODE, Holder(os.getpid(), "livebg", "reading and writing"), FIREFOX)
    with Daemon(MINE):
        exam = patient.exam()
        assert virtual_camera.writer(exam) == Finding("ok", "livebg is writing to it, and no other program can")
        assert virtual_camera.picture_format(exam) == Finding("ok", "It carries livebg's pictures, 1280x720 YU12")


def test_a_livebg_that_writes_elsewhere_does_not_hide_a_writer(patient: Patient) -> None:
    patient.device(caps=CAPTURE)
    patient.held(NODE, OBS)
    with Daemon(LIVE):
        assert virtual_camera.writer(patient.exam()).status == "FAIL"


def test_a_format_that_nobody_holds(patient: Patient) -> None:
    device = patient.device()
    assert virtual_camera.picture_format(patient.exam()) == Finding("ok", "It accepts any size")
    set_to(device, 640, 480, "YUYV")
    patient.tool("v4l2-ctl", "keep_format: 0\n")
    assert virtual_camera.picture_format(patient.exam()).status == "ok"


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
def test_a_format_that_is_locked(patient: Patient, held: tuple[Holder, ...], kept: str, by: str, fix: str) -> None:
    set_to(patient.device(), 640, 480, "YUYV")
    patient.held(NODE, *held)
    patient.tool("v4l2-ctl", f"keep_format: {kept}\n")
    found = f"{NODE} is fixed to 640x480 YUYV by {by}, so livebg cannot set its format"
    assert virtual_camera.picture_format(patient.exam()) == Finding("FAIL", found, fix)


def test_a_format_that_is_locked_at_livebgs_own(patient: Patient) -> None:
    set_to(patient.device(), 1280, 720)
    patient.held(NODE, FIREFOX)
    finding = virtual_camera.picture_format(patient.exam())
    assert finding.status == "ok"
    assert "fixed to 1280x720 YU12 by firefox (process 7)" in finding.message


@pytest.mark.parametrize(("most", "status"), [("10", "ok"), ("3", "warn"), ("2", "FAIL")])
def test_too_few_openers(patient: Patient, most: str, status: str) -> None:
    patient.device()
    patient.held(NODE, FIREFOX, OBS)
    attribute = "/sys/devices/virtual/video4linux/video42/max_openers"
    patient.file(attribute, f"{most}\n")
    finding = virtual_camera.max_openers(patient.exam())
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
def test_who_watches(patient: Patient, unknown: tuple[int, ...], words: str) -> None:
    patient.device().failures = dict.fromkeys(unknown, errno.EINVAL)
    finding = virtual_camera.on_demand(patient.exam())
    assert finding.status == "ok"
    assert words in finding.message
    assert not patient.kernel.open_fds


def test_looking_starts_nothing(patient: Patient) -> None:
    for device in (patient.device(), patient.camera()):
        device.failures = dict.fromkeys((abi.S_FMT, abi.S_PARM, abi.REQBUFS, abi.STREAMON), errno.EBUSY)
    exam = patient.exam()
    looks = (virtual_camera.device, virtual_camera.writer, virtual_camera.picture_format, camera.camera, camera.mode)
    assert {look(exam).status for look in looks} == {"ok"}
    assert not patient.kernel.open_fds


def test_no_camera(patient: Patient) -> None:
    assert camera.camera(patient.exam()) == Finding("FAIL", "There is no camera", "Plug one in")
    assert camera.mode(patient.exam()).status == "skipped"
    assert camera.in_use(patient.exam()).status == "skipped"


def test_the_camera_of_the_settings(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    patient.camera()
    assert camera.camera(patient.exam()) == Finding("ok", "Found HD Pro Webcam C920 (/dev/video0)")
    monkeypatch.setenv("LIVEBG_CAMERA__DEVICE", "Kiyo")
    found, fix = "No camera matches 'Kiyo', only HD Pro Webcam C920 (/dev/video0)", "Choose one of these, or plug it in"
    assert camera.camera(patient.exam()) == Finding("FAIL", found, fix)


@pytest.mark.parametrize(("name", "words"), [("rtsp://door/1", "A network camera"), ("toy.onnx", "The file toy.onnx")])
def test_what_stands_in_for_a_camera(patient: Patient, monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    monkeypatch.setenv("LIVEBG_CAMERA__DEVICE", name)
    finding = camera.camera(patient.exam())
    assert finding.status == "ok"
    assert words in finding.message


def test_a_camera_that_fits(patient: Patient) -> None:
    patient.camera()
    assert camera.mode(patient.exam()) == Finding("ok", "The camera delivers 1280x720 MJPG at 30 frames per second")


@pytest.mark.parametrize(
    ("modes", "status", "words"),
    [
        ([Mode("GREY", 640, 360, (Fraction(15),))], "skipped", "No camera to check"),
        ([Mode("YUYV", 1280, 720, (Fraction(10),))], "warn", "delivers only 10 frames per second at 1280x720 YUYV"),
        ([Mode("YUYV", 640, 480, (Fraction(30),))], "warn", "delivers 640x480 YUYV instead of the requested 1280x720"),
    ],
)
def test_a_camera_that_fits_badly(patient: Patient, modes: list[Mode], status: str, words: str) -> None:
    patient.camera(modes=modes)
    finding = camera.mode(patient.exam())
    assert finding.status == status
    assert words in finding.message


def test_a_camera_without_a_format_that_is_read(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_CAMERA__DEVICE", "0")
    patient.camera(modes=[Mode("GREY", 640, 360, (Fraction(15),))])
    finding = camera.mode(patient.exam())
    assert finding.status == "FAIL"
    assert "offers no supported pixel format, only GREY" in finding.message


def test_a_camera_that_does_not_answer(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_CAMERA__DEVICE", "0")
    patient.camera().failures[abi.ENUM_FMT] = errno.EIO
    finding = camera.mode(patient.exam())
    assert (finding.status, finding.fix) == ("FAIL", "Unplug it and plug it in again")


def test_a_camera_that_is_in_use_by_whom(patient: Patient) -> None:
    patient.camera()
    assert camera.in_use(patient.exam()) == Finding("ok", "No program has the camera open")
    patient.held("/dev/video0", Holder(9, "zoom", "reading and writing"))
    finding = camera.in_use(patient.exam())
    assert finding.status == "warn"
    assert "HD Pro Webcam C920 (/dev/video0) is open in zoom (process 9)" in finding.message
    assert finding.fix == "Select 'livebg' as the camera in that program, or close it"


def test_the_running_livebg_may_have_the_camera(patient: Patient) -> None:
    patient.camera()
    patient.held("/dev/video0", Holder(os.getpid(), "livebg", "reading and writing"))
    with Daemon(MINE):
        assert camera.in_use(patient.exam()) == Finding("ok", "Only livebg has the camera open")


def test_a_camera_that_may_not_be_opened(patient: Patient) -> None:
    patient.camera()
    forbid(patient, "/dev/video0")
    exam = patient.exam()
    assert camera.permissions(exam).status == "FAIL"
    assert camera.permissions(exam).fix == GROUP
    assert "(not /dev/video0)" in camera.camera(exam).message
    patient.camera("/dev/video2")
    assert camera.permissions(patient.exam()).status == "warn"
