"""Tests of ``livebg setup --pipewire`` on a simulated machine: user files only, no root, complete undo."""

import sys
import tomllib
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.errors import SetupError
from livebg.setup.pipewire import with_pipewire
from livebg.setup.resources import APP_ID
from tests.support.setup_sandbox import Bench

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="livebg setup requires Linux")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path / "bench")
    bench.commands.there.add("pipewire")
    return bench


def settings(bench: Bench) -> Path:
    return bench.machine.config / "livebg" / "config.toml"


def install(bench: Bench, service: bool = True) -> None:
    set_up(bench.machine, "livebg", service=service, yes=True, dry_run=False, settings=settings(bench))


def test_it_writes_the_setting_and_starts_the_service_without_root(bench: Bench) -> None:
    before = {path for path in bench.tree() if path.startswith(str(bench.root))}
    install(bench)
    assert settings(bench).read_text() == '[output]\nbackend = "pipewire"\n'
    assert (bench.machine.units / "livebg.service").is_file()
    assert (bench.machine.data / "applications" / f"{APP_ID}.desktop").is_file()
    assert {path for path in bench.tree() if path.startswith(str(bench.root))} == before, "the system's part stays as it is"
    assert bench.commands.said == [
        "systemctl --user daemon-reload",
        "systemctl --user enable livebg.service",
        "systemctl --user restart livebg.service",
    ]


def test_undo_brings_everything_back_byte_for_byte(bench: Bench) -> None:
    settings(bench).parent.mkdir(parents=True)
    settings(bench).write_bytes(b"# mine\r\n[output]\r\nlabel='me'   # why not\r\n\r\n[effect]\r\nblur = 0.05\r\n")
    before = bench.tree()
    install(bench)
    assert tomllib.loads(settings(bench).read_text()) == {
        "output": {"label": "me", "backend": "pipewire"},
        "effect": {"blur": 0.05},
    }
    assert "label='me'   # why not" in settings(bench).read_text()
    undo_setup(bench.machine, yes=True, dry_run=False)
    assert bench.tree() == before


def test_undo_removes_what_was_not_there(bench: Bench) -> None:
    before = bench.tree()
    install(bench)
    undo_setup(bench.machine, yes=True, dry_run=False)
    assert bench.tree() == before


def test_settings_that_were_changed_since_stay(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    install(bench)
    settings(bench).write_text('[output]\nbackend = "pipewire"\nlabel = "mine"\n')
    undo_setup(bench.machine, yes=True, dry_run=False)
    assert 'label = "mine"' in settings(bench).read_text()
    assert f"{settings(bench)} was changed since setup and is kept" in capsys.readouterr().out


def test_a_second_time_there_is_nothing_to_write(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    install(bench)
    bench.commands.said.clear()
    capsys.readouterr()
    install(bench)
    assert "nothing to change" in capsys.readouterr().out
    assert bench.commands.said == ["systemctl --user enable livebg.service", "systemctl --user start livebg.service"]


def test_it_says_which_programs_see_such_a_camera(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    install(bench, service=False)
    said = capsys.readouterr().out
    assert "Only programs that use PipeWire see this camera" in said
    assert "Start it with `livebg run`" in said
    assert "as root" not in said.lower()
    assert bench.commands.said == []


def test_without_pipewire_it_says_what_to_install(bench: Bench) -> None:
    bench.without("pipewire")
    before = bench.tree()
    with pytest.raises(SetupError, match=r"PipeWire is not installed\. Install pipewire and wireplumber"):
        install(bench)
    assert bench.tree() == before


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
def test_any_way_to_write_the_file_is_kept(text: str) -> None:
    before, after = tomllib.loads(text), tomllib.loads(with_pipewire(text))
    assert after == before | {"output": before.get("output", {}) | {"backend": "pipewire"}}
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert all(comment in with_pipewire(text) for comment in comments)
    assert with_pipewire(with_pipewire(text)) == with_pipewire(text)
