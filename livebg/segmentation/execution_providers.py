"""Which of onnxruntime's execution providers runs the network: the one asked for, or the one that proves fastest here."""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Final, TypeVar

from platformdirs import user_cache_path

from livebg.errors import ModelError
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
"""What people write, and what onnxruntime calls it."""

_NEVER: Final = frozenset({"AzureExecutionProvider"})  # it sends the pictures to a server
_RUNS: Final = 5
_ENOUGH_SECONDS: Final = 3.0

Running = TypeVar("Running")
"""Whatever stands for a network that has been opened on a provider."""


def offered() -> list[str]:
    """The full names of the providers in this build of onnxruntime, but those that would send pictures away."""
    return [name for name in onnxruntime.get_available_providers() if name not in _NEVER]


def full_name(requested: str, candidates: Sequence[str]) -> str:
    """The full name of the provider ``requested`` by its short or full name; ModelError when it is not among ``candidates``."""
    known = {**SHORT_NAMES, **{name.lower(): name for name in candidates}}
    name = known.get(requested.lower(), requested)
    if name not in candidates:
        shorts = {long: short for short, long in SHORT_NAMES.items()}
        there = ", ".join(shorts.get(candidate, candidate) for candidate in candidates)
        raise ModelError(
            f"the provider {requested} is not in this build of onnxruntime, which has {there}:"
            f" choose one of those or auto, or install the build that has it"
        )
    return name


def median_seconds(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """The median time of a few runs after one to warm up, in seconds; of fewer runs when they are slow."""
    run()
    times: list[float] = []
    while len(times) < _RUNS and sum(times) < _ENOUGH_SECONDS:
        begin = clock()
        run()
        times.append(clock() - begin)
    return median(times)


@dataclass(frozen=True, slots=True)
class ProviderMemory:
    """Remembers which provider proved fastest, in a small JSON file; one that is damaged or read-only costs a log line."""

    path: Path

    @classmethod
    def of_user(cls) -> "ProviderMemory":
        """The file in the user's cache folder."""
        return cls(user_cache_path("livebg") / "providers.json")

    def recall(self, key: str) -> str | None:
        """The provider stored for ``key``, or None."""
        return self._read().get(key)

    def store(self, key: str, provider: str) -> None:
        """Store ``provider`` for ``key`` beside what is there; the file is replaced in one step."""
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(self._read() | {key: provider}, indent=1))
            part.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            _LOG.warning("the choice of provider could not be stored in %s: %s", self.path, error)

    def _read(self) -> dict[str, str]:
        try:
            content = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _LOG.warning("%s cannot be read and is ignored: %s", self.path, error)
            return {}
        if not isinstance(content, dict):
            _LOG.warning("%s is not a table of providers and is ignored", self.path)
            return {}
        return {str(key): value for key, value in content.items() if isinstance(value, str)}


@dataclass(frozen=True, slots=True)
class ProviderChooser:
    """Opens a network on the provider that was ``requested``, or with ``auto`` on the fastest of ``candidates``.

    With ``auto`` and more than one candidate each is timed once; the result is kept in ``memory`` for the same network, size,
    candidates and version of onnxruntime. A candidate that does not open or fails is passed over. The defaults are this machine's
    own providers and the user's cache.
    """

    requested: str = AUTO
    candidates: Sequence[str] = field(default_factory=offered)
    memory: ProviderMemory = field(default_factory=ProviderMemory.of_user)

    def open(self, network: str, start: Callable[[str], Running], seconds: Callable[[Running], float]) -> Running:
        """Open with ``start``, which takes a full name and raises ModelError where the provider cannot run the network.

        ``seconds`` times what was opened. ``network`` identifies the network and its input size. Raises ModelError when the
        requested provider is missing or fails, or when none of the candidates runs the network.
        """
        if self.requested != AUTO:
            return start(full_name(self.requested, self.candidates))
        if len(self.candidates) == 1:
            return start(self.candidates[0])
        key = f"{network} onnxruntime {onnxruntime.__version__} {' '.join(self.candidates)}"
        remembered = self.memory.recall(key)
        if remembered is not None and remembered in self.candidates:
            try:
                return start(remembered)
            except ModelError as error:
                _LOG.warning("%s was the fastest here and now fails, so all are timed again: %s", remembered, error)
        provider, running = self._fastest(start, seconds)
        self.memory.store(key, provider)
        return running

    def _fastest(self, start: Callable[[str], Running], seconds: Callable[[Running], float]) -> tuple[str, Running]:
        timed: list[tuple[float, str, Running]] = []
        failure: ModelError | None = None
        for provider in self.candidates:
            try:
                running = start(provider)
                timed.append((seconds(running), provider, running))
            except ModelError as error:
                _LOG.info("%s is passed over: %s", provider, error)
                failure = error
                continue
            _LOG.info("%s takes %.1f ms a picture", provider, 1000 * timed[-1][0])
        if not timed:
            raise failure or ModelError("onnxruntime offers no provider: install a build of onnxruntime that has the CPU's")
        _, provider, running = min(timed, key=lambda entry: entry[0])
        return provider, running
