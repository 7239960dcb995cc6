"""livebg's PipeWire camera with a picture of known colors that moves."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Final

import av
import numpy as np

from livebg.imaging.frame import BT601, ColorSpec, planes, rgb_to_i420
from tests.support.media import Clip, yuv_picture
from tests.support.pipewire_desktop import Desktop
from tests.support.waiting import wait_until

SIZE: Final = (640, 360)
QUARTERS: Final = {
    (0.25, 0.3): (220, 20, 60),
    (0.75, 0.3): (240, 230, 140),
    (0.25, 0.75): (50, 205, 50),
    (0.75, 0.75): (238, 130, 238),
}
"""The color at each point, a share of width and height: red, green, blue."""
MARK: Final = (0.5, 0.05)
"""Where the picture changes from frame to frame."""


def quarters_picture(number: int, width: int, height: int) -> av.VideoFrame:
    """Four quarters of one color each, and a strip at the top whose gray changes."""
    rgb = np.zeros((height, width, 3), np.uint8)
    for (x, y), color in QUARTERS.items():
        rgb[height // 2 * (y > 0.5) :, width // 2 * (x > 0.5) :] = color
    rgb[: height // 10] = 16 + number * 40 % 200
    return yuv_picture(planes(rgb_to_i420(rgb, ColorSpec(BT601, BT601, BT601))), "yuv420p")


@contextmanager
def quarters_camera(desktop: Desktop) -> Iterator[subprocess.Popen[bytes]]:
    """A real ``livebg run`` that shows them through PipeWire."""
    clip = Clip(60, *SIZE, rate=Fraction(30), picture=quarters_picture, color=(BT601, BT601, BT601, 1), options={"crf": "1"})
    file = clip.write(desktop.folder / "clip.mp4")
    options = ("--camera", str(file), "--output", "pipewire", "--mode", "none")
    process = desktop.run(sys.executable, "-m", "livebg", "run", *options)
    wait_until(lambda: desktop.node("livebg") is not None, "the camera is there")
    yield process
    process.terminate()
    assert process.wait(30) == 0
