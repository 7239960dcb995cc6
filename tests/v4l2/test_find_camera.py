"""Finding cameras by name, and the loopback device by its label."""

import errno
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.errors import SinkError, SourceError
from livebg.v4l2 import abi
from livebg.v4l2.find_camera import find_camera, modes_of
from livebg.v4l2.loopback import find_loopback
from livebg.v4l2.modes import Mode
from tests.support.fake_v4l2 import CAPTURE, OUTPUT, FakeDevice, FakeKernel

METADATA = abi.CAP_STREAMING | 0x00800000


def laptop() -> FakeKernel:
    """A laptop's camera with metadata and infrared nodes, two webcams of one model, and two loopback devices."""
    infrared = [Mode("GREY", 640, 360, (Fraction(15),))]
    return FakeKernel(
        {
            "/dev/video0": FakeDevice("Integrated Camera: Integrated I", modes=infrared, bus="usb-1"),
            "/dev/video1": FakeDevice("Integrated Camera: Integrated C", caps=METADATA, bus="usb-1"),
            "/dev/video2": FakeDevice("Integrated Camera: Integrated C", bus="usb-1"),
            "/dev/video3": FakeDevice("Integrated Camera: Integrated C", bus="usb-1", modes=infrared),
            "/dev/video5": FakeDevice("HD Pro Webcam C920", bus="usb-2"),
            "/dev/video7": FakeDevice("HD Pro Webcam C920", bus="usb-3"),
            "/dev/video8": FakeDevice("Logitech BRIO", bus="usb-4"),
            "/dev/video42": FakeDevice("livebg", driver="v4l2 loopback", caps=OUTPUT, bus="platform:v4l2loopback-042"),
            "/dev/video43": FakeDevice("OBS copy of BRIO", driver="v4l2 loopback", caps=CAPTURE, bus="platform:v4l2loopback-043"),
        },
        links={"/dev/v4l/by-id/usb-brio": "/dev/video8"},
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("auto", "/dev/video2"),
        ("AUTO", "/dev/video2"),
        ("8", "/dev/video8"),
        (" 8 ", "/dev/video8"),
        ("/dev/video5", "/dev/video5"),
        (Path("/dev/video7"), "/dev/video7"),
        ("/dev/v4l/by-id/usb-brio", "/dev/video8"),
        ("brio", "/dev/video8"),
        ("logitech BRIO", "/dev/video8"),
        ("integrated camera", "/dev/video2"),
        ("integrated i", "/dev/video0"),
        ("Integrated Camera: Integrated I", "/dev/video0"),
        ("obs", "/dev/video43"),
        ("43", "/dev/video43"),
    ],
)
def test_camera_is_found_by_name_number_or_path(name: str | Path, path: str) -> None:
    kernel = laptop()
    assert find_camera(name, kernel).path == Path(path)
    assert not kernel.open_fds


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "c920",
            r"^Several cameras match 'c920' \(HD Pro Webcam C920 \(/dev/video5\) and .*video7\)\)\. Give the path",
        ),
        ("Kiyo", r"^No camera matches 'Kiyo', only Integrated .*\. Choose one of these, or plug it in\.$"),
        ("9", r"^There is no camera /dev/video9, only "),
        ("1", r"a device that cannot capture video\. Run `livebg devices`"),
        ("42", r"^livebg \(/dev/video42\) is a loopback device without a writer"),
    ],
)
def test_unknown_camera_fails(name: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        find_camera(name, laptop())


def test_file_that_is_not_a_device_fails() -> None:
    kernel = FakeKernel({"/dev/null": FakeDevice(failures={abi.QUERYCAP: errno.ENOTTY})})
    with pytest.raises(SourceError, match=r"^/dev/null is not a camera"):
        find_camera("/dev/null", kernel)


def test_auto_never_selects_loopback() -> None:
    devices = {"/dev/video42": FakeDevice("livebg", driver="v4l2 loopback", caps=CAPTURE)}
    with pytest.raises(SourceError, match=r"^There is no camera\. Plug one in\.$"):
        find_camera("auto", FakeKernel(devices))


def test_auto_names_inaccessible_cameras() -> None:
    kernel = FakeKernel({"/dev/video0": FakeDevice()})
    kernel.refusals[Path("/dev/video0")] = errno.EACCES
    with pytest.raises(SourceError, match=r"that this user can open \(not /dev/video0\)\. Add yourself to the group video"):
        find_camera("auto", kernel)


def test_auto_with_only_infrared_fails() -> None:
    kernel = FakeKernel({"/dev/video0": FakeDevice(modes=[Mode("GREY", 640, 360)])})
    with pytest.raises(SourceError, match=r"^livebg cannot read any of the cameras"):
        find_camera("auto", kernel)


def test_loopback_is_found_by_label() -> None:
    kernel = laptop()
    assert find_loopback("livebg", kernel) == Path("/dev/video42")
    assert not kernel.open_fds


def test_camera_with_same_name_is_not_a_loopback() -> None:
    with pytest.raises(SinkError, match=r"^There is no loopback device named BRIO\. Run `livebg setup`, or install"):
        find_loopback("BRIO", FakeKernel({"/dev/video0": FakeDevice("BRIO")}))


def test_missing_label_lists_other_loopbacks() -> None:
    with pytest.raises(SinkError, match=r"No loopback device is named desk, only /dev/video42 \(livebg\) and /dev/video43 "):
        find_loopback("desk", laptop())


def test_duplicate_label_fails() -> None:
    devices = {f"/dev/video4{number}": FakeDevice("livebg", driver="v4l2 loopback", caps=OUTPUT) for number in (1, 2)}
    with pytest.raises(SinkError, match="Several loopback devices are named livebg"):
        find_loopback("livebg", FakeKernel(devices))


def test_inaccessible_loopback_fails() -> None:
    kernel = FakeKernel({"/dev/video42": FakeDevice("livebg", driver="v4l2 loopback", caps=OUTPUT)})
    kernel.refusals[Path("/dev/video42")] = errno.EACCES
    with pytest.raises(SinkError, match=r"/dev/video42 cannot be opened by this user\. Add yourself to the group video"):
        find_loopback("livebg", kernel)


def test_camera_with_only_odd_sizes_fails() -> None:
    odd = [Mode("YUYV", 427, 241, (Fraction(15),)), Mode("GREY", 640, 480, (Fraction(15),))]
    kernel = FakeKernel({"/dev/video0": FakeDevice("Microscope", modes=odd)})
    text = r"^The camera Microscope \(/dev/video0\) offers 427x241, but livebg reads only even sizes\. Choose another camera\.$"
    with pytest.raises(SourceError, match=text):
        modes_of(find_camera("Microscope", kernel), kernel, (640, 480), Fraction(15))
