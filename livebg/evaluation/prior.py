"""A wrong prior is forgotten: after a cut the alpha of the other picture must not linger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from livebg.evaluation.baselines import Network, Rgb
from livebg.evaluation.looking import at_size, fed
from livebg.evaluation.results import Section, Tally
from livebg.evaluation.sheets import Sheets
from livebg.imaging.frame import Alpha
from livebg.metrics.statistics import Measure

FORGOTTEN: Final = 0.01
"""Mean difference of two alphas up to which nobody sees one."""

_FRAMES: Final = 3
MEASURES: Final = (
    *(
        Measure(f"after_{frame}", f"difference x1e3 after {frame}", "from as many frames that began with an empty prior")
        for frame in range(1, _FRAMES + 1)
    ),
    Measure("forgotten", f"pairs within {FORGOTTEN}, %", f"pairs with hardly a difference after {_FRAMES} frames", True),
    Measure("one_look", f"difference x1e3 after {_FRAMES} from one look", "from a single frame with an empty prior"),
    Measure("one_look_within", f"pairs within {FORGOTTEN} of one look, %", "pairs with hardly a difference from that", True),
)


@dataclass(frozen=True, slots=True)
class Cut:
    """Two pictures, RGB, of any sizes, the one before a cut and the one after it."""

    name: str
    before: Rgb
    after: Rgb


def measure_prior(networks: Mapping[str, Network], cuts: Iterator[Cut], count: int, about: str, sheets: Sheets) -> Section:
    """The alpha of a picture that is looked at three times, fed back each time: from the alpha of another picture, and from none.

    ``networks`` take a prior, all of them; ``count`` is about how many ``cuts`` will come and ``about`` says what they are of.
    """
    tally = Tally("a wrong prior", f"{about}; alpha fed back {_FRAMES} times", "pair", MEASURES, list(networks))
    worst = sheets.worst("a wrong prior", count)
    evaluated = next(iter(networks))
    for cut in cuts:
        ways = {name: _ways(network, cut) for name, network in networks.items()}
        tally.add(cut.name, {name: _row(*way) for name, way in ways.items()})
        wrong, empty = ways[evaluated]
        size = cut.after.shape[1], cut.after.shape[0]
        worst.add(_apart(wrong[-1], empty[-1]), cut.name, cut.after, at_size(empty[-1], size), at_size(wrong[-1], size))
    worst.write()
    return tally.section()


def _ways(network: Network, cut: Cut) -> tuple[list[Alpha], list[Alpha]]:
    """The alphas of the picture after the cut, frame by frame: beginning with the other one's alpha, and with none."""
    size = network.input_size(cut.after.shape[1], cut.after.shape[0])
    image = fed(cut.after, size)
    other = fed(cut.before, network.input_size(cut.before.shape[1], cut.before.shape[0]))
    network.forget()
    return _fed_back(network, image, at_size(network.alpha(other), size)), _fed_back(network, image, None)


def _fed_back(network: Network, image: Rgb, prior: Alpha | None) -> list[Alpha]:
    alphas = []
    for _ in range(_FRAMES):
        prior = network.alpha(image, prior)
        alphas.append(prior)
    return alphas


def _row(wrong: Sequence[Alpha], empty: Sequence[Alpha]) -> tuple[float, ...]:
    apart = [_apart(*alphas) for alphas in zip(wrong, empty, strict=True)]
    one_look = _apart(wrong[-1], empty[0])
    thousandths = [difference * 1e3 for difference in apart]
    return *thousandths, 100.0 * (apart[-1] <= FORGOTTEN), one_look * 1e3, 100.0 * (one_look <= FORGOTTEN)


def _apart(alpha: Alpha, other: Alpha) -> float:
    return float(np.abs(alpha - other).mean(dtype=np.float64))
