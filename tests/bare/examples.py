"""The examples of the README and the help topics, grouped by what a bare machine can do with them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bare.material import BEACH, FACE, FRAMES, ROOM, difference, fineness
from tests.bare.readme import all_livebg_lines, livebg_lines
from tests.support.decoding import luma_of, pictures_of, rgb_of

_FILES = livebg_lines("files")
RENDERED = [line for line in dict.fromkeys(_FILES) if line.startswith("livebg render")]
KEEPING = next(line for line in RENDERED if "-o blurred.mp4" in line)
SCORED = [line for line in all_livebg_lines() if line.startswith("livebg score")]
LIVE_RUN = "livebg run --camera talk.mp4 --output null"
STOP = "livebg stop"
_STEERING = ("off", "on", "toggle", "pause", "resume", "mode", "background", "set", "reload", "snapshot")
_STEERED = [line for line in all_livebg_lines() if line.split()[1] in _STEERING]
STEERED = sorted(_STEERED, key=lambda line: "--toggle" not in line)
"""Those that toggle a state come before those that set it, so that the others find a known one."""
BY_ITSELF = ("livebg devices", "livebg doctor", "livebg setup --dry-run", "livebg models pull")
"""Commands with a test of their own."""
REFUSALS = {
    "livebg run": (4,),  # there is no virtual camera
    "livebg setup": (2, 7),  # nothing to undo; neither v4l2loopback nor PipeWire
    "livebg stop": (6,),
    "livebg status": (6,),
    "livebg tray": (8,),
    "livebg window": (8,),
    "livebg preview": (8,),
    "livebg camera": (3,),  # there is no camera
}
"""Commands that cannot work on a bare machine, by their first words, with the exit codes that say so."""
_OTHERS = {*RENDERED, *SCORED, *STEERED, LIVE_RUN}
REFUSED = [line for line in all_livebg_lines() if line not in _OTHERS and not line.startswith(BY_ITSELF)]
KEPT = 3.0
"""Levels by which an encoder may change livebg's pictures."""


def script_of(line: str) -> str:
    """A line of :data:`RENDERED`, after the one that writes the matte that it reads."""
    return f"{KEEPING} && {line}" if "--matte" in line else line


def check_rendered(line: str, folder: Path) -> None:
    """Check the output in ``folder`` of a line of :data:`RENDERED`: the person is visible, the room has changed."""
    if "holiday/" in line:
        check_blur(folder / "rendered" / "boat.portrait.mkv", folder / "holiday" / "boat.mkv", 3)
        assert (folder / "rendered" / "first day" / "me.portrait.png").is_file()
    elif "me.jpg" in line:
        _check_cutout(_rgba(folder / "me.cutout.png"))
    elif "--mode cutout" in line:
        _check_cutout(_rgba(folder / "talk.cutout.mov"))
    elif "--mode matte" in line:
        mattes = [luma_of(picture) for picture in pictures_of(folder / "matte.mkv")]
        assert len(mattes) == FRAMES
        assert mattes[20][FACE].mean() > 250
        assert mattes[20][ROOM].mean() < 5
    elif "--mode greenscreen" in line:
        _check_colour(folder, "greenscreen", (0, 255, 0))
    elif "beach.jpg" in line:
        _check_colour(folder, "background", BEACH)
    elif "waves.mp4" in line:
        _check_colour(folder, "background", tuple(rgb_of(folder / "waves.mp4")[0][0, 0]))
    elif line == KEEPING:
        check_blur(folder / "blurred.mp4", folder / "talk.mp4", FRAMES)
        assert (folder / "blurred.matte.mkv").is_file()
    else:
        count, begin = (10, 30) if "--start 1:30 --end 2:00" in line else (FRAMES, 0)
        check_blur(folder / "talk.portrait.mp4", folder / "talk.mp4", count, begin)


def check_blur(rendered: Path, talk: Path, count: int, begin: int = 0) -> None:
    pictures, originals = rgb_of(rendered), rgb_of(talk)[begin : begin + count]
    assert len(pictures) == len(originals) == count
    for picture, original in zip(pictures, originals, strict=True):
        assert difference(picture[FACE], original[FACE]) < KEPT
        assert fineness(picture[ROOM]) < 0.5 * fineness(original[ROOM])


def _check_colour(folder: Path, mode: str, colour: tuple[int, int, int]) -> None:
    pictures, originals = rgb_of(folder / f"talk.{mode}.mp4"), rgb_of(folder / "talk.mp4")
    assert len(pictures) == len(originals) == FRAMES
    for picture, original in zip(pictures, originals, strict=True):
        assert difference(picture[FACE], original[FACE]) < KEPT
        assert np.abs(picture[ROOM].mean((0, 1)) - colour).max() < 5 * KEPT


def _check_cutout(pixels: NDArray[np.uint8]) -> None:
    assert pixels[FACE][..., 3].mean() > 250
    assert pixels[ROOM][..., 3].mean() < 5


def _rgba(path: Path) -> NDArray[np.uint8]:
    """The picture, or the video's last but one, with its alpha."""
    picture = pictures_of(path)[:20][-1]
    return np.asarray(picture.to_ndarray(format="rgba"), np.uint8)
