"""Selection of the execution provider: names, timing and the cache."""

import json
import logging
from pathlib import Path

import pytest

from livebg.errors import ModelError
from livebg.segmentation.execution_providers import (
    CPU,
    ProviderCache,
    ProviderSelector,
    available_providers,
    full_name,
    median_seconds,
)
from livebg.segmentation.ort import onnxruntime
from tests.support.cli_runner import known

CUDA, OPENVINO = "CUDAExecutionProvider", "OpenVINOExecutionProvider"


class Machine:
    """Providers with their durations in seconds; a provider without one does not work. Records what is opened and timed."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.speed = seconds
        self.opened: list[str] = []
        self.timed: list[str] = []

    def start(self, provider: str) -> str:
        self.opened.append(provider)
        if provider not in self.speed:
            raise ModelError(f"{provider} does not work")
        return f"running on {provider}"

    def seconds(self, running: str) -> float:
        provider = running.removeprefix("running on ")
        self.timed.append(provider)
        return self.speed[provider]


class Clock:
    """A clock that ``run`` advances by the next of ``durations``."""

    def __init__(self, durations: list[float]) -> None:
        self.durations = durations
        self.now = 0.0
        self.runs = 0

    def run(self) -> None:
        self.now += self.durations[self.runs]
        self.runs += 1

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def memory(tmp_path: Path) -> ProviderCache:
    return ProviderCache(tmp_path / "cache" / "providers.json")


def test_available_providers_exclude_remote_ones() -> None:
    assert CPU in available_providers()
    assert "AzureExecutionProvider" not in available_providers()
    assert set(onnxruntime.get_available_providers()) - set(available_providers()) <= {"AzureExecutionProvider"}


@pytest.mark.parametrize(
    ("requested", "expected"), [("cuda", CUDA), ("CUDA", CUDA), (CUDA, CUDA), ("cudaexecutionprovider", CUDA), ("cpu", CPU)]
)
def test_short_and_full_names_are_accepted(requested: str, expected: str) -> None:
    assert full_name(requested, [CUDA, CPU]) == expected


@pytest.mark.parametrize("requested", ["openvino", OPENVINO, "azure", "AzureExecutionProvider", ""])
def test_missing_provider_error_lists_available_ones(requested: str) -> None:
    with pytest.raises(ModelError, match=f"The provider {requested} is not .* has cuda, cpu\\. Choose one of those or auto"):
        full_name(requested, [CUDA, CPU])


def test_provider_without_short_name_uses_full_name() -> None:
    assert full_name("acmeexecutionprovider", ["AcmeExecutionProvider"]) == "AcmeExecutionProvider"
    with pytest.raises(ModelError, match=r"has AcmeExecutionProvider\."):
        full_name("cuda", ["AcmeExecutionProvider"])


def test_requested_provider_is_not_measured(memory: ProviderCache) -> None:
    machine = Machine({CUDA: 1, CPU: 0.1})
    assert ProviderSelector("cuda", [CUDA, CPU], memory).open("net", machine.start, machine.seconds) == f"running on {CUDA}"
    assert machine.opened == [CUDA]
    assert machine.timed == []


def test_failing_requested_provider_does_not_fall_back(memory: ProviderCache) -> None:
    machine = Machine({CPU: 0.1})
    with pytest.raises(ModelError, match="CUDAExecutionProvider does not work"):
        ProviderSelector("cuda", [CUDA, CPU], memory).open("net", machine.start, machine.seconds)
    assert machine.opened == [CUDA]


def test_auto_with_one_candidate_does_not_measure(memory: ProviderCache) -> None:
    machine = Machine({CPU: 1})
    assert ProviderSelector("auto", [CPU], memory).open("net", machine.start, machine.seconds) == f"running on {CPU}"
    assert machine.timed == []
    assert not known(memory.path).exists()


@pytest.mark.parametrize(("cuda", "fastest"), [(0.01, CUDA), (0.5, CPU)])
def test_auto_selects_fastest_and_caches_it(memory: ProviderCache, cuda: float, fastest: str) -> None:
    machine = Machine({CUDA: cuda, CPU: 0.1})
    selector = ProviderSelector("auto", [CUDA, CPU], memory)
    assert selector.open("net 256x144", machine.start, machine.seconds) == f"running on {fastest}"
    assert machine.timed == [CUDA, CPU]
    assert selector.open("net 256x144", machine.start, machine.seconds) == f"running on {fastest}"
    assert machine.timed == [CUDA, CPU]
    assert machine.opened == [CUDA, CPU, fastest]


def test_other_size_or_candidates_are_measured(memory: ProviderCache) -> None:
    machine = Machine({CUDA: 0.01, CPU: 0.1, OPENVINO: 0.001})
    ProviderSelector("auto", [CUDA, CPU], memory).open("net 256x144", machine.start, machine.seconds)
    ProviderSelector("auto", [CUDA, CPU], memory).open("net 320x320", machine.start, machine.seconds)
    assert machine.timed == [CUDA, CPU] * 2
    best = ProviderSelector("auto", [OPENVINO, CUDA, CPU], memory).open("net 256x144", machine.start, machine.seconds)
    assert best == f"running on {OPENVINO}"
    assert len(json.loads(known(memory.path).read_text())) == 3


def test_cache_of_other_onnxruntime_version_is_ignored(memory: ProviderCache) -> None:
    machine = Machine({CUDA: 0.01, CPU: 0.1})
    selector = ProviderSelector("auto", [CUDA, CPU], memory)
    selector.open("net", machine.start, machine.seconds)
    old = known(memory.path).read_text().replace(onnxruntime.__version__, "1.0.0")
    assert old != known(memory.path).read_text()
    known(memory.path).write_text(old)
    selector.open("net", machine.start, machine.seconds)
    assert machine.timed == [CUDA, CPU] * 2


def test_without_a_cache_file_auto_measures_each_time() -> None:
    machine = Machine({CUDA: 0.01, CPU: 0.1})
    selector = ProviderSelector("auto", [CUDA, CPU], ProviderCache(None))
    assert [selector.open("net", machine.start, machine.seconds) for _ in range(2)] == [f"running on {CUDA}"] * 2
    assert machine.timed == [CUDA, CPU] * 2


def test_auto_skips_failing_provider(memory: ProviderCache) -> None:
    machine = Machine({CPU: 0.1})
    assert ProviderSelector("auto", [CUDA, CPU], memory).open("net", machine.start, machine.seconds) == f"running on {CPU}"
    assert machine.timed == [CPU]


def test_auto_measures_again_when_cached_provider_fails(memory: ProviderCache, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine({CUDA: 0.01, CPU: 0.1})
    selector = ProviderSelector("auto", [CUDA, CPU], memory)
    selector.open("net", machine.start, machine.seconds)
    del machine.speed[CUDA]
    assert selector.open("net", machine.start, machine.seconds) == f"running on {CPU}"
    assert f"The cached provider {CUDA} failed" in caplog.text
    assert list(json.loads(known(memory.path).read_text()).values()) == [CPU]


def test_last_error_is_raised_when_all_providers_fail(memory: ProviderCache) -> None:
    machine = Machine({})
    with pytest.raises(ModelError, match="CPUExecutionProvider does not work"):
        ProviderSelector("auto", [CUDA, CPU], memory).open("net", machine.start, machine.seconds)
    assert not known(memory.path).exists()


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"text"', "\x00\xff", '{"net": 3}', '{"net": ["a"]}'])
def test_damaged_cache_is_ignored(memory: ProviderCache, content: str) -> None:
    known(memory.path).parent.mkdir()
    known(memory.path).write_bytes(content.encode("latin-1"))
    assert memory.get("net") is None
    memory.put("net", CPU)
    assert memory.get("net") == CPU


def test_damaged_cache_is_logged(memory: ProviderCache, caplog: pytest.LogCaptureFixture) -> None:
    known(memory.path).parent.mkdir()
    known(memory.path).write_text("{")
    memory.get("net")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Ignoring " in caplog.text


def test_cache_keeps_entries_and_leaves_no_temporary_file(memory: ProviderCache) -> None:
    memory.put("one", CPU)
    memory.put("two", CUDA)
    assert (memory.get("one"), memory.get("two"), memory.get("three")) == (CPU, CUDA, None)
    assert list(known(memory.path).parent.iterdir()) == [known(memory.path)]


def test_unwritable_cache_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    ProviderCache(tmp_path / "file" / "providers.json").put("net", CPU)
    assert "could not be stored" in caplog.text


def test_median_ignores_first_run_and_outliers() -> None:
    clock = Clock([9.0, 0.2, 0.1, 0.3, 5.0, 0.2, 0.2])
    assert median_seconds(clock.run, clock) == pytest.approx(0.25)


def test_slow_network_is_run_fewer_times() -> None:
    clock = Clock([2.0] * 9)
    assert median_seconds(clock.run, clock) == pytest.approx(2)
    assert clock.runs == 3
