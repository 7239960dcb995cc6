"""OBS of Debian's stable release reads the PipeWire camera through the desktop's portal, and records it."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.support.obs import OPTIONS, VARIABLES, ObsVideo, obs_files, recorded
from tests.support.pipewire_desktop import PATIENCE, Desktop, livebg_status
from tests.support.quarters import MARK, QUARTERS, SIZE, quarters_camera
from tests.support.waiting import wait_until
from tests.system.debian import Unavailable
from tests.system.portal import PORTAL
from tests.system.stable import entered, obs_root

_TOOLS: Final = ("Xvfb", "pipewire", "wireplumber", "pw-dump", "dbus-daemon", "gdbus")
_YUY2: Final = 4
_CAMERA: Final = {
    "device_id": "livebg",
    "pixelformat": _YUY2,
    "resolution": json.dumps({"width": SIZE[0], "height": SIZE[1]}),
    "format": json.dumps({"encoded": False, "video_format": _YUY2, "width": SIZE[0], "height": SIZE[1]}),
}
"""The settings of OBS's source: livebg's camera in the format that OBS can use."""
_LOADING: Final = 120.0


@pytest.fixture(scope="module")
def root() -> Path:
    """The root that OBS runs in."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid():
        pytest.skip(f"not installed: {', '.join(missing)}" if missing else "only root may enter another system's root")
    try:
        return obs_root()
    except Unavailable as error:
        pytest.skip(f"no OBS: {error}")


class StableDesktop(Desktop):
    """A desktop with a screen, whose PipeWire, WirePlumber and portal are the root's."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._root = root
        super().__init__(folder, screen=True)

    def start(self) -> None:
        super().start()
        for program, name in PORTAL.items():
            self.programs.append(self.run(program))
            wait_until(lambda name=name: owned(self, name), f"{name} is there", _LOADING)  # type: ignore[misc]

    def run(self, *command: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        inside = command[0] in ("pipewire", "wireplumber", "obs", *PORTAL)
        return super().run(*(entered(self._root, *command) if inside else command), variables=variables)


@pytest.fixture
def desktop(root: Path) -> Iterator[Desktop]:
    """Such a desktop with livebg's camera, which OBS may use."""
    with tempfile.TemporaryDirectory(prefix="livebg-", ignore_cleanup_errors=True) as folder:
        desktop = StableDesktop(Path(folder), root)
        try:
            for application in ("", "com.obsproject.Studio"):
                desktop.grant_camera(application)
            with quarters_camera(desktop):
                yield desktop
        finally:
            desktop.close()


def owned(desktop: Desktop, name: str) -> bool:
    """Whether a program has that name on the session bus."""
    asked = ("--dest", "org.freedesktop.DBus", "--object-path", "/org/freedesktop/DBus")
    command = ["gdbus", "call", "--session", *asked, "--method", "org.freedesktop.DBus.NameHasOwner", name]
    env = {**os.environ, **desktop.environment}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return "true" in done.stdout


def pictures(folder: Path) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """The pictures that OBS has recorded until now, red, green and blue."""
    return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in recorded(folder)]


def shows_quarters(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    width, height = SIZE
    return all(np.allclose(picture[int(y * height), int(x * width)], color, atol=8) for (x, y), color in QUARTERS.items())


def test_obs_records_moving_camera_in_right_colors(desktop: Desktop) -> None:
    assert livebg_status(desktop)["state"] == "asleep"
    place = Path(desktop.environment["XDG_CONFIG_HOME"]) / "obs-studio"
    video = ObsVideo(SIZE, 30, "601")
    for name, text in obs_files(str(desktop.folder), video, "pipewire-camera-source", _CAMERA).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    obs = desktop.run("obs", *OPTIONS, variables=VARIABLES)
    try:
        wait_until(lambda: livebg_status(desktop)["state"] == "live", "OBS uses the camera", timeout=_LOADING)
        wait_until(lambda: sum(map(shows_quarters, pictures(desktop.folder))) >= 20, "OBS has recorded it", timeout=_LOADING)
    except AssertionError as error:
        log = (desktop.folder / "unshare.log").read_text(errors="replace")
        raise AssertionError(f"{error}: {log[-4000:]}") from error
    finally:
        obs.kill()  # what it has recorded stays readable
        obs.wait(PATIENCE)
    seen = [picture for picture in pictures(desktop.folder) if shows_quarters(picture)]
    marks = {int(picture[int(MARK[1] * SIZE[1]), int(MARK[0] * SIZE[0]), 0]) for picture in seen}
    assert len(marks) >= 3, "the picture moves"
    wait_until(lambda: livebg_status(desktop)["state"] == "asleep", "the camera is free again")
