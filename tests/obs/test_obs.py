"""OBS of Debian's stable release reads the PipeWire camera through the desktop's portal, and records it."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest

from tests.support.pipewire_desktop import PATIENCE, Desktop, livebg_status, wait_until
from tests.support.quarters import MARK, QUARTERS, SIZE, quarters_camera
from tests.system.debian import Unavailable
from tests.system.stable import stable_root

_PACKAGES: Final = (
    "obs-studio", "obs-plugins", "libgl1-mesa-dri", "pipewire", "wireplumber", "dbus-user-session",
    "xdg-desktop-portal", "xdg-desktop-portal-gtk",
)  # fmt: skip
_TOOLS: Final = ("Xvfb", "pipewire", "wireplumber", "pw-dump", "dbus-daemon", "gdbus")
_ENTER: Final = """
for folder in proc sys dev tmp run; do mount --rbind /$folder "$0/$folder"; done
exec chroot "$0" "$@"
"""
"""The programs of a root see this machine's devices, sockets and temporary files. The mounts end with the program."""
_PORTAL: Final = {
    "/usr/libexec/xdg-permission-store": "org.freedesktop.impl.portal.PermissionStore",
    "/usr/libexec/xdg-desktop-portal-gtk": "org.freedesktop.impl.portal.desktop.gtk",
    "/usr/libexec/xdg-desktop-portal": "org.freedesktop.portal.Desktop",
}
"""The portal's programs in the order of their start, with their names on the session bus."""
_YUY2: Final = 4
_LOADING: Final = 120.0
_SETTINGS: Final = {
    "global.ini": """\
[General]
FirstRun=true
LastVersion=503447552
InfoIncrement=100
EnableAutoUpdates=false
[Basic]
Profile=Untitled
ProfileDir=Untitled
SceneCollection=Untitled
SceneCollectionFile=Untitled
""",
    "basic/profiles/Untitled/basic.ini": """\
[General]
Name=Untitled
[Output]
Mode=Simple
[SimpleOutput]
FilePath={folder}
RecFormat2=mkv
RecQuality=HQ
RecEncoder=x264
[Video]
BaseCX={width}
BaseCY={height}
OutputCX={width}
OutputCY={height}
FPSCommon=30
ColorSpace=601
ColorRange=Partial
""",
}
"""The files of OBS by their names: no first questions, and a recording of what the scene shows."""


def scenes() -> str:
    """A scene with livebg's camera in the format that OBS can use."""
    form = {"encoded": False, "video_format": _YUY2, "width": SIZE[0], "height": SIZE[1]}
    camera = {
        "name": "Camera",
        "id": "pipewire-camera-source",
        "versioned_id": "pipewire-camera-source",
        "enabled": True,
        "uuid": "11111111-1111-1111-1111-111111111111",
        "settings": {
            "device_id": "livebg",
            "pixelformat": _YUY2,
            "resolution": json.dumps({"width": SIZE[0], "height": SIZE[1]}),
            "format": json.dumps(form),
        },
    }
    origin, whole = {"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}
    item = {
        "name": "Camera",
        "source_uuid": camera["uuid"],
        "id": 1,
        "visible": True,
        "align": 5,
        "pos": origin,
        "scale": whole,
        "rot": 0.0,
        "bounds_type": 0,
        "bounds": origin,
    }
    scene = {
        "name": "Scene",
        "id": "scene",
        "versioned_id": "scene",
        "enabled": True,
        "uuid": "22222222-2222-2222-2222-222222222222",
        "settings": {"id_counter": 1, "custom_size": False, "items": [item]},
    }
    shown = {"current_scene": "Scene", "current_program_scene": "Scene", "scene_order": [{"name": "Scene"}]}
    return json.dumps({"name": "Untitled", **shown, "sources": [camera, scene], "groups": [], "transitions": []})


@pytest.fixture(scope="module")
def root() -> Path:
    """The root that OBS runs in."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid():
        pytest.skip(f"not installed: {', '.join(missing)}" if missing else "only root may enter another system's root")
    try:
        return stable_root("obs", _PACKAGES)
    except Unavailable as error:
        pytest.skip(f"no OBS: {error}")


class StableDesktop(Desktop):
    """A desktop with a screen, whose PipeWire, WirePlumber and portal are the root's."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._root = root
        super().__init__(folder, screen=True)

    def start(self) -> None:
        super().start()
        for program, name in _PORTAL.items():
            self.programs.append(self.run(program))
            wait_until(lambda name=name: owned(self, name), f"{name} is there", _LOADING)  # type: ignore[misc]

    def run(self, *command: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        inside = command[0] in ("pipewire", "wireplumber", "obs", *_PORTAL)
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


def entered(root: Path, *command: str) -> list[str]:
    """The command that runs one in a root."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _ENTER, str(root), *command]


def owned(desktop: Desktop, name: str) -> bool:
    """Whether a program has that name on the session bus."""
    asked = ("--dest", "org.freedesktop.DBus", "--object-path", "/org/freedesktop/DBus")
    command = ["gdbus", "call", "--session", *asked, "--method", "org.freedesktop.DBus.NameHasOwner", name]
    env = {**os.environ, **desktop.environment}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return "true" in done.stdout


def recorded(folder: Path) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """The pictures that OBS has recorded until now, red, green and blue."""
    for file in folder.glob("*.mkv"):
        if file.stat().st_size:
            with av.open(str(file)) as container:
                return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]
    return []


def shows_quarters(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    width, height = SIZE
    return all(np.allclose(picture[int(y * height), int(x * width)], color, atol=8) for (x, y), color in QUARTERS.items())


def test_obs_records_moving_camera_in_right_colors(desktop: Desktop) -> None:
    assert livebg_status(desktop)["state"] == "asleep"
    place = Path(desktop.environment["XDG_CONFIG_HOME"]) / "obs-studio"
    words = {"folder": str(desktop.folder), "width": SIZE[0], "height": SIZE[1]}
    files = {name: text.format(**words) for name, text in _SETTINGS.items()} | {"basic/scenes/Untitled.json": scenes()}
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    options = ("--startrecording", "--disable-shutdown-check", "--disable-updater", "--multi")
    variables = {"QT_QPA_PLATFORM": "xcb", "LIBGL_ALWAYS_SOFTWARE": "1"}
    obs = desktop.run("obs", *options, variables=variables)
    try:
        wait_until(lambda: livebg_status(desktop)["state"] == "live", "OBS uses the camera", _LOADING)
        wait_until(lambda: sum(map(shows_quarters, recorded(desktop.folder))) >= 20, "OBS has recorded it", _LOADING)
    except AssertionError as error:
        log = (desktop.folder / "unshare.log").read_text(errors="replace")
        raise AssertionError(f"{error}: {log[-4000:]}") from error
    finally:
        obs.kill()  # what it has recorded stays readable
        obs.wait(PATIENCE)
    seen = [picture for picture in recorded(desktop.folder) if shows_quarters(picture)]
    marks = {int(picture[int(MARK[1] * SIZE[1]), int(MARK[0] * SIZE[0]), 0]) for picture in seen}
    assert len(marks) >= 3, "the picture moves"
    wait_until(lambda: livebg_status(desktop)["state"] == "asleep", "the camera is free again")
