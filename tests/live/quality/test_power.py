"""Whether the machine runs on its battery, on machines with and without one."""

from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from livebg.live.quality.power import on_battery


@dataclass(frozen=True)
class Battery:
    """psutil's report of a battery."""

    power_plugged: bool | None


@pytest.mark.parametrize(("plugged", "answer"), [(False, True), (True, False), (None, False)])
def test_unplugged_battery_means_on_battery(plugged: bool | None, answer: bool) -> None:
    assert on_battery(lambda: Battery(plugged)) is answer


def test_missing_battery_means_mains() -> None:
    assert not on_battery(lambda: None)


def test_missing_power_supplies_mean_mains(tmp_path: Path) -> None:
    assert not on_battery(lambda: next((tmp_path / "power_supply").iterdir()))


def test_platform_without_battery_support_means_mains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil, "sensors_battery", raising=False)
    assert not on_battery()
