"""Converts the data sets to stores: photos with soft alpha, cut-outs, rooms without people.

Expected under the data folder: ``eg1800/train/{images,masks}``, ``ccp/{images,masks}``, ``halfbody/images``, ``people/*.zip``,
``backgrounds/*`` and ``backgrounds/*.zip``, ``video/{signing,desk,talking}``. Missing sets and the hold-out are skipped.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from livebg.lab.evaluation.datasets import MaskedPicture
from livebg.lab.evaluation.holdout import (
    ArchivedPicture,
    archived_pictures,
    archived_rgb,
    files,
    held_out_keys,
    held_out_part,
    is_held_out,
    opened_archive,
    people_archives,
)
from livebg.lab.training.pixel_store import INDEX, Picture, Store, write_store
from livebg.lab.training.pseudo_labels import PseudoLabeler, agreed, foreground
from livebg.rendering.photo import Photo
from livebg.sources.media_types import VIDEO_SUFFIXES
from livebg.synthetic import cut_green

log = logging.getLogger(__name__)

PHOTOS, CUTOUTS = "photos.", "cutouts."
"""Prefixes of store names, for photos with background and for cut-out people."""
ROOMS, NEGATIVES = "rooms", "negatives"
"""Names of the stores without people: rooms, and pets, chairs, food or screens, which a network may take for people."""
GRAY_SETS = frozenset({"bw_portraits"})
"""Sets of grayscale pictures, which must stay grayscale."""
SMALL_SETS = frozenset({"facemask_100px"})
"""Sets whose pictures are too small for large frames."""
SQUARED_SETS = frozenset({"facemask_100px", "roboflow_human_v2"})
"""Sets whose pictures were squeezed into a square."""
LONG_SIDE = 400
"""Maximum long side of stored people in pixels: training pictures are 256 wide."""
SHORT_SIDE = 256
"""Maximum short side of stored rooms in pixels."""
LABEL_STEP = 3
"""The labeler processes every n-th frame of a clip."""
FRAME_STEP = 6
"""Every n-th frame of a clip is kept: neighbors are too similar."""
BLACK = 24
"""Rows of a clip that are nowhere brighter than this belong to a black bar."""
PAPER = 60
"""Maximum difference in levels of a plain background from the first row's median: includes shadows, but not an arm."""
MISLABELED = Path(__file__).with_name("mislabeled.txt")
"""Pictures to leave out, ``store/name`` in each line: their labels lack people in the background, most of the person or of the
hair, or contain a monitor. They were found by eye among those that the network segments worst."""
FIGURE_LEAST = 0.04
"""Minimum share of a labeled picture that its person covers."""
ONE_PIECE = 0.95
"""Minimum share of a cut-out in its largest connected component."""
AT_SIDES = 0.15
"""Maximum share of the picture's left and right edges that a figure covers."""
PERSON_IN_ROOM = 0.004
"""Maximum share of a room that the labeler may classify as a person."""


def _shrink(picture: Picture, side: int, measured: Callable[[Sequence[int]], int] = max) -> Picture:
    """Downscale until the ``measured`` side is not longer than ``side``: the longer one, or with ``min`` the shorter one."""
    scale = side / measured(picture.shape[:2])
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def masked(folder: Path, labeller: PseudoLabeler, names: list[Path]) -> Iterator[tuple[str, Picture]]:
    """Yield pictures with a drawn mask (``../masks/NAME.png``) as RGBA with soft alpha, including the background colors."""
    for path in names:
        rgb, mask = MaskedPicture(path, folder / "masks" / f"{path.stem}.png").read()
        drawn = np.where(mask >= 128, 255, 0).astype(np.uint8)
        opinion = labeller.alpha(rgb, looks=2, unrelated=True)
        yield path.stem, _shrink(np.dstack((rgb, agreed(drawn, opinion))), LONG_SIDE)


def cutouts(pictures: Iterator[tuple[str, Picture]]) -> Iterator[tuple[str, Picture]]:
    """Yield pictures with the room's color removed from the person's edges, ready for compositing."""
    for name, rgba in pictures:
        yield name, np.dstack((foreground(rgba[..., :3], rgba[..., 3]), rgba[..., 3]))


def unlabelled(names: list[Path], labeller: PseudoLabeler) -> Iterator[tuple[str, Picture]]:
    """Yield pictures on a plain, light background, without a mask, as RGBA, unless the labeler found no person or was unsure."""
    for path in names:
        rgb = Photo(path).rgb
        alpha = labeller.alpha(rgb, looks=2, unrelated=True)
        paper = np.abs(rgb.astype(np.int16) - np.median(rgb[0], axis=0)).max(axis=2) < PAPER
        unsure = ((alpha > 25) & (alpha < 230)).mean()
        missed = (~paper & (alpha < 25)).mean()
        if (alpha > 127).mean() < FIGURE_LEAST or unsure > 0.12 or missed > 0.06:
            log.info("Skipped %s: unsure %.3f, missed %.3f", path.stem, unsure, missed)
            continue
        yield path.stem, np.dstack((rgb, alpha))


def frames(path: Path) -> Iterator[Picture]:
    """Yield every frame of a clip as RGB."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def clips(names: list[Path], labeller: PseudoLabeler) -> Iterator[tuple[str, Picture]]:
    """Yield frames of clips as RGBA with the labeler's alpha, which also uses the preceding frames."""
    for path in names:
        for index, rgb in enumerate(frames(path)):
            if index == 0:
                labeller.alpha(rgb, looks=4, unrelated=True)
            if index % LABEL_STEP:
                continue
            alpha = labeller.alpha(rgb)
            if index % FRAME_STEP == 0:
                yield f"{path.stem}-{index}", _shrink(np.dstack((rgb, alpha)), LONG_SIDE)


def _crop_black_bars(rgb: Picture) -> Picture:
    """Remove black bars above and below."""
    rows = np.flatnonzero(rgb.max(axis=(1, 2)) > BLACK)
    return rgb[rows[0] : rows[-1] + 1] if rows.size else rgb


def keyed(names: list[Path]) -> Iterator[tuple[str, Picture]]:
    """Yield keyed frames of green-screen clips as RGBA."""
    for path in names:
        for index, rgb in enumerate(frames(path)):
            if index % FRAME_STEP == 0:
                person = cut_green(_crop_black_bars(rgb))
                yield f"{path.stem}-{index}", _shrink(np.dstack((person.rgb, person.alpha)), LONG_SIDE)


def rooms(names: list[Path], labeller: PseudoLabeler) -> Iterator[tuple[str, Picture]]:
    """Yield rooms without people as RGB."""
    for path in names:
        rgb = Photo(path).rgb
        share = float((labeller.alpha(rgb, unrelated=True) > 127).mean())
        if share > PERSON_IN_ROOM:
            log.info("Skipped %s: a share of %.3f looks like a person", path.stem, share)
            continue
        yield path.stem, _shrink(rgb, SHORT_SIDE, min)


def negatives(archives: list[Path]) -> Iterator[tuple[str, Picture]]:
    """Yield archived pictures without people as RGB; they need no check."""
    for path in archives:
        with opened_archive(path) as archive:
            members = held_out_part(sorted(archive.namelist()), kept=False)
        yield from ((Path(member).stem, _shrink(archived_rgb(path, member), SHORT_SIDE, min)) for member in members)


def people(pictures: Sequence[ArchivedPicture]) -> Iterator[tuple[str, Picture]]:
    """Yield archived pictures with their alpha as RGBA."""
    for picture in pictures:
        yield picture.name, np.dstack(picture.read())


def whole_figures(pictures: Iterator[tuple[str, Picture]]) -> Iterator[tuple[str, Picture]]:
    """Yield RGBA pictures whose people are fit for compositing: in one piece, cut off only by the lower edge.

    Composited anywhere else, a head or shoulders with a straight cut would teach the network that flags and curtains are people.
    """
    for name, rgba in pictures:
        mask = np.asarray(rgba[..., 3] > 127, np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        in_one_piece = count > 1 and stats[1:, cv2.CC_STAT_AREA].max() > ONE_PIECE * mask.sum()
        at_sides = mask[:, 0].mean() + mask[:, -1].mean()
        if in_one_piece and mask.mean() > FIGURE_LEAST and not mask[0].any() and mask[-1].any() and at_sides < AT_SIDES:
            yield name, rgba


def prepare(data: Path, out: Path, labeller: PseudoLabeler) -> dict[str, int]:
    """Write every store that is missing under ``out``, without mislabeled pictures. Return the number of pictures in each."""
    counts, mislabeled = {}, set(MISLABELED.read_text(encoding="utf-8").split())
    for name, pictures in _stores(data, out, labeller).items():
        if not (out / name / INDEX).exists():
            labeled = ((stem, picture) for stem, picture in pictures() if f"{name}/{stem}" not in mislabeled)
            counts[name] = write_store(out / name, labeled)
            log.info("%s: %d pictures", name, counts[name])
    return counts


def _stores(data: Path, out: Path, labeller: PseudoLabeler) -> dict[str, Callable[[], Iterator[tuple[str, Picture]]]]:
    """Return a function for each store that yields its pictures, in build order: cut-outs come from stores of photos."""
    labeled_clips = [path for kind in ("signing", "desk") for path in files(data / "video" / kind) if _is_clip(path)]
    green_screen_clips = [path for path in files(data / "video" / "talking") if _is_clip(path)]
    folders = sorted((data / "backgrounds").iterdir())
    backgrounds = [path for folder in folders for path in held_out_part(files(folder), kept=False)]
    archives = [path for path in folders if path.suffix == ".zip"]
    portraits, streets = files(data / "eg1800" / "train" / "images"), held_out_part(files(data / "ccp" / "images"), kept=False)
    halfbody = files(data / "halfbody" / "images")
    stores: dict[str, Callable[[], Iterator[tuple[str, Picture]]]] = {
        f"{PHOTOS}portraits": lambda: masked(data / "eg1800" / "train", labeller, portraits),
        f"{CUTOUTS}portraits": partial(_whole_cutouts, out / f"{PHOTOS}portraits"),
        f"{PHOTOS}streets": lambda: masked(data / "ccp", labeller, streets),
        f"{CUTOUTS}streets": lambda: cutouts(Store(out / f"{PHOTOS}streets").items()),
        f"{CUTOUTS}halfbody": lambda: cutouts(whole_figures(unlabelled(halfbody, labeller))),
        f"{PHOTOS}clips": lambda: clips(labeled_clips, labeller),
        f"{CUTOUTS}talking": lambda: keyed(green_screen_clips),
        ROOMS: lambda: rooms(backgrounds, labeller),
        NEGATIVES: lambda: negatives(archives),
    }
    found = people_archives(data)
    missing = [path for path in found if not (out / f"{PHOTOS}{path.stem}" / INDEX).exists()]
    held_out = held_out_keys(data) if missing else frozenset()
    for path in found:
        trained_on = [picture for picture in archived_pictures(path) if picture.key not in held_out]
        stores[f"{PHOTOS}{path.stem}"] = partial(people, trained_on)
        if path.stem not in GRAY_SETS | SMALL_SETS:
            stores[f"{CUTOUTS}{path.stem}"] = partial(_whole_cutouts, out / f"{PHOTOS}{path.stem}")
    return stores


def _whole_cutouts(folder: Path) -> Iterator[tuple[str, Picture]]:
    return cutouts(whole_figures(Store(folder).items()))


def _is_clip(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not is_held_out(path)
