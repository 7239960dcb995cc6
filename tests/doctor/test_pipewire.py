"""Tests of the doctor's checks of the PipeWire camera."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livebg.doctor import desktop, pipewire, sandboxes
from livebg.doctor.checks import run_checks
from livebg.doctor.findings import Result
from tests.support.doctor_machine import Patient, patient_in, pipewire_dump
from tests.support.fake_daemon import LIVE, Daemon

MINE = replace(LIVE, output=replace(LIVE.output, backend="pipewire", device="PipeWire node 51"))
CAMERA: dict[str, Any] = {
    "media.class": "Video/Source",
    "media.role": "Camera",
    "node.name": "livebg",
    "node.description": "livebg",
    "object.id": 51,
}
MANAGER: dict[str, Any] = {"application.name": "WirePlumber", "application.process.binary": "wireplumber"}


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    """A machine with running PipeWire and the backend pipewire configured."""
    with patient_in(tmp_path, monkeypatch) as patient:
        monkeypatch.setenv("LIVEBG_OUTPUT__BACKEND", "pipewire")
        patient.environment["XDG_RUNTIME_DIR"] = "/run/user/1000"
        patient.file("/run/user/1000/pipewire-0")
        patient.tool("pw-dump", pipewire_dump(MANAGER))
        yield patient


def test_the_route_that_is_set(patient: Patient) -> None:
    found = pipewire.route(patient.exam())
    assert found.status == "ok"
    assert "only programs that use PipeWire or the portal see the camera" in found.message


@pytest.mark.parametrize("has_pipewire", [True, False])
def test_the_route_that_would_suit(patient: Patient, monkeypatch: pytest.MonkeyPatch, has_pipewire: bool) -> None:
    monkeypatch.delenv("LIVEBG_OUTPUT__BACKEND")
    if not has_pipewire:
        patient.environment.clear()
    found = pipewire.route(patient.exam())
    if has_pipewire:
        assert found.status == "warn"
        assert found.fix is not None
        assert found.fix.endswith("livebg setup --pipewire")
    else:
        assert found.status == "ok"
    patient.loaded()
    assert pipewire.route(patient.exam()).status == "ok", "v4l2loopback is there, and the better one"


def test_the_camera_is_offered(patient: Patient) -> None:
    patient.tool("pw-dump", pipewire_dump(MANAGER, CAMERA))
    with Daemon(MINE):
        found = desktop.pipewire(patient.exam())
    assert (found.status, found.message) == ("ok", "PipeWire offers 'livebg' as a camera")


@pytest.mark.parametrize("other", [{"node.name": "C920"}, {"media.class": "Video/Sink"}, {"media.role": "Screen"}])
def test_a_camera_that_runs_and_is_not_offered(patient: Patient, other: dict[str, Any]) -> None:
    patient.tool("pw-dump", pipewire_dump(MANAGER, CAMERA | other))
    with Daemon(MINE):
        assert desktop.pipewire(patient.exam()).status == "FAIL"


def test_a_camera_that_does_not_run_is_not_missed(patient: Patient) -> None:
    assert desktop.pipewire(patient.exam()).status == "skipped"


def test_pipewire_that_does_not_run(patient: Patient) -> None:
    patient.environment["XDG_RUNTIME_DIR"] = "/run/user/1001"
    found = desktop.pipewire(patient.exam())
    assert found.status == "FAIL"
    assert found.fix == "systemctl --user enable --now pipewire.socket wireplumber.service"
    assert pipewire.session_manager(patient.exam()).status == "skipped"


def test_the_session_manager(patient: Patient) -> None:
    found = pipewire.session_manager(patient.exam())
    assert (found.status, found.message) == ("ok", "The session manager WirePlumber is running")
    patient.tool("pw-dump", pipewire_dump(CAMERA))
    assert pipewire.session_manager(patient.exam()).status == "FAIL"


def test_the_portal_that_is_not_installed(patient: Patient) -> None:
    patient.tool("busctl", code=1)
    found = sandboxes.portal(patient.exam())
    assert found.status == "warn"
    assert found.fix is not None
    assert "Install xdg-desktop-portal" in found.fix
    patient.file("/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service")
    assert sandboxes.portal(patient.exam()).status == "skipped", "it starts when somebody asks"


def test_the_portal_that_has_no_camera_though_livebg_runs(patient: Patient) -> None:
    patient.tool("busctl", "v b false\n")
    assert sandboxes.portal(patient.exam()).status == "skipped"
    with Daemon(MINE):
        assert sandboxes.portal(patient.exam()).status == "warn"


def test_what_is_the_other_routes_is_left_out(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def skipped_checks() -> set[str]:
        results: list[Result] = list(run_checks(patient.exam(), measuring=False))
        return {each.check for each in results if each.finding.message.startswith("Only applies to")}

    assert {"module", "device", "after a restart"} <= skipped_checks()
    assert not {"route", "PipeWire", "PipeWire library", "session manager"} & skipped_checks()
    monkeypatch.delenv("LIVEBG_OUTPUT__BACKEND")
    assert skipped_checks() == {"PipeWire library", "session manager"}


def test_a_dump_that_is_none_is_told(patient: Patient) -> None:
    patient.tool("pw-dump", "no JSON")
    with pytest.raises(json.JSONDecodeError):  # run_checks converts it to a warning
        desktop.pipewire(patient.exam())
