"""Camera controls: setting, saving, and restoring them when the camera opens."""

import errno
import json
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.errors import ConfigError, SinkError, SourceError
from livebg.sources.camera import CameraSource, open_camera
from livebg.sources.camera_controls import CameraControls, SavedControls, controls_of
from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from tests.support.camera_media import bars, raw
from tests.support.fake_controls import FakeControls, webcam_controls
from tests.support.fake_v4l2 import FakeDevice, FakeKernel

NODE = "/dev/video0"
MODES = [Mode("YUYV", 640, 480, (Fraction(30),))]


def webcam(bus: str = "usb-0000:00:14.0-1", card: str = "HD Pro Webcam C920") -> FakeDevice:
    return FakeDevice(card, MODES, bus=bus, controls=FakeControls(webcam_controls()))


@pytest.fixture
def saved(tmp_path: Path) -> SavedControls:
    return SavedControls(tmp_path / "state" / "cameras.json")


def controls_at(device: FakeDevice, saved: SavedControls) -> CameraControls:
    return controls_of("auto", saved, FakeKernel({NODE: device}))


def opened_log(device: FakeDevice, saved: SavedControls) -> list[tuple[str, int]]:
    """What opening the camera sets. The camera delivers pictures, whatever happens to its controls."""
    device.controls.log.clear()
    with open_camera(NODE, (640, 480), 30, saved=saved, kernel=FakeKernel({NODE: device})) as source:
        device.deliver(raw(bars(), "YUYV"))
        next(iter(source))
    return device.controls.log


def test_control_is_set_and_rounded_by_the_camera(saved: SavedControls) -> None:
    device = webcam()
    controls = controls_at(device, saved)
    controls.set("gain", "100")
    assert next(control.value for control in controls.read() if control.key == "gain") == 99
    controls.set("auto_exposure", "manual mode")
    controls.set("exposure_time_absolute", 400)
    assert device.controls.log == [("Gain", 99), ("Auto Exposure", 1), ("Exposure Time, Absolute", 400)]


def test_inactive_or_unknown_control_is_not_set(saved: SavedControls) -> None:
    device = webcam()
    for key, problem in (("exposure_time_absolute", "Set auto_exposure=1 first"), ("gian", "Did you mean gain")):
        with pytest.raises(ConfigError, match=problem):
            controls_at(device, saved).set(key, "5")
    assert device.controls.log == []


def test_refused_value_and_lost_camera_are_reported(saved: SavedControls) -> None:
    device = webcam()
    device.controls["Gain"].failures[abi.S_EXT_CTRLS] = errno.EIO
    controls = controls_at(device, saved)
    with pytest.raises(ConfigError, match=r"refused gain=3 \(Input/output error\)"):
        controls.set("gain", 3)
    device.vanish()
    with pytest.raises(SourceError, match="is gone"):
        controls.set("gain", 3)
    with pytest.raises(SourceError, match="is gone"):
        controls.read()


def test_network_camera_has_no_controls(saved: SavedControls) -> None:
    with pytest.raises(ConfigError, match="A network camera has no controls"):
        controls_of("rtsp://camera.example/1", saved)


def test_controls_of_a_streaming_camera_can_be_set(saved: SavedControls) -> None:
    device = webcam()
    kernel = FakeKernel({NODE: device})
    with CameraSource(NODE, (640, 480), 30, kernel=kernel) as source:
        frames = iter(source)
        for gain in (30, 60):
            CameraControls(source.device, saved, kernel).set("gain", gain)
            device.deliver(raw(bars(), "YUYV"))
            next(frames)
    assert device.controls.log == [("Gain", 30), ("Gain", 60)]
    assert not kernel.open_fds


def test_saved_values_are_restored_when_the_camera_opens(saved: SavedControls) -> None:
    device = webcam()
    controls = controls_at(device, saved)
    for key, value in (("auto_exposure", 1), ("exposure_time_absolute", 700), ("gain", 30), ("pan_absolute", 7200)):
        controls.set(key, value)
    assert controls.save() == [
        *("brightness", "white_balance_automatic", "gain", "power_line_frequency", "auto_exposure"),
        *("exposure_time_absolute", "pan_absolute", "white_balance_preset"),
    ]
    fresh = webcam()  # it has lost power
    assert opened_log(fresh, saved) == [
        ("Auto Exposure", 1),
        ("Gain", 30),
        ("Exposure Time, Absolute", 700),
        ("Pan, Absolute", 7200),
    ], "the automatic mode first, and nothing that already has its value"
    assert opened_log(fresh, saved) == []


def test_without_saved_values_nothing_is_asked_of_the_camera(saved: SavedControls) -> None:
    device = webcam()
    device.failures[abi.QUERY_EXT_CTRL] = errno.EIO
    assert opened_log(device, saved) == []
    assert opened_log(device, saved) == []


def test_values_belong_to_one_camera(saved: SavedControls) -> None:
    for bus, gain in (("usb-1", 30), ("usb-2", 60)):
        controls = controls_at(webcam(bus), saved)
        controls.set("gain", gain)
        controls.save()
    assert opened_log(webcam("usb-1"), saved) == [("Gain", 30)]
    assert opened_log(webcam("usb-2"), saved) == [("Gain", 60)]
    assert opened_log(webcam("usb-3"), saved) == [], "either of the two"
    assert opened_log(webcam("usb-1", "Another"), saved) == []


def test_only_camera_of_its_name_keeps_its_values_in_another_port(saved: SavedControls) -> None:
    controls = controls_at(webcam("usb-1"), saved)
    controls.set("gain", 30)
    controls.save()
    assert opened_log(webcam("usb-9"), saved) == [("Gain", 30)]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENODEV, errno.EACCES])
def test_value_that_cannot_be_restored_is_logged_and_the_others_are_set(
    number: int, saved: SavedControls, caplog: pytest.LogCaptureFixture
) -> None:
    controls = controls_at(webcam(), saved)
    for key, value in (("brightness", 5), ("gain", 30)):
        controls.set(key, value)
    controls.save()
    fresh = webcam()
    fresh.controls["Brightness"].failures[abi.S_EXT_CTRLS] = number
    assert opened_log(fresh, saved) == [("Gain", 30)]
    assert [line.partition(": ")[0] for line in caplog.messages] == [
        "Cannot restore brightness of the camera HD Pro Webcam C920 (/dev/video0)"
    ]


def test_capture_goes_on_if_controls_cannot_be_read(saved: SavedControls, caplog: pytest.LogCaptureFixture) -> None:
    controls_at(webcam(), saved).save()
    fresh = webcam()
    fresh.failures[abi.QUERY_EXT_CTRL] = errno.EIO
    assert opened_log(fresh, saved) == []
    assert caplog.messages == ["Cannot restore the controls of the camera HD Pro Webcam C920 (/dev/video0) (Input/output error)."]


@pytest.mark.parametrize("damage", ['{"gain": ', "[]", '{"HD Pro Webcam C920": 5}', '{"HD Pro Webcam C920": {"usb-1": [1]}}'])
def test_damaged_file_is_ignored(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "cameras.json"
    path.write_text(damage)
    assert opened_log(webcam(), SavedControls(path)) == []


@pytest.mark.parametrize("value", ["999", 1e300, True, None, [1], {"a": 1}, "x" * 100_000])
def test_damaged_value_is_skipped(value: object, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cameras.json"
    path.write_text(
        json.dumps({"HD Pro Webcam C920": {"usb-0000:00:14.0-1": {"power_line_frequency": value, "gain": 9, "gone": 1}}})
    )
    assert ("Gain", 9) in opened_log(webcam(), SavedControls(path))
    assert len(caplog.messages) == (0 if value is True else 1)


def test_save_failure_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="The camera controls are not saved: cannot write"):
        controls_at(webcam(), SavedControls(tmp_path / "file" / "cameras.json")).save()


def test_camera_without_controls_cannot_be_saved(saved: SavedControls) -> None:
    with pytest.raises(ConfigError, match="has no controls to save"):
        controls_at(FakeDevice(modes=MODES), saved).save()
