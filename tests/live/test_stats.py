"""Rates and delays."""

import math
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.errors import SourceError
from livebg.live.stats import FailureLog, Latency, LatencyWindow, RateMeter
from tests.support.fake_daemon import DEADLINE
from tests.support.pipeline_fakes import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def rate(clock: HandClock) -> RateMeter:
    return RateMeter(clock)


def run(rate: RateMeter, clock: HandClock, gaps: list[float]) -> None:
    rate.tick()
    for gap in gaps:
        clock.seconds += gap
        rate.tick()


def test_rate_without_events_is_zero(rate: RateMeter) -> None:
    assert rate.per_second == 0.0


def test_rate_after_one_event_is_zero(rate: RateMeter, clock: HandClock) -> None:
    rate.tick()
    assert rate.per_second == 0.0
    clock.seconds += 0.5
    assert rate.per_second == 0.0


@pytest.mark.parametrize("count", [1, 2, 15, 59, 60, 61, 300])
@pytest.mark.parametrize("fps", [16, 32])
def test_constant_rate_is_exact_from_second_event(fps: int, count: int, rate: RateMeter, clock: HandClock) -> None:
    run(rate, clock, [1 / fps] * count)
    assert rate.per_second == fps


def test_rate_decays_after_last_event(rate: RateMeter, clock: HandClock) -> None:
    run(rate, clock, [1 / 32] * 320)
    received = []
    for _ in range(5):
        received.append(rate.per_second)
        clock.seconds += 0.5
    assert received == [32.0, 24.0, 16.0, 8.0, 0.0]


def test_rate_restarts_after_pause(rate: RateMeter, clock: HandClock) -> None:
    run(rate, clock, [1 / 32] * 320)
    clock.seconds += 10
    run(rate, clock, [1 / 16] * 2)
    assert rate.per_second == 16.0


def test_changed_rate_is_exact_after_window(rate: RateMeter, clock: HandClock) -> None:
    run(rate, clock, [1 / 32] * 128)
    run(rate, clock, [1 / 8] * 16)
    assert rate.per_second == 8.0


@given(st.floats(0.01, 0.5), st.floats(1, 3), st.data())
def test_irregular_rate_is_within_bounds(shortest: float, spread: float, data: st.DataObject) -> None:
    longest = min(shortest * spread, 1.0)
    gaps = data.draw(st.lists(st.floats(shortest, longest), min_size=1, max_size=80))
    clock = HandClock()
    rate = RateMeter(clock, window=2.0)
    run(rate, clock, gaps)
    one_event = 1 / min(sum(gaps), 2.0)  # that the window's edge may cut off, or take in
    assert 1 / longest - one_event <= rate.per_second + 1e-6
    assert rate.per_second - 1e-6 <= 1 / shortest + one_event


@given(st.lists(st.tuples(st.sampled_from(["tick", "look"]), st.floats(0, 5)), max_size=100))
def test_rate_is_finite_and_counts_no_event_twice(doings: list[tuple[str, float]]) -> None:
    clock = HandClock()
    rate = RateMeter(clock, window=2.0)
    ticks = []
    for doing, gap in doings:
        clock.seconds += gap
        if doing == "tick":
            rate.tick()
            ticks.append(clock.seconds)
        reported = rate.per_second
        assert 0 <= reported < math.inf
        if gap >= 2.0 and doing == "look":
            assert reported == 0.0
        recent = [tick for tick in ticks if tick > clock.seconds - 2.0]
        if reported:
            assert reported * 2.0 >= len(recent) - 1  # over at most the window
        elif len(recent) > 1:
            assert all(later == earlier for earlier, later in pairwise([*recent, clock.seconds]))


def test_concurrent_ticks_are_all_counted(rate: RateMeter, clock: HandClock) -> None:
    rate.tick()
    clock.seconds += 1.0

    def tick() -> None:
        for _ in range(1000):
            rate.tick()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert rate.per_second == 4000.0


def test_summary_without_latencies_is_none() -> None:
    assert LatencyWindow().summary() is None


def test_single_latency_is_both_percentiles() -> None:
    latencies = LatencyWindow()
    latencies.add(0.25)
    assert latencies.summary() == Latency(250.0, 250.0)


def test_percentiles_are_in_milliseconds() -> None:
    latencies = LatencyWindow()
    for milliseconds in (*range(100, 50, -1), *range(1, 51)):
        latencies.add(milliseconds / 1000)
    summary = latencies.summary()
    assert summary is not None
    assert [summary.p50_ms, summary.p95_ms] == pytest.approx([50, 95])


def test_only_recent_latencies_count() -> None:
    latencies = LatencyWindow(size=300)
    for _ in range(1000):
        latencies.add(9.0)
    for _ in range(300):
        latencies.add(0.5)
    assert latencies.summary() == Latency(500.0, 500.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=400))
def test_percentiles_are_measured_values(seconds: list[float]) -> None:
    latencies = LatencyWindow()
    for each in seconds:
        latencies.add(each)
    summary = latencies.summary()
    assert summary is not None
    kept = [each * 1000 for each in seconds[-300:]]
    for percentile, share in ((summary.p50_ms, 50), (summary.p95_ms, 95)):
        assert percentile in kept
        assert 100 * sum(each <= percentile for each in kept) >= share * len(kept)
        assert 100 * sum(each < percentile for each in kept) < share * len(kept)


def test_repeated_message_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock(0.0)
    failures = FailureLog(clock)
    for second in range(150):
        clock.seconds = float(second)
        failures.record_loss(SourceError("The camera is gone."), None)
        if second == 70:
            failures.record_loss(SourceError("The camera is busy."), None)
    assert [record.message for record in caplog.records] == [
        "The camera is gone.",
        "The camera is gone.",
        "The camera is busy.",
        "The camera is gone.",
    ]
