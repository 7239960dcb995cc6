"""Scores files: a matte against the true one, or against the picture from which it was computed."""

from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np

from livebg.errors import ConfigError
from livebg.metrics.no_reference import NoReferenceScore
from livebg.metrics.readers import ScoredFrame, frames_of, is_picture, picture_at, pictures_in
from livebg.metrics.reference import ReferenceScore
from livebg.metrics.statistics import Score

_FOLDER_FPS: Final = 30.0
"""Frame rate of a folder of pictures, which has no timestamps."""

_MAX_BLACK: Final = 8
_MODE_SUFFIXES: Final = ("cutout", "matte")
_TIME_TOLERANCE_S: Final = 0.002
"""Maximum difference between containers that store milliseconds."""


def score_with_truth(result: Path, truth: Path, sequence: bool = False) -> Score:
    """Measure ``result`` against ``truth``, each a video, a picture, or a folder of pictures.

    Both are gray mattes or have an alpha channel. Two folders are paired by file name, without suffix and without a trailing
    ``.matte`` or ``.cutout``; they are independent pictures unless ``sequence`` declares them the frames of a clip. A folder
    beside a video contains its frames in the order of their names. Raises :class:`~livebg.errors.SourceError` for unreadable
    input and :class:`~livebg.errors.ConfigError` for inputs that do not match in size, length, time or name.
    """
    moving = sequence or not all(path.is_dir() or is_picture(path) for path in (result, truth))
    score = ReferenceScore(moving)
    for ours, true in _pairs(result, truth):
        score.add(ours.matte, true.matte)
    return score.result()


def score_blind(clip: Path, picture: Path | None = None) -> Score:
    """Measure ``clip`` without a reference: a matte beside ``picture``, the video from which it was computed, or a cutout.

    Folders of pictures are frames in the order of their names, 30 per second. Raises :class:`~livebg.errors.SourceError` and
    :class:`~livebg.errors.ConfigError` like :func:`score_with_truth`, the latter also for a cutout that is black where it is
    transparent, as livebg makes them: static background and the edge lag cannot be measured there.
    """
    for path in filter(None, (clip, picture)):
        if is_picture(path):
            raise ConfigError(f"{path} is a single picture, which can be scored only against a reference.", "Add --truth.")
    score = NoReferenceScore()
    frames = _cutout_frames(clip) if picture is None else _pairs(clip, picture, truth=False)
    for number, (ours, seen) in enumerate(frames):
        score.add(seen.luma, ours.matte, number / _FOLDER_FPS if ours.time is None else ours.time)
    return score.result()


def _cutout_frames(clip: Path) -> Iterator[tuple[ScoredFrame, ScoredFrame]]:
    for shown in frames_of(clip):
        if shown.alpha is None:
            raise ConfigError(f"{clip} has no alpha channel to score.", "Add --truth, or the original video with --picture.")
        hidden = shown.luma[shown.alpha == 0]
        if hidden.size and np.quantile(hidden, 0.9) <= _MAX_BLACK:
            raise ConfigError(
                f"{clip} is black where it is transparent, so the room is not visible.", "Add the original video with --picture."
            )
        yield shown, shown


def _pairs(result: Path, other: Path, truth: bool = True) -> Iterator[tuple[ScoredFrame, ScoredFrame]]:
    """Yield matching frames, validated."""
    pairs = _by_name(result, other) if result.is_dir() and other.is_dir() else _by_frame(result, other)
    for ours, theirs in pairs:
        _require_matte(result, ours)
        if truth:
            _require_matte(other, theirs)
        if ours.luma.shape != theirs.luma.shape:
            raise ConfigError(f"{result} is {_size(ours)} at {ours.name} but {other} is {_size(theirs)}.", "Resize one of them.")
        yield ours, theirs


def _by_name(result: Path, other: Path) -> Iterator[tuple[ScoredFrame, ScoredFrame]]:
    ours, theirs = (_by_stem(pictures_in(folder)) for folder in (result, other))
    for here, there, missing in ((result, other, ours.keys() - theirs), (other, result, theirs.keys() - ours)):
        if missing:
            lacking = f"no picture named {min(missing)}"
            more = f" (nor {len(missing) - 1} more of {here})" if len(missing) > 1 else f" as {here} has"
            raise ConfigError(f"{there} contains {lacking}{more}.", "Use folders with the same file names.")
    for name, path in ours.items():
        yield picture_at(path), picture_at(theirs[name])


def _by_stem(pictures: dict[str, Path]) -> dict[str, Path]:
    """Return the pictures by name, without the mode that livebg appends."""
    names = {}
    for stem, path in pictures.items():
        name, _, mode = stem.rpartition(".")
        names[name if name and mode in _MODE_SUFFIXES else stem] = path
    return names


def _by_frame(result: Path, other: Path) -> Iterator[tuple[ScoredFrame, ScoredFrame]]:
    starts: tuple[float, float] | None = None
    before = 0.0
    with closing(frames_of(result)) as ours, closing(frames_of(other)) as theirs:
        for number, (one, two) in enumerate(zip_longest(ours, theirs)):
            if one is None or two is None:
                short, long = (result, other) if one is None else (other, result)
                raise ConfigError(
                    f"{short} ends after {number} frames but {long} continues.", "Use two files of the same length."
                )
            if one.time is not None and two.time is not None:
                starts = starts or (one.time, two.time)
                time, apart = one.time - starts[0], abs((one.time - starts[0]) - (two.time - starts[1]))
                if apart > max((time - before) / 2, _TIME_TOLERANCE_S):
                    raise ConfigError(
                        f"Frame {number} is at {time:.3f} s in {result} and {apart:.3f} s off in {other}.",
                        "Use files with the same timestamps.",
                    )
                before = time
            yield one, two


def _require_matte(path: Path, shown: ScoredFrame) -> None:
    if shown.alpha is None and not shown.gray:
        raise ConfigError(
            f"{path} is in color and has no alpha channel, so it is not a matte.", "Render with --mode matte or cutout."
        )


def _size(shown: ScoredFrame) -> str:
    height, width = shown.luma.shape
    return f"{width}x{height}"
