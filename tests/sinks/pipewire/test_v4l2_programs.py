"""Programs for V4L2 devices, here FFmpeg's, read the PipeWire camera through PipeWire's own ``pw-v4l2``."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.pipewire_desktop import (
    PATIENCE,
    TOOLS,
    Desktop,
    livebg_status,
    missing_tools,
    private_desktop,
)
from tests.support.quarters import MARK, QUARTERS, SIZE, quarters_camera
from tests.support.waiting import wait_until

DEVICE = "/dev/video0"
"""The first camera that pw-v4l2 offers. It must not exist: a real camera would have the name."""
_MISSING = missing_tools((*TOOLS, "pw-v4l2", "ffmpeg", "ffplay", "Xvfb")) or (
    f"{DEVICE} exists" if Path(DEVICE).exists() else None
)
pytestmark = [pytest.mark.pipewire, pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))]
Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """A desktop with a screen and the camera."""
    with pytest.MonkeyPatch.context() as patch, private_desktop(patch, screen=True) as desktop, quarters_camera(desktop):
        yield desktop


@pytest.fixture(autouse=True)
def _unwatched(desktop: Desktop) -> None:
    wait_until(lambda: livebg_status(desktop)["state"] == "asleep", "nobody looks yet, or any more")


def ffmpeg(desktop: Desktop, *command: str, size: tuple[int, int] = SIZE) -> Picture:
    """The pictures that a command writes to its standard output as rgb24, shape (count, height, width, 3)."""
    done = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        env={**os.environ, **desktop.environment}, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-600:]
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, size[1], size[0], 3)


def at(picture: Picture, x: float, y: float) -> list[int]:
    """The color at a point, given as shares of width and height."""
    return [int(value) for value in picture[int(y * picture.shape[0]), int(x * picture.shape[1])]]


def test_ffmpeg_receives_moving_pictures_in_right_colors(desktop: Desktop) -> None:
    pictures = ffmpeg(desktop, "pw-v4l2", "ffmpeg", "-loglevel", "error", "-f", "v4l2", "-i", DEVICE, "-frames:v", "40")
    shown = pictures[-12:]  # the first ones may be the placeholder
    for picture in shown:
        for point, color in QUARTERS.items():
            np.testing.assert_allclose(at(picture, *point), color, atol=6)
    assert len({at(picture, *MARK)[0] for picture in shown}) >= 3, "the picture moves"


def test_ffplay_shows_moving_pictures_in_right_colors(desktop: Desktop) -> None:
    """On the screen."""
    options = ("-loglevel", "error", "-an", "-noborder", "-left", "0", "-top", "0", "-f", "v4l2")
    player = desktop.run("pw-v4l2", "ffplay", *options, DEVICE, variables={"SDL_AUDIODRIVER": "dummy"})

    def screen() -> Picture:
        grab = (
            "-f",
            "x11grab",
            "-draw_mouse",
            "0",
            "-video_size",
            f"{SIZE[0]}x{SIZE[1]}",
            "-i",
            desktop.environment["DISPLAY"],
            "-frames:v",
            "1",
        )
        pictures = ffmpeg(desktop, "ffmpeg", "-nostdin", "-loglevel", "error", *grab)
        return pictures.reshape(pictures.shape[1:])

    def shows_quarters() -> bool:
        assert player.poll() is None, (desktop.folder / "pw-v4l2.log").read_text()[-600:]
        picture = screen()
        return all(np.allclose(at(picture, *point), color, atol=8) for point, color in QUARTERS.items())

    try:
        wait_until(shows_quarters, "ffplay shows the picture")
        marks: set[int] = set()

        def moves() -> bool:
            marks.add(at(screen(), *MARK)[0])
            return len(marks) >= 3

        wait_until(moves, "the picture moves")
        assert livebg_status(desktop)["state"] == "live"
    finally:
        player.terminate()
        player.wait(PATIENCE)
