"""Which reductions the governor makes and when, on a simulated machine in simulated time."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebg.live.quality.governor import Governor
from livebg.live.quality.levels import QualityLevel, quality_levels

INTERVAL = 1 / 30
PLANS = quality_levels(smaller=True, coarse=True)
Cost = Callable[[QualityLevel], float]


@dataclass
class SimulatedMachine:
    """Makes frames under a governor: ``mask`` and ``rest`` return their durations in seconds under a plan."""

    governor: Governor
    mask: Cost
    rest: Cost
    interval: float = INTERVAL
    now: float = 0.0
    frames: int = 0
    plans: list[tuple[float, QualityLevel]] = field(default_factory=list)
    """Each plan and when it came into force."""
    _since: int = 99
    _ready: float | None = None

    def run(self, seconds: float) -> "SimulatedMachine":
        end = self.now + seconds
        while self.now < end:
            self._frame()
        return self

    def _frame(self) -> None:
        plan = self.governor.level
        if not self.plans or self.plans[-1][1] != plan:
            self.plans.append((self.now, plan))
        self._since += 1
        took = self.rest(plan)
        if self._ready is not None and self.now >= self._ready:
            self.governor.on_mask(self.mask(plan), plan.mask_scale)
            self._ready = None
        if self._since >= plan.mask_every and self._ready is None:
            self._since = 0
            if self.governor.async_masks:
                self._ready = self.now + self.mask(plan)
            else:
                took += self.mask(plan)
                self.governor.on_mask(self.mask(plan), plan.mask_scale)
        self.frames += 1
        self.now += max(took, self.interval)
        self.governor.on_frame(self.now, self.rest(plan), self.interval)

    def changes(self, after: float = 0.0) -> int:
        return sum(when >= after for when, _ in self.plans[1:])


def network(seconds: float, floor: float = 0.2) -> Cost:
    """A mask's cost by its area, of which ``floor`` does not depend on it."""
    return lambda plan: seconds * (floor + (1 - floor) * plan.mask_scale**2)


def constant(seconds: float) -> Cost:
    return lambda _: seconds


def test_quality_levels_reduce_rate_then_size_then_blur() -> None:
    assert (
        QualityLevel(),
        QualityLevel(2),
        QualityLevel(3),
        QualityLevel(3, 0.75),
        QualityLevel(3, 0.75, True),
        QualityLevel(3, 0.5, True),
    ) == PLANS
    assert quality_levels(smaller=False, coarse=True) == (
        QualityLevel(),
        QualityLevel(2),
        QualityLevel(3),
        QualityLevel(3, 1.0, True),
    )
    assert quality_levels(smaller=True, coarse=False) == (
        QualityLevel(),
        QualityLevel(2),
        QualityLevel(3),
        QualityLevel(3, 0.75),
        QualityLevel(3, 0.5),
    )
    assert quality_levels(smaller=False, coarse=False) == (QualityLevel(), QualityLevel(2), QualityLevel(3))


def test_level_lists_its_degradations() -> None:
    assert QualityLevel().degradations == ()
    assert QualityLevel(2).degradations == ("mask every 2nd frame",)
    assert QualityLevel(3, 0.5, True).degradations == ("mask every 3rd frame", "masks at half their size", "a coarse blur")
    assert QualityLevel(3, 0.75).degradations[1] == "masks at three quarters of their size"


def test_fast_machine_keeps_full_quality() -> None:
    machine = SimulatedMachine(Governor(PLANS), network(0.007), constant(0.010)).run(60)
    assert machine.plans == [(0.0, QualityLevel())]
    assert machine.governor.degradations == ()


def test_slow_network_reduces_masks_but_not_frames() -> None:
    machine = SimulatedMachine(Governor(PLANS), constant(0.007), constant(0.008)).run(5)
    machine.mask = constant(0.070)
    slow = machine.now
    machine.run(1)
    assert machine.plans[1][1] == QualityLevel(3)
    assert machine.plans[1][0] - slow < 0.6
    assert machine.governor.async_masks
    before = machine.frames
    machine.run(10)
    assert machine.frames - before == pytest.approx(10 / INTERVAL, abs=2)
    assert machine.governor.degradations == ("mask every 3rd frame",)


def test_slower_network_reduces_mask_size() -> None:
    machine = SimulatedMachine(Governor(PLANS), network(0.130), constant(0.008)).run(3)
    assert machine.governor.level == QualityLevel(3, 0.75)
    machine.mask = network(0.250)
    machine.run(5)
    assert machine.governor.level == QualityLevel(3, 0.5, True)


def test_useless_reduction_is_not_made() -> None:
    """The frames themselves take too long: fewer masks and the coarse blur help, smaller ones beyond that do not."""
    machine = SimulatedMachine(Governor(PLANS), network(0.010), lambda plan: 0.036 if plan.coarse else 0.040).run(30)
    assert machine.governor.level == QualityLevel(3, 0.75, True)
    assert machine.changes() <= 2


def test_short_hiccup_changes_nothing() -> None:
    machine = SimulatedMachine(Governor(PLANS), constant(0.007), constant(0.008)).run(3)
    for _ in range(5):
        machine.mask, machine.rest = constant(0.200), constant(0.050)
        machine.run(0.04)
        machine.mask, machine.rest = constant(0.007), constant(0.008)
        machine.run(1)
    assert machine.changes() == 0


@settings(max_examples=60, deadline=None)
@given(
    mask=st.floats(0.001, 0.4),
    rest=st.floats(0.001, 0.045),
    floor=st.floats(0, 1),
    noise=st.floats(0, 0.15),
    seed=st.integers(0, 1000),
    rate=st.sampled_from([15, 30, 60]),
)
def test_constant_load_settles(mask: float, rest: float, floor: float, noise: float, seed: int, rate: int) -> None:
    chance = random.Random(seed)
    cost = network(mask, floor)

    def noisy(true: Cost) -> Cost:
        return lambda plan: true(plan) * (1 + noise * chance.uniform(-1, 1))

    machine = SimulatedMachine(Governor(PLANS), noisy(cost), noisy(constant(rest)), 1 / rate).run(120)
    assert {plan for _, plan in machine.plans} <= set(PLANS)
    assert machine.changes() <= 16
    assert machine.changes(after=60) <= 4


@settings(max_examples=60, deadline=None)
@given(
    mask=st.floats(0.02, 0.6),
    rest=st.floats(0.001, 0.060),
    floor=st.floats(0, 1),
    seconds=st.floats(1, 90),
    fast=st.floats(0.001, 0.010),
    rate=st.sampled_from([15, 30]),
)
def test_full_quality_returns_within_22_seconds(
    mask: float, rest: float, floor: float, seconds: float, fast: float, rate: int
) -> None:
    machine = SimulatedMachine(Governor(PLANS), network(mask, floor), constant(rest), 1 / rate).run(seconds)
    machine.mask, machine.rest = network(fast, floor), constant(0.008)
    machine.run(22)  # a lower level may have fitted before the load fell
    assert machine.governor.level == QualityLevel()
    assert machine.governor.degradations == ()


def test_level_that_fails_is_retried_less_and_less_often() -> None:
    """No measurement at a lower level shows that a mask for each frame slows the other work down on this machine."""
    machine = SimulatedMachine(Governor(PLANS), constant(0.010), lambda plan: 0.030 if plan.mask_every == 1 else 0.010).run(900)
    tries = [when for when, plan in machine.plans[1:] if plan == QualityLevel()]
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert [round(wait, -1) for wait in waits] == [40, 80, *[160] * (len(waits) - 2)]
    assert len(waits) >= 5


@settings(max_examples=25, deadline=None)
@given(mask=st.floats(0.010, 0.025), rest=st.floats(0.006, 0.012), seed=st.integers(0, 10_000))
def test_three_busy_processes_cause_six_changes_at_most(mask: float, rest: float, seed: int) -> None:
    """Four processes share two cores, so each slice of 4 ms is followed by a wait, and now and then by a long one."""
    chance = random.Random(seed)

    def contended(cpu: Cost) -> Cost:
        def wall(level: QualityLevel) -> float:
            seconds = cpu(level)
            waits = (chance.expovariate(1 / 0.004) for _ in range(1 + int(seconds / 0.004)))
            return seconds + sum(waits) + (chance.uniform(0.02, 0.1) if chance.random() < 0.02 else 0)

        return wall

    machine = SimulatedMachine(Governor(PLANS), contended(network(mask)), contended(constant(rest)))
    longest = 0.0
    while machine.now < 60:
        began = machine.now
        machine.run(0.001)
        longest = max(longest, machine.now - began)
    assert machine.changes() <= 6
    assert longest < 0.25  # after which the placeholder is shown


def test_changes_are_logged_once_and_then_summarized(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    machine = SimulatedMachine(Governor(PLANS), constant(0.070), constant(0.008))
    for seconds in (0.005, 0.070, 0.005, 0.070, 0.005):
        machine.run(13)
        machine.mask = constant(seconds)
    machine.run(60)
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0] == "Reduced quality: mask every 3rd frame"
    assert 2 <= len(messages) <= 3
    assert "changes in 60 s" in messages[1]


def test_battery_saver_halves_masks_and_is_reported() -> None:
    machine = SimulatedMachine(Governor(PLANS), constant(0.005), constant(0.005)).run(1)
    machine.governor.battery_saver = True
    machine.run(1)
    assert machine.governor.level == QualityLevel(2)
    assert machine.governor.degradations == ("mask every 2nd frame (on battery)",)
    assert not machine.governor.async_masks
    machine.run(20)
    assert machine.governor.level == QualityLevel(2)
    machine.governor.battery_saver = False
    machine.run(11)
    assert machine.governor.level == QualityLevel()


def test_battery_saver_allows_further_reduction() -> None:
    machine = SimulatedMachine(Governor(PLANS), constant(0.070), constant(0.008))
    machine.governor.battery_saver = True
    machine.run(3)
    assert machine.governor.level == QualityLevel(3)
    assert machine.governor.degradations == ("mask every 3rd frame",)


def test_governor_starts_at_given_level() -> None:
    assert Governor(PLANS, QualityLevel(3)).level == QualityLevel(3)
    assert Governor(quality_levels(smaller=False, coarse=False), QualityLevel(3, 0.5, True)).level == QualityLevel()


def test_single_level_is_kept() -> None:
    governor = Governor([QualityLevel()])
    governor.battery_saver = True
    machine = SimulatedMachine(governor, constant(0.2), constant(0.1)).run(10)
    assert machine.plans == [(0.0, QualityLevel())]
    assert governor.degradations == ()
