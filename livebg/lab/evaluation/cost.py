"""Measures the cost of a network: CPU time per inference, file size and startup time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from timeit import repeat, timeit
from typing import Any, Final

import numpy as np

from livebg.lab.evaluation.networks import Candidate, Network
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

    def facts(self) -> dict[str, Any]:
        """Return the costs as JSON-compatible data."""
        networks = {name: asdict(cost) for name, cost in self.networks.items()}
        return {"section": "CPU", "reference": self.reference, "rounds": self.rounds, "networks": networks}


def measure_cost(candidates: Sequence[Candidate], networks: Mapping[str, Network], reference: str) -> Costs:
    """Measure the networks in turn, so that other load on the machine affects all of them equally.

    ``networks`` are the opened ``candidates`` by name; ``reference`` is one of the names. Raises ModelError if a network fails.
    """
    inferences = {name: _inference(network) for name, network in networks.items()}
    for infer in inferences.values():
        timeit(infer, number=_WARM_UP_ROUNDS)
    times: dict[str, list[float]] = {name: [] for name in networks}
    begin = time.monotonic()
    rounds = 0
    while rounds < _MIN_ROUNDS or (rounds < _ROUNDS and time.monotonic() - begin < _MAX_DURATION_S):
        for name, infer in inferences.items():
            times[name].append(timeit(infer, timer=time.process_time, number=1))
        rounds += 1
    starts = {candidate.name: min(repeat(candidate.open, repeat=_STARTS, number=1)) for candidate in candidates}
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


def _inference(network: Network) -> Callable[[], object]:
    """Return a function that runs the network on random noise: zeros could be cheaper. State is carried over, as in a clip."""
    width, height = network.input_size(*FRAME)
    network.reset()
    return partial(network.alpha, np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8))
