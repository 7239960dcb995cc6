"""Tests of the doctor's checks of the PipeWire camera."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livebg.daemon.status import OutputState
from livebg.doctor import desktop, pipewire
from livebg.doctor.checks import run_checks
from livebg.doctor.context import Result
from livebg.platform.user_paths import user_folder
from tests.support.doctor_machine import DoctorMachine, pipewire_dump
from tests.support.fake_daemon import LIVE, FakeDaemon

MINE = replace(LIVE, output=replace(LIVE.output, backend="pipewire", device="PipeWire node 51"))
CAMERA: dict[str, Any] = {
    "media.class": "Video/Source",
    "media.role": "Camera",
    "node.name": "livebg",
    "node.description": "livebg",
    "object.id": 51,
}
BOTH = replace(
    LIVE,
    outputs=(
        OutputState("v4l2loopback", "/dev/video42", None, False, True, 30.0, False, "event"),
        OutputState("pipewire", "PipeWire node 51", None, False, True, 30.0, True, "pipewire"),
    ),
)
MANAGER: dict[str, Any] = {"application.name": "WirePlumber", "application.process.binary": "wireplumber"}


@pytest.fixture
def machine(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> DoctorMachine:
    """A machine with running PipeWire and the backend pipewire configured."""
    monkeypatch.setenv("LIVEBG_OUTPUT__BACKEND", "pipewire")
    machine.environment["XDG_RUNTIME_DIR"] = "/run/user/1000"
    machine.file("/run/user/1000/pipewire-0")
    machine.tool("pw-dump", pipewire_dump(MANAGER))
    return machine


@pytest.mark.parametrize("dump", ["null", '[{"id": []}]', "[" * 100_000], ids=["null", "a list as id", "deep"])
def test_malformed_dump_fails_only_its_checks(machine: DoctorMachine, dump: str) -> None:
    machine.tool("pw-dump", dump)
    failed = [
        result.check for result in run_checks(machine.context(), measuring=False) if "Check failed" in result.finding.message
    ]
    assert failed == ["PipeWire", "session manager"]


def test_configured_route_passes(machine: DoctorMachine) -> None:
    found = pipewire.route(machine.context())
    assert found.status == "ok"
    assert "only programs that use PipeWire or the portal see the camera" in found.message


@pytest.mark.parametrize("has_pipewire", [True, False])
def test_route_suggests_pipewire_without_loopback(
    machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch, has_pipewire: bool
) -> None:
    monkeypatch.delenv("LIVEBG_OUTPUT__BACKEND")
    if not has_pipewire:
        machine.environment.clear()
    found = pipewire.route(machine.context())
    if has_pipewire:
        assert found.status == "warn"
        assert found.fix is not None
        assert found.fix.endswith("livebg setup --pipewire")
    else:
        assert found.status == "ok"
    machine.loaded()
    assert pipewire.route(machine.context()).status == "ok", "v4l2loopback is there, and the better one"


def test_offered_camera_passes(machine: DoctorMachine) -> None:
    machine.tool("pw-dump", pipewire_dump(MANAGER, CAMERA))
    with FakeDaemon(MINE):
        found = desktop.pipewire(machine.context())
    assert (found.status, found.message) == ("ok", "PipeWire offers 'livebg' as a camera")


def test_objects_that_change_during_dump_are_understood(machine: DoctorMachine) -> None:
    """pw-dump 0.3 then writes several lists; the last one is valid."""
    changed = json.dumps([{"id": 41, "type": "PipeWire:Interface:Device", "info": {"props": CAMERA}}])
    machine.tool("pw-dump", f"{pipewire_dump(MANAGER, {})}\n{changed}\n")
    with FakeDaemon(MINE):
        assert desktop.pipewire(machine.context()).status == "ok"
        machine.tool("pw-dump", f"{pipewire_dump(MANAGER, CAMERA)}\n{json.dumps([{'id': 41, 'info': None}])}\n")
        assert desktop.pipewire(machine.context()).status == "FAIL"


@pytest.mark.parametrize("other", [{"node.name": "C920"}, {"media.class": "Video/Sink"}, {"media.role": "Screen"}])
def test_running_camera_that_is_not_offered_fails(machine: DoctorMachine, other: dict[str, Any]) -> None:
    machine.tool("pw-dump", pipewire_dump(MANAGER, CAMERA | other))
    with FakeDaemon(MINE):
        assert desktop.pipewire(machine.context()).status == "FAIL"


def test_stopped_camera_is_skipped(machine: DoctorMachine) -> None:
    assert desktop.pipewire(machine.context()).status == "skipped"


def test_stopped_pipewire_fails(machine: DoctorMachine) -> None:
    machine.environment["XDG_RUNTIME_DIR"] = "/run/user/1001"
    found = desktop.pipewire(machine.context())
    assert found.status == "FAIL"
    assert found.fix == "systemctl --user enable --now pipewire.socket wireplumber.service"
    assert pipewire.session_manager(machine.context()).status == "skipped"


def test_missing_session_manager_fails(machine: DoctorMachine) -> None:
    found = pipewire.session_manager(machine.context())
    assert (found.status, found.message) == ("ok", "The session manager WirePlumber is running")
    machine.tool("pw-dump", pipewire_dump(CAMERA))
    assert pipewire.session_manager(machine.context()).status == "FAIL"


def test_missing_portal_warns(machine: DoctorMachine) -> None:
    machine.tool("busctl", code=1)
    found = desktop.portal(machine.context())
    assert found.status == "warn"
    assert found.fix is not None
    assert "Install xdg-desktop-portal" in found.fix
    machine.file("/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service")
    assert desktop.portal(machine.context()).status == "skipped", "it starts on request"


def test_portal_without_camera_warns_while_livebg_runs(machine: DoctorMachine) -> None:
    machine.tool("busctl", "v b false\n")
    assert desktop.portal(machine.context()).status == "skipped"
    with FakeDaemon(MINE):
        assert desktop.portal(machine.context()).status == "warn"


def test_checks_of_other_route_are_skipped(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    def skipped_checks() -> set[str]:
        results: list[Result] = list(run_checks(machine.context(), measuring=False))
        return {each.check for each in results if each.finding.message.startswith("Only applies to")}

    assert {"module", "device", "after a restart"} <= skipped_checks()
    assert not {"route", "PipeWire", "PipeWire library", "session manager"} & skipped_checks()
    monkeypatch.delenv("LIVEBG_OUTPUT__BACKEND")
    assert skipped_checks() == {"PipeWire library", "session manager"}


def test_invalid_dump_raises(machine: DoctorMachine) -> None:
    machine.tool("pw-dump", "no JSON")
    with pytest.raises(json.JSONDecodeError):  # run_checks converts it to a warning
        desktop.pipewire(machine.context())


def rule(version: str = "wireplumber.conf.d/51-livebg.conf") -> Path:
    """The rule's file, written."""
    config = user_folder("config", None)
    assert config is not None
    path = config / "wireplumber" / version
    path.parent.mkdir(parents=True)
    path.write_text("# a rule\n")
    return path


def test_both_cameras_are_listed_twice_without_rule(machine: DoctorMachine) -> None:
    with FakeDaemon(BOTH):
        found = pipewire.listed_once(machine.context())
    assert (found.status, found.fix) == ("warn", "livebg setup --both")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_rule_hides_the_loopback_device(machine: DoctorMachine, version: str) -> None:
    if version == "0.4":
        machine.folder("/usr/share/wireplumber/main.lua.d")
    rule("main.lua.d/51-livebg.lua" if version == "0.4" else "wireplumber.conf.d/51-livebg.conf")
    machine.device()
    with FakeDaemon(BOTH):
        assert pipewire.listed_once(machine.context()).status == "ok"
        machine.tool("pw-dump", pipewire_dump(MANAGER, CAMERA, {"media.class": "Video/Source", "api.v4l2.path": "/dev/video42"}))
        found = pipewire.listed_once(machine.context())
    assert (found.status, found.fix) == ("warn", pipewire.RESTART_WIREPLUMBER)


def test_rule_without_pipewire_camera_fails(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_OUTPUT__BACKEND", "v4l2loopback")
    rule()
    found = pipewire.listed_once(machine.context())
    assert (found.status, found.fix) == ("FAIL", "livebg setup")


def test_both_backends_are_checked(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_OUTPUT__BACKEND", "both")
    results = run_checks(machine.context(), measuring=False)
    assert not [result for result in results if result.finding.message.startswith("Only applies to")]
    assert pipewire.route(machine.context()).status == "ok"
    machine.tool("pw-dump", pipewire_dump(MANAGER, CAMERA))
    with FakeDaemon(BOTH):
        assert desktop.pipewire(machine.context()).message == "PipeWire offers 'livebg' as a camera"
