"""Evaluates networks on single pictures with masks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.contact_sheets import Sheets
from livebg.lab.evaluation.datasets import PictureSet
from livebg.lab.evaluation.inference import look
from livebg.lab.evaluation.networks import Network, Rgb
from livebg.lab.evaluation.results import Section, Tally
from livebg.metrics.reference import PICTURE_MEASURES, as_alpha, boundary_f_measure, foreground_iou, mean_absolute_difference
from livebg.metrics.statistics import Measure

FIGURE_SIZE: Final = (256, 144)
"""Input size for the headline figure of networks that accept any size, regardless of the picture's aspect."""

_BY_NAME: Final = {measure.name: measure for measure in PICTURE_MEASURES}
FAILED: Final = 0.8
"""IoU below which a user would consider the person missed."""

_SCORED: Final = (
    *(_BY_NAME[name] for name in ("iou", "boundary_f", "mad")),
    Measure(
        "failed",
        f"IoU under {FAILED}, %",
        "share of pictures in which much of a person is missing or much of the room is foreground",
    ),
)
_OWN_SIZE: Final = tuple(replace(each, name=f"own_{each.name}", label=f"{each.label}, own size") for each in _SCORED)
MEASURES: Final[tuple[Measure, ...]] = (*_SCORED, *_OWN_SIZE)


def measure_pictures(networks: Mapping[str, Network], pictures: PictureSet, sheets: Sheets) -> Section:
    """Measure IoU at 0.5, boundary F and MAD at full picture size, after one inference per picture.

    Measures once with the picture resized to :data:`FIGURE_SIZE` and once with the network's own input size in the picture's
    aspect. Networks with a fixed input size use it both times. Raises :class:`~livebg.errors.SourceError` if a file cannot be
    read.
    """
    width, height = FIGURE_SIZE
    about = f"one inference, input {width}x{height} (then its own size in the picture's aspect), measured at full size"
    tally = Tally(pictures.name, about, "picture", MEASURES, list(networks))
    worst = sheets.worst(pictures.name, len(pictures.pairs))
    evaluated = next(iter(networks))
    for pair in pictures.pairs:
        rgb, mask = pair.read()
        truth = as_alpha(mask)
        alphas = {name: look(network, rgb, FIGURE_SIZE) for name, network in networks.items()}
        rows = {name: _row(network, rgb, alphas[name], truth) for name, network in networks.items()}
        tally.add(pair.name, rows)
        worst.add(1 - rows[evaluated][0], pair.name, rgb, truth, alphas[evaluated])
    worst.write()
    return tally.section()


def _row(network: Network, rgb: Rgb, alpha: Alpha, truth: Alpha) -> tuple[float, ...]:
    height, width = rgb.shape[:2]
    row = _measure(alpha, truth)
    if network.input_size(width, height, FIGURE_SIZE) == network.input_size(width, height):
        return (*row, *row)
    return (*row, *_measure(look(network, rgb), truth))


def _measure(alpha: Alpha, truth: Alpha) -> tuple[float, float, float, float]:
    iou = foreground_iou(alpha, truth)
    return iou, boundary_f_measure(alpha, truth), mean_absolute_difference(alpha, truth), 100.0 * (iou < FAILED)
