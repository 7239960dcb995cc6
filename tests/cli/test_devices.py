"""Tests of ``livebg devices``."""

import errno
import json
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.cli.devices import facts, print_devices
from livebg.system.devices import Devices, list_devices
from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import Holder
from tests.support.cli_runner import LivebgCli
from tests.support.fake_v4l2 import CAPTURE, HD, OUTPUT, VGA, FakeDevice, FakeKernel

DRIVER = "v4l2 loopback"


def loopback(label: str = "livebg", caps: int = OUTPUT) -> FakeDevice:
    return FakeDevice(label, modes=[Mode("YU12", 1280, 720)], driver=DRIVER, bus="platform:v4l2loopback-042", caps=caps)


def find_devices(devices: dict[str, FakeDevice], holders: tuple[Holder, ...] = ()) -> Devices:
    return list_devices("livebg", (1280, 720), 30, FakeKernel(devices, holders))


def test_camera_is_listed_with_modes_and_choice() -> None:
    found = find_devices({"/dev/video0": FakeDevice(modes=[VGA, HD]), "/dev/video1": FakeDevice(caps=abi.CAP_STREAMING)})
    assert [camera.device.path for camera in found.cameras] == [Path("/dev/video0")]
    reported = facts(found)["cameras"][0]
    assert reported["name"] == "HD Pro Webcam C920"
    assert (reported["driver"], reported["bus"], reported["choice"]) == ("uvcvideo", "usb-0000:00:14.0-1", "1280x720 MJPG")
    assert reported["modes"] == [
        {"pixel_format": "YUYV", "size": [640, 480], "frame_rates": [30.0, 15.0]},
        {"pixel_format": "MJPG", "size": [1280, 720], "frame_rates": [30.0]},
    ]


def test_listing_starts_no_camera() -> None:
    device = FakeDevice()
    device.failures = dict.fromkeys((abi.S_FMT, abi.S_PARM, abi.REQBUFS, abi.STREAMON), errno.EBUSY)
    assert find_devices({"/dev/video0": device}).cameras[0].error is None


@pytest.mark.parametrize(
    ("caps", "announces", "fit", "remark"),
    [
        (OUTPUT, "output", True, "ready"),
        (CAPTURE, "capture", False, "another program is writing to it"),
        (CAPTURE | OUTPUT, "both", True, "exclusive_caps=1"),
        (abi.CAP_STREAMING, "neither", True, "the next writer reopens it"),
    ],
)
def test_loopback_note_follows_announced_capabilities(caps: int, announces: str, fit: bool, remark: str) -> None:
    found = find_devices({"/dev/video42": loopback(caps=caps)})
    assert found.cameras == ()
    one = found.loopbacks[0]
    assert (one.announces, one.usable) == (announces, fit)
    assert remark in one.note


def test_running_livebg_is_not_another_writer() -> None:
    kernel = FakeKernel({"/dev/video42": loopback(caps=CAPTURE)}, (Holder(7, "livebg", "writing"), Holder(8, "zoom", "reading")))
    reported = {
        running: list_devices("livebg", (1280, 720), 30, kernel, running=running).loopbacks[0] for running in (7, 9, None)
    }
    assert (reported[7].usable, reported[7].note) == (True, "livebg is writing to it")
    assert reported[9] == reported[None]
    assert (reported[9].usable, reported[9].note) == (False, "another program is writing to it")


def test_other_or_duplicate_loopback_is_not_usable() -> None:
    found = find_devices({"/dev/video3": loopback("OBS"), "/dev/video42": loopback(), "/dev/video43": loopback()})
    assert [(one.device.card, one.usable) for one in found.loopbacks] == [("OBS", False), ("livebg", False), ("livebg", False)]
    assert "set output.label to use this one" in found.loopbacks[0].note
    assert "2 devices are named livebg" in found.loopbacks[1].note


def test_loopback_format_and_holders_are_listed() -> None:
    device = loopback(caps=CAPTURE)
    device.pix.width, device.pix.height, device.pix.pixelformat = 1280, 720, abi.fourcc("YU12")
    reported = facts(find_devices({"/dev/video42": device}, (Holder(7, "firefox", "reading"),)))["loopbacks"][0]
    assert reported["format"] == "1280x720 YU12"
    assert reported["holders"] == [{"pid": 7, "program": "firefox", "access": "reading"}]
    assert facts(find_devices({"/dev/video42": loopback()}))["loopbacks"][0]["format"] is None


def test_inaccessible_device_is_listed() -> None:
    kernel = FakeKernel({"/dev/video0": FakeDevice()})
    kernel.refusals[Path("/dev/video0")] = errno.EACCES
    found = list_devices("livebg", (1280, 720), 30, kernel)
    assert found.cameras == ()
    assert found.reasons[0][0] == Path("/dev/video0")
    assert "group video" in found.reasons[0][1]


def test_device_that_cannot_be_opened_has_reason() -> None:
    kernel = FakeKernel({"/dev/video0": FakeDevice()})
    kernel.refusals[Path("/dev/video0")] = errno.EBUSY
    assert list_devices("livebg", (1280, 720), 30, kernel).reasons == [(Path("/dev/video0"), "Device or resource busy")]


def test_camera_that_does_not_answer_has_error() -> None:
    device = FakeDevice()
    device.failures[abi.ENUM_FMT] = errno.EIO
    camera = find_devices({"/dev/video0": device}).cameras[0]
    assert (camera.modes, camera.choice, camera.error) == ((), None, "Input/output error")


def test_table_groups_modes_by_format_and_rate(capsys: pytest.CaptureFixture[str]) -> None:
    modes = [VGA, Mode("YUYV", 320, 240, VGA.frame_rates), Mode("YUYV", 1280, 720, (Fraction(10),)), HD]
    print_devices(
        find_devices(
            {"/dev/video0": FakeDevice("Cam [HD]", modes=modes), "/dev/video42": loopback()}, (Holder(7, "zoom", "reading"),)
        )
    )
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Cam [HD] (/dev/video0), uvcvideo, usb-0000:00:14.0-1, opened by zoom (pid 7, reading)"
    assert "YUYV 640x480 320x240 30, 15" in lines
    assert "YUYV 1280x720 10" in lines
    assert "livebg selects 1280x720 MJPG" in lines
    assert any(line.startswith("livebg (/dev/video42), v4l2loopback, output only, ") for line in lines)
    assert "usable by livebg: ready" in lines


def test_missing_devices_are_reported_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    print_devices(find_devices({}))
    output = capsys.readouterr().out
    assert "No camera found. Plug one in" in output
    assert "sudo modprobe v4l2loopback card_label=livebg exclusive_caps=1 video_nr=42" in output


def test_devices_command_works_on_this_machine(cli: LivebgCli) -> None:
    result = cli.livebg("devices", "--json")
    assert result.code == 0
    assert set(json.loads(result.out)) == {"cameras", "loopbacks", "refused"}
    assert cli.livebg("devices").code == 0
