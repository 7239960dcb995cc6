"""Files that are not what their names say."""

from pathlib import Path

import numpy as np

from tests.media import write_sound


def text(path: Path) -> None:
    path.write_text("this is no video, and no photo either\n" * 100)


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(7).bytes(20_000))


def empty(path: Path) -> None:
    path.touch()


def photo_by_name_only(path: Path) -> None:
    write_sound(path.with_suffix(".m4a"), "aac").rename(path)
