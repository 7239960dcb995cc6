"""Hard example mining: photos that a network segments poorly are drawn more often."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from livebg.lab.evaluation.networks import Network, full_size_alpha
from livebg.lab.evaluation.stills import FIGURE_SIZE
from livebg.lab.training.pixel_store import Picture, Store, write_weights
from livebg.lab.training.prepare import PHOTOS
from livebg.metrics.reference import as_alpha, foreground_iou

_ERRORS: Final = 0.02, 0.2
"""Range to which errors, 1 - IoU, are limited: every photo is drawn, and the worst ones, some of which have wrong labels, are not
drawn more often than others with an IoU of 0.8."""
_POWER: Final = 0.7


def weigh_photos(folder: Path, network: Network) -> Iterator[tuple[str, float]]:
    """Weigh the photos of the stores in a folder by the network's errors. Yields the name of each store and the mean IoU.

    The weight is ``clip(1 - IoU, 0.02, 0.2) ** 0.7``, so a photo is drawn up to five times as often as another one of its set.
    IoU is the mean of the photo resized to 256x144 and at the network's own size in its aspect. Raises FileNotFoundError if there
    are no photos.
    """
    paths = sorted(folder.glob(f"{PHOTOS}*"))
    if not paths:
        raise FileNotFoundError(f"No prepared photos in {folder}. Run the prepare command first.")
    for path in paths:
        store = Store(path)
        overlaps = np.array([_overlap(network, store[index]) for index in range(len(store))])
        write_weights(path, np.clip(1 - overlaps, *_ERRORS) ** _POWER)
        yield path.name, float(overlaps.mean())


def _overlap(network: Network, rgba: Picture) -> float:
    rgb, truth = np.ascontiguousarray(rgba[..., :3]), as_alpha(rgba[..., 3])
    return float(np.mean([foreground_iou(full_size_alpha(network, rgb, size), truth) for size in (FIGURE_SIZE, None)]))
