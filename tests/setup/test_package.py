"""Setup on a machine where a distribution's package installed livebg: it writes only what is missing."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.errors import ConfigError
from livebg.setup.journal import read_journal
from livebg.setup.loopback import FILE
from livebg.setup.package import LOAD_FILE, OPTIONS_FILE, main, package_files
from livebg.setup.plan import make_plan
from livebg.setup.resources import APP_ID, AUTOSTART, UNIT
from livebg.setup.target import COMMAND, Machine
from tests.support.setup_sandbox import OBS, SetupSandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="livebg setup requires Linux")
FOR_ALL = "/etc/systemd/user/default.target.wants/livebg.service"


def add_package(sandbox: SetupSandbox) -> Machine:
    """Install the package and return the machine as its command sees it."""
    main(sandbox.root)
    link = sandbox.root / FOR_ALL.lstrip("/")
    link.parent.mkdir(parents=True)
    link.symlink_to(f"/usr/lib/systemd/user/{UNIT}")
    return replace(sandbox.machine, command=(COMMAND,))


def set_up_as(machine: Machine, label: str = "livebg") -> None:
    set_up(machine, label, service=True, yes=True, dry_run=False)


def settings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_package_has_what_setup_writes(sandbox: SetupSandbox) -> None:
    """On a machine without other loopback devices, for the same command."""
    machine = replace(sandbox.machine, command=(COMMAND,))
    set_up_as(machine)
    packaged = {path.name: text for path, text in package_files().items() if path.parts[1] == "usr"}
    autostart = package_files()[Path("/etc/xdg", AUTOSTART)]
    assert packaged[UNIT] == (machine.units / UNIT).read_text()
    assert packaged[f"{APP_ID}.desktop"] == (machine.data / "applications" / f"{APP_ID}.desktop").read_text()
    assert autostart == (machine.config / AUTOSTART).read_text()
    for icon in (machine.data / "icons").rglob("*.svg"):
        assert packaged[icon.name] == icon.read_text()
    assert settings(package_files()[Path(OPTIONS_FILE)]) == settings(sandbox.text(FILE))
    assert settings(package_files()[Path(LOAD_FILE)]) == settings(sandbox.text("/etc/modules-load.d/livebg.conf"))


def test_setup_only_creates_device_after_package(sandbox: SetupSandbox) -> None:
    machine = add_package(sandbox)
    before = sandbox.tree()
    set_up_as(machine)
    assert sandbox.commands.calls == [
        "sudo /bin/sh -ec",
        "modprobe v4l2loopback",
        f"systemctl --user restart {UNIT}",
        "systemctl --user try-restart wireplumber.service",
    ]
    undo_setup(machine, yes=True, dry_run=False)
    assert sandbox.tree() == before
    assert not any("disable" in call for call in sandbox.commands.calls)


def test_setup_has_nothing_to_change_after_package_and_boot(sandbox: SetupSandbox) -> None:
    machine = add_package(sandbox)
    sandbox.load("livebg")
    plan = make_plan(machine, "livebg", service=True)
    assert plan.changes_nothing
    assert plan.user_commands == (("systemctl", "--user", "start", UNIT),)


def test_devices_of_other_files_win_until_setup_merges_them(sandbox: SetupSandbox) -> None:
    machine = add_package(sandbox)
    sandbox.put("/etc/modprobe.d/obs.conf", OBS)
    set_up_as(machine)
    assert settings(sandbox.text(FILE)) == [
        'options v4l2loopback devices=2 video_nr=10,42 card_label="OBS Virtual Camera,livebg" exclusive_caps=1,1'
    ]
    assert "00-livebg.conf" not in sandbox.text(FILE)
    assert not (sandbox.root / "etc/modules-load.d/livebg.conf").exists()


def test_other_label_gets_own_options(sandbox: SetupSandbox) -> None:
    set_up_as(add_package(sandbox), "studio")
    assert settings(sandbox.text(FILE)) == ['options v4l2loopback devices=1 video_nr=42 card_label="studio" exclusive_caps=1']


def test_file_in_etc_that_disables_loading_is_noticed(sandbox: SetupSandbox) -> None:
    machine = add_package(sandbox)
    sandbox.put("/etc/modules-load.d/livebg.conf", "# not at boot\n")
    set_up_as(machine)
    assert settings(sandbox.text("/etc/modules-load.d/livebg.conf")) == ["v4l2loopback"]


def test_own_unit_of_administrator_wins(sandbox: SetupSandbox) -> None:
    machine = add_package(sandbox)
    sandbox.put(f"/etc/systemd/user/{UNIT}", "[Service]\nExecStart=/usr/bin/livebg run --mode greenscreen\n")
    sandbox.put(f"/usr/lib/systemd/user/{UNIT}", "[Service]\nExecStart=/usr/bin/livebg run\n")
    set_up_as(machine)
    assert not machine.units.exists()


def test_files_of_earlier_setup_give_way_to_package(sandbox: SetupSandbox) -> None:
    before = sandbox.tree()
    set_up_as(sandbox.machine)
    machine = add_package(sandbox)
    sandbox.load("livebg")
    sandbox.commands.calls.clear()
    set_up_as(machine)
    assert not (machine.units / UNIT).exists()
    assert not (machine.data / "applications" / f"{APP_ID}.desktop").exists()
    assert not (machine.config / AUTOSTART).exists()
    assert "systemctl --user daemon-reload" in sandbox.commands.calls
    assert f"systemctl --user restart {UNIT}" in sandbox.commands.calls
    journal = read_journal(machine.state)
    assert journal is not None
    assert {file.path.name for file in journal.files} == {"livebg.conf", "zz-livebg.conf"}
    undo_setup(machine, yes=True, dry_run=False)
    assert {path for path in sandbox.tree() if path.startswith(str(sandbox.home))} == {
        path for path in before if path.startswith(str(sandbox.home))
    }


def test_changed_unit_of_user_is_kept_with_note(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_as(sandbox.machine)
    unit = sandbox.machine.units / UNIT
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    set_up_as(add_package(sandbox))
    assert unit.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert f"Note: {unit} is kept. It replaces the file of the package livebg." in capsys.readouterr().out


def test_other_installation_beside_package_writes_its_own_service(sandbox: SetupSandbox) -> None:
    """Its command differs from the package's."""
    add_package(sandbox)
    set_up_as(sandbox.machine)
    assert "ExecStart=/opt/livebg/bin/livebg run" in (sandbox.machine.units / UNIT).read_text()


def test_undo_without_setup_reports_nothing_to_undo(sandbox: SetupSandbox) -> None:
    machine = add_package(sandbox)
    with pytest.raises(ConfigError, match="nothing to undo"):
        undo_setup(machine, yes=True, dry_run=False)
