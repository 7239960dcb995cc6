"""Empty rooms: whoever finds somebody there shows the room."""

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
"""Mean alpha above which there is somebody who is not there."""

MEASURES: Final = (
    Measure("mean_alpha", "mean alpha x1e3", "how much of the room is taken for a person"),
    Measure("clear", f"rooms under {CLEAR}, %", "rooms that are as good as empty", higher_is_better=True),
    Measure("ghosts", f"rooms over {GHOST}, %", "rooms with a ghost"),
)


def measure_rooms(networks: Mapping[str, Network], rooms: Sequence[EmptyRoom], sheets: Sheets) -> Section:
    """Mean alpha of pictures without people, by one look at the network's own size in their aspect.

    Raises :class:`~livebg.errors.SourceError` for what cannot be read.
    """
    tally = Tally("empty rooms", "one look, at the network's own size", "room", MEASURES, list(networks))
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
