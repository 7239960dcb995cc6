"""Renders every file below a folder and verifies the outputs with ffprobe: ``python -m tests.sweep FOLDER [--mode none]``.

Prints a line for each file that was not rendered, and a count of each outcome. The exit code is 1 if livebg failed on a file with
an internal error, hung, left files behind, changed an input, or wrote an output that differs from its input in frame count,
timestamps, sound or orientation. ``python -m tests.sweep_clips FOLDER`` generates clips of many formats to sweep.
"""

import argparse
import enum
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from livebg.errors import LivebgError
from livebg.sources.media_types import PHOTO_SUFFIXES

Gray = NDArray[np.float64]

RENDER_TIMEOUT_S: Final = 60.0
_PROBE_TIMEOUT_S: Final = 120.0
_THUMBNAIL: Final = 24
_TIMESTAMP_TOLERANCE_S: Final = 0.0025
"""Matroska stores whole milliseconds."""
_SOUND_TOLERANCE_S: Final = 0.15
_SOUND_RATE: Final = 8_000
_TURN_MARGIN: Final = 0.02
"""A rotated or mirrored thumbnail must correlate better than the upright one by this much to count as a wrong orientation."""
_REFUSED: Final = frozenset(each.exit_code for each in LivebgError.__subclasses__()) | {2}


class Outcome(enum.StrEnum):
    """What became of a file. The last three are failures of livebg."""

    OK = "ok"
    REFUSED = "refused"
    INTERNAL_ERROR = "internal error"
    HANG = "hang"
    DIFFERS = "differs"


FAILURES: Final = frozenset({Outcome.INTERNAL_ERROR, Outcome.HANG, Outcome.DIFFERS})


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for a file, with the reason or livebg's message."""

    file: Path
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Video:
    """What must not change: timestamps in seconds from the first frame, mono sound of each stream, and an upright thumbnail."""

    times: NDArray[np.float64]
    sounds: tuple[NDArray[np.int16], ...]
    thumbnail: Gray


def sweep(folder: Path, mode: str, jobs: int = 1) -> Iterator[Result]:
    """Render every file below ``folder`` with ``mode`` in ``jobs`` processes and yield the results in order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda file: check(file, mode), files)


def check(file: Path, mode: str) -> Result:
    """Render one file in a separate process, to an empty folder, and verify what it wrote."""
    before = _digest(file)
    with tempfile.TemporaryDirectory(prefix="livebg-sweep-") as folder:
        command = [sys.executable, "-m", "livebg", "render", str(file), "-o", folder, "--mode", mode, "--quiet"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=RENDER_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return Result(file, Outcome.HANG, f"no result after {RENDER_TIMEOUT_S:.0f} s")
        written = sorted(Path(folder).rglob("*"))
        if _digest(file) != before:
            return Result(file, Outcome.DIFFERS, "the input was changed")
        if done.returncode == 0:
            return _verify(file, written)
        return _refusal(file, done, written)


def _refusal(file: Path, done: "subprocess.CompletedProcess[str]", written: Sequence[Path]) -> Result:
    lines = done.stderr.strip().splitlines()
    if done.returncode not in _REFUSED or len(lines) != 1 or "internal error" in done.stderr:
        return Result(file, Outcome.INTERNAL_ERROR, f"exit code {done.returncode}: {lines[-1] if lines else 'no message'}")
    if written or done.stdout:
        return Result(file, Outcome.DIFFERS, f"refused, but left {', '.join(path.name for path in written) or 'output'}")
    return Result(file, Outcome.REFUSED, lines[0])


def _verify(file: Path, written: Sequence[Path]) -> Result:
    if len(written) != 1:
        return Result(file, Outcome.DIFFERS, f"{len(written)} files written: {', '.join(path.name for path in written)}")
    is_photo = file.suffix.lower() in PHOTO_SUFFIXES
    problems = list(photo_differences(file, written[0]) if is_photo else video_differences(file, written[0]))
    return Result(file, Outcome.DIFFERS, "; ".join(problems)) if problems else Result(file, Outcome.OK)


def photo_differences(file: Path, output: Path) -> Iterator[str]:
    """Yield what differs in size or orientation between two photos."""
    try:
        with Image.open(file) as before, Image.open(output) as after:
            upright, result = ImageOps.exif_transpose(before), ImageOps.exif_transpose(after)
            if upright.size != result.size:
                yield f"size {result.size}, expected {upright.size}"
            yield from _turned(_photo_thumbnail(upright), _photo_thumbnail(result))
    except OSError as error:
        if file.suffix.lower() not in {".heic", ".heif", ".avif", ".jxl"}:
            yield f"cannot be compared: {error}"


def _photo_thumbnail(image: Image.Image) -> Gray:
    if image.has_transparency_data:  # livebg shows black behind transparent pixels
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    return np.asarray(image.convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX), np.float64)


def video_differences(file: Path, output: Path) -> Iterator[str]:
    """Yield what differs in frame count, timestamps, sound or orientation between two videos."""
    before, after = _probe(file), _probe(output)
    if after is None:
        yield "ffprobe cannot read the output"
        return
    if before is None:
        return
    if len(before.times) != len(after.times):
        yield f"{len(after.times)} frames, expected {len(before.times)}"
    elif len(before.times) and np.abs(before.times - after.times).max() > _TIMESTAMP_TOLERANCE_S:
        worst = int(np.abs(before.times - after.times).argmax())
        yield f"frame {worst} at {after.times[worst]:.4f} s, expected {before.times[worst]:.4f} s"
    yield from _sound_differences(before.sounds, after.sounds)
    yield from _turned(before.thumbnail, after.thumbnail)


def _sound_differences(before: Sequence[NDArray[np.int16]], after: Sequence[NDArray[np.int16]]) -> Iterator[str]:
    if len(before) != len(after):
        yield f"{len(after)} sound streams, expected {len(before)}"
        return
    for number, (first, second) in enumerate(zip(before, after, strict=True)):
        seconds = (len(second) - len(first)) / _SOUND_RATE
        if abs(seconds) > _SOUND_TOLERANCE_S:
            yield f"sound {number} is {seconds:+.2f} s longer"
        elif bool(np.abs(first).max(initial=0) > 200) != bool(np.abs(second).max(initial=0) > 200):
            yield f"sound {number} is silent in one of the files"


def _turned(before: Gray, after: Gray) -> Iterator[str]:
    """Yield a problem if the output resembles a rotated or mirrored input more than the upright one."""
    turns = {
        f"{'mirrored and ' * flip}rotated by {90 * k}": np.rot90(np.fliplr(before) if flip else before, k)
        for flip in (False, True)
        for k in range(4)
    }
    scores = {name: _correlation(turned, after) for name, turned in turns.items()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] > scores["rotated by 0"] + _TURN_MARGIN:
        yield f"the picture is {best} degrees"


def _correlation(first: Gray, second: Gray) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 1e-6 else 0.0


def _probe(file: Path) -> Video | None:
    """Returns what ffprobe and ffmpeg see in a video, or None if they cannot read it."""
    facts = _json("ffprobe", "-v", "error", "-show_streams", "-of", "json", str(file))
    streams = facts.get("streams", [])
    videos = [each for each in streams if each.get("codec_type") == "video" and not each["disposition"].get("attached_pic")]
    if not videos:
        return None
    stream = str(videos[0]["index"])
    frames = _json(
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        stream,
        "-show_entries",
        "frame=best_effort_timestamp_time",
        "-of",
        "json",
        str(file),
    ).get("frames", [])
    times = np.array([float(each.get("best_effort_timestamp_time", "nan")) for each in frames])
    sounds = tuple(_sound(file, each["index"]) for each in streams if each.get("codec_type") == "audio")
    return Video(times - times[0] if len(times) else times, sounds, _video_thumbnail(file, stream))


def _sound(file: Path, stream: int) -> NDArray[np.int16]:
    data = _run(
        "ffmpeg", "-v", "error", "-i", str(file), "-map", f"0:{stream}", "-ac", "1", "-ar", str(_SOUND_RATE), "-f", "s16le", "-"
    )
    return np.frombuffer(data[: len(data) // 2 * 2], np.int16)


def _video_thumbnail(file: Path, stream: str) -> Gray:
    side = _THUMBNAIL
    data = _run(
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(file),
        "-map",
        f"0:{stream}",
        "-frames:v",
        "1",
        "-vf",
        f"scale={side}:{side}:flags=area,format=gray",
        "-f",
        "rawvideo",
        "-",
    )
    return (
        np.frombuffer(data, np.uint8).reshape(side, side).astype(np.float64)
        if len(data) == side * side
        else np.zeros((side, side))
    )


def _run(*command: str) -> bytes:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False).stdout


def _json(*command: str) -> dict[str, Any]:
    found = _run(*command)
    return dict(json.loads(found)) if found.strip() else {}


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep, print the results and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mode", default="portrait", help="default portrait")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="number of files to render in parallel")
    options = parser.parse_args(arguments)
    counts: Counter[Outcome] = Counter()
    for result in sweep(options.folder, options.mode, options.jobs):
        counts[result.outcome] += 1
        if result.outcome is not Outcome.OK:
            sys.stdout.write(f"{result.outcome}: {result.file}: {result.detail}\n")
            sys.stdout.flush()
    sys.stdout.write(", ".join(f"{counts[each]} {each}" for each in Outcome) + "\n")
    return int(any(counts[each] for each in FAILURES))


if __name__ == "__main__":
    sys.exit(main())
