"""What a look costs: CPU time, file size, and how long opening takes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

import numpy as np

from livebg.lab.evaluation.networks import Candidate, Network, Rgb
from livebg.segmentation.onnx_model import Size

FRAME: Final = (1280, 720)
"""The frame in whose aspect networks that run at any size are measured."""

_ROUNDS: Final = 40
_LEAST_ROUNDS: Final = 5
_MOST_SECONDS: Final = 60.0
_WARM_UP: Final = 2
_OPENINGS: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """One network's cost.

    ``input_size`` is (width, height). ``cpu_ms`` and ``cpu_ms_least`` are CPU milliseconds of this process a look, median and
    least over the rounds; ``ratio`` is the median over the rounds of this network's time over the reference's in the same round.
    ``start_seconds`` is wall time from the file to a network that can run, the least of several.
    """

    input_size: Size
    cpu_ms: float
    cpu_ms_least: float
    ratio: float
    start_seconds: float
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of all networks, by name, measured in ``rounds`` in turn; ratios are to the network ``reference``."""

    reference: str
    rounds: int
    networks: Mapping[str, Cost]
    name: str = "CPU"

    def facts(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        networks = {name: asdict(cost) for name, cost in self.networks.items()}
        return {"section": self.name, "reference": self.reference, "rounds": self.rounds, "networks": networks}


def measure_cost(candidates: Sequence[Candidate], networks: Mapping[str, Network], reference: str) -> Costs:
    """Let the networks look in turn, so that whatever else the machine does meets all of them alike.

    ``networks`` are the opened ``candidates`` by name; ``reference`` names one of them. Raises ModelError when one fails.
    """
    pictures = {name: _picture(network.input_size(*FRAME)) for name, network in networks.items()}
    for name, network in networks.items():
        network.reset()
        for _ in range(_WARM_UP):
            _look_seconds(network, pictures[name])
    times: dict[str, list[float]] = {name: [] for name in networks}
    begin = time.monotonic()
    rounds = 0
    while rounds < _LEAST_ROUNDS or (rounds < _ROUNDS and time.monotonic() - begin < _MOST_SECONDS):
        for name, network in networks.items():
            times[name].append(_look_seconds(network, pictures[name]))
        rounds += 1
    starts = {candidate.name: _start_seconds(candidate.open) for candidate in candidates}
    sizes = {candidate.name: candidate.path.stat().st_size for candidate in candidates}
    costs = {
        name: Cost(
            input_size=networks[name].input_size(*FRAME),
            cpu_ms=median(spent) * 1e3,
            cpu_ms_least=min(spent) * 1e3,
            ratio=median(np.divide(spent, times[reference]).tolist()),
            start_seconds=starts[name],
            file_bytes=sizes[name],
        )
        for name, spent in times.items()
    }
    return Costs(reference, rounds, costs)


def _picture(size: Size) -> Rgb:
    """Something with detail, since zeros may be cheaper than numbers."""
    return np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), np.uint8)


def _look_seconds(network: Network, picture: Rgb) -> float:
    """CPU seconds of one look; what a network keeps of the look before goes in again, as in a clip."""
    begin = time.process_time()
    network.alpha(picture)
    return time.process_time() - begin


def _start_seconds(opening: Callable[[], Network]) -> float:
    seconds = []
    for _ in range(_OPENINGS):
        begin = time.perf_counter()
        opening()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
