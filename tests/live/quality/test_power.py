"""Whether the machine runs on its battery, on machines with and without one."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from livebg.live.quality.power import on_battery


@dataclass(frozen=True)
class Battery:
    """What psutil tells of one."""

    power_plugged: bool | None


@pytest.mark.parametrize(("plugged", "answer"), [(False, True), (True, False), (None, False)])
def test_a_battery_without_mains_is_what_counts(plugged: bool | None, answer: bool) -> None:
    assert on_battery(lambda: Battery(plugged)) is answer


def test_no_battery_is_mains() -> None:
    assert not on_battery(lambda: None)


def test_a_machine_that_knows_of_no_power_supplies_is_on_mains(tmp_path: Path) -> None:
    assert not on_battery(lambda: next((tmp_path / "power_supply").iterdir()))
