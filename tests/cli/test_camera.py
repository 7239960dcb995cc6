"""``livebg camera``, with a running livebg and without."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livebg.daemon.camera_commands import camera_commands
from livebg.sources import camera_controls
from livebg.sources.camera_controls import SavedControls, controls_of
from tests.support.cli_runner import LivebgCli
from tests.support.fake_controls import FakeControls, webcam_controls
from tests.support.fake_daemon import FakeDaemon, temporary_runtime_dir
from tests.support.fake_v4l2 import FakeDevice, FakeKernel


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivebgCli]:
    monkeypatch.setenv("COLUMNS", "200")
    with temporary_runtime_dir(monkeypatch):
        yield LivebgCli(tmp_path, monkeypatch)


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice(controls=FakeControls(webcam_controls()))


@pytest.fixture(params=["running", "not running"])
def camera(
    request: pytest.FixtureRequest, cli: LivebgCli, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LivebgCli]:
    """The command line with a webcam, which a running livebg uses or the command itself."""
    kernel = FakeKernel({"/dev/video0": device})
    saved = SavedControls(cli.folder.parent / "state" / "livebg" / "cameras.json")
    if request.param == "running":
        with FakeDaemon(more=camera_commands(lambda: controls_of("auto", saved, kernel))):
            yield cli
    else:

        def find(name: str, saved: SavedControls) -> Any:
            return controls_of(name, saved, kernel)

        monkeypatch.setattr(camera_controls, "controls_of", find)
        yield cli


def test_list_shows_values_ranges_and_what_is_inactive(camera: LivebgCli) -> None:
    lines = {line.split()[0]: " ".join(line.split()) for line in camera.livebg("camera", "list").out.splitlines() if line.strip()}
    assert lines["gain"] == "gain 64 0 to 255, step 3 0"
    assert lines["auto_exposure"] == ("auto_exposure 3 (Aperture Priority Mode) 1 (Manual Mode), 3 (Aperture Priority Mode) 3")
    assert lines["exposure_time_absolute"].endswith("250 3 to 2047 250 inactive; first set auto_exposure=1")
    assert lines["privacy"].endswith("read-only")
    assert lines["HD"] == "HD Pro Webcam C920 (/dev/video0)"
    assert camera.livebg("camera").out == camera.livebg("camera", "list").out


def test_list_prints_json(camera: LivebgCli) -> None:
    listed = json.loads(camera.livebg("camera", "list", "--json").out)
    assert listed["camera"] == "HD Pro Webcam C920 (/dev/video0)"
    assert next(each for each in listed["controls"] if each["key"] == "gain")["value"] == 64


def test_set_prints_the_values_that_the_camera_took(camera: LivebgCli, device: FakeDevice) -> None:
    done = camera.livebg("camera", "set", "auto_exposure=Manual Mode", "exposure_time_absolute=400", "gain=100")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["auto_exposure is 1 (Manual Mode).", "exposure_time_absolute is 400.", "gain is 99."]
    assert device.controls.log == [("Auto Exposure", 1), ("Exposure Time, Absolute", 400), ("Gain", 99)]


@pytest.mark.parametrize(
    ("pair", "problem"),
    [
        ("gian=3", "The camera has no control 'gian'. Did you mean gain?"),
        ("gain=999", "Invalid value '999' for gain. Use 0 to 255 in steps of 3; the default is 0."),
        (
            "exposure_time_absolute=5",
            "exposure_time_absolute is inactive because auto_exposure is Aperture Priority Mode. Set auto_exposure=1 first.",
        ),
        ("gain", "'gain' has no value. Write KEY=VALUE, such as gain=64."),
    ],
)
def test_set_reports_what_is_wrong(camera: LivebgCli, device: FakeDevice, pair: str, problem: str) -> None:
    done = camera.livebg("camera", "set", pair)
    assert (done.code, done.error_line) == (2, problem)
    assert device.controls.log == []


def test_save_writes_the_values(camera: LivebgCli) -> None:
    camera.livebg("camera", "set", "gain=30")
    assert camera.livebg("camera", "save").out == "Saved 7 controls of HD Pro Webcam C920 (/dev/video0).\n"
    saved = json.loads((camera.folder.parent / "state" / "livebg" / "cameras.json").read_text())
    assert saved["HD Pro Webcam C920"]["usb-0000:00:14.0-1"]["gain"] == 30


def test_named_camera_is_used_although_livebg_runs(cli: LivebgCli) -> None:
    with FakeDaemon():
        refused = cli.livebg("camera", "list", "--camera", "http://camera.example/")
    assert (refused.code, refused.error_line) == (
        2,
        "A network camera has no controls that livebg can set. Use the camera's own page.",
    )
