"""A login session of Debian 13 with livebg's package: its service starts, is restarted, and stops, without any command."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.setup.resources import UNIT
from tests.bare.machine import HOME
from tests.desktops.camera import CameraReader, Webcam
from tests.desktops.machine import BootedMachine, until


@pytest.fixture(scope="module")
def installed(machine: BootedMachine, livebg_package: Path, webcam: Webcam) -> BootedMachine:
    """The machine with the package; nobody has logged in."""
    webcam.plug_into(machine)
    machine.copy_in(livebg_package, "livebg.deb")
    machine.must(f"apt-get install --no-install-recommends {HOME}/livebg.deb", user="root", limit=600)
    return machine


@pytest.fixture
def session(installed: BootedMachine) -> Iterator[BootedMachine]:
    """A user has logged in, and logs out."""
    installed.log_in()
    yield installed
    installed.log_out()


def node(machine: BootedMachine, name: str = "livebg") -> dict[str, object] | None:
    """The properties of a node of PipeWire."""
    done = machine.run("pw-dump")
    objects = json.loads(done.out) if done.code == 0 else []
    found = [each["info"]["props"] for each in objects if each["type"] == "PipeWire:Interface:Node"]
    return next((each for each in found if each.get("node.name") == name), None)


def main_pid(machine: BootedMachine) -> int:
    return int(machine.user_property(UNIT, "MainPID"))


def test_login_starts_service_before_wireplumber(session: BootedMachine, webcam: Webcam) -> None:
    assert session.user_state(UNIT) == "active"
    until(lambda: session.user_state("wireplumber.service") == "active", "WirePlumber")
    ready = int(session.user_property(UNIT, "ActiveEnterTimestampMonotonic"))
    probing = int(session.user_property("wireplumber.service", "ExecMainStartTimestampMonotonic"))
    assert 0 < ready <= probing
    found = until(lambda: node(session), "the camera")
    assert found["media.class"] == "Video/Source"
    until(lambda: "livebg" in session.must("wpctl status"), "WirePlumber to list the camera")
    with CameraReader(session) as reader:
        reader.until_composite(webcam)
        assert reader.is_moving()


def test_killed_service_restarts_by_itself(session: BootedMachine, webcam: Webcam) -> None:
    killed = main_pid(session)
    session.must(f"kill -9 {killed}")
    until(lambda: main_pid(session) not in (0, killed) and session.user_state(UNIT) == "active", "a restart")
    assert session.user_property(UNIT, "NRestarts") == "1"
    until(lambda: node(session), "the camera again")
    with CameraReader(session) as reader:
        reader.until_composite(webcam)


def test_logout_stops_service(installed: BootedMachine) -> None:
    installed.log_in()
    pid = main_pid(installed)
    installed.log_out()
    assert installed.run(f"kill -0 {pid}", user="root").code != 0
    journal = installed.must(f"journalctl -o cat _SYSTEMD_USER_UNIT={UNIT} -n 3", user="root")
    assert "stopped" in journal.lower()


def test_journal_is_readable(session: BootedMachine) -> None:
    """Each line of livebg is a sentence, whatever happened in the sessions before."""
    lines = session.must("journalctl --user -u livebg -o cat _COMM=livebg + _COMM=python3").splitlines()
    assert lines
    assert not [line for line in lines if re.search(r"Traceback|Error\b|^\s|\[Errno|0x[0-9a-f]{4}", line)]
    assert [line for line in lines if not line.endswith(".")] == []
