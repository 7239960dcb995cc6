"""A disk that is nearly full, and the manifest of a job."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.rendering.manifest import Manifest
from tests.support.render_jobs import make_manifest


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs permission to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return make_manifest(tmp_path / "talk.mp4")
