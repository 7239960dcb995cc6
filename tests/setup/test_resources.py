"""livebg's files for the desktop and the service manager."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import livebg
from livebg.errors import ConfigError, ModelError, SinkError
from livebg.setup.resources import APP_ID, APPLICATION, AUTOSTART, desktop_entry, packaged_text, service_unit


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def run_checked(*command: str) -> str:
    """The output of a command, which must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_application_id_names_desktop_entries_and_icons() -> None:
    """Portals require that the desktop entry has the name of the application ID."""
    assert re.fullmatch(r"[a-z]\w*(\.[a-z]\w*){3}", APP_ID), "at least two elements, for a code hosting site four; no hyphens"
    for entry in (APPLICATION, AUTOSTART):
        assert values(desktop_entry(("livebg",), entry), "Icon") == [APP_ID]
        assert entry.name == f"{APP_ID}.desktop"
    package = Path(livebg.__file__).parent
    assert [path.name for path in package.rglob("*.py") if APP_ID in path.read_text("utf-8")] == ["session_bus.py"]


def test_unit_restarts_except_after_configuration_error() -> None:
    unit = service_unit(("/usr/bin/livebg",))
    (prevented,) = values(unit, "RestartPreventExitStatus")
    assert prevented.split() == [str(ConfigError.exit_code)]
    assert values(unit, "Restart") == ["on-failure"]
    assert not {str(SinkError.exit_code), str(ModelError.exit_code)} & set(prevented.split())


def test_unit_starts_before_wireplumber() -> None:
    unit = service_unit(("/usr/bin/livebg",))
    assert values(unit, "Type") == ["notify"]
    assert values(unit, "Before") == ["wireplumber.service"]
    assert values(unit, "WantedBy") == ["default.target"]
    assert values(unit, "TimeoutStartSec") == ["15"]
    head, _, service = unit.partition("[Service]")
    assert "StartLimitIntervalSec" in head  # it has no effect anywhere else
    assert "StartLimit" not in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("command", [("/bin/true",), ("/bin/true", "-m", "livebg")])
def test_systemd_accepts_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    unit = tmp_path / "livebg.service"
    unit.write_text(service_unit(command))
    assert "livebg" not in run_checked("systemd-analyze", "--user", "verify", str(unit))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("folder", ["it's", 'a "b"', "back\\slash", "$HOME", "100% a;b"])
def test_systemd_accepts_program_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    program = tmp_path / folder / "program"
    program.parent.mkdir()
    program.touch(0o755)
    unit = tmp_path / "livebg.service"
    unit.write_text(service_unit((str(program),)))
    assert "livebg" not in run_checked("systemd-analyze", "--user", "verify", str(unit))


def test_program_that_systemd_refuses_is_started_by_shell() -> None:
    """systemd unquotes the words, and replaces two percent or dollar signs by one."""
    (line,) = values(service_unit(("/it's 5%/$me/livebg",)), "ExecStart")
    words = [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(line)]
    assert words[0] == "/bin/sh"
    assert words[-2:] == ["/it's 5%/$me/livebg", "run"]
    started = subprocess.run([*words[:-2], "/bin/echo", "run"], capture_output=True, text=True, check=True)
    assert started.stdout == "run\n"


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="desktop-file-validate is not installed")
@pytest.mark.parametrize("entry", [APPLICATION, AUTOSTART], ids=["application", "autostart"])
@pytest.mark.parametrize("command", [("/usr/bin/livebg",), ("/home/me/my $tools/livebg",), ("/usr/bin/python3", "-m", "livebg")])
def test_desktop_entry_is_valid(tmp_path: Path, command: tuple[str, ...], entry: Path) -> None:
    (tmp_path / entry.name).write_text(desktop_entry(command, entry))
    assert run_checked("desktop-file-validate", str(tmp_path / entry.name)) == ""


@pytest.mark.parametrize("name", [f"{APP_ID}.svg", f"{APP_ID}-symbolic.svg"])
def test_icons_are_square_svg(name: str) -> None:
    root = ElementTree.fromstring(packaged_text(name))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["width"] == root.attrib["height"]
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"


def test_service_reads_named_settings() -> None:
    unit = service_unit(("/usr/bin/livebg",), Path("/home/a b/50% $x.toml"))
    assert 'ExecStart=/usr/bin/livebg run --config "/home/a b/50%% $$x.toml"\n' in unit
    assert "ExecReload=/usr/bin/livebg reload\n" in unit
