"""From the data sets' folders to stores: people with soft alpha, rooms without people; and what is kept aside for measuring.

Expected under the data folder: `eg1800/train/{images,masks}`, `ccp/{images,masks}`, `halfbody/images`, `backgrounds/*`,
`video/{signing,desk,talking}`; a set that is not there is left out.
"""

import logging
from collections.abc import Collection, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from livebg.evaluation.sets import Masked
from livebg.evaluation.split import aside, files, is_aside
from livebg.rendering.photo import Photo
from livebg.sources.media_types import VIDEO_SUFFIXES
from livebg.synthetic import cut_green
from livebg.training.labelling import Labeller, agreed, foreground
from livebg.training.store import Picture, Store, write_store

log = logging.getLogger(__name__)

SETS = ("portraits", "heads", "streets", "figures", "halfbody", "clips", "talking", "rooms")
"""The stores that are written, in this order."""
LONG_SIDE = 400
"""People are kept at most this long: training pictures are 256 wide."""
SHORT_SIDE = 256
"""Rooms are kept at most this long on their shorter side."""
LABEL_STEP = 3
"""The labeller sees one frame in so many of a clip."""
FRAME_STEP = 6
"""One frame in so many of a clip is kept: neighbours teach nothing new."""
BLACK = 24
"""A row of a clip that is nowhere brighter than this belongs to a black bar."""
PAPER = 60
"""How many levels a plain background may differ from the first row's median: its shadows, but no arm."""
FIGURE_LEAST = 0.04
"""A labelled picture whose person covers less of it than this is left out."""
PERSON_IN_ROOM = 0.004
"""A room of which the labeller takes more than this share for a person is left out."""


def _within(rgba: Picture, side: int) -> Picture:
    scale = side / max(rgba.shape[:2])
    if scale >= 1:
        return rgba
    return np.asarray(cv2.resize(rgba, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def masked(folder: Path, labeller: Labeller, names: list[Path]) -> Iterator[tuple[str, Picture]]:
    """Pictures with a drawn mask beside them (`../masks/NAME.png`), as RGBA with soft alpha; the colours keep their room."""
    for path in names:
        rgb, mask = Masked(path, folder / "masks" / f"{path.stem}.png").read()
        drawn = np.where(mask >= 128, 255, 0).astype(np.uint8)
        labeller.forget()
        opinion = labeller.alpha(rgb, looks=2)
        yield path.stem, _within(np.dstack((rgb, agreed(drawn, opinion))), LONG_SIDE)


def cutouts(pictures: Iterator[tuple[str, Picture]]) -> Iterator[tuple[str, Picture]]:
    """The same, with the room's colours taken out of the person's edges: ready to stand in another room."""
    for name, rgba in pictures:
        yield name, np.dstack((foreground(rgba[..., :3], rgba[..., 3]), rgba[..., 3]))


def stored(folder: Path) -> Iterator[tuple[str, Picture]]:
    """What was prepared before."""
    store = Store(folder)
    yield from zip(store.names, store, strict=True)


def unlabelled(names: list[Path], labeller: Labeller) -> Iterator[tuple[str, Picture]]:
    """Pictures without a mask on a plain, light ground, as RGBA: the labeller's alpha, unless it found nobody or was unsure."""
    for path in names:
        rgb = Photo(path).rgb
        labeller.forget()
        alpha = labeller.alpha(rgb, looks=2)
        paper = np.abs(rgb.astype(np.int16) - np.median(rgb[0], axis=0)).max(axis=2) < PAPER
        unsure = ((alpha > 25) & (alpha < 230)).mean()
        missed = (~paper & (alpha < 25)).mean()
        if (alpha > 127).mean() < FIGURE_LEAST or unsure > 0.12 or missed > 0.06:
            log.info("%s left out: unsure %.3f, missed %.3f", path.stem, unsure, missed)
            continue
        yield path.stem, np.dstack((rgb, alpha))


def frames(path: Path) -> Iterator[Picture]:
    """Every frame of a clip, as RGB."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def clips(names: list[Path], labeller: Labeller) -> Iterator[tuple[str, Picture]]:
    """Frames of clips as RGBA with the labeller's alpha, which has seen the frames before."""
    for path in names:
        labeller.forget()
        for index, rgb in enumerate(frames(path)):
            if index == 0:
                labeller.alpha(rgb, looks=4)
            if index % LABEL_STEP:
                continue
            alpha = labeller.alpha(rgb)
            if index % FRAME_STEP == 0:
                yield f"{path.stem}-{index}", _within(np.dstack((rgb, alpha)), LONG_SIDE)


def _unboxed(rgb: Picture) -> Picture:
    """The picture without the black bars above and below."""
    rows = np.flatnonzero(rgb.max(axis=(1, 2)) > BLACK)
    return rgb[rows[0] : rows[-1] + 1] if rows.size else rgb


def keyed(names: list[Path]) -> Iterator[tuple[str, Picture]]:
    """Frames of green-screen clips, keyed, as RGBA."""
    for path in names:
        for index, rgb in enumerate(frames(path)):
            if index % FRAME_STEP == 0:
                person = cut_green(_unboxed(rgb))
                yield f"{path.stem}-{index}", _within(np.dstack((person.rgb, person.alpha)), LONG_SIDE)


def rooms(names: list[Path], labeller: Labeller) -> Iterator[tuple[str, Picture]]:
    """Rooms as RGB, those with a person in them left out."""
    for path in names:
        rgb = Photo(path).rgb
        labeller.forget()
        share = float((labeller.alpha(rgb) > 127).mean())
        if share > PERSON_IN_ROOM:
            log.info("%s left out: a share of %.3f looks like a person", path.stem, share)
            continue
        scale = min(1.0, SHORT_SIDE / min(rgb.shape[:2]))
        yield path.stem, np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def prepare(data: Path, out: Path, labeller: Labeller, only: Collection[str] = SETS) -> dict[str, int]:
    """Writes the stores that are asked for under `out`; returns how many pictures each holds."""
    portraits, streets = files(data / "eg1800" / "train" / "images"), aside(files(data / "ccp" / "images"), kept=False)
    shown = [path for kind in ("signing", "desk") for path in files(data / "video" / kind) if _is_clip(path)]
    green = [path for path in files(data / "video" / "talking") if _is_clip(path)]
    backgrounds = [path for folder in sorted((data / "backgrounds").iterdir()) for path in aside(files(folder), kept=False)]
    made = {
        "portraits": masked(data / "eg1800" / "train", labeller, portraits),
        "heads": cutouts(stored(out / "portraits")),
        "streets": masked(data / "ccp", labeller, streets),
        "figures": cutouts(stored(out / "streets")),
        "halfbody": cutouts(unlabelled(files(data / "halfbody" / "images"), labeller)),
        "clips": clips(shown, labeller),
        "talking": keyed(green),
        "rooms": rooms(backgrounds, labeller),
    }
    counts = {}
    for name in only:
        counts[name] = write_store(out / name, made[name])
        log.info("%s: %d pictures", name, counts[name])
    return counts


def _is_clip(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not is_aside(path)
