"""The control socket's commands for camera controls."""

from pathlib import Path
from typing import Any

import pytest

from livebg.daemon.camera_commands import camera_commands, session_controls
from livebg.errors import ConfigError
from livebg.sources.camera_controls import SavedControls, controls_of
from tests.support.controller_harness import ControllerHarness
from tests.support.fake_controls import FakeControls, webcam_controls
from tests.support.fake_v4l2 import FakeDevice, FakeKernel

CARD = "HD Pro Webcam C920 (/dev/video0)"


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice(controls=FakeControls(webcam_controls()))


@pytest.fixture
def saved(tmp_path: Path) -> SavedControls:
    return SavedControls(tmp_path / "cameras.json")


def send(device: FakeDevice, saved: SavedControls, command: str, **arguments: Any) -> Any:
    kernel = FakeKernel({"/dev/video0": device})
    return camera_commands(lambda: controls_of("auto", saved, kernel))[command](arguments)


def test_controls_are_listed_as_json(device: FakeDevice, saved: SavedControls) -> None:
    listed = send(device, saved, "camera_controls")
    assert listed["camera"] == CARD
    assert listed["controls"][5] == {
        "key": "auto_exposure",
        "name": "Auto Exposure",
        "type": "menu",
        "minimum": 0,
        "maximum": 3,
        "step": 1,
        "default": 3,
        "value": 3,
        "menu": {"1": "Manual Mode", "3": "Aperture Priority Mode"},
        "active": True,
        "read_only": False,
        "activate": None,
    }
    assert [(each["key"], each["active"], each["activate"]) for each in listed["controls"][6:7]] == [
        ("exposure_time_absolute", False, "auto_exposure=1")
    ]


def test_set_returns_the_controls_afterwards(device: FakeDevice, saved: SavedControls) -> None:
    found = {each["key"]: each for each in send(device, saved, "set_camera_control", key="auto_exposure", value=1)["controls"]}
    assert found["auto_exposure"]["value"] == 1
    assert found["exposure_time_absolute"]["active"]


def test_saved_controls_are_those_of_the_camera(device: FakeDevice, saved: SavedControls) -> None:
    result = send(device, saved, "save_camera_controls")
    assert result["camera"] == CARD
    assert "gain" in result["saved"]
    assert "exposure_time_absolute" not in result["saved"], "the automatic mode chooses it"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("camera_controls", {"key": "gain"}),
        ("set_camera_control", {"key": "gain"}),
        ("set_camera_control", {"key": 5, "value": 5}),
        ("set_camera_control", {"key": "gain", "value": 5, "more": 1}),
        ("set_camera_control", {"key": "gain", "value": {"a": [1]}}),
        ("set_camera_control", {"key": "gain\n\x1b[2J", "value": 5}),
        ("save_camera_controls", {"key": "gain"}),
    ],
)
def test_wrong_arguments_are_rejected(device: FakeDevice, saved: SavedControls, command: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        send(device, saved, command, **arguments)
    assert str(raised.value).isprintable()
    assert device.controls.log == []


def test_controller_uses_the_camera_in_the_settings(tmp_path: Path) -> None:
    harness = ControllerHarness(tmp_path, {"camera.device": "http://camera.example/"})
    with pytest.raises(ConfigError, match="A network camera has no controls"):
        session_controls(harness.session, harness.controller.settings)
