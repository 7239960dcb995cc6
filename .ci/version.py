"""The version of a build: that of the tag of the commit, or the last release and the commit, such as ``0.1.0+g1a2b3c4d5e6f``.

It depends on the commit alone, so a shallow clone builds the same version as a full one. Where git cannot read the commit, for
example in an unpacked archive of the sources, it is that of ``livebg/_version.py``. A source distribution has its version in
PKG-INFO, which hatchling reads instead.
"""

import re
import runpy
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_TAG: Final = re.compile(r"v(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")
_COMMIT_DIGITS: Final = 12
"""Always the same number, because git abbreviates to as few as are unique in a clone."""


def version(root: Path = ROOT) -> str:
    """Return the version of the sources in ``root``, as in PEP 440."""
    release = str(runpy.run_path(str(root / "livebg" / "_version.py"))["__version__"])
    if not (root / ".git").exists():  # a file in a worktree; a repository around this folder has other commits
        return release
    try:
        commit = _git(root, "rev-parse", "HEAD")[:_COMMIT_DIGITS]
        tags = [found[1] for found in map(_TAG.fullmatch, _git(root, "tag", "--points-at", "HEAD").split()) if found]
    except (OSError, subprocess.CalledProcessError):  # no git, or a clone of another user
        return release
    return max(tags, key=_order) if tags else f"{release}+g{commit}"


def _order(tag: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", tag)]


def _git(root: Path, *command: str) -> str:
    return subprocess.run(("git", "-C", str(root), *command), capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    print(version())  # noqa: T201
