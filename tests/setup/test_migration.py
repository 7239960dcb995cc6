"""Tests that setup replaces the files that livebg wrote under other names, before it had an application ID."""

import sys
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.errors import SetupError
from livebg.setup.journal import read_journal
from livebg.setup.resources import APP_ID
from tests.support.setup_sandbox import Bench

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="livebg setup requires Linux")
FORMER = {
    ".local/share/applications/io.github.livebg_project.livebg.desktop": ".local/share/applications/livebg.desktop",
    ".local/share/icons/hicolor/scalable/apps/io.github.livebg_project.livebg.svg": (
        ".local/share/icons/hicolor/scalable/apps/livebg.svg"
    ),
    ".local/share/icons/hicolor/symbolic/apps/io.github.livebg_project.livebg-symbolic.svg": (
        ".local/share/icons/hicolor/symbolic/apps/livebg-symbolic.svg"
    ),
    ".config/autostart/io.github.livebg_project.livebg.desktop": ".config/autostart/livebg-tray.desktop",
}
"""Former path of each renamed file, relative to the home folder."""
ENTRY, AUTOSTART = ".local/share/applications/livebg.desktop", ".config/autostart/livebg-tray.desktop"
AUTOSTART_TEXT = """[Desktop Entry]
Type=Application
Version=1.0
Name=livebg (tray icon)
Comment=Tray icon and menu for the livebg virtual camera
Icon=livebg
Terminal=false
StartupNotify=false
NoDisplay=true
# The panel may start later; without one the command exits after 60 seconds.
Exec=/opt/livebg/bin/livebg tray --wait 60
X-GNOME-Autostart-enabled=true
"""
"""The autostart entry that the tray menu wrote under the former name, without a record."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


def install(bench: Bench, service: bool = True, dry_run: bool = False) -> None:
    set_up(bench.machine, "livebg", service=service, yes=True, dry_run=dry_run)


def undo(bench: Bench) -> None:
    undo_setup(bench.machine, yes=True, dry_run=False)


def install_former(bench: Bench, service: bool = True) -> None:
    """Set up, then turn files and journal into those of a livebg without an application ID."""
    install(bench, service)
    journal = read_journal(bench.machine.state)
    assert journal is not None
    for place, file in enumerate(journal.files):
        former = FORMER.get(str(file.path.relative_to(bench.home))) if file.path.is_relative_to(bench.home) else None
        if former is not None:
            content = file.after.replace(APP_ID.encode(), b"livebg")
            file.path.rename(bench.home / former)
            (bench.home / former).write_bytes(content)
            journal.files[place] = file.model_copy(update={"path": bench.home / former, "after": content})
    journal.save(bench.machine.state)
    bench.commands.said.clear()


def names(bench: Bench) -> set[str]:
    """Return the paths of the user's files, relative to the home folder."""
    return {str(path.relative_to(bench.home)) for path in bench.home.rglob("*") if path.is_file()}


def test_setup_replaces_files_under_former_names(bench: Bench, tmp_path: Path) -> None:
    before = bench.tree()
    install_former(bench)
    assert names(bench) >= set(FORMER.values())
    assert not names(bench) & FORMER.keys()
    install(bench)
    fresh = Bench(tmp_path / "fresh")
    install(fresh)
    assert names(bench) == names(fresh) > FORMER.keys()
    for path in FORMER:
        assert (bench.home / path).read_text() == (fresh.home / path).read_text()
    undo(bench)
    assert bench.tree() == before


def test_setup_after_migration_changes_nothing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    install_former(bench)
    bench.load("livebg")
    install(bench)
    once = bench.tree()
    capsys.readouterr()
    install(bench)
    assert bench.tree() == once
    assert "nothing to change" in capsys.readouterr().out


def test_migration_is_shown_and_a_dry_run_changes_nothing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    install_former(bench)
    before = bench.tree()
    capsys.readouterr()
    install(bench, dry_run=True)
    assert bench.tree() == before
    shown = capsys.readouterr().out
    assert all(f"  remove {bench.home / former}\n" in shown for former in FORMER.values())
    assert all(f"  write {bench.home / path}\n" in shown for path in FORMER)


@pytest.mark.parametrize("changed", sorted(FORMER.values()))
def test_changed_former_file_is_kept_with_a_note(bench: Bench, changed: str, capsys: pytest.CaptureFixture[str]) -> None:
    install_former(bench)
    (bench.home / changed).write_text("mine\n")
    install(bench)
    assert f"Note: {bench.home / changed} was changed since setup and is kept." in capsys.readouterr().out
    assert (bench.home / changed).read_text() == "mine\n"
    assert names(bench) & set(FORMER.values()) == {changed}
    assert names(bench) > FORMER.keys()
    undo(bench)
    assert names(bench) == {changed}


def test_migration_restores_the_users_file_under_a_former_name(bench: Bench) -> None:
    (bench.home / ENTRY).parent.mkdir(parents=True)
    (bench.home / ENTRY).write_text("[Desktop Entry]\nName=mine\n")
    before = bench.tree()
    install_former(bench)
    journal = read_journal(bench.machine.state)
    assert journal is not None
    place = next(place for place, file in enumerate(journal.files) if file.path == bench.home / ENTRY)
    journal.files[place] = journal.files[place].model_copy(update={"before": b"[Desktop Entry]\nName=mine\n"})
    journal.save(bench.machine.state)
    install(bench)
    assert (bench.home / ENTRY).read_text() == "[Desktop Entry]\nName=mine\n"
    install(bench)
    undo(bench)
    assert bench.tree() == before


def test_foreign_file_under_a_former_name_is_untouched(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    (bench.home / ENTRY).parent.mkdir(parents=True)
    (bench.home / ENTRY).write_text("[Desktop Entry]\nName=mine\n")
    before = bench.tree()
    install(bench)
    assert (bench.home / ENTRY).read_text() == "[Desktop Entry]\nName=mine\n"
    assert str(bench.home / ENTRY) not in capsys.readouterr().out
    undo(bench)
    assert bench.tree() == before


@pytest.mark.parametrize("service", [True, False])
def test_autostart_entry_without_a_record_is_replaced(bench: Bench, service: bool) -> None:
    install_former(bench, service=False)
    before = names(bench)
    (bench.home / AUTOSTART).parent.mkdir(parents=True)
    (bench.home / AUTOSTART).write_text(AUTOSTART_TEXT)
    install(bench, service)
    assert not (bench.home / AUTOSTART).exists()
    new = bench.home / ".config/autostart/io.github.livebg_project.livebg.desktop"
    assert "Exec=/opt/livebg/bin/livebg tray --wait 60\n" in new.read_text()
    undo(bench)
    assert names(bench) < before
    assert names(bench) == set()


@pytest.mark.parametrize("failing", ["sudo", "systemctl"])
def test_interrupted_migration_is_continued_or_undone(bench: Bench, failing: str) -> None:
    before = bench.tree()
    install_former(bench)
    (bench.root / "sys/module/v4l2loopback").rmdir()  # as after a reboot without it: the device has to be created again
    for again in (undo, install):
        bench.commands.failing.add(failing)
        with pytest.raises(SetupError):
            install(bench)
        bench.commands.failing.clear()
        again(bench)
        if again is undo:
            assert bench.tree() == before
            install_former(bench)
            (bench.root / "sys/module/v4l2loopback").rmdir()
    assert not names(bench) & set(FORMER.values())
    undo(bench)
    assert bench.tree() == before


def test_undo_without_migration_leaves_nothing(bench: Bench) -> None:
    before = bench.tree()
    install_former(bench)
    undo(bench)
    assert bench.tree() == before
