"""The steps of the release that need nothing of GitHub, in a small clone: the version and the names of what is published."""

import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
GIT = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "dpkg", "git", "sha256sum"))), reason="bash, dpkg, git or sha256sum is not installed"
)


class Clone:
    """A clone with the scripts of this one, at the tag of a release. Its commands come from this machine and from stubs."""

    def __init__(self, folder: Path, tag: str, version: str) -> None:
        self.folder, self._tag = folder / "clone", tag
        self._stubs = folder / "stubs"
        self._stubs.mkdir()
        for name in (".ci/version.py", ".github/packaging/build-in-root", ".github/packaging/release_notes.py"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        (self.folder / "livebg").mkdir()
        (self.folder / "livebg" / "_version.py").write_text(f'__version__ = "{version}"\n')
        (self.folder / ".github" / "CHANGELOG.md").write_text(f"## {tag.removeprefix('v')}\n\n- New.\n")
        for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "feat: begin"), ("tag", tag)):
            subprocess.run((*GIT, *command), cwd=self.folder, check=True)

    def stub(self, name: str, script: str = "") -> None:
        (self._stubs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self._stubs / name).chmod(0o755)

    def run(self, *command: str) -> int:
        path = f"{self._stubs}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "GITHUB_REF_NAME": self._tag}
        return subprocess.run(command, cwd=self.folder, env=environment, check=False).returncode

    def step(self, name: str) -> int:
        """Run a step of the workflow as GitHub does."""
        text = WORKFLOW.read_text("utf-8").partition(f"- name: {name}\n")[2].partition("- name: ")[0]
        script = re.search(r"^( +)run: \|\n((?:\1  .*\n)+)", text, re.MULTILINE)
        assert script, f"{name} has no script of several lines"
        return self.run("bash", "-e", "-c", textwrap.dedent(script[2]))

    def debian_version(self, suite: str) -> str:
        """The version of the package, without building it."""
        (self.folder / "debian").mkdir(exist_ok=True)
        self.stub("dpkg-buildpackage")
        self.stub("lintian")
        assert self.run("sh", ".github/packaging/build-in-root", suite, "build") == 0
        found = re.match(r"livebg \((.+)\) ", (self.folder / "debian" / "changelog").read_text())
        assert found
        return found[1]


@pytest.mark.parametrize(("version", "passes"), [("0.2.0", True), ("0.1.0", False)])
def test_release_needs_version_of_tag(tmp_path: Path, version: str, passes: bool) -> None:
    """Builds of later commits and archives without git have the version in the file."""
    assert (Clone(tmp_path, "v0.2.0", version).step("Check that the tag is the version") == 0) == passes


@pytest.mark.parametrize(("tag", "is_candidate"), [("v0.2.0", False), ("v0.2.0rc1", True)])
def test_published_files_have_names_that_github_keeps(tmp_path: Path, tag: str, is_candidate: bool) -> None:
    """GitHub replaces a tilde in a name by a dot, and the checksums name the files that users download."""
    clone = Clone(tmp_path, tag, tag.removeprefix("v"))
    clone.stub("gh", 'for word; do echo "$word"; done > arguments')
    (clone.folder / "dist").mkdir()
    for name in ("livebg_0.2.0~deb12_amd64.deb", "livebg-0.2.0.tar.gz"):
        (clone.folder / "dist" / name).write_text(name)
    assert clone.step("Create the release") == 0
    arguments = (clone.folder / "arguments").read_text().splitlines()
    published = {word.removeprefix("dist/") for word in arguments if word.startswith("dist/")}
    assert published == {"livebg_0.2.0.deb12_amd64.deb", "livebg-0.2.0.tar.gz", "SHA256SUMS"}
    sums = (clone.folder / "dist" / "SHA256SUMS").read_text().splitlines()
    assert {line.split()[1] for line in sums} == published - {"SHA256SUMS"}
    assert ("--prerelease" in arguments) == is_candidate


@pytest.mark.parametrize(("suite", "ending"), [("bookworm", "deb12"), ("trixie", "deb13"), ("noble", "noble")])
def test_package_of_release_upgrades_that_of_candidate(tmp_path: Path, suite: str, ending: str) -> None:
    versions = []
    for tag in ("v0.2.0rc1", "v0.2.0"):
        (tmp_path / tag).mkdir()
        versions.append(Clone(tmp_path / tag, tag, tag.removeprefix("v")).debian_version(suite))
    assert versions[1] == f"0.2.0~{ending}"
    for earlier, later in (("0.1.0+g123456789abc~deb12", versions[0]), versions):
        assert subprocess.run(("dpkg", "--compare-versions", earlier, "lt", later), check=False).returncode == 0
