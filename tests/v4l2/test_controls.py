"""Controls of a camera: listing, values, and the errors for those that cannot be set."""

import errno
from pathlib import Path

import pytest

from livebg.errors import ConfigError
from livebg.v4l2 import abi
from livebg.v4l2.controls import Control, check_settable, find_control, read_controls, write_control
from livebg.v4l2.device import open_device
from tests.support.fake_controls import CAMERA, USER, FakeControl, FakeControls, webcam_controls
from tests.support.fake_v4l2 import FakeDevice, FakeKernel

NODE = Path("/dev/video0")


def read(controls: list[FakeControl]) -> dict[str, Control]:
    kernel = FakeKernel({str(NODE): FakeDevice(controls=FakeControls(controls))})
    with open_device(NODE, kernel) as fd:
        return read_controls(fd, kernel)


@pytest.fixture
def controls() -> dict[str, Control]:
    return read(webcam_controls())


def test_user_and_camera_controls_are_listed_by_the_keys_of_v4l2_ctl(controls: dict[str, Control]) -> None:
    assert list(controls) == [
        "brightness",
        "white_balance_automatic",
        "gain",
        "power_line_frequency",
        "white_balance_temperature",
        "auto_exposure",
        "exposure_time_absolute",
        "pan_absolute",
        "privacy",
        "white_balance_preset",
    ]


def test_control_has_its_range_value_and_choices(controls: dict[str, Control]) -> None:
    pan, exposure = controls["pan_absolute"], controls["auto_exposure"]
    assert (pan.type, pan.minimum, pan.maximum, pan.step, pan.default, pan.value) == ("integer", -36000, 36000, 3600, 0, -3600)
    assert (pan.name, pan.menu, pan.active) == ("Pan, Absolute", None, True)
    assert (exposure.type, exposure.value) == ("menu", 3)
    assert exposure.menu == {1: "Manual Mode", 3: "Aperture Priority Mode"}, "without those that the driver leaves out"
    assert controls["white_balance_preset"].menu == {0: "-500", 1: "500"}
    assert controls["white_balance_automatic"].type == "boolean"


def test_control_replaced_by_an_automatic_one_is_inactive(controls: dict[str, Control]) -> None:
    inactive = {key: control.activate for key, control in controls.items() if not control.active}
    assert inactive == {
        "white_balance_temperature": "white_balance_automatic=0",
        "exposure_time_absolute": "auto_exposure=1",
        "privacy": None,
    }
    cameras = webcam_controls()
    next(each for each in cameras if each.name == "Auto Exposure").value = 1
    assert read(cameras)["exposure_time_absolute"].active


def test_camera_without_controls_has_none() -> None:
    assert read([]) == {}


def test_control_that_cannot_be_read_is_left_out() -> None:
    broken = FakeControl(USER + 1, "Contrast", failures={abi.G_EXT_CTRLS: errno.EIO})
    assert list(read([broken, FakeControl(USER + 2, "Saturation")])) == ["saturation"]


def test_unplugged_camera_raises() -> None:
    with pytest.raises(OSError, match="No such device"):
        read([FakeControl(USER, "Brightness", failures={abi.G_EXT_CTRLS: errno.ENODEV})])


def test_endless_list_ends() -> None:
    class Endless(FakeControls):
        def _describe(self, query: abi.QueryControl) -> None:
            query.id, query.type, query.name = USER, abi.CTRL_TYPE_INTEGER, b"Brightness"

    kernel = FakeKernel({str(NODE): FakeDevice(controls=Endless([FakeControl(USER, "Brightness")]))})
    with open_device(NODE, kernel) as fd:
        assert list(read_controls(fd, kernel)) == ["brightness"]


def test_64_bit_values_are_read_and_written() -> None:
    large = 3 << 40
    fakes = FakeControls([FakeControl(USER + 40, "Pixel Rate", large, maximum=1 << 50, type=abi.CTRL_TYPE_INTEGER64)])
    kernel = FakeKernel({str(NODE): FakeDevice(controls=fakes)})
    with open_device(NODE, kernel) as fd:
        control = read_controls(fd, kernel)["pixel_rate"]
        assert control.value == large
        write_control(fd, kernel, control, large + 1)
    assert fakes["Pixel Rate"].value == large + 1


def test_names_without_letters_and_with_control_codes_are_harmless() -> None:
    found = read([FakeControl(USER, "\x1b[2J"), FakeControl(USER + 1, "--"), FakeControl(USER + 2, "Gamma")])
    assert list(found) == ["2j", "gamma"]
    assert found["2j"].name.isprintable()


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("gain", "12", 12),
        ("gain", 12, 12),
        ("gain", 12.0, 12),
        ("brightness", "default", 128),
        ("pan_absolute", "-7200", -7200),
        ("white_balance_automatic", "off", 0),
        ("white_balance_automatic", True, 1),
        ("auto_exposure", "1", 1),
        ("auto_exposure", "manual mode", 1),
        ("power_line_frequency", "50 Hz", 1),
        ("white_balance_preset", "1", 1),
    ],
)
def test_value_is_accepted(controls: dict[str, Control], key: str, given: object, value: int) -> None:
    assert controls[key].parse(given) == value


@pytest.mark.parametrize(
    ("key", "given", "allowed"),
    [
        ("gain", "256", "Use 0 to 255 in steps of 3; the default is 0."),
        ("gain", 12.5, "Use 0 to 255 in steps of 3; the default is 0."),
        ("brightness", "much", "Use 0 to 255; the default is 128."),
        ("brightness", None, "Use 0 to 255; the default is 128."),
        ("brightness", "9" * 5000, "Use 0 to 255"),
        ("white_balance_automatic", "2", "Use 0 or 1."),
        ("auto_exposure", "2", r"Use one of 1 (Manual Mode), 3 (Aperture Priority Mode)."),
        ("auto_exposure", "auto", r"Use one of 1 (Manual Mode), 3 (Aperture Priority Mode)."),
    ],
)
def test_invalid_value_is_rejected_with_the_range(controls: dict[str, Control], key: str, given: object, allowed: str) -> None:
    with pytest.raises(ConfigError) as raised:
        controls[key].parse(given)
    assert str(raised.value).startswith("Invalid value ")
    assert f" for {key}. {allowed}" in str(raised.value)
    assert len(str(raised.value)) < 250


def test_unknown_key_is_rejected_with_a_suggestion(controls: dict[str, Control]) -> None:
    with pytest.raises(ConfigError, match=r"has no control 'exposure_absolute'. Did you mean exposure_time_absolute\?"):
        find_control(controls, "exposure_absolute")
    with pytest.raises(ConfigError, match="`livebg camera list` lists all"):
        find_control(controls, "x" * 1000)


def test_inactive_control_error_names_what_to_switch_off(controls: dict[str, Control]) -> None:
    with pytest.raises(ConfigError) as raised:
        check_settable(controls["exposure_time_absolute"], controls)
    assert str(raised.value) == (
        "exposure_time_absolute is inactive because auto_exposure is Aperture Priority Mode. Set auto_exposure=1 first."
    )
    with pytest.raises(ConfigError, match="because white_balance_automatic is on"):
        check_settable(controls["white_balance_temperature"], controls)
    with pytest.raises(ConfigError, match="privacy is read-only"):
        check_settable(controls["privacy"], controls)
    check_settable(controls["gain"], controls)


def test_inactive_control_of_unknown_cause_is_rejected() -> None:
    found = read([FakeControl(CAMERA + 13, "Zoom, Absolute", flags=abi.CTRL_FLAG_INACTIVE)])
    with pytest.raises(ConfigError, match=r"^zoom_absolute is inactive\. Switch off the automatic mode"):
        check_settable(found["zoom_absolute"], found)
