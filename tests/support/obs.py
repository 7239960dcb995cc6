"""OBS without a person: the files of a profile and a scene with one camera, and what it has recorded."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import av

OPTIONS: Final = ("--startrecording", "--disable-shutdown-check", "--disable-updater", "--multi")
VARIABLES: Final = {"QT_QPA_PLATFORM": "xcb", "LIBGL_ALWAYS_SOFTWARE": "1"}
"""OBS's environment on a screen without a GPU."""
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
[BasicWindow]
PreviewEnabled={preview}
""",
    "basic/profiles/Untitled/basic.ini": """\
[General]
Name=Untitled
[Output]
Mode=Simple
[SimpleOutput]
FilePath={folder}
RecQuality=Lossless
[Video]
BaseCX={width}
BaseCY={height}
OutputCX={width}
OutputCY={height}
FPSCommon={rate}
ColorSpace={matrix}
ColorRange=Partial
""",
}
"""The files of OBS by their names: no first questions, and a lossless recording of what the scene shows."""


@dataclass(frozen=True, slots=True)
class ObsVideo:
    """What OBS records: the size, the frames per second, one of those that its menu has, and the matrix of YUV."""

    size: tuple[int, int]
    rate: Literal[10, 30]
    matrix: Literal["601", "709"]
    preview: bool = True
    """Whether the window shows the scene as well."""


def obs_files(folder: str, video: ObsVideo, source: str, camera: Mapping[str, Any]) -> dict[str, str]:
    """The text of each file below OBS's configuration folder.

    ``folder`` is where it records to. ``source`` is the type of its camera source, with the settings ``camera``.
    """
    width, height = video.size
    words = {"folder": folder, "width": width, "height": height, "rate": video.rate, "matrix": video.matrix}
    words["preview"] = str(video.preview).lower()
    files = {name: text.format(**words) for name, text in _SETTINGS.items()}
    return files | {"basic/scenes/Untitled.json": _scenes(source, camera)}


def recorded(folder: Path) -> list[av.VideoFrame]:
    """The frames that OBS has recorded until now."""
    frames: list[av.VideoFrame] = []
    for file in folder.glob("*.avi"):
        with suppress(av.error.InvalidDataError), av.open(str(file)) as container:  # OBS is still writing the end
            frames.extend(container.decode(video=0))
    return frames


def _scenes(source: str, settings: Mapping[str, Any]) -> str:
    """A scene that shows one camera."""
    camera = {
        "name": "Camera",
        "id": source,
        "versioned_id": source,
        "enabled": True,
        "uuid": "11111111-1111-1111-1111-111111111111",
        "settings": dict(settings),
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
