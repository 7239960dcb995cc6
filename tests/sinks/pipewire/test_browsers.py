"""Chromium and Firefox with the camera of a real `livebg run` through PipeWire and the desktop's portal."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.browsers import PROGRAMS, Browser
from tests.support.pipewire_desktop import TOOLS, Desktop, Viewer, livebg_status, missing_tools, private_desktop
from tests.support.quarters import MARK, QUARTERS, SIZE, quarters_camera
from tests.support.waiting import wait_until

_PORTAL = Path("/usr/share/dbus-1/services/org.freedesktop.impl.portal.desktop.gtk.service")
_MISSING = missing_tools((*TOOLS, "gdbus")) or (None if _PORTAL.is_file() else "xdg-desktop-portal-gtk is not installed")
pytestmark = [pytest.mark.pipewire, pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))]
FRAMES = 12
LOADING = 60.0


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with pytest.MonkeyPatch.context() as patch, private_desktop(patch, screen=True) as desktop:
        for application in ("", "chromium", "org.chromium.Chromium", "firefox", "firefox-esr", "org.mozilla.firefox"):
            desktop.grant_camera(application)
        yield desktop


@pytest.fixture(scope="module")
def daemon(desktop: Desktop) -> Iterator[subprocess.Popen[bytes]]:
    with quarters_camera(desktop) as process:
        yield process


def next_report(browser: Browser) -> dict[str, Any]:
    reported = browser.posted(LOADING)
    assert "error" not in reported, reported
    return reported


def check(posted: dict[str, Any]) -> None:
    assert posted["label"] == "livebg"
    assert (posted["width"], posted["height"]) == SIZE
    assert len(posted["frames"]) == FRAMES
    for *quarters, _ in (frame["pixels"] for frame in posted["frames"]):
        np.testing.assert_allclose(quarters, list(QUARTERS.values()), atol=6)
    marks = [frame["pixels"][-1][0] for frame in posted["frames"]]
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
