"""The packages for Debian and Ubuntu, built and installed in bare roots of their suites, used, upgraded and removed.

``LIVEBG_PACKAGE_SUITES`` names the suites, ``LIVEBG_BARE_MIRROR`` the archive of Ubuntu, ``LIVEBG_PACKAGES`` a folder with
packages to test instead of building them.
"""

import hashlib
import json
import os
import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.setup.package import package_files
from livebg.setup.resources import APP_ID, UNIT
from tests.bare.examples import check_blur
from tests.bare.machine import HOME, BareMachine, bare_machine, committed_copy, missing
from tests.bare.material import talk
from tests.bare.readme import CHECKOUT
from tests.bare.sources import sources_of_this_machine

SUITES = tuple(os.environ.get("LIVEBG_PACKAGE_SUITES", "bookworm trixie").split())
PYTHONS = {"bookworm": "3.11", "noble": "3.12", "trixie": "3.13", "resolute": "3.14", "forky": "3.14"}
BUILT = os.environ.get("LIVEBG_PACKAGES")
VARIES = ("dev", "home", "host", "proc", "root", "run", "sys", "tmp", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log")
"""What package managers and users write in any case."""
WINDOW_TOOLS = "at-spi2-core dbus-daemon gir1.2-atspi-2.0 python3-pip sway wtype"
build: Callable[[str, Path], Path] = runpy.run_path(str(CHECKOUT / ".github" / "packaging" / "build_deb.py"))["build"]

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no bare Debian: {missing()}")


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def package(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the suite."""
    if BUILT:
        (found,) = Path(BUILT).glob(f"livebg_*~{release_of(suite)}_*.deb")
        return found
    return build(suite, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def machine(suite: str, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareMachine]:
    """A new system with the packages that livebg depends on, and the file of the package in the user's home."""
    sources = sources_of_this_machine()
    if sources is None:
        pytest.skip("no bare Debian: apt knows no archive of Debian")
    with bare_machine(tmp_path_factory.mktemp("packages") / suite, sources, suite) as made:
        made.must("apt-get install --no-install-recommends man-db groff", user="root")  # to read the manual
        made.must(f"apt-get satisfy --no-install-recommends '{field(package, 'Depends')}'", user="root")
        shutil.copy(package, made.home / "livebg.deb")
        yield made


def release_of(suite: str) -> str:
    """How the version of the suite's package ends."""
    return {"bookworm": "deb12", "trixie": "deb13"}.get(suite, suite)


def field(package: Path, name: str) -> str:
    done = subprocess.run(("dpkg-deb", "--field", str(package), name), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def listed(package: Path) -> dict[str, str]:
    """What the package contains: type and permissions by path."""
    done = subprocess.run(("dpkg-deb", "--contents", str(package)), capture_output=True, text=True, check=True)
    rows = (line.split(maxsplit=5) for line in done.stdout.splitlines())
    return {row[5].partition(" -> ")[0].removeprefix(".").rstrip("/"): row[0] for row in rows}


def tree(root: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, owner and content of each path, without :data:`VARIES`."""
    found: dict[str, tuple[int, int, str]] = {}
    for folder, folders, files in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if str(inside / name) not in VARIES]
        for name in (*folders, *files):
            path = Path(folder, name)
            about = path.lstat()
            held = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else _digest(path)
            found[str(inside / name)] = (about.st_mode, about.st_uid, held)
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def install(machine: BareMachine) -> None:
    """Install the file as the README shows, without network: the dependencies are there."""
    done = machine.run("apt-get install --no-install-recommends ./livebg.deb", user="root", network=False)
    assert done.code == 0, done.text


def test_package_contains_what_setup_would_write(package: Path, tmp_path: Path) -> None:
    paths = listed(package)
    subprocess.run(("dpkg-deb", "--extract", str(package), str(tmp_path)), check=True)
    for path, text in package_files().items():
        assert paths[str(path)].startswith("-rw-r--r--"), path
        assert (tmp_path / path.relative_to("/")).read_text("utf-8") == text
    assert {
        "/usr/share/man/man1/livebg.1.gz",
        "/usr/share/man/man7/livebg-calls.7.gz",
        "/usr/share/bash-completion/completions/livebg",
        "/usr/share/zsh/vendor-completions/_livebg",
        "/usr/share/fish/vendor_completions.d/livebg.fish",
        "/usr/share/doc/livebg/copyright",
        "/usr/share/doc/livebg/requirements.txt",
        "/usr/bin/livebg",
    } <= paths.keys()
    assert not [path for path in paths if path.endswith((".pyc", "direct_url.json"))]
    bundled = (tmp_path / "usr/share/doc/livebg/bundled.txt").read_text("utf-8")
    assert "pyvirtualcam" in bundled
    assert "pip " not in bundled


def test_package_depends_on_python_of_suite(suite: str, package: Path) -> None:
    depends = field(package, "Depends").split(", ")
    assert f"python{PYTHONS[suite]}" in depends
    assert "pipewire | v4l2loopback-dkms" in depends
    assert {"gir1.2-adw-1", "gir1.2-gtk-4.0", "gir1.2-ayatanaappindicator3-0.1", "python3-gi"} <= set(depends)
    assert "librsvg2-common" in depends  # for the icons of the window
    assert field(package, "Version").endswith(f"~{release_of(suite)}")


def test_package_works_and_leaves_nothing_behind(machine: BareMachine, package: Path) -> None:
    before = tree(machine.root)
    install(machine)
    version = field(package, "Version").rpartition("~")[0].replace("~", "")
    assert machine.must("livebg --version").strip() == f"livebg {version}"
    assert (machine.root / "etc/systemd/user/default.target.wants" / UNIT).is_symlink()
    checks = {check["check"]: check for check in json.loads(machine.run("livebg doctor --json", network=False).out)}
    assert checks["installation"]["message"] == "livebg is installed for all users, by the package livebg"
    assert {name for name in ("libraries", "model", "kernels") if checks[name]["status"] != "ok"} == set(), checks
    clip = talk(10, Fraction(25)).write(machine.home / "talk.mp4")
    machine.give(clip)
    done = machine.run("livebg render talk.mp4 && man livebg | cat && livebg help privacy", network=False)
    assert done.code == 0, done.text
    assert "livebg manual" in done.out
    check_blur(machine.home / "talk.portrait.mp4", clip, 10)
    _check_setup(machine)
    _check_upgrade_keeps_settings(machine)
    machine.must("apt-get remove livebg", user="root")
    left = tree(machine.root).keys() - before.keys()
    assert left <= {"etc/xdg/autostart", f"etc/xdg/autostart/{APP_ID}.desktop", *_helper_state(left)}
    machine.must("apt-get purge livebg", user="root")
    assert tree(machine.root) == before
    assert (machine.home / ".config/livebg/config.toml").is_file()


def _helper_state(paths: set[str]) -> set[str]:
    """The record of init-system-helpers of what was enabled, until the purge."""
    return {path for path in paths if path.startswith(("var/lib/systemd", "etc/systemd/user"))}


def _check_setup(machine: BareMachine) -> None:
    """`livebg setup` has no file to write, except the setting itself."""
    done = machine.run("livebg setup --pipewire --dry-run", network=False)
    assert done.code == 0, done.text
    written = [line.split()[1] for line in done.out.splitlines() if line.startswith(("  write", "  change"))]
    assert written == [f"{HOME}/.config/livebg/config.toml"]


def _check_upgrade_keeps_settings(machine: BareMachine) -> None:
    settings, autostart = machine.home / ".config/livebg/config.toml", machine.root / f"etc/xdg/autostart/{APP_ID}.desktop"
    settings.parent.mkdir(parents=True)
    settings.write_text("[effect]\nmode = 'greenscreen'\n")
    machine.give(machine.home / ".config")
    changed = autostart.read_text() + "Hidden=true\n"
    autostart.write_text(changed)
    done = machine.run("apt-get install --reinstall --no-install-recommends ./livebg.deb", user="root", network=False)
    assert done.code == 0, done.text
    assert settings.read_text() == "[effect]\nmode = 'greenscreen'\n"
    assert autostart.read_text() == changed


def test_window_works_with_gtk_of_suite(machine: BareMachine) -> None:
    """The tests of the window, in a compositor without a screen, with the Python environment of the package."""
    install(machine)
    machine.must(f"apt-get install --no-install-recommends {WINDOW_TOOLS}", user="root")
    checkout = machine.home / "checkout"
    committed_copy(CHECKOUT, checkout)
    machine.give(checkout)
    machine.must(f"python3 -m pip install --quiet --target {HOME}/deps pytest hypothesis onnx")
    run_tests = f"PYTHONPATH={HOME}/checkout:{HOME}/deps /usr/lib/livebg/bin/python -m pytest -q -p no:cacheprovider tests/window"
    done = machine.run(run_tests, folder=f"{HOME}/checkout", network=False)
    assert done.code == 0, done.text
    assert "skipped" not in done.out, done.text


@pytest.mark.skipif(BUILT is not None, reason="the packages to test were built elsewhere")
def test_second_build_is_identical(suite: str, package: Path, tmp_path: Path) -> None:
    again = build(suite, tmp_path)
    assert again.name == package.name
    assert _digest(again) == _digest(package)
