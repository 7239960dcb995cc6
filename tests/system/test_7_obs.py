"""OBS reads the device and records what it shows."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.support.obs import OPTIONS, VARIABLES, ObsVideo, obs_files, recorded
from tests.system.call import NODE, SIZE, Call
from tests.system.debian import Unavailable
from tests.system.desktop import screen
from tests.system.guest import Program
from tests.system.pictures import PictureClassifier
from tests.system.stable import entered, obs_root

_CONFIG: Final = "/run/home/obs"
_VIDEO: Final = ObsVideo(SIZE, 10, "709", preview=False)
"""OBS converts the pictures of any device as BT.709. It records with the same matrix, so they have the same bytes again."""
_FEW: Final = 20


@pytest.fixture(scope="module")
def root(call: Call) -> Path:
    """The root that OBS runs in."""
    if call.guest.parts.root is None:
        pytest.skip("OBS runs with the kernel of its own Debian; see LIVEBG_SYSTEM_KERNEL")
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    try:
        return obs_root()
    except Unavailable as error:
        pytest.skip(f"no OBS: {error}")


def test_obs_records_composites(call: Call, root: Path) -> None:
    """It asks for the camera without any format, and gets the device's."""
    call.running()
    call.becomes("asleep")
    folder = call.guest.share / "obs"
    folder.mkdir()
    with recording(call, root, folder) as obs:
        call.guest.wait_for("composites in OBS", lambda: kinds(folder)["composite"] >= _FEW, alive=obs)
    assert "leak" not in kinds(folder)
    call.becomes("asleep")
    call.guest.wait_for("the camera is free", lambda: not call.camera_is_open())


@contextmanager
def recording(call: Call, root: Path, folder: Path) -> Iterator[Program]:
    """OBS with the device as its only camera, recording into a folder of the share."""
    files = obs_files(f"/run/share/{folder.name}", _VIDEO, "v4l2_input", {"device_id": NODE})
    for name, text in files.items():
        call.guest.call("write", path=f"{_CONFIG}/obs-studio/{name}", text=text)
    with screen(call.guest, 800, 600) as display:
        variables = {**VARIABLES, "DISPLAY": display, "XDG_CONFIG_HOME": _CONFIG}
        command = ("env", *(f"{name}={value}" for name, value in variables.items()), "obs", *OPTIONS)
        with call.guest.background(*entered(root, *command)) as obs:
            yield obs


def kinds(folder: Path) -> Counter[str]:
    """How many frames of each kind OBS has recorded; black ones come before its first picture."""
    classifier = PictureClassifier(*SIZE)
    frames = [np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8).ravel() for frame in recorded(folder)]
    return Counter("black" if frame[: SIZE[0] * SIZE[1]].max() <= 16 else classifier.kind(frame) for frame in frames)
