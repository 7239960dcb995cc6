"""The recipes of packages and the release: what they name exists, and what they do is what the project needs."""

import json
import os
import re
import runpy
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from livebg.setup.resources import APP_ID

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / ".github" / "packaging"
SCRIPTS = ("install", "lock", "build-in-root", *(f"debian/livebg.{name}" for name in ("preinst", "postinst", "prerm", "postrm")))
notes: Callable[[str, str], str] = runpy.run_path(str(PACKAGING / "release_notes.py"))["notes"]


def locked(name: str) -> dict[str, list[str]]:
    """The versions of each package in a lock file, by its name."""
    found: dict[str, list[str]] = {}
    for name_, version in re.findall(r"^([\w.-]+)==(\S+) ", (PACKAGING / name).read_text("utf-8"), re.MULTILINE):
        found.setdefault(name_, []).append(version)
    return found


@pytest.mark.parametrize(
    ("name", "table", "key"),
    [("requirements.txt", "project", "dependencies"), ("build-requirements.txt", "build-system", "requires")],
)
def test_lock_file_has_every_requirement(name: str, table: str, key: str) -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[table][key]
    versions = locked(name)
    for line in wanted:
        package, least = re.match(r"([\w.-]+)>=([\d.]+)", line).groups()  # type: ignore[union-attr]
        assert package in versions, f"{package} is missing: run .github/packaging/lock"
        for version in versions[package]:
            assert _numbers(version) >= _numbers(least), f"{package} {version} is too old: run .github/packaging/lock"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


@pytest.mark.parametrize("name", ["requirements.txt", "build-requirements.txt"])
def test_lock_file_has_hashes_and_no_addresses(name: str) -> None:
    text = (PACKAGING / name).read_text("utf-8")
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


@pytest.mark.parametrize("script", SCRIPTS)
def test_shell_scripts_parse(script: str) -> None:
    assert subprocess.run(("sh", "-n", str(PACKAGING / script)), check=False).returncode == 0


def test_install_keeps_packages_built_before(tmp_path: Path) -> None:
    """CONTRIBUTING.md has them in the folder dist. The build of the wheel fails here, which is how far the test goes."""
    stubs, clone = tmp_path / "stubs", tmp_path / "clone"
    (clone / "dist").mkdir(parents=True)
    (clone / "dist" / "livebg.deb").touch()
    stubs.mkdir()
    tools = 'mkdir -p "$3/bin"; ln -s /bin/true "$3/bin/pip"; ln -s /bin/false "$3/bin/hatchling"'
    (stubs / "python3").write_text(f"#!/bin/sh\n{tools}\n")
    (stubs / "python3").chmod(0o755)
    environment = os.environ | {"PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    command = ("sh", str(PACKAGING / "install"), str(tmp_path / "root"))
    assert subprocess.run(command, cwd=clone, env=environment, check=False).returncode == 1
    assert (clone / "dist" / "livebg.deb").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"stubs", "clone"}, "it removes its own folder"


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("script", ["PKGBUILD", "livebg.install"])
def test_arch_recipe_parses(script: str) -> None:
    assert subprocess.run(("bash", "-n", str(PACKAGING / script)), check=False).returncode == 0


@pytest.mark.parametrize(
    "recipe", ["PKGBUILD", f"{APP_ID}.yml", "debian/rules", "install", "build-in-root", "../workflows/release.yml"]
)
def test_recipes_name_files_that_exist(recipe: str) -> None:
    text = (PACKAGING / recipe).read_text("utf-8").replace("$packaging", ".github/packaging").replace("$file", "requirements")
    named = set(re.findall(r"\.github/[\w./-]+\w", text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def flatpak_commands() -> list[str]:
    text = (PACKAGING / f"{APP_ID}.yml").read_text("utf-8").partition("build-commands:\n")[2].partition("sources:")[0]
    return re.findall(r"^ +- (.*)$", text, re.MULTILINE)


def test_flatpak_manifest_has_application_id_and_installs_its_desktop_entry() -> None:
    text = (PACKAGING / f"{APP_ID}.yml").read_text("utf-8")
    assert f"\nid: {APP_ID}\n" in text
    assert f"files/usr/share/applications/{APP_ID}.desktop" in text


def test_flatpak_commands_with_colons_are_in_quotes() -> None:
    """YAML takes others for mappings, and flatpak-builder ignores those."""
    commands = flatpak_commands()
    assert commands
    assert [line for line in commands if ": " in line and line[0] != "'"] == []


@pytest.mark.skipif(shutil.which("flatpak-builder") is None, reason="flatpak-builder is not installed")
def test_flatpak_builder_reads_manifest() -> None:
    done = subprocess.run(
        ("flatpak-builder", "--show-manifest", str(PACKAGING / f"{APP_ID}.yml")), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (module,) = json.loads(done.stdout)["modules"]
    assert module["build-commands"] == [line.strip("'") for line in flatpak_commands()]


@pytest.mark.skipif(shutil.which("appstreamcli") is None, reason="appstreamcli is not installed")
def test_appstream_metadata_is_valid() -> None:
    command = ("appstreamcli", "validate", "--no-net", "--strict", str(ROOT / "systemd" / f"{APP_ID}.metainfo.xml"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_release_notes_are_section_of_changelog() -> None:
    text = "# Changelog\n\n## [Unreleased]\n\n- New.\n\n## 0.10.0\n\n### Added\n\n- Ten.\n\n## [0.1.0] - 2026-01-01\n\nFirst.\n"
    assert notes(text, "0.10.0") == "### Added\n\n- Ten.\n"
    assert notes(text, "0.1.0") == "First.\n"
    with pytest.raises(ValueError, match=r"no section about 0\.2\.0"):
        notes(text, "0.2.0")
    assert notes((ROOT / ".github" / "CHANGELOG.md").read_text("utf-8"), "0.1.0").startswith("First version.")


def test_release_tests_what_it_publishes() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    assert "needs: [python, debian]" in text
    steps = ("twine check --strict", "from-wheel/bin/livebg", "from-sdist/bin/livebg", "pytest -m packages", "release_notes.py")
    assert [step for step in steps if step not in text] == []
