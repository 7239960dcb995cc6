"""livebg installed by users' methods: the wheel in its own environment, by pipx, and by uv."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from tests.bare.examples import check_blur
from tests.bare.machine import committed_copy
from tests.bare.material import talk
from tests.bare.readme import CHECKOUT, install_line
from tests.bare.sources import pip_variables, uv_variables

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands lie in Scripts there, not in bin")

_OWN = ("XDG_", "LIVEBG_", "PYTHON", "VIRTUAL_ENV")
"""How those variables begin that belong to this environment and its user."""
CARRIED = """
from livebg.setup.resources import APP_ID, AUTOSTART, packaged_text, desktop_entry, service_unit
print(service_unit(("LIVEBG",)), desktop_entry(("LIVEBG",)), desktop_entry(("LIVEBG",), AUTOSTART))
print(packaged_text(f"{APP_ID}.svg"), packaged_text(f"{APP_ID}-symbolic.svg"))
"""


@dataclass(frozen=True)
class IsolatedHome:
    """A separate home; commands get ``variables`` in addition to this machine's."""

    home: Path
    variables: Mapping[str, str]

    def output_of(self, *command: str, folder: Path | None = None, codes: tuple[int, ...] = (0,)) -> str:
        """The standard output of the command, which has to end with one of the codes."""
        reported = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            cwd=folder or self.home,
            env={**reported, "HOME": str(self.home), **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode in codes, f"{command}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (CHECKOUT / ".git").exists():
        pytest.skip("this is no clone, and what is committed is what is installed")
    folder = tmp_path_factory.mktemp("clone") / "livebg"
    committed_copy(CHECKOUT, folder)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> IsolatedHome:
    """It finds this machine's package sources, whatever home their settings are in."""
    home = tmp_path / "home"
    home.mkdir()
    pip = pip_variables()
    return IsolatedHome(home, {**pip, **uv_variables(pip), "PIPX_HOME": str(home / "pipx"), "PIPX_BIN_DIR": str(home / "bin")})


def new_environment(folder: Path) -> Path:
    """The folder of its commands."""
    venv.create(folder, with_pip=True)
    return folder / "bin"


def check_livebg(livebg: Path, place: IsolatedHome) -> None:
    """The installed livebg shows its help, reports problems and renders, so no file is missing."""
    assert "render" in place.output_of(str(livebg), "--help")
    checks = json.loads(place.output_of(str(livebg), "doctor", "--json", "--no-measure", codes=(0, 1)))
    status = {check["check"]: check["status"] for check in checks}
    assert status["model"] == "ok", checks
    clip = talk(10, Fraction(25)).write(place.home / "talk.mp4")
    place.output_of(str(livebg), "render", "talk.mp4")
    check_blur(place.home / "talk.portrait.mp4", clip, 10)


def test_wheel_works_in_clean_environment(clone: Path, place: IsolatedHome, tmp_path: Path) -> None:
    commands = new_environment(tmp_path / "environment")
    place.output_of(str(commands / "pip"), "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(clone))
    shutil.rmtree(clone / "livebg")  # it is not imported from there
    try:
        (wheel,) = tmp_path.glob("livebg-*.whl")
        place.output_of(str(commands / "pip"), "install", "--quiet", str(wheel))
        check_livebg(commands / "livebg", place)
        files = place.output_of(str(commands / "python"), "-c", CARRIED)
        started = re.findall(r"^(?:Exec|ExecStart)=LIVEBG (\w+)", files, re.MULTILINE)
        assert started == ["run", "window", "tray", "preview", "pause", "resume", "stop", "tray"]
        assert files.count("<svg ") == 2
    finally:
        place.output_of("git", "checkout", "--quiet", ".", folder=clone)


@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_readme_line_installs_livebg(tool: str, clone: Path, place: IsolatedHome, tmp_path: Path) -> None:
    commands = new_environment(tmp_path / "tools")
    try:
        place.output_of(str(commands / "pip"), "install", "--quiet", tool)
    except AssertionError as error:
        pytest.skip(f"{tool} cannot be had here: {error}")
    program, *arguments = install_line(tool).split()
    place.output_of(str(commands / program), *arguments, folder=clone)
    folder = place.home / ("bin" if tool == "pipx" else ".local/bin")
    check_livebg(folder / "livebg", place)
