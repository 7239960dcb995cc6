"""Presence for random sequences of readers: invariants that always hold."""

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebg.live.presence.debounce import PresenceDebouncer
from livebg.v4l2 import abi
from tests.support.fake_client_usage import ScriptedUsage
from tests.support.presence import GRACE, RESYNC, ScriptedPresence

NOWHERE = Path("/nonexistent")
SLACK = 1.2
"""Seconds for a tick and for opening a device again."""

Step = tuple[float, bool, bool]
"""Seconds after the previous event, whether a client streams from then on, and whether the event gets lost."""

gaps = st.one_of(st.floats(0.001, 2 * GRACE), st.floats(0.001, 2 * RESYNC))


def steps(*, lost: bool) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(gaps, st.booleans(), st.booleans() if lost else st.just(False)), max_size=25)


def play(sequence: list[Step], initially: bool, event_type: int) -> tuple[ScriptedPresence, list[tuple[float, bool]], float]:
    """The run, the times at which streaming changed, and the end."""
    run = ScriptedPresence(ScriptedUsage(event_type), NOWHERE)
    run.kernel.streaming = initially
    time, script, line = 0.0, [], [(0.0, initially)]
    for gap, on, lost in sequence:
        time += gap
        script.append((time, partial(run.kernel.stream, on, lost=lost)))
        if on != line[-1][1]:
            line.append((time, on))
    end = time + RESYNC + GRACE + 2 * SLACK
    run.until(end, *script)
    return run, line, end


def spans(line: list[tuple[float, bool]], end: float, value: bool) -> list[tuple[float, float]]:
    """From when to when it had a value."""
    stops = [time for time, _ in line[1:]] + [end]
    return [(start, stop) for (start, on), stop in zip(line, stops, strict=True) if on is value]


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0]))


def watched_line(run: ScriptedPresence) -> list[tuple[float, bool]]:
    return [(time, watched is not False) for time, watched in run.verdicts]


@settings(deadline=None, max_examples=80)
@given(steps(lost=False), st.booleans(), st.sampled_from([abi.EVENT_CLIENT_USAGE, abi.EVENT_CLIENT_USAGE_UBUNTU]))
def test_presence_is_exact_when_no_event_is_lost(sequence: list[Step], initially: bool, event_type: int) -> None:
    run, line, end = play(sequence, initially, event_type)
    asleep = spans(watched_line(run), end, False)
    for streaming in spans(line, end, True):
        assert all(overlap(streaming, nobody) == 0 for nobody in asleep), "a viewer streamed and was not seen"
    for start, _ in asleep:
        quiet = next(span for span in spans(line, end, False) if span[0] <= start <= span[1])
        assert quiet[0] == 0 or start - quiet[0] >= GRACE - 1e-6, "a restart within the grace was taken for an end"
    for quiet in spans(line, end, False):
        if quiet[1] - quiet[0] > GRACE + SLACK:
            assert run.watched_at(quiet[1]) is False or run.watched_at(quiet[1] - 1e-6) is False, "the camera stays on for nobody"


@settings(deadline=None, max_examples=80)
@given(steps(lost=True), st.booleans())
def test_lost_events_are_found_at_next_reading(sequence: list[Step], initially: bool) -> None:
    run, line, end = play(sequence, initially, abi.EVENT_CLIENT_USAGE)
    found = watched_line(run)
    for streaming in spans(line, end, True):
        for nobody in spans(found, end, False):
            assert overlap(streaming, nobody) <= RESYNC + SLACK, "a viewer streamed and was not found"
    for quiet in spans(line, end, False):
        for somebody in spans(found, end, True):
            assert overlap(quiet, somebody) <= RESYNC + GRACE + 2 * SLACK, "no viewer streamed, and this was not found"
    assert run.presence.watched is line[-1][1]


levels = st.lists(st.tuples(st.floats(0, 3), st.sampled_from([True, False, None]), st.booleans()), max_size=60)


@settings(deadline=None, max_examples=200)
@given(levels, st.sampled_from([0.0, 0.2]))
def test_debouncer_never_contradicts_readings(taken: list[tuple[float, bool | None, bool]], settle: float) -> None:
    debouncer, time = PresenceDebouncer(GRACE, settle), 0.0
    silent_since: float | None = None
    looks = 0
    for gap, level, fresh in taken:
        time += gap
        before = debouncer.watched
        debouncer.update(level, time, fresh=fresh)
        if level is not False:
            silent_since, looks = None, 0
        else:
            silent_since = time if silent_since is None or not fresh else silent_since
            looks += 1
        if before is not False and debouncer.watched is False:
            assert looks >= 2
            assert fresh
            assert silent_since is not None
            assert before is None or time - silent_since >= GRACE - 1e-9
        if level is None or (level and not settle):
            assert debouncer.watched is True


def test_short_visit_keeps_camera_on() -> None:
    """The driver reports only the latest change: for a very short stream, only its end."""
    debouncer = PresenceDebouncer(GRACE)
    debouncer.update(True, 0, fresh=True)
    for leaving in range(1, 20):
        debouncer.update(False, leaving, fresh=False)
        debouncer.update(False, leaving + 0.5, fresh=True)
    assert debouncer.watched is True
    debouncer.update(False, 19 + GRACE, fresh=True)
    assert debouncer.watched is False


def test_opener_counts_after_settle_time() -> None:
    debouncer = PresenceDebouncer(GRACE, 0.2)
    debouncer.update(False, 0, fresh=True)
    debouncer.update(False, 0, fresh=True)
    debouncer.update(True, 10, fresh=True)
    assert debouncer.watched is False
    assert debouncer.recheck_at == pytest.approx(10.2)
    debouncer.update(False, 10.1, fresh=True)
    debouncer.update(True, 10.3, fresh=True)
    assert debouncer.watched is False, "the first has gone, this is another"
    debouncer.update(True, 10.5, fresh=True)
    assert debouncer.watched is True
