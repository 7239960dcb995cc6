"""Measures the cost of a network: CPU time per inference, file size and startup time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

import numpy as np

from livebg.lab.evaluation.networks import Candidate, Network, Rgb
from livebg.segmentation.onnx_model import Size

FRAME: Final = (1280, 720)
"""Frame size that determines the input size of networks that accept any."""

_ROUNDS: Final = 40
_MIN_ROUNDS: Final = 5
_MAX_DURATION_S: Final = 60.0
_WARM_UP_ROUNDS: Final = 2
_STARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """One network's cost.

    ``input_size`` is (width, height). ``cpu_ms`` and ``cpu_ms_least`` are CPU milliseconds of this process per inference, median
    and minimum over the rounds. ``ratio`` is the median ratio of this network's time to the reference's in the same round.
    ``start_seconds`` is the wall time to open the network, the minimum of several runs.
    """

    input_size: Size
    cpu_ms: float
    cpu_ms_least: float
    ratio: float
    start_seconds: float
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of all networks by name, from ``rounds`` alternating rounds. Ratios are to the network ``reference``."""

    reference: str
    rounds: int
    networks: Mapping[str, Cost]
    name: str = "CPU"

    def facts(self) -> dict[str, Any]:
        """Returns the costs as JSON-compatible data."""
        networks = {name: asdict(cost) for name, cost in self.networks.items()}
        return {"section": self.name, "reference": self.reference, "rounds": self.rounds, "networks": networks}


def measure_cost(candidates: Sequence[Candidate], networks: Mapping[str, Network], reference: str) -> Costs:
    """Measure the networks in turn, so that other load on the machine affects all of them equally.

    ``networks`` are the opened ``candidates`` by name; ``reference`` is one of the names. Raises ModelError if a network fails.
    """
    pictures = {name: _picture(network.input_size(*FRAME)) for name, network in networks.items()}
    for name, network in networks.items():
        network.reset()
        for _ in range(_WARM_UP_ROUNDS):
            _inference_seconds(network, pictures[name])
    times: dict[str, list[float]] = {name: [] for name in networks}
    begin = time.monotonic()
    rounds = 0
    while rounds < _MIN_ROUNDS or (rounds < _ROUNDS and time.monotonic() - begin < _MAX_DURATION_S):
        for name, network in networks.items():
            times[name].append(_inference_seconds(network, pictures[name]))
        rounds += 1
    starts = {candidate.name: _start_seconds(candidate.open) for candidate in candidates}
    sizes = {candidate.name: candidate.path.stat().st_size for candidate in candidates}
    costs = {
        name: Cost(
            input_size=networks[name].input_size(*FRAME),
            cpu_ms=median(seconds) * 1e3,
            cpu_ms_least=min(seconds) * 1e3,
            ratio=median(np.divide(seconds, times[reference]).tolist()),
            start_seconds=starts[name],
            file_bytes=sizes[name],
        )
        for name, seconds in times.items()
    }
    return Costs(reference, rounds, costs)


def _picture(size: Size) -> Rgb:
    """Returns random noise: zeros could be cheaper to compute."""
    return np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), np.uint8)


def _inference_seconds(network: Network, picture: Rgb) -> float:
    """Returns the CPU seconds of one inference. State is carried over, as in a clip."""
    begin = time.process_time()
    network.alpha(picture)
    return time.process_time() - begin


def _start_seconds(opening: Callable[[], Network]) -> float:
    seconds = []
    for _ in range(_STARTS):
        begin = time.perf_counter()
        opening()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
