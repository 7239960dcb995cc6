"""Chromium and Firefox with the camera of a real `livebg run` through PipeWire and the desktop's portal."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from livebg.imaging.frame import BT601, ColorSpec, planes, rgb_to_i420
from tests.support.browsers import PROGRAMS, Browser
from tests.support.media import Clip, yuv_picture
from tests.support.pipewire_desktop import TOOLS, Desktop, Viewer, livebg_status, missing_tools, private_desktop, wait_until

_PORTAL = Path("/usr/share/dbus-1/services/org.freedesktop.impl.portal.desktop.gtk.service")
_MISSING = missing_tools((*TOOLS, "gdbus")) or (None if _PORTAL.is_file() else "xdg-desktop-portal-gtk is not installed")
pytestmark = [pytest.mark.pipewire, pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))]
SIZE = (640, 360)
QUARTERS = {(0.25, 0.3): (220, 20, 60), (0.75, 0.3): (240, 230, 140), (0.25, 0.75): (50, 205, 50), (0.75, 0.75): (238, 130, 238)}
MARK = (0.5, 0.05)
"""Where the picture changes from frame to frame."""
FRAMES = 12
LOADING = 60.0


def picture(number: int, width: int, height: int) -> av.VideoFrame:
    """Four quarters of one color each, and a strip at the top whose gray changes."""
    rgb = np.zeros((height, width, 3), np.uint8)
    for (x, y), colour in QUARTERS.items():
        rgb[height // 2 * (y > 0.5) :, width // 2 * (x > 0.5) :] = colour
    rgb[: height // 10] = 16 + number * 40 % 200
    return yuv_picture(planes(rgb_to_i420(rgb, ColorSpec(BT601, BT601, BT601))), "yuv420p")


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with pytest.MonkeyPatch.context() as patch, private_desktop(patch, screen=True) as desktop:
        for application in ("", "chromium", "org.chromium.Chromium", "firefox", "firefox-esr", "org.mozilla.firefox"):
            desktop.grant_camera(application)
        yield desktop


@pytest.fixture(scope="module")
def daemon(desktop: Desktop) -> Iterator[subprocess.Popen[bytes]]:
    clip = Clip(60, *SIZE, rate=Fraction(30), picture=picture, color=(BT601, BT601, BT601, 1), options={"crf": "1"})
    file = clip.write(desktop.folder / "clip.mp4")
    options = ("--camera", str(file), "--output", "pipewire", "--mode", "none")
    process = desktop.run(sys.executable, "-m", "livebg", "run", *options)
    wait_until(lambda: desktop.node("livebg") is not None, "the camera is there")
    yield process
    process.terminate()
    assert process.wait(30) == 0


def next_report(browser: Browser) -> dict[str, Any]:
    reported = browser.told(LOADING)
    assert "error" not in reported, reported
    return reported


def check(told: dict[str, Any]) -> None:
    assert told["label"] == "livebg"
    assert (told["width"], told["height"]) == SIZE
    assert len(told["frames"]) == FRAMES
    for *quarters, _ in (frame["pixels"] for frame in told["frames"]):
        np.testing.assert_allclose(quarters, list(QUARTERS.values()), atol=6)
    marks = [frame["pixels"][-1][0] for frame in told["frames"]]
    assert len(set(marks)) >= 3, "the picture moves"


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("name", PROGRAMS)
def test_browser_shows_moving_camera_in_right_colors(name: str, desktop: Desktop) -> None:
    if shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"{PROGRAMS[name]} is not installed")
    wait_until(lambda: livebg_status(desktop)["state"] == "asleep", "nobody looks yet, or any more")
    with Browser(name, desktop, "livebg", SIZE, [*QUARTERS, MARK], FRAMES) as browser:
        check(next_report(browser))
        assert next_report(browser) == {"stopped": True}


@pytest.mark.usefixtures("daemon")
def test_browser_and_viewer_share_camera(desktop: Desktop) -> None:
    name = next((name for name, program in PROGRAMS.items() if shutil.which(program)), None)
    if name is None:
        pytest.skip("no browser is installed")
    with Viewer(desktop, SIZE) as viewer:
        viewer.sees(5)
        with Browser(name, desktop, "livebg", SIZE, [*QUARTERS, MARK], FRAMES) as browser:
            check(next_report(browser))
            viewer.sees(5)
        viewer.sees(5)
