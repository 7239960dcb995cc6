"""Generates short clips in every format that ffmpeg can write: ``python -m tests.sweep_clips FOLDER``, for ``tests.sweep``.

One clip per muxer with its default codecs, and one per video and audio encoder in Matroska.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PICTURE: Final = ("-f", "lavfi", "-t", "1", "-i", "testsrc2=size=128x96:rate=25")
_SOUND: Final = ("-f", "lavfi", "-t", "1", "-i", "sine=frequency=440:sample_rate=48000")
_TIMEOUT_S: Final = 20.0
_NO_FILE: Final = frozenset(
    {"rtp", "rtsp", "hds", "sap", "tee", "null", "fifo", "rtp_mpegts", "segment", "stream_segment,ssegment", "hls", "dash"}
)
"""Muxers that write to the network, to other muxers or to many files."""


def generate(folder: Path) -> int:
    """Write the clips that ffmpeg can make to ``folder``. Returns their number."""
    folder.mkdir(parents=True, exist_ok=True)
    return sum(_written(path, options) for path, options in _plan(folder))


def _plan(folder: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for muxer in _listed("-muxers", flag=1, letter="E"):
        if muxer not in _NO_FILE:
            name = muxer.partition(",")[0]
            yield folder / f"muxer_{name}.{_suffix(name)}", (*_PICTURE, *_SOUND, "-f", name)
    for encoder in _listed("-encoders", flag=0, letter="V"):
        yield folder / f"video_{encoder}.mkv", (*_PICTURE, "-c:v", encoder, "-strict", "experimental", "-f", "matroska")
    for encoder in _listed("-encoders", flag=0, letter="A"):
        yield (
            folder / f"audio_{encoder}.mkv",
            (*_PICTURE, *_SOUND, "-c:v", "mpeg4", "-c:a", encoder, "-strict", "experimental", "-f", "matroska"),
        )


def _suffix(muxer: str) -> str:
    """Returns the usual file suffix of a muxer, or its name."""
    lines = _output("-h", f"muxer={muxer}").splitlines()
    found = next((line.partition(":")[2].strip(" .") for line in lines if "Common extensions" in line), "")
    return found.partition(",")[0] or muxer


def _listed(option: str, flag: int, letter: str) -> list[str]:
    """Returns the names in a list of ffmpeg's whose flags have ``letter`` at position ``flag``."""
    rows = _output(option).splitlines()
    start = next(number for number, row in enumerate(rows) if row.strip().startswith("--"))
    return [row.split()[1] for row in rows[start + 1 :] if row[1 + flag : 2 + flag] == letter]


def _output(*options: str) -> str:
    return subprocess.run(("ffmpeg", "-hide_banner", *options), capture_output=True, text=True, check=False).stdout


def _written(path: Path, options: tuple[str, ...]) -> bool:
    command = ("ffmpeg", "-v", "error", "-nostdin", "-y", *options, str(path))
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        done = None
    good = done is not None and done.returncode == 0 and path.is_file() and path.stat().st_size > 0
    if path.is_dir():
        shutil.rmtree(path)
    elif not good:
        path.unlink(missing_ok=True)
    return good


if __name__ == "__main__":
    sys.stdout.write(f"{generate(Path(sys.argv[1]))} clips\n")
