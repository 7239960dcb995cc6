"""Evaluates networks on single pictures: people with masks, and empty rooms, where any foreground would show the room."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.datasets import EmptyRoom, PictureSet
from livebg.lab.evaluation.networks import Network, Rgb, full_size_alpha
from livebg.lab.evaluation.results import ContactSheet, Section, tabulate, worst_count
from livebg.metrics.reference import PICTURE_MEASURES, as_alpha, boundary_f_measure, foreground_iou, mean_absolute_difference
from livebg.metrics.statistics import Measure
from livebg.segmentation.onnx_model import Size

FIGURE_SIZE: Final = (256, 144)
"""Input size for the headline figure of networks that accept any size, regardless of the picture's aspect."""
FAILED: Final = 0.8
"""IoU below which a user would consider the person missed."""
CLEAR: Final = 0.005
"""Mean alpha below which a room counts as empty."""
GHOST: Final = 0.05
"""Mean alpha above which a false person appears."""

_SCORED: Final = (
    *(measure for name in ("iou", "boundary_f", "mad") for measure in PICTURE_MEASURES if measure.name == name),
    Measure(
        "failed",
        f"IoU under {FAILED}, %",
        "share of pictures in which much of a person is missing or much of the room is foreground",
    ),
)
PICTURES: Final[tuple[Measure, ...]] = (
    *_SCORED,
    *(replace(each, name=f"own_{each.name}", label=f"{each.label}, own size") for each in _SCORED),
)
ROOMS: Final = (
    Measure("mean_alpha", "mean alpha x1e3", "how much of the room is classified as a person"),
    Measure("clear", f"rooms under {CLEAR}, %", "share of rooms that are almost free of foreground", higher_is_better=True),
    Measure("ghosts", f"rooms over {GHOST}, %", "share of rooms with a false person"),
)


def measure_pictures(networks: Mapping[str, Network], pictures: PictureSet, sheets: Path | None) -> Section:
    """Measure IoU at 0.5, boundary F and MAD at full picture size, after one inference per picture.

    Measures once with the picture resized to :data:`FIGURE_SIZE` and once with the network's own input size in the picture's
    aspect. Networks with a fixed input size use it both times. ``sheets`` is the folder of the contact sheet, which shows the
    worst 5 % of the first network. Raises :class:`~livebg.errors.SourceError` if a file cannot be read.
    """
    width, height = FIGURE_SIZE
    about = f"one inference, input {width}x{height} (then its own size in the picture's aspect), measured at full size"
    evaluated = next(iter(networks))
    rows = []
    worst = ContactSheet(sheets, pictures.name, worst_count(len(pictures.pairs)))
    for pair in pictures.pairs:
        rgb, mask = pair.read()
        truth = as_alpha(mask)
        alphas = {name: _alpha(network, rgb, FIGURE_SIZE) for name, network in networks.items()}
        values = {name: _picture_row(network, rgb, alphas[name], truth) for name, network in networks.items()}
        rows.append((pair.name, values))
        worst.add(1 - values[evaluated][0], pair.name, rgb, truth, alphas[evaluated])
    worst.write()
    return tabulate(pictures.name, about, "picture", PICTURES, networks, rows)


def measure_rooms(networks: Mapping[str, Network], rooms: Sequence[EmptyRoom], sheets: Path | None) -> Section:
    """Measure the mean alpha of pictures without people, after one inference at the network's own size in their aspect.

    Raises :class:`~livebg.errors.SourceError` if a picture cannot be read.
    """
    evaluated = next(iter(networks))
    rows = []
    worst = ContactSheet(sheets, "empty rooms", worst_count(len(rooms)))
    for room in rooms:
        rgb = room.read()
        alphas = {name: _alpha(network, rgb) for name, network in networks.items()}
        means = {name: float(alpha.mean(dtype=float)) for name, alpha in alphas.items()}
        values = {name: (mean * 1e3, 100.0 * (mean < CLEAR), 100.0 * (mean > GHOST)) for name, mean in means.items()}
        rows.append((room.name, values))
        worst.add(float(alphas[evaluated].mean()), room.name, rgb, None, alphas[evaluated])
    worst.write()
    return tabulate("empty rooms", "one inference, at the network's own size", "room", ROOMS, networks, rows)


def _alpha(network: Network, picture: Rgb, wanted: Size | None = None) -> Alpha:
    network.reset()
    return full_size_alpha(network, picture, wanted)


def _picture_row(network: Network, rgb: Rgb, alpha: Alpha, truth: Alpha) -> tuple[float, ...]:
    height, width = rgb.shape[:2]
    row = _measure(alpha, truth)
    own_size = network.input_size(width, height)
    return (*row, *(row if network.input_size(width, height, FIGURE_SIZE) == own_size else _measure(_alpha(network, rgb), truth)))


def _measure(alpha: Alpha, truth: Alpha) -> tuple[float, float, float, float]:
    iou = foreground_iou(alpha, truth)
    return iou, boundary_f_measure(alpha, truth), mean_absolute_difference(alpha, truth), 100.0 * (iou < FAILED)
