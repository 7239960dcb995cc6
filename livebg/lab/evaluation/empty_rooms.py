"""Evaluates networks on empty rooms: any foreground there would show the room."""

from collections.abc import Mapping, Sequence
from typing import Final

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.contact_sheets import Sheets
from livebg.lab.evaluation.datasets import EmptyRoom
from livebg.lab.evaluation.inference import look
from livebg.lab.evaluation.networks import Network
from livebg.lab.evaluation.results import Section, Tally
from livebg.metrics.statistics import Measure

CLEAR: Final = 0.005
"""Mean alpha below which a room counts as empty."""

GHOST: Final = 0.05
"""Mean alpha above which a false person appears."""

MEASURES: Final = (
    Measure("mean_alpha", "mean alpha x1e3", "how much of the room is classified as a person"),
    Measure("clear", f"rooms under {CLEAR}, %", "share of rooms that are almost free of foreground", higher_is_better=True),
    Measure("ghosts", f"rooms over {GHOST}, %", "share of rooms with a false person"),
)


def measure_rooms(networks: Mapping[str, Network], rooms: Sequence[EmptyRoom], sheets: Sheets) -> Section:
    """Measure the mean alpha of pictures without people, after one inference at the network's own size in their aspect.

    Raises :class:`~livebg.errors.SourceError` if a picture cannot be read.
    """
    tally = Tally("empty rooms", "one inference, at the network's own size", "room", MEASURES, list(networks))
    worst = sheets.worst("empty rooms", len(rooms))
    evaluated = next(iter(networks))
    for room in rooms:
        rgb = room.read()
        alphas = {name: look(network, rgb) for name, network in networks.items()}
        tally.add(room.name, {name: _row(alpha) for name, alpha in alphas.items()})
        worst.add(float(alphas[evaluated].mean()), room.name, rgb, None, alphas[evaluated])
    worst.write()
    return tally.section()


def _row(alpha: Alpha) -> tuple[float, float, float]:
    mean = float(alpha.mean(dtype=float))
    return mean * 1e3, 100.0 * (mean < CLEAR), 100.0 * (mean > GHOST)
