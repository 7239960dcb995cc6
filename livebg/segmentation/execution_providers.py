"""Selects the onnxruntime execution provider: the requested one, or the fastest on this machine."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Final, TypeVar

from livebg.errors import ModelError
from livebg.platform.atomic_write import write_atomically
from livebg.platform.user_paths import user_folder
from livebg.segmentation.ort import onnxruntime

_LOG: Final = logging.getLogger(__name__)
AUTO: Final = "auto"
CPU: Final = "CPUExecutionProvider"
SHORT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cpu": CPU,
        "cuda": "CUDAExecutionProvider",
        "tensorrt": "TensorrtExecutionProvider",
        "rocm": "ROCMExecutionProvider",
        "openvino": "OpenVINOExecutionProvider",
        "coreml": "CoreMLExecutionProvider",
        "directml": "DmlExecutionProvider",
    }
)
"""Names accepted on the command line, and onnxruntime's names."""

_REMOTE: Final = frozenset({"AzureExecutionProvider"})  # sends the pictures to a server
_TIMED_RUNS: Final = 5
_MAX_TIMING_S: Final = 3.0

Running = TypeVar("Running")
"""An opened network, of any type."""


def available_providers() -> list[str]:
    """Return the full names of the providers in this build of onnxruntime, except those that send pictures to a server."""
    return [name for name in onnxruntime.get_available_providers() if name not in _REMOTE]


def full_name(requested: str, candidates: Sequence[str]) -> str:
    """Return the full name of the provider ``requested`` by short or full name. Raises ModelError if it is not in
    ``candidates``."""
    known = {**SHORT_NAMES, **{name.lower(): name for name in candidates}}
    name = known.get(requested.lower(), requested)
    if name not in candidates:
        shorts = {long: short for short, long in SHORT_NAMES.items()}
        available = ", ".join(shorts.get(candidate, candidate) for candidate in candidates)
        raise ModelError(
            f"The provider {requested} is not in this build of onnxruntime, which has {available}.",
            "Choose one of those or auto, or install a build that has it.",
        )
    return name


def median_seconds(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median duration of a few runs after a warm-up run, in seconds; slow functions run fewer times."""
    run()
    times: list[float] = []
    while len(times) < _TIMED_RUNS and sum(times) < _MAX_TIMING_S:
        start = clock()
        run()
        times.append(clock() - start)
    return median(times)


@dataclass(frozen=True, slots=True)
class ProviderCache:
    """Caches the fastest provider in a small JSON file. A damaged or read-only file only causes a log message.

    Without ``path``, nothing is cached.
    """

    path: Path | None

    @classmethod
    def of_user(cls) -> "ProviderCache":
        """Return the cache in the user's cache folder."""
        cache = user_folder("cache")
        return cls(cache and cache / "providers.json")

    def get(self, key: str) -> str | None:
        """Return the provider stored for ``key``, or None."""
        return self._read().get(key)

    def put(self, key: str, provider: str) -> None:
        """Store ``provider`` for ``key`` and keep the other entries; the file is replaced atomically."""
        if self.path is None:
            return
        try:
            write_atomically(self.path, json.dumps(self._read() | {key: provider}, indent=1).encode())
        except OSError as error:
            _LOG.warning("The selected provider could not be stored in %s: %s", self.path, error)

    def _read(self) -> dict[str, str]:
        if self.path is None:
            return {}
        try:
            content = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _LOG.warning("Ignoring %s, which cannot be read: %s", self.path, error)
            return {}
        if not isinstance(content, dict):
            _LOG.warning("Ignoring %s, which is not a table of providers.", self.path)
            return {}
        return {str(key): value for key, value in content.items() if isinstance(value, str)}


@dataclass(frozen=True, slots=True)
class ProviderSelector:
    """Opens a network on the ``requested`` provider, or with ``auto`` on the fastest of ``candidates``.

    With ``auto`` and more than one candidate each is timed once; the result is cached in ``cache`` for the same network, size,
    candidates and version of onnxruntime. A candidate that fails is skipped. The defaults are this machine's providers and the
    user's cache.
    """

    requested: str = AUTO
    candidates: Sequence[str] = field(default_factory=available_providers)
    cache: ProviderCache = field(default_factory=ProviderCache.of_user)

    def open(self, network: str, start: Callable[[str], Running], seconds: Callable[[Running], float]) -> Running:
        """Open the network with ``start``, which takes a full provider name and raises ModelError if that provider cannot run it.

        ``seconds`` times an opened network. ``network`` identifies the network and its input size. Raises ModelError if the
        requested provider is missing or fails, or if no candidate can run the network.
        """
        if self.requested != AUTO:
            return start(full_name(self.requested, self.candidates))
        if len(self.candidates) == 1:
            return start(self.candidates[0])
        key = f"{network} onnxruntime {onnxruntime.__version__} {' '.join(self.candidates)}"
        cached = self.cache.get(key)
        if cached is not None and cached in self.candidates:
            try:
                return start(cached)
            except ModelError as error:
                _LOG.warning("The cached provider %s failed. Timing all providers again: %s", cached, error)
        provider, running = self._fastest(start, seconds)
        self.cache.put(key, provider)
        return running

    def _fastest(self, start: Callable[[str], Running], seconds: Callable[[Running], float]) -> tuple[str, Running]:
        timed: list[tuple[float, str, Running]] = []
        failure: ModelError | None = None
        for provider in self.candidates:
            try:
                running = start(provider)
                timed.append((seconds(running), provider, running))
            except ModelError as error:
                _LOG.info("Skipping %s: %s", provider, error)
                failure = error
                continue
            _LOG.info("%s takes %.1f ms per picture.", provider, 1000 * timed[-1][0])
        if not timed:
            raise failure or ModelError(
                "onnxruntime has no provider.", "Install a build of onnxruntime that has the CPU provider."
            )
        _, provider, running = min(timed, key=lambda entry: entry[0])
        return provider, running
