"""Tests of ``livebg setup`` and ``livebg setup --undo`` on a folder tree that simulates a machine."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.errors import Cancelled, ConfigError, SetupError
from livebg.setup.journal import read_journal
from livebg.setup.resources import APP_ID, AUTOSTART
from livebg.setup.target import Machine, SystemCommands
from tests.support.cli_runner import Workshop
from tests.support.setup_sandbox import OBS, RELEASE, Bench

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="livebg setup requires Linux")
OWN = "/etc/modprobe.d/zz-livebg.conf"
LINE = 'options v4l2loopback devices=1 video_nr=42 card_label="livebg" exclusive_caps=1'


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


def install(bench: Bench, service: bool = True, label: str = "livebg", machine: Machine | None = None) -> None:
    set_up(machine or bench.machine, label, service=service, yes=True, dry_run=False)


def take_back(bench: Bench) -> None:
    undo_setup(bench.machine, yes=True, dry_run=False)


def last_line(bench: Bench) -> str:
    return bench.text(OWN).splitlines()[-1]


def test_a_bare_machine_gets_the_camera_the_service_and_the_entry(bench: Bench) -> None:
    install(bench)
    assert last_line(bench) == LINE
    assert bench.text("/etc/modules-load.d/livebg.conf").splitlines()[-1] == "v4l2loopback"
    unit = (bench.machine.units / "livebg.service").read_text()
    assert "ExecStart=/opt/livebg/bin/livebg run\n" in unit
    assert "ExecReload=/opt/livebg/bin/livebg reload\n" in unit
    assert "@livebg@" not in unit
    entry = (bench.machine.data / "applications" / f"{APP_ID}.desktop").read_text()
    assert "Exec=/opt/livebg/bin/livebg pause\n" in entry
    assert "Exec=/opt/livebg/bin/livebg tray\n" in entry
    at_login = (bench.machine.config / AUTOSTART).read_text()
    assert "Exec=/opt/livebg/bin/livebg tray --wait 60\n" in at_login
    icons = bench.machine.data / "icons" / "hicolor"
    assert (icons / f"scalable/apps/{APP_ID}.svg").read_text().startswith("<svg")
    assert (icons / f"symbolic/apps/{APP_ID}-symbolic.svg").read_text().startswith("<svg")
    assert bench.commands.said == [
        "sudo /bin/sh -ec",
        "modprobe v4l2loopback",
        "systemctl --user daemon-reload",
        "systemctl --user enable livebg.service",
        "systemctl --user restart livebg.service",
        "systemctl --user try-restart wireplumber.service",
    ]


def test_root_writes_for_all_to_read(bench: Bench) -> None:
    install(bench)
    for path in (OWN, "/etc/modules-load.d/livebg.conf"):
        assert (bench.root / path.lstrip("/")).stat().st_mode & 0o777 == 0o644


def test_undo_leaves_the_tree_as_it_was(bench: Bench) -> None:
    before = bench.tree()
    install(bench)
    assert bench.tree() != before
    bench.commands.said.clear()
    take_back(bench)
    assert bench.tree() == before
    assert bench.commands.said == [
        "systemctl --user disable --now livebg.service",
        "sudo /bin/sh -ec",
        "modprobe -r v4l2loopback",
        "systemctl --user daemon-reload",
    ]


def test_folders_that_were_missing_are_made_and_taken_away(bench: Bench) -> None:
    (bench.root / "etc/modprobe.d").rmdir()
    (bench.root / "etc/modules-load.d").rmdir()
    before = bench.tree()
    install(bench)
    assert last_line(bench) == LINE
    take_back(bench)
    assert bench.tree() == before


def test_what_was_there_comes_back_with_its_mode(bench: Bench) -> None:
    bench.put("/etc/modules-load.d/livebg.conf", "v4l2loopback\nother\n", 0o600)
    bench.put("/etc/modprobe.d/livebg.conf", "options v4l2loopback card_label=livebg exclusive_caps=1 video_nr=44\n")
    bench.put(OWN, "# somebody's own\x00 without a line end", 0o640)
    bench.machine.units.mkdir(parents=True)
    unit = bench.machine.units / "livebg.service"
    unit.write_bytes(b"[Service]\nExecStart=/bin/true\n\xff")
    unit.chmod(0o600)
    before = bench.tree()
    install(bench)
    assert last_line(bench) == LINE.replace("42", "44")
    assert (bench.root / OWN.lstrip("/")).stat().st_mode & 0o777 == 0o640
    assert unit.stat().st_mode & 0o777 == 0o600
    take_back(bench)
    assert bench.tree() == before


def test_a_unit_that_was_enabled_before_stays_enabled(bench: Bench) -> None:
    wants = bench.machine.units / "default.target.wants"
    wants.mkdir(parents=True)
    (bench.machine.units / "livebg.service").write_text("[Service]\n")
    (wants / "livebg.service").symlink_to(bench.machine.units / "livebg.service")
    before = bench.tree()
    install(bench)
    bench.commands.said.clear()
    take_back(bench)
    assert bench.tree() == before
    assert not any("disable" in said for said in bench.commands.said)
    assert bench.commands.said[-1] == "systemctl --user try-restart livebg.service"


def test_obs_keeps_its_device_and_its_file(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    obs = bench.put("/etc/modprobe.d/obs.conf", OBS)
    before = bench.tree()
    install(bench)
    assert obs.read_text() == OBS
    assert last_line(bench) == (
        'options v4l2loopback devices=2 video_nr=10,42 card_label="OBS Virtual Camera,livebg" exclusive_caps=1,1'
    )
    assert f"Note: {obs} stays unchanged" in capsys.readouterr().out
    take_back(bench)
    assert bench.tree() == before


def test_twice_is_once(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.put("/etc/modprobe.d/obs.conf", OBS)
    before = bench.tree()
    install(bench)
    bench.load("OBS Virtual Camera", "livebg")
    once = bench.tree()
    bench.commands.said.clear()
    capsys.readouterr()
    install(bench)
    assert bench.tree() == once
    assert bench.commands.said == ["systemctl --user enable livebg.service", "systemctl --user start livebg.service"]
    assert "nothing to change" in capsys.readouterr().out
    take_back(bench)
    assert {path: held for path, held in bench.tree().items() if "/sys" not in path and "/dev" not in path} == {
        path: held for path, held in before.items() if "/sys" not in path
    }


def test_a_second_setup_remembers_what_the_first_found(bench: Bench) -> None:
    own = bench.put(OWN, "# mine\n")
    before = bench.tree()
    install(bench)
    bench.put("/etc/modprobe.d/obs.conf", OBS)
    install(bench)
    assert "devices=2" in last_line(bench)
    (bench.root / "etc/modprobe.d/obs.conf").unlink()
    take_back(bench)
    assert own.read_text() == "# mine\n"
    assert bench.tree() == before


def test_without_the_service_none_of_it_is_touched(bench: Bench) -> None:
    install(bench, service=False)
    assert not bench.machine.units.exists()
    assert not (bench.machine.config / "autostart").exists()
    assert not any("systemctl" in said for said in bench.commands.said)


def test_without_systemd_all_else_is_done(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    (bench.root / "run/systemd/system").rmdir()
    before = bench.tree()
    install(bench)
    assert "systemd is not running, so no service is installed" in capsys.readouterr().out
    assert last_line(bench) == LINE
    assert not bench.machine.units.exists()
    take_back(bench)
    assert bench.tree() == before


def test_a_loaded_module_gets_one_more_device(bench: Bench) -> None:
    bench.put("/etc/modprobe.d/obs.conf", OBS)
    bench.load("OBS Virtual Camera", users=1)
    bench.put("/dev/v4l2loopback", "")
    before = bench.tree()
    install(bench)
    assert "v4l2loopback-ctl add -n livebg -x 1 /dev/video42" in bench.commands.said
    take_back(bench)
    assert "v4l2loopback-ctl delete /dev/video42" in bench.commands.said
    assert not any(said.startswith("modprobe") for said in bench.commands.said)
    assert bench.tree() == before


def test_a_loaded_module_that_nobody_uses_is_loaded_anew(bench: Bench) -> None:
    bench.put("/etc/modprobe.d/obs.conf", OBS)
    bench.load("OBS Virtual Camera", users=0)
    install(bench)
    assert bench.commands.said[1:3] == ["modprobe -r v4l2loopback", "modprobe v4l2loopback"]


@pytest.mark.parametrize(("label", "users"), [("OBS Virtual Camera", 1), ("made by hand", 0)])
def test_a_module_in_use_is_left_alone_and_that_is_said(
    bench: Bench, capsys: pytest.CaptureFixture[str], label: str, users: int
) -> None:
    bench.put("/etc/modprobe.d/obs.conf", OBS)
    bench.load(label, users=users)
    install(bench)
    assert not any(said.startswith(("modprobe", "v4l2loopback-ctl")) for said in bench.commands.said)
    assert bench.commands.said[-1] == "systemctl --user enable livebg.service"  # the service cannot start without a device
    assert "Almost done: v4l2loopback is loaded without a camera named livebg" in capsys.readouterr().out


def test_a_number_that_is_taken_is_left_to_who_has_it(bench: Bench) -> None:
    bench.put("/dev/video42", "")
    bench.put("/dev/video43", "")
    install(bench)
    assert last_line(bench) == LINE.replace("42", "44")


def test_a_missing_module_is_told_with_the_command_that_installs_it(bench: Bench) -> None:
    bench.put(f"/lib/modules/{RELEASE}/modules.dep", "kernel/x.ko:\n")
    before = bench.tree()
    with pytest.raises(SetupError, match=r"not installed for kernel 6\.1\.0-test\. Run `sudo apt install v4l2loopback-dkms"):
        install(bench)
    assert bench.tree() == before


def answer(patch: pytest.MonkeyPatch, text: str) -> None:
    patch.setattr("sys.stdin", io.StringIO(text))


@pytest.mark.parametrize("said", ["n\n", "\n", "nein\n"])
def test_a_no_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    before = bench.tree()
    answer(monkeypatch, said)
    with pytest.raises(Cancelled, match="Nothing was changed"):
        set_up(bench.machine, "livebg", service=True, yes=False, dry_run=False)
    assert bench.tree() == before
    assert bench.commands.said == []


def test_a_yes_does_it_and_a_no_keeps_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "y\n")
    set_up(bench.machine, "livebg", service=True, yes=False, dry_run=False)
    done = bench.tree()
    answer(monkeypatch, "n\n")
    with pytest.raises(Cancelled):
        undo_setup(bench.machine, yes=False, dry_run=False)
    assert bench.tree() == done


def test_where_nobody_can_answer_it_asks_for_yes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "")
    with pytest.raises(ConfigError, match="Pass --yes"):
        set_up(bench.machine, "livebg", service=True, yes=False, dry_run=False)


def test_a_dry_run_shows_all_and_does_nothing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.put("/etc/modules-load.d/livebg.conf", "v4l2loopback\n")
    bench.without("sudo")
    before = bench.tree()
    set_up(bench.machine, "livebg", service=True, yes=False, dry_run=True)
    assert bench.tree() == before
    assert bench.commands.said == []
    shown = capsys.readouterr().out
    assert f"    {LINE}\n" in shown
    assert f"  change {bench.root}/etc/modules-load.d/livebg.conf\n" in shown
    assert "    +# Written by `livebg setup`" in shown
    assert "  run modprobe v4l2loopback\n" in shown
    assert "    WatchdogSec=10\n" in shown
    assert "  run systemctl --user enable livebg.service\n" in shown


def test_without_a_way_to_root_nothing_is_written(bench: Bench) -> None:
    bench.without("sudo")
    before = bench.tree()
    with pytest.raises(SetupError, match="Neither sudo nor pkexec"):
        install(bench)
    take_back(bench)
    assert bench.tree() == before


def test_pkexec_serves_where_there_is_no_sudo(bench: Bench) -> None:
    bench.without("sudo")
    bench.commands.there.add("pkexec")
    install(bench)
    assert bench.commands.said[0] == "pkexec /bin/sh -ec"


def test_root_needs_nobody_s_leave(bench: Bench) -> None:
    bench.without("sudo")
    install(bench, machine=bench.on(is_root=True))
    assert bench.commands.said[0] == "/bin/sh -ec"
    assert last_line(bench) == LINE


@pytest.mark.parametrize("failing", ["sudo", "modprobe", "systemctl"])
def test_a_setup_that_failed_half_way_is_taken_back(bench: Bench, failing: str) -> None:
    before = bench.tree()
    bench.commands.failing.add(failing)
    with pytest.raises(SetupError):
        install(bench)
    assert read_journal(bench.machine.state) is not None
    bench.commands.failing.clear()
    take_back(bench)
    assert bench.tree() == before


def test_a_setup_that_failed_half_way_is_gone_on_with(bench: Bench) -> None:
    before = bench.tree()
    bench.commands.failing.add("systemctl")
    with pytest.raises(SetupError):
        install(bench)
    bench.commands.failing.clear()
    install(bench)
    assert "systemctl --user enable livebg.service" in bench.commands.said
    take_back(bench)
    assert bench.tree() == before


def test_an_undo_that_failed_can_be_repeated(bench: Bench) -> None:
    before = bench.tree()
    install(bench)
    bench.commands.failing.add("sudo")
    with pytest.raises(SetupError):
        take_back(bench)
    bench.commands.failing.clear()
    take_back(bench)
    assert bench.tree() == before


def test_a_service_manager_that_is_out_of_reach_does_not_keep_the_files(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    before = bench.tree()
    install(bench)
    bench.commands.failing.add("systemctl")
    take_back(bench)
    assert bench.tree() == before
    assert "`systemctl` failed" in capsys.readouterr().out


def test_what_was_changed_since_is_left_and_told(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    install(bench)
    own, entry = bench.root / OWN.lstrip("/"), bench.machine.data / "applications" / f"{APP_ID}.desktop"
    own.write_text("# mine now\n")
    entry.write_text("[Desktop Entry]\n")
    take_back(bench)
    assert own.read_text() == "# mine now\n"
    assert entry.read_text() == "[Desktop Entry]\n"
    shown = capsys.readouterr().out
    assert f"{own} was changed since setup and is kept" in shown
    assert f"{entry} was changed since setup and is kept" in shown


def test_a_device_in_use_does_not_stop_the_undo(bench: Bench) -> None:
    before = bench.tree()
    install(bench)
    bench.commands.failing.add("modprobe")
    take_back(bench)
    (bench.root / "sys/module/v4l2loopback").rmdir()  # as after a reboot
    assert bench.tree() == before


def test_a_wireplumber_that_does_not_start_anew_is_told_and_no_failure(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.commands.failing.add("wireplumber.service")
    install(bench)
    assert "Note: `systemctl` failed" in capsys.readouterr().out


def test_where_there_is_no_wireplumber_none_is_started_anew(bench: Bench) -> None:
    bench.without("wireplumber")
    install(bench)
    assert not any("wireplumber" in said for said in bench.commands.said)


def test_there_is_nothing_to_undo_without_a_setup(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="nothing to undo"):
        take_back(bench)


def test_a_damaged_journal_is_told(bench: Bench) -> None:
    bench.machine.state.mkdir(parents=True)
    (bench.machine.state / "setup.json").write_text('{"files": [')
    with pytest.raises(SetupError, match="damaged"):
        take_back(bench)


def test_a_path_with_blanks_and_percent_signs_is_quoted(bench: Bench) -> None:
    install(bench, machine=replace(bench.machine, command=("/opt/my 100% tools/livebg",)))
    unit = (bench.machine.units / "livebg.service").read_text()
    assert 'ExecStart="/opt/my 100%% tools/livebg" run\n' in unit
    entry = (bench.machine.data / "applications" / f"{APP_ID}.desktop").read_text()
    assert 'Exec="/opt/my 100%% tools/livebg" pause\n' in entry


def test_commands_that_fail_are_told_in_a_sentence() -> None:
    with pytest.raises(SetupError, match=r"^`/bin/sh -ec echo no luck; exit 3` failed \(no luck\)\. Fix that"):
        SystemCommands().run("/bin/sh", "-ec", "echo no luck; exit 3")
    with pytest.raises(SetupError, match=r"failed \(exit code 4\)"):
        SystemCommands().run("/bin/sh", "-ec", "exit 4")
    with pytest.raises(SetupError, match=r"^Cannot run `/nowhere/to/be/found`"):
        SystemCommands().run("/nowhere/to/be/found")


def test_sudo_livebg_setup_is_refused(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "1000")
    said = shop.livebg("setup", "--dry-run")
    assert said.code == 7
    assert "Run it as yourself" in said.sentence


def test_elsewhere_one_sentence_says_so(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    said = shop.livebg("setup")
    assert said.code == 7
    assert "livebg setup supports only Linux" in said.sentence


def test_undo_on_the_command_line_without_a_setup(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert "nothing to undo" in shop.livebg("setup", "--undo").sentence
