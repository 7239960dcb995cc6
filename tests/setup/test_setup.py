"""Tests of ``livebg setup`` and ``livebg setup --undo`` on a folder tree that simulates a machine."""

import io
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.errors import Cancelled, ConfigError, SetupError
from livebg.setup.journal import read_journal
from livebg.setup.resources import APP_ID, AUTOSTART
from livebg.setup.target import Machine
from livebg.system.host import Commands
from tests.support.cli_runner import LivebgCli
from tests.support.setup_sandbox import OBS, RELEASE, SetupSandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="livebg setup requires Linux")
OWN = "/etc/modprobe.d/zz-livebg.conf"
LINE = 'options v4l2loopback devices=1 video_nr=42 card_label="livebg" exclusive_caps=1'


def install(sandbox: SetupSandbox, service: bool = True, label: str = "livebg", machine: Machine | None = None) -> None:
    set_up(machine or sandbox.machine, label, service=service, yes=True, dry_run=False)


def uninstall(sandbox: SetupSandbox) -> None:
    undo_setup(sandbox.machine, yes=True, dry_run=False)


def last_line(sandbox: SetupSandbox) -> str:
    return sandbox.text(OWN).splitlines()[-1]


def test_setup_installs_camera_service_and_desktop_entries(sandbox: SetupSandbox) -> None:
    install(sandbox)
    assert last_line(sandbox) == LINE
    assert sandbox.text("/etc/modules-load.d/livebg.conf").splitlines()[-1] == "v4l2loopback"
    unit = (sandbox.machine.units / "livebg.service").read_text()
    assert "ExecStart=/opt/livebg/bin/livebg run\n" in unit
    assert "ExecReload=/opt/livebg/bin/livebg reload\n" in unit
    assert "@livebg@" not in unit
    entry = (sandbox.machine.data / "applications" / f"{APP_ID}.desktop").read_text()
    assert "Exec=/opt/livebg/bin/livebg pause\n" in entry
    first, *_ = re.findall("^Exec=(.*)$", entry, re.MULTILINE)
    assert first == "/opt/livebg/bin/livebg window"
    assert "Exec=/opt/livebg/bin/livebg tray\n" in entry
    at_login = (sandbox.machine.config / AUTOSTART).read_text()
    assert "Exec=/opt/livebg/bin/livebg tray --wait 60\n" in at_login
    icons = sandbox.machine.data / "icons" / "hicolor"
    assert (icons / f"scalable/apps/{APP_ID}.svg").read_text().startswith("<svg")
    assert (icons / f"symbolic/apps/{APP_ID}-symbolic.svg").read_text().startswith("<svg")
    assert sandbox.commands.calls == [
        "sudo /bin/sh -ec",
        "modprobe v4l2loopback",
        "systemctl --user daemon-reload",
        "systemctl --user enable livebg.service",
        "systemctl --user restart livebg.service",
        "systemctl --user try-restart wireplumber.service",
    ]


def test_root_files_are_readable_by_all(sandbox: SetupSandbox) -> None:
    install(sandbox)
    for path in (OWN, "/etc/modules-load.d/livebg.conf"):
        assert (sandbox.root / path.lstrip("/")).stat().st_mode & 0o777 == 0o644


def test_undo_restores_tree(sandbox: SetupSandbox) -> None:
    before = sandbox.tree()
    install(sandbox)
    assert sandbox.tree() != before
    sandbox.commands.calls.clear()
    uninstall(sandbox)
    assert sandbox.tree() == before
    assert sandbox.commands.calls == [
        "systemctl --user disable --now livebg.service",
        "sudo /bin/sh -ec",
        "modprobe -r v4l2loopback",
        "systemctl --user daemon-reload",
    ]


def test_missing_folders_are_created_and_removed(sandbox: SetupSandbox) -> None:
    (sandbox.root / "etc/modprobe.d").rmdir()
    (sandbox.root / "etc/modules-load.d").rmdir()
    before = sandbox.tree()
    install(sandbox)
    assert last_line(sandbox) == LINE
    uninstall(sandbox)
    assert sandbox.tree() == before


def test_undo_restores_existing_files_with_mode(sandbox: SetupSandbox) -> None:
    sandbox.put("/etc/modules-load.d/livebg.conf", "v4l2loopback\nother\n", 0o600)
    sandbox.put("/etc/modprobe.d/livebg.conf", "options v4l2loopback card_label=livebg exclusive_caps=1 video_nr=44\n")
    sandbox.put(OWN, "# somebody's own\x00 without a line end", 0o640)
    sandbox.machine.units.mkdir(parents=True)
    unit = sandbox.machine.units / "livebg.service"
    unit.write_bytes(b"[Service]\nExecStart=/bin/true\n\xff")
    unit.chmod(0o600)
    before = sandbox.tree()
    install(sandbox)
    assert last_line(sandbox) == LINE.replace("42", "44")
    assert (sandbox.root / OWN.lstrip("/")).stat().st_mode & 0o777 == 0o640
    assert unit.stat().st_mode & 0o777 == 0o600
    uninstall(sandbox)
    assert sandbox.tree() == before


def test_enabled_unit_stays_enabled_after_undo(sandbox: SetupSandbox) -> None:
    wants = sandbox.machine.units / "default.target.wants"
    wants.mkdir(parents=True)
    (sandbox.machine.units / "livebg.service").write_text("[Service]\n")
    (wants / "livebg.service").symlink_to(sandbox.machine.units / "livebg.service")
    before = sandbox.tree()
    install(sandbox)
    sandbox.commands.calls.clear()
    uninstall(sandbox)
    assert sandbox.tree() == before
    assert not any("disable" in entry for entry in sandbox.commands.calls)
    assert sandbox.commands.calls[-1] == "systemctl --user try-restart livebg.service"


def test_obs_device_and_file_are_kept(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    obs = sandbox.put("/etc/modprobe.d/obs.conf", OBS)
    before = sandbox.tree()
    install(sandbox)
    assert obs.read_text() == OBS
    assert last_line(sandbox) == (
        'options v4l2loopback devices=2 video_nr=10,42 card_label="OBS Virtual Camera,livebg" exclusive_caps=1,1'
    )
    assert f"Note: {obs} stays unchanged" in capsys.readouterr().out
    uninstall(sandbox)
    assert sandbox.tree() == before


@pytest.mark.parametrize("place", ["root/etc/modules-load.d/livebg.conf", "home/.config/systemd/user/livebg.service"])
def test_disabled_file_fails_before_any_change(sandbox: SetupSandbox, place: str) -> None:
    """A link to /dev/null disables a unit (``systemctl --user mask``) or a file of systemd. Writing to it has no effect."""
    path = sandbox.root.parent / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/null")
    before = sandbox.tree()
    with pytest.raises(SetupError, match=rf"^{re.escape(str(path))} is a link to /dev/null, not a file\. Remove it"):
        install(sandbox)
    assert sandbox.tree() == before


def test_second_setup_changes_nothing(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.put("/etc/modprobe.d/obs.conf", OBS)
    before = sandbox.tree()
    install(sandbox)
    sandbox.load("OBS Virtual Camera", "livebg")
    once = sandbox.tree()
    sandbox.commands.calls.clear()
    capsys.readouterr()
    install(sandbox)
    assert sandbox.tree() == once
    assert sandbox.commands.calls == ["systemctl --user enable livebg.service", "systemctl --user start livebg.service"]
    assert "nothing to change" in capsys.readouterr().out
    uninstall(sandbox)
    assert {path: held for path, held in sandbox.tree().items() if "/sys" not in path and "/dev" not in path} == {
        path: held for path, held in before.items() if "/sys" not in path
    }


def test_second_setup_keeps_first_backup(sandbox: SetupSandbox) -> None:
    own = sandbox.put(OWN, "# mine\n")
    before = sandbox.tree()
    install(sandbox)
    sandbox.put("/etc/modprobe.d/obs.conf", OBS)
    install(sandbox)
    assert "devices=2" in last_line(sandbox)
    (sandbox.root / "etc/modprobe.d/obs.conf").unlink()
    uninstall(sandbox)
    assert own.read_text() == "# mine\n"
    assert sandbox.tree() == before


def test_no_service_leaves_service_files_alone(sandbox: SetupSandbox) -> None:
    install(sandbox, service=False)
    assert not sandbox.machine.units.exists()
    assert not (sandbox.machine.config / "autostart").exists()
    assert not any("systemctl" in entry for entry in sandbox.commands.calls)


def test_plan_names_icons_without_their_contents(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    install(sandbox)
    shown = capsys.readouterr().out
    assert f"/scalable/apps/{APP_ID}.svg\n" in shown
    assert f"/symbolic/apps/{APP_ID}-symbolic.svg\n" in shown
    assert "<svg" not in shown
    assert LINE in shown


def test_setup_without_systemd_skips_service(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    (sandbox.root / "run/systemd/system").rmdir()
    before = sandbox.tree()
    install(sandbox)
    assert "systemd is not running, so no service is installed" in capsys.readouterr().out
    assert last_line(sandbox) == LINE
    assert not sandbox.machine.units.exists()
    uninstall(sandbox)
    assert sandbox.tree() == before


def test_loaded_module_gets_another_device(sandbox: SetupSandbox) -> None:
    sandbox.put("/etc/modprobe.d/obs.conf", OBS)
    sandbox.load("OBS Virtual Camera", users=1)
    sandbox.put("/dev/v4l2loopback", "")
    before = sandbox.tree()
    install(sandbox)
    assert "v4l2loopback-ctl add -n livebg -x 1 /dev/video42" in sandbox.commands.calls
    uninstall(sandbox)
    assert "v4l2loopback-ctl delete /dev/video42" in sandbox.commands.calls
    assert not any(entry.startswith("modprobe") for entry in sandbox.commands.calls)
    assert sandbox.tree() == before


def test_unused_module_is_reloaded(sandbox: SetupSandbox) -> None:
    sandbox.put("/etc/modprobe.d/obs.conf", OBS)
    sandbox.load("OBS Virtual Camera", users=0)
    install(sandbox)
    assert sandbox.commands.calls[1:3] == ["modprobe -r v4l2loopback", "modprobe v4l2loopback"]


@pytest.mark.parametrize(("label", "users"), [("OBS Virtual Camera", 1), ("made by hand", 0)])
def test_module_in_use_is_kept_with_note(
    sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str], label: str, users: int
) -> None:
    sandbox.put("/etc/modprobe.d/obs.conf", OBS)
    sandbox.load(label, users=users)
    install(sandbox)
    assert not any(entry.startswith(("modprobe", "v4l2loopback-ctl")) for entry in sandbox.commands.calls)
    assert sandbox.commands.calls[-1] == "systemctl --user enable livebg.service"  # the service cannot start without a device
    assert "Almost done: v4l2loopback is loaded without a camera named livebg" in capsys.readouterr().out


def test_used_device_number_is_skipped(sandbox: SetupSandbox) -> None:
    sandbox.put("/dev/video42", "")
    sandbox.put("/dev/video43", "")
    install(sandbox)
    assert last_line(sandbox) == LINE.replace("42", "44")


def test_missing_module_error_names_install_command(sandbox: SetupSandbox) -> None:
    sandbox.put(f"/lib/modules/{RELEASE}/modules.dep", "kernel/x.ko:\n")
    before = sandbox.tree()
    with pytest.raises(SetupError, match=r"not installed for kernel 6\.1\.0-test\. Run `sudo apt install v4l2loopback-dkms"):
        install(sandbox)
    assert sandbox.tree() == before


def answer(patch: pytest.MonkeyPatch, text: str) -> None:
    patch.setattr("sys.stdin", io.StringIO(text))


@pytest.mark.parametrize("line", ["n\n", "\n", "nein\n"])
def test_answer_no_changes_nothing(sandbox: SetupSandbox, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    before = sandbox.tree()
    answer(monkeypatch, line)
    with pytest.raises(Cancelled, match="Nothing was changed"):
        set_up(sandbox.machine, "livebg", service=True, yes=False, dry_run=False)
    assert sandbox.tree() == before
    assert sandbox.commands.calls == []


def test_answer_yes_applies_and_no_keeps(sandbox: SetupSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "y\n")
    set_up(sandbox.machine, "livebg", service=True, yes=False, dry_run=False)
    done = sandbox.tree()
    answer(monkeypatch, "n\n")
    with pytest.raises(Cancelled):
        undo_setup(sandbox.machine, yes=False, dry_run=False)
    assert sandbox.tree() == done


def test_missing_input_asks_for_yes_option(sandbox: SetupSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "")
    with pytest.raises(ConfigError, match="Pass --yes"):
        set_up(sandbox.machine, "livebg", service=True, yes=False, dry_run=False)


def test_dry_run_shows_plan_and_changes_nothing(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.put("/etc/modules-load.d/livebg.conf", "v4l2loopback\n")
    sandbox.without("sudo")
    before = sandbox.tree()
    set_up(sandbox.machine, "livebg", service=True, yes=False, dry_run=True)
    assert sandbox.tree() == before
    assert sandbox.commands.calls == []
    shown = capsys.readouterr().out
    assert f"    {LINE}\n" in shown
    assert f"  change {sandbox.root}/etc/modules-load.d/livebg.conf\n" in shown
    assert "    +# Written by `livebg setup`" in shown
    assert "  run modprobe v4l2loopback\n" in shown
    assert "    WatchdogSec=10\n" in shown
    assert "  run systemctl --user enable livebg.service\n" in shown


def test_missing_sudo_changes_nothing(sandbox: SetupSandbox) -> None:
    sandbox.without("sudo")
    before = sandbox.tree()
    with pytest.raises(SetupError, match="Neither sudo nor pkexec"):
        install(sandbox)
    uninstall(sandbox)
    assert sandbox.tree() == before


def test_pkexec_is_used_without_sudo(sandbox: SetupSandbox) -> None:
    sandbox.without("sudo")
    sandbox.commands.there.add("pkexec")
    install(sandbox)
    assert sandbox.commands.calls[0] == "pkexec /bin/sh -ec"


def test_root_needs_no_sudo(sandbox: SetupSandbox) -> None:
    sandbox.without("sudo")
    install(sandbox, machine=sandbox.on(is_root=True))
    assert sandbox.commands.calls[0] == "/bin/sh -ec"
    assert last_line(sandbox) == LINE


@pytest.mark.parametrize("failing", ["sudo", "modprobe", "systemctl"])
def test_failed_setup_can_be_undone(sandbox: SetupSandbox, failing: str) -> None:
    before = sandbox.tree()
    sandbox.commands.failing.add(failing)
    with pytest.raises(SetupError):
        install(sandbox)
    assert read_journal(sandbox.machine.state) is not None
    sandbox.commands.failing.clear()
    uninstall(sandbox)
    assert sandbox.tree() == before


def test_failed_setup_can_be_continued(sandbox: SetupSandbox) -> None:
    before = sandbox.tree()
    sandbox.commands.failing.add("systemctl")
    with pytest.raises(SetupError):
        install(sandbox)
    sandbox.commands.failing.clear()
    install(sandbox)
    assert "systemctl --user enable livebg.service" in sandbox.commands.calls
    uninstall(sandbox)
    assert sandbox.tree() == before


def test_failed_undo_can_be_repeated(sandbox: SetupSandbox) -> None:
    before = sandbox.tree()
    install(sandbox)
    sandbox.commands.failing.add("sudo")
    with pytest.raises(SetupError):
        uninstall(sandbox)
    sandbox.commands.failing.clear()
    uninstall(sandbox)
    assert sandbox.tree() == before


def test_undo_continues_without_systemctl(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    before = sandbox.tree()
    install(sandbox)
    sandbox.commands.failing.add("systemctl")
    uninstall(sandbox)
    assert sandbox.tree() == before
    assert "`systemctl --user disable --now livebg.service` failed (simulated)." in capsys.readouterr().out


def test_changed_files_are_kept_with_note(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    install(sandbox)
    own, entry = sandbox.root / OWN.lstrip("/"), sandbox.machine.data / "applications" / f"{APP_ID}.desktop"
    own.write_text("# mine now\n")
    entry.write_text("[Desktop Entry]\n")
    uninstall(sandbox)
    assert own.read_text() == "# mine now\n"
    assert entry.read_text() == "[Desktop Entry]\n"
    shown = capsys.readouterr().out
    assert f"{own} was changed since setup and is kept" in shown
    assert f"{entry} was changed since setup and is kept" in shown


def test_undo_continues_when_device_is_in_use(sandbox: SetupSandbox) -> None:
    before = sandbox.tree()
    install(sandbox)
    sandbox.commands.failing.add("modprobe")
    uninstall(sandbox)
    (sandbox.root / "sys/module/v4l2loopback").rmdir()  # as after a reboot
    assert sandbox.tree() == before


def test_wireplumber_restart_failure_is_only_a_note(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.commands.failing.add("wireplumber.service")
    install(sandbox)
    assert "Note: `systemctl --user try-restart wireplumber.service` failed (simulated)." in capsys.readouterr().out


def test_missing_wireplumber_is_not_restarted(sandbox: SetupSandbox) -> None:
    sandbox.without("wireplumber")
    install(sandbox)
    assert not any("wireplumber" in entry for entry in sandbox.commands.calls)


def test_undo_without_setup_fails(sandbox: SetupSandbox) -> None:
    with pytest.raises(ConfigError, match="nothing to undo"):
        uninstall(sandbox)


def test_home_that_is_not_utf8_fails_before_any_change(tmp_path: Path) -> None:
    sandbox = SetupSandbox(tmp_path / os.fsdecode(b"caf\xe9"))
    before = sandbox.tree()
    with pytest.raises(SetupError, match=r"is not UTF-8\. Rename that folder\.$"):
        install(sandbox)
    assert sandbox.tree() == before


def test_damaged_journal_fails(sandbox: SetupSandbox) -> None:
    sandbox.machine.state.mkdir(parents=True)
    (sandbox.machine.state / "setup.json").write_text('{"files": [')
    with pytest.raises(SetupError, match="damaged"):
        uninstall(sandbox)


def test_command_with_spaces_and_percent_is_quoted(sandbox: SetupSandbox) -> None:
    install(sandbox, machine=replace(sandbox.machine, command=("/opt/my 100% tools/livebg",)))
    unit = (sandbox.machine.units / "livebg.service").read_text()
    assert 'ExecStart="/opt/my 100%% tools/livebg" run\n' in unit
    entry = (sandbox.machine.data / "applications" / f"{APP_ID}.desktop").read_text()
    assert 'Exec="/opt/my 100%% tools/livebg" pause\n' in entry


def test_command_failure_is_one_sentence(sandbox: SetupSandbox) -> None:
    machine = replace(sandbox.machine, commands=Commands())
    with pytest.raises(SetupError, match=r"^`/bin/sh -ec echo no luck; exit 3` failed \(no luck\)\. Fix that"):
        machine.run("/bin/sh", "-ec", "echo no luck; exit 3")
    with pytest.raises(SetupError, match=r"failed \(exit code 4\)"):
        machine.run("/bin/sh", "-ec", "exit 4")
    with pytest.raises(SetupError, match=r"^Cannot run `/nowhere/to/be/found`"):
        machine.run("/nowhere/to/be/found")


def test_setup_with_sudo_is_rejected(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "1000")
    result = cli.livebg("setup", "--dry-run")
    assert result.code == 7
    assert "Run it as yourself" in result.error_line


def test_setup_on_other_system_fails(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    result = cli.livebg("setup")
    assert result.code == 7
    assert "livebg setup supports only Linux" in result.error_line


def test_undo_command_without_setup_fails(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert "nothing to undo" in cli.livebg("setup", "--undo").error_line


def test_undo_command_needs_no_valid_settings(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setenv("LIVEBG_EFFECT__BLUR", "much")
    assert "nothing to undo" in cli.livebg("setup", "--undo").error_line
