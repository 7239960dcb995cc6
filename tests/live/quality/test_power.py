"""Whether the machine runs on its battery, on machines with and without one."""

import sys
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


@pytest.mark.skipif(sys.platform != "linux", reason="the files are Linux's")
@pytest.mark.parametrize(
    "files",
    [
        {"capacity": ""},
        {"energy_now": "", "energy_full": "50"},
        {"charge_now": "unknown", "charge_full": "50"},
        {"capacity": "50", "status": "Discharging", "time_to_empty_now": "soon"},
    ],
)
def test_battery_with_unreadable_files_means_mains(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error here would fail every frame, since each asks for the battery again."""
    battery = tmp_path / "BAT0"
    battery.mkdir()
    for name, content in files.items():
        (battery / name).write_text(content)
    monkeypatch.setattr("psutil._pslinux.POWER_SUPPLY_PATH", str(tmp_path))
    assert not on_battery()


def test_platform_without_battery_support_means_mains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil, "sensors_battery", raising=False)
    assert not on_battery()
