"""Tests that setup replaces the files that livebg wrote under other names, before it had an application ID."""

import sys
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.errors import SetupError
from livebg.setup.journal import read_journal
from livebg.setup.resources import APP_ID
from tests.support.setup_sandbox import SetupSandbox

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


def install(sandbox: SetupSandbox, service: bool = True, dry_run: bool = False) -> None:
    set_up(sandbox.machine, "livebg", service=service, yes=True, dry_run=dry_run)


def undo(sandbox: SetupSandbox) -> None:
    undo_setup(sandbox.machine, yes=True, dry_run=False)


def install_former(sandbox: SetupSandbox, service: bool = True) -> None:
    """Set up, then turn files and journal into those of a livebg without an application ID."""
    install(sandbox, service)
    journal = read_journal(sandbox.machine.state)
    assert journal is not None
    for place, file in enumerate(journal.files):
        former = FORMER.get(str(file.path.relative_to(sandbox.home))) if file.path.is_relative_to(sandbox.home) else None
        if former is not None:
            content = file.after.replace(APP_ID.encode(), b"livebg")
            file.path.rename(sandbox.home / former)
            (sandbox.home / former).write_bytes(content)
            journal.files[place] = file.model_copy(update={"path": sandbox.home / former, "after": content})
    journal.save(sandbox.machine.state)
    sandbox.commands.calls.clear()


def names(sandbox: SetupSandbox) -> set[str]:
    """Return the paths of the user's files, relative to the home folder."""
    return {str(path.relative_to(sandbox.home)) for path in sandbox.home.rglob("*") if path.is_file()}


def test_setup_replaces_files_under_former_names(sandbox: SetupSandbox, tmp_path: Path) -> None:
    before = sandbox.tree()
    install_former(sandbox)
    assert names(sandbox) >= set(FORMER.values())
    assert not names(sandbox) & FORMER.keys()
    install(sandbox)
    fresh = SetupSandbox(tmp_path / "fresh")
    install(fresh)
    assert names(sandbox) == names(fresh) > FORMER.keys()
    for path in FORMER:
        assert (sandbox.home / path).read_text() == (fresh.home / path).read_text()
    undo(sandbox)
    assert sandbox.tree() == before


def test_setup_after_migration_changes_nothing(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    install_former(sandbox)
    sandbox.load("livebg")
    install(sandbox)
    once = sandbox.tree()
    capsys.readouterr()
    install(sandbox)
    assert sandbox.tree() == once
    assert "nothing to change" in capsys.readouterr().out


def test_migration_is_shown_and_a_dry_run_changes_nothing(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    install_former(sandbox)
    before = sandbox.tree()
    capsys.readouterr()
    install(sandbox, dry_run=True)
    assert sandbox.tree() == before
    shown = capsys.readouterr().out
    assert all(f"  remove {sandbox.home / former}\n" in shown for former in FORMER.values())
    assert all(f"  write {sandbox.home / path}\n" in shown for path in FORMER)


@pytest.mark.parametrize("changed", sorted(FORMER.values()))
def test_changed_former_file_is_kept_with_a_note(sandbox: SetupSandbox, changed: str, capsys: pytest.CaptureFixture[str]) -> None:
    install_former(sandbox)
    (sandbox.home / changed).write_text("mine\n")
    install(sandbox)
    assert f"Note: {sandbox.home / changed} was changed since setup and is kept." in capsys.readouterr().out
    assert (sandbox.home / changed).read_text() == "mine\n"
    assert names(sandbox) & set(FORMER.values()) == {changed}
    assert names(sandbox) > FORMER.keys()
    undo(sandbox)
    assert names(sandbox) == {changed}


def test_migration_restores_the_users_file_under_a_former_name(sandbox: SetupSandbox) -> None:
    (sandbox.home / ENTRY).parent.mkdir(parents=True)
    (sandbox.home / ENTRY).write_text("[Desktop Entry]\nName=mine\n")
    before = sandbox.tree()
    install_former(sandbox)
    journal = read_journal(sandbox.machine.state)
    assert journal is not None
    place = next(place for place, file in enumerate(journal.files) if file.path == sandbox.home / ENTRY)
    journal.files[place] = journal.files[place].model_copy(update={"before": b"[Desktop Entry]\nName=mine\n"})
    journal.save(sandbox.machine.state)
    install(sandbox)
    assert (sandbox.home / ENTRY).read_text() == "[Desktop Entry]\nName=mine\n"
    install(sandbox)
    undo(sandbox)
    assert sandbox.tree() == before


def test_foreign_file_under_a_former_name_is_untouched(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    (sandbox.home / ENTRY).parent.mkdir(parents=True)
    (sandbox.home / ENTRY).write_text("[Desktop Entry]\nName=mine\n")
    before = sandbox.tree()
    install(sandbox)
    assert (sandbox.home / ENTRY).read_text() == "[Desktop Entry]\nName=mine\n"
    assert str(sandbox.home / ENTRY) not in capsys.readouterr().out
    undo(sandbox)
    assert sandbox.tree() == before


@pytest.mark.parametrize("service", [True, False])
def test_autostart_entry_without_a_record_is_replaced(sandbox: SetupSandbox, service: bool) -> None:
    install_former(sandbox, service=False)
    before = names(sandbox)
    (sandbox.home / AUTOSTART).parent.mkdir(parents=True)
    (sandbox.home / AUTOSTART).write_text(AUTOSTART_TEXT)
    install(sandbox, service)
    assert not (sandbox.home / AUTOSTART).exists()
    new = sandbox.home / ".config/autostart/io.github.livebg_project.livebg.desktop"
    assert "Exec=/opt/livebg/bin/livebg tray --wait 60\n" in new.read_text()
    undo(sandbox)
    assert names(sandbox) < before
    assert names(sandbox) == set()


@pytest.mark.parametrize("failing", ["sudo", "systemctl"])
def test_interrupted_migration_is_continued_or_undone(sandbox: SetupSandbox, failing: str) -> None:
    before = sandbox.tree()
    install_former(sandbox)
    (sandbox.root / "sys/module/v4l2loopback").rmdir()  # as after a reboot without it: the device has to be created again
    for again in (undo, install):
        sandbox.commands.failing.add(failing)
        with pytest.raises(SetupError):
            install(sandbox)
        sandbox.commands.failing.clear()
        again(sandbox)
        if again is undo:
            assert sandbox.tree() == before
            install_former(sandbox)
            (sandbox.root / "sys/module/v4l2loopback").rmdir()
    assert not names(sandbox) & set(FORMER.values())
    undo(sandbox)
    assert sandbox.tree() == before


def test_undo_without_migration_leaves_nothing(sandbox: SetupSandbox) -> None:
    before = sandbox.tree()
    install_former(sandbox)
    undo(sandbox)
    assert sandbox.tree() == before
