"""The version of a build, from its commit."""

import re
import runpy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from livebg import __version__

CHECKOUT = Path(__file__).parents[2]
version: Callable[[Path], str] = runpy.run_path(str(CHECKOUT / ".ci" / "version.py"))["version"]


def git(folder: Path, *command: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(("git", *identity, *command), cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with one commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "clone"
    (folder / "livebg").mkdir(parents=True)
    (folder / "livebg" / "_version.py").write_text('__version__ = "0.4.0"\n')
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "feat: begin")
    return folder


def test_version_names_commit_without_tag(clone: Path) -> None:
    assert version(clone) == f"0.4.0+g{git(clone, 'rev-parse', 'HEAD')[:12]}"


def test_version_is_that_of_newest_tag(clone: Path) -> None:
    for tag in ("v0.9.0", "v0.10.0", "nightly", "v1"):
        git(clone, "tag", tag)
    assert version(clone) == "0.10.0"


def test_tag_of_earlier_commit_does_not_count(clone: Path) -> None:
    git(clone, "tag", "v0.5.0")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "feat: continue")
    assert re.fullmatch(r"0\.4\.0\+g[0-9a-f]{12}", version(clone))


@pytest.mark.parametrize("tag", [None, "v0.5.0"])
def test_shallow_clone_has_same_version(clone: Path, tmp_path: Path, tag: str | None) -> None:
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "feat: continue")
    if tag:
        git(clone, "tag", tag)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", clone.as_uri(), str(shallow))
    assert version(shallow) == version(clone)
    assert (version(shallow) == "0.5.0") == bool(tag)


def test_archive_without_git_has_version_of_release(clone: Path) -> None:
    """Even inside of another repository."""
    archive = clone / "unpacked"
    shutil.copytree(clone / "livebg", archive / "livebg")
    assert version(archive) == "0.4.0"
    (archive / ".git").write_text("gitdir: missing\n")
    assert version(archive) == "0.4.0"


def test_clone_reports_version_of_release() -> None:
    assert version(CHECKOUT).partition("+")[0] == __version__.partition("+")[0]
