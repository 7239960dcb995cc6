"""Tests that the wheel and the sdist contain exactly the committed files for them."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from livebg import __version__
from livebg.native import load_kernels
from livebg.native.build import EXTENSION, TAG
from livebg.setup.resources import APP_ID
from tests.support.compiler import COMPILER, require_compiler

CHECKOUT = Path(__file__).parents[2]
NAMED = ("README.md", "LICENSE", "pyproject.toml", "config.example.toml", ".gitignore", ".ci/build_hook.py", ".ci/version.py")
LICENSES = ("licenses/LICENSE", "licenses/livebg/models/LICENSE-u2netp.txt")
SHIPPED = {
    "livebg/__main__.py",
    "livebg/py.typed",
    "livebg/models/livebg-u2.onnx",
    "livebg/models/livebg-u2.md",
    "livebg/native/kernels.c",
    "livebg/native/kernels.h",
    "livebg/docs/calls.md",
    "livebg/docs/livebg.md",
    "livebg/locale/de/LC_MESSAGES/livebg.mo",
    "livebg/tray/icons/effect_off.png",
    "livebg/systemd/livebg.service",
    f"livebg/systemd/{APP_ID}.desktop",
    f"livebg/systemd/autostart/{APP_ID}.desktop",
    f"livebg/systemd/{APP_ID}.svg",
    f"livebg/systemd/{APP_ID}-symbolic.svg",
}
"""Files other than modules, or easily forgotten. There are no background files: a module draws them."""
STRAY = (
    "livebg/models/u2netp.onnx",
    "livebg/models/livebg-u2.onnx.orig",
    "livebg/native/_kernels.abi3.so",
    "livebg/notes.txt",
    "livebg/docs/draft.txt",
    "livebg/tray/icons/live.svg~",
    "livebg/__pycache__/frame.cpython-311.pyc",
    "livebg/live/.session.py.swp",
    "systemd/override.conf",
    "tests/imaging/test_frame.py",
    "shared/data/clip.mp4",
    ".venv/lib/site-packages/livebg/frame.py",
    "build/lib/livebg/frame.py",
    "demo.mp4",
    "demo.png",
    "config.toml",
)

KERNELS = f"livebg/native/{EXTENSION}"
MAN = f"livebg-{__version__}.data/data/share/man/"
MAN_PAGES = {
    "man1/livebg.1" if page.stem == "livebg" else f"man7/livebg-{page.stem}.7"
    for page in (CHECKOUT / "livebg" / "docs").glob("*.md")
}

pytestmark = pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling, which builds them, is not installed")


def committed() -> list[str]:
    """Return the paths tracked by git. Skips the test outside a clone."""
    listed = subprocess.run(("git", "-C", str(CHECKOUT), "ls-files"), capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"cannot list the committed files: {listed.stderr.strip()}")
    return [name for name in listed.stdout.splitlines() if (CHECKOUT / name).is_file()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the committed files with additional untracked files."""
    folder = tmp_path_factory.mktemp("source")
    for name in committed():
        if name in NAMED or name.startswith(("livebg/", "systemd/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)
    for name in STRAY:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not for others")
    return folder


def build(source: Path, kind: str, into: Path, compiler: str = "false") -> Path:
    """Build ``source`` with hatchling, offline, and return the resulting file. By default the ``compiler`` fails."""
    command = (sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(into))
    environment = os.environ | {"CC": compiler}
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = kind == "wheel" and compiler == "false"
    assert ("livebg is installed without compiled kernels" in done.stdout + done.stderr) == expected
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return read_wheel(build(source, "wheel", tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(source, "sdist", tmp_path_factory.mktemp("sdist"))


def read_wheel(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_wheel_contains_exactly_committed_files(wheel: dict[str, bytes]) -> None:
    carried = {name: name for name in committed() if name.startswith("livebg/") and not name.startswith("livebg/lab/")}
    carried |= {f"livebg/{name}": name for name in committed() if name.startswith("systemd/")}
    information = f"livebg-{__version__}.dist-info"
    about = {f"{information}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", *LICENSES)}
    assert carried.keys() >= SHIPPED
    assert set(wheel) == carried.keys() | about | {MAN + page for page in MAN_PAGES}
    for name, origin in carried.items():
        assert wheel[name] == (CHECKOUT / origin).read_bytes(), name
    assert wheel[f"{information}/licenses/LICENSE"] == (CHECKOUT / "LICENSE").read_bytes()
    assert b"livebg = livebg.__main__:main" in wheel[f"{information}/entry_points.txt"]


def test_wheel_without_compiler_fits_every_platform(wheel: dict[str, bytes]) -> None:
    about = wheel[f"livebg-{__version__}.dist-info/WHEEL"].decode().splitlines()
    assert {"Root-Is-Purelib: true", "Tag: py3-none-any"} <= set(about)


def test_wheel_with_compiler_adds_only_kernels(source: Path, sdist: Path, wheel: dict[str, bytes], tmp_path: Path) -> None:
    require_compiler()
    path = build(source, "wheel", tmp_path / "wheel", COMPILER)
    native, about = read_wheel(path), f"livebg-{__version__}.dist-info"
    assert path.name == f"livebg-{__version__}-{TAG}.whl"
    assert native.keys() - wheel.keys() == {KERNELS}
    changed = {name for name, content in wheel.items() if native[name] != content}
    assert changed == {f"{about}/WHEEL", f"{about}/RECORD"}
    assert {"Root-Is-Purelib: false", f"Tag: {TAG}"} <= set(native[f"{about}/WHEEL"].decode().splitlines())
    (tmp_path / EXTENSION).write_bytes(native[KERNELS])
    load_kernels(tmp_path)
    unpack(sdist, tmp_path / "unpacked")
    assert read_wheel(build(tmp_path / "unpacked", "wheel", tmp_path / "again", COMPILER)) == native


def man_page(wheel: dict[str, bytes], name: str) -> str:
    return wheel[MAN + name].decode()


@pytest.mark.parametrize("name", sorted(MAN_PAGES))
def test_manual_page_has_title_and_summary(wheel: dict[str, bytes], name: str) -> None:
    text = man_page(wheel, name)
    page, section = name.partition("/")[2].rsplit(".", 1)
    title, heading, summary = text.splitlines()[:3]
    assert title.startswith(f'.TH "{page.upper()}" "{section}"')
    assert heading == '.SH "NAME"'
    assert re.match(r"\S+ \\- \S.*[^.]$", summary)
    assert summary.replace("\\-", "-").startswith(f"{page} - ")
    assert "`" not in text


def test_manual_pages_contain_commands_settings_and_exit_codes(wheel: dict[str, bytes]) -> None:
    assert "\\fBlivebg render INPUTS...\\fR: render videos" in man_page(wheel, "man1/livebg.1")
    assert "livebg\\-calls(7)" in man_page(wheel, "man1/livebg.1")
    assert "\nbackground_fit = \\(dqfill\\(dq\n" in man_page(wheel, "man7/livebg-config.7")
    assert ".TP\n130\nstopped with Ctrl\\-C" in man_page(wheel, "man7/livebg-exit-codes.7")


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("name", sorted(MAN_PAGES))
def test_groff_formats_manual_page_without_warnings(wheel: dict[str, bytes], name: str) -> None:
    command = ("groff", "-man", "-Kutf8", "-Tutf8", "-ww")
    done = subprocess.run(command, input=wheel[MAN + name], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"livebg manual" in done.stdout


def test_wheel_metadata_lists_requirements(wheel: dict[str, bytes]) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    reported = wheel[f"livebg-{__version__}.dist-info/METADATA"].decode().partition("\n\n")[0].splitlines()
    assert "License-Expression: MIT" in reported
    assert f"Requires-Python: {project['requires-python']}" in reported
    wanted = [line.split(": ")[1] for line in reported if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert sorted(each.split(";")[0] for each in wanted) == sorted(each.split(";")[0] for each in project["dependencies"])
    extras = {line.removeprefix("Provides-Extra: ") for line in reported if line.startswith("Provides-Extra")}
    assert extras == project["optional-dependencies"].keys()


def read_sdist(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        return {member.name.partition("/")[2]: archive.extractfile(member).read() for member in files}  # type: ignore[union-attr]


def unpack(sdist: Path, into: Path) -> None:
    for name, content in read_sdist(sdist).items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_bytes(content)


def test_sdist_contains_exactly_committed_files(sdist: Path) -> None:
    wanted = {name for name in committed() if name.startswith(("livebg/", "systemd/"))}
    assert set(read_sdist(sdist)) == wanted | {*NAMED, "PKG-INFO"}


def test_sdist_builds_same_wheel(sdist: Path, wheel: dict[str, bytes], tmp_path: Path) -> None:
    unpack(sdist, tmp_path / "unpacked")
    assert read_wheel(build(tmp_path / "unpacked", "wheel", tmp_path / "wheel")) == wheel


def test_wheel_and_sdist_of_clone_name_commit(source: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(source, clone)
    for command in (
        ("init", "--quiet"),
        ("add", "."),
        ("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "x"),
    ):
        subprocess.run(("git", *command), cwd=clone, check=True)
    made = build(clone, "sdist", tmp_path / "sdist")
    version = re.fullmatch(r"livebg-(0\.\d+\.\d+\+g[0-9a-f]{12})\.tar\.gz", made.name)
    assert version, made.name
    unpack(made, tmp_path / "unpacked")
    for origin in (clone, tmp_path / "unpacked"):
        files = read_wheel(build(origin, "wheel", tmp_path / f"wheel of {origin.name}"))
        assert f'"{version[1]}"' in files["livebg/_version.py"].decode()
        assert f"livebg-{version[1]}.dist-info/METADATA" in files
