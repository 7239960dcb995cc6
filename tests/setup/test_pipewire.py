"""Tests of ``livebg setup --pipewire`` on a simulated machine: user files only, no root, complete undo."""

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.errors import SetupError
from livebg.setup.plan import with_backend
from livebg.setup.resources import APP_ID
from livebg.setup.target import Machine
from tests.support.cli_runner import LivebgCli
from tests.support.setup_sandbox import SetupSandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="livebg setup requires Linux")


@pytest.fixture
def sandbox(sandbox: SetupSandbox) -> SetupSandbox:
    sandbox.commands.there.add("pipewire")
    return sandbox


def settings(sandbox: SetupSandbox) -> Path:
    return sandbox.machine.config / "livebg" / "config.toml"


def install(sandbox: SetupSandbox, service: bool = True) -> None:
    set_up(sandbox.machine, "livebg", service=service, yes=True, dry_run=False, settings=settings(sandbox))


def test_setup_writes_setting_and_starts_service_without_root(sandbox: SetupSandbox) -> None:
    before = {path for path in sandbox.tree() if path.startswith(str(sandbox.root))}
    install(sandbox)
    assert settings(sandbox).read_text() == '[output]\nbackend = "pipewire"\n'
    assert (sandbox.machine.units / "livebg.service").is_file()
    assert (sandbox.machine.data / "applications" / f"{APP_ID}.desktop").is_file()
    assert {path for path in sandbox.tree() if path.startswith(str(sandbox.root))} == before, "the system's part stays as it is"
    assert sandbox.commands.calls == [
        "systemctl --user daemon-reload",
        "systemctl --user enable livebg.service",
        "systemctl --user restart livebg.service",
    ]


def test_undo_restores_settings_byte_for_byte(sandbox: SetupSandbox) -> None:
    settings(sandbox).parent.mkdir(parents=True)
    settings(sandbox).write_bytes(b"# mine\r\n[output]\r\nlabel='me'   # why not\r\n\r\n[effect]\r\nblur = 0.05\r\n")
    before = sandbox.tree()
    install(sandbox)
    assert tomllib.loads(settings(sandbox).read_text()) == {
        "output": {"label": "me", "backend": "pipewire"},
        "effect": {"blur": 0.05},
    }
    assert "label='me'   # why not" in settings(sandbox).read_text()
    undo_setup(sandbox.machine, yes=True, dry_run=False)
    assert sandbox.tree() == before


def test_undo_removes_new_files(sandbox: SetupSandbox) -> None:
    before = sandbox.tree()
    install(sandbox)
    undo_setup(sandbox.machine, yes=True, dry_run=False)
    assert sandbox.tree() == before


def test_undo_without_systemd_restarts_nothing(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    (sandbox.root / "run/systemd/system").rmdir()
    sandbox.commands.failing.add("systemctl")
    before = sandbox.tree()
    install(sandbox)
    capsys.readouterr()
    undo_setup(sandbox.machine, yes=True, dry_run=False)
    assert sandbox.tree() == before
    assert "systemctl" not in capsys.readouterr().out


def test_changed_settings_are_kept(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    install(sandbox)
    settings(sandbox).write_text('[output]\nbackend = "pipewire"\nlabel = "mine"\n')
    undo_setup(sandbox.machine, yes=True, dry_run=False)
    assert 'label = "mine"' in settings(sandbox).read_text()
    assert f"{settings(sandbox)} was changed since setup and is kept" in capsys.readouterr().out


def test_settings_changed_between_two_setups_are_kept(sandbox: SetupSandbox) -> None:
    install(sandbox)
    settings(sandbox).write_text('[output]\nbackend = "pipewire"\n\n[effect]\nblur = 0.07  # mine\n')
    set_up(sandbox.machine, "livebg", service=True, yes=True, dry_run=False, settings=settings(sandbox), both=True)
    assert tomllib.loads(settings(sandbox).read_text()) == {"output": {"backend": "both"}, "effect": {"blur": 0.07}}
    undo_setup(sandbox.machine, yes=True, dry_run=False)
    assert settings(sandbox).read_text() == '[output]\nbackend = "pipewire"\n\n[effect]\nblur = 0.07  # mine\n'


def test_byte_order_mark_of_settings_is_kept(sandbox: SetupSandbox) -> None:
    settings(sandbox).parent.mkdir(parents=True)
    settings(sandbox).write_text("\ufeff[effect]\nblur = 0.05\n", "utf-8")
    before = sandbox.tree()
    install(sandbox)
    text = settings(sandbox).read_text("utf-8")
    assert text.startswith("\ufeff[effect]")
    assert tomllib.loads(text[1:]) == {"effect": {"blur": 0.05}, "output": {"backend": "pipewire"}}
    undo_setup(sandbox.machine, yes=True, dry_run=False)
    assert sandbox.tree() == before


def test_second_setup_changes_nothing(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    install(sandbox)
    sandbox.commands.calls.clear()
    capsys.readouterr()
    install(sandbox)
    assert "nothing to change" in capsys.readouterr().out
    assert sandbox.commands.calls == ["systemctl --user enable livebg.service", "systemctl --user start livebg.service"]


def test_setup_explains_which_programs_see_camera(sandbox: SetupSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    install(sandbox, service=False)
    output = capsys.readouterr().out
    assert "Only programs that use PipeWire see this camera" in output
    assert "Start it with `livebg run`" in output
    assert "as root" not in output.lower()
    assert sandbox.commands.calls == []


def test_missing_pipewire_error_names_packages(sandbox: SetupSandbox) -> None:
    sandbox.without("pipewire")
    before = sandbox.tree()
    with pytest.raises(SetupError, match=r"PipeWire is not installed\. Install pipewire and wireplumber"):
        install(sandbox)
    assert sandbox.tree() == before


def test_named_settings_are_those_of_service_and_restored_from_another_folder(
    sandbox: SetupSandbox, cli: LivebgCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Machine, "own", lambda settings=None: replace(sandbox.machine, settings=settings))
    mine = cli.folder / "mine.toml"
    mine.write_text("[effect]\nblur = 0.05\n")
    assert cli.livebg("setup", "--pipewire", "--yes", "--config", "mine.toml").code == 0
    assert tomllib.loads(mine.read_text())["output"] == {"backend": "pipewire"}
    assert f"livebg run --config {mine}\n" in (sandbox.machine.units / "livebg.service").read_text()
    monkeypatch.chdir(sandbox.home)
    assert cli.livebg("setup", "--undo", "--yes").code == 0
    assert mine.read_text() == "[effect]\nblur = 0.05\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[effect]\nmode = "matte"',
        "[output]\n",
        '[output]\nbackend = "auto"  # for now\nlabel = "x"\n',
        'output.label = "x"\n[effect]\nblur = 0.1\n',
        'output = { label = "x" }\n',
        '[output]\nlabel = "x"\n\n# what follows\n[effect]\nblur = 0.1\n',
    ],
)
def test_existing_settings_and_comments_are_kept(text: str) -> None:
    before, after = tomllib.loads(text), tomllib.loads(with_backend(text, "pipewire"))
    assert after == before | {"output": before.get("output", {}) | {"backend": "pipewire"}}
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert all(comment in with_backend(text, "pipewire") for comment in comments)
    assert with_backend(with_backend(text, "pipewire"), "pipewire") == with_backend(text, "pipewire")
