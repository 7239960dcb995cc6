"""Files that are not what their names say, and files that cannot be read."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.media import write_sound


def text(path: Path) -> None:
    path.write_text("this is no video, and no photo either\n" * 100)


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(7).bytes(20_000))


def empty(path: Path) -> None:
    path.touch()


def photo_by_name_only(path: Path) -> None:
    write_sound(path.with_suffix(".m4a"), "aac").rename(path)


def without_root_rights() -> tuple[str, ...]:
    """Return a command prefix that drops root's right to read and write every file."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root can read and write everything, and setpriv is missing")
    return ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
