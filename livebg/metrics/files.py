"""Scores of files: a matte beside the true one, or beside the picture that it was made of."""

from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np

from livebg.errors import ConfigError
from livebg.metrics.no_reference import BlindScore
from livebg.metrics.readers import Shown, frames_of, is_picture, picture_at, pictures_in
from livebg.metrics.reference import TruthScore
from livebg.metrics.statistics import Score

_RATE: Final = 30.0
"""Frames a second of a folder of pictures, which has no times."""

_BLACK: Final = 8
_OWN_MODES: Final = ("cutout", "matte")
_ROUNDING: Final = 0.002
"""Seconds by which containers that count in milliseconds may differ."""


def score_with_truth(result: Path, truth: Path, sequence: bool = False) -> Score:
    """Measure ``result`` against ``truth``, each a video, a picture, or a folder of pictures.

    Either is a matte in grey or has an alpha channel. Two folders are paired by the pictures' names, without the ending and
    without ``.matte`` or ``.cutout`` before it; they are pictures of their own unless ``sequence`` says that they are the
    frames of a clip. A folder beside a video holds its frames in the order of their names. Raises
    :class:`~livebg.errors.SourceError` for what cannot be read and :class:`~livebg.errors.ConfigError` for what does not belong
    together: other sizes, lengths, times or names.
    """
    moving = sequence or not all(path.is_dir() or is_picture(path) for path in (result, truth))
    score = TruthScore(moving)
    for mine, true in _pairs(result, truth):
        score.add(mine.matte, true.matte)
    return score.result()


def score_blind(clip: Path, picture: Path | None = None) -> Score:
    """Measure ``clip`` without truth: a matte beside ``picture``, the video that it was made of, or a cut-out that shows it.

    Folders of pictures are frames in the order of their names, 30 a second. Raises :class:`~livebg.errors.SourceError` and
    :class:`~livebg.errors.ConfigError` as :func:`score_with_truth` does, the latter also for a cut-out that is black where it
    is transparent, as livebg makes them: what stands still, and how far the edge is off, cannot be seen there.
    """
    for path in filter(None, (clip, picture)):
        if is_picture(path):
            raise ConfigError(f"{path} is a single picture, and without truth only clips tell something: add --truth")
    score = BlindScore()
    frames = _alone(clip) if picture is None else _pairs(clip, picture, truth=False)
    for number, (mine, seen) in enumerate(frames):
        score.add(seen.luma, mine.matte, number / _RATE if mine.time is None else mine.time)
    return score.result()


def _alone(clip: Path) -> Iterator[tuple[Shown, Shown]]:
    for shown in frames_of(clip):
        if shown.alpha is None:
            raise ConfigError(f"{clip} has no alpha channel to score: add --truth, or the video it was made of with --picture")
        hidden = shown.luma[shown.alpha == 0]
        if hidden.size and np.quantile(hidden, 0.9) <= _BLACK:
            raise ConfigError(
                f"{clip} is black where it is transparent, so the room is not seen: add the video it was made of with --picture"
            )
        yield shown, shown


def _pairs(result: Path, other: Path, truth: bool = True) -> Iterator[tuple[Shown, Shown]]:
    """What belongs together, checked."""
    pairs = _by_name(result, other) if result.is_dir() and other.is_dir() else _in_step(result, other)
    for mine, theirs in pairs:
        _require_matte(result, mine)
        if truth:
            _require_matte(other, theirs)
        if mine.luma.shape != theirs.luma.shape:
            raise ConfigError(f"{result} is {_size(mine)} at {mine.name} and {other} is {_size(theirs)}: bring both to one size")
        yield mine, theirs


def _by_name(result: Path, other: Path) -> Iterator[tuple[Shown, Shown]]:
    mine, theirs = (_bare(pictures_in(folder)) for folder in (result, other))
    for here, there, missing in ((result, other, mine.keys() - theirs), (other, result, theirs.keys() - mine)):
        if missing:
            lacking = f"no picture called {min(missing)}"
            more = f" (nor {len(missing) - 1} more of {here})" if len(missing) > 1 else f" as {here} has"
            raise ConfigError(f"{there} holds {lacking}{more}: give folders with the same names")
    for name, path in mine.items():
        yield picture_at(path), picture_at(theirs[name])


def _bare(pictures: dict[str, Path]) -> dict[str, Path]:
    """The pictures by their names without the mode that livebg appends."""
    names = {}
    for stem, path in pictures.items():
        name, _, mode = stem.rpartition(".")
        names[name if name and mode in _OWN_MODES else stem] = path
    return names


def _in_step(result: Path, other: Path) -> Iterator[tuple[Shown, Shown]]:
    starts: tuple[float, float] | None = None
    before = 0.0
    with closing(frames_of(result)) as mine, closing(frames_of(other)) as theirs:
        for number, (one, two) in enumerate(zip_longest(mine, theirs)):
            if one is None or two is None:
                short, long = (result, other) if one is None else (other, result)
                raise ConfigError(f"{short} ends after {number} frames and {long} goes on: give two files of one length")
            if one.time is not None and two.time is not None:
                starts = starts or (one.time, two.time)
                time, apart = one.time - starts[0], abs((one.time - starts[0]) - (two.time - starts[1]))
                if apart > max((time - before) / 2, _ROUNDING):
                    raise ConfigError(
                        f"frame {number} is at {time:.3f} s in {result} and {apart:.3f} s off in {other}: give two of one timing"
                    )
                before = time
            yield one, two


def _require_matte(path: Path, shown: Shown) -> None:
    if shown.alpha is None and not shown.grey:
        raise ConfigError(f"{path} is in colour and has no alpha channel, so it is no matte: render with --mode matte or cutout")


def _size(shown: Shown) -> str:
    height, width = shown.luma.shape
    return f"{width}x{height}"
