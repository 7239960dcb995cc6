"""Presence by v4l2loopback's event, in simulated time."""

import errno
import itertools
import signal
import threading
from pathlib import Path

import pytest

from livebg.live.presence.device import AlwaysWatched
from livebg.v4l2 import abi
from tests.support.fake_client_usage import NODE, FakeUsage, ScriptedUsage
from tests.support.live_session import PATIENCE, wait_for
from tests.support.presence import GRACE, RESYNC, ScriptedPresence, ThreadedPresence, open_resources, running_presence

NEW, UBUNTU = abi.EVENT_CLIENT_USAGE, abi.EVENT_CLIENT_USAGE_UBUNTU


@pytest.fixture
def run(tmp_path: Path) -> ScriptedPresence:
    return ScriptedPresence(ScriptedUsage(), tmp_path)


def test_watched_is_unknown_before_first_reading(run: ScriptedPresence) -> None:
    assert run.presence.watched is None
    assert run.presence.method == "unknown"


def test_unwatched_is_found_after_two_readings(run: ScriptedPresence) -> None:
    assert run.until(100) == [(0.0, False)]
    assert run.methods == ["event"]
    assert run.kernel.opened >= 3, "one for the event and two readings, each on a fresh descriptor"
    assert run.kernel.most_open <= 2


def test_watched_is_found_immediately(run: ScriptedPresence) -> None:
    run.kernel.stream(True)
    assert run.until(100) == [(0.0, True)]


@pytest.mark.parametrize("types", [(NEW,), (UBUNTU,), (NEW, UBUNTU)])
def test_viewer_arrival_and_departure_are_detected(types: tuple[int, ...], tmp_path: Path) -> None:
    run = ScriptedPresence(ScriptedUsage(*types), tmp_path)
    stream = run.kernel.stream
    assert run.until(100, (10, lambda: stream(True)), (50, lambda: stream(False))) == [
        (0.0, False),
        (10.0, True),
        (50 + GRACE, False),
    ]


@pytest.mark.parametrize("gap", [0.1, 1.0, GRACE - 0.1])
def test_restart_within_grace_is_ignored(run: ScriptedPresence, gap: float) -> None:
    stream = run.kernel.stream
    stream(True)
    restarts = [(10 + 5 * n + after, on) for n in range(8) for after, on in ((0.0, False), (gap, True))]
    assert run.until(100, *((time, lambda on=on: stream(on)) for time, on in restarts)) == [(0.0, True)]


def test_lost_event_is_found_at_resync(run: ScriptedPresence) -> None:
    stream = run.kernel.stream
    verdicts = run.until(200, (40, lambda: stream(True, lost=True)), (100, lambda: stream(False, lost=True)))
    assert [watched for _, watched in verdicts] == [False, True, False]
    assert 40 < verdicts[1][0] <= 40 + RESYNC
    assert 100 + GRACE <= verdicts[2][0] <= 100 + RESYNC + GRACE + 0.1


def test_lost_arrival_is_found_at_end_of_grace(run: ScriptedPresence) -> None:
    stream = run.kernel.stream
    stream(True)
    assert run.until(100, (10, lambda: stream(False)), (11, lambda: stream(True, lost=True))) == [(0.0, True)]


def test_missing_device_counts_as_watched_after_grace(run: ScriptedPresence) -> None:
    run.device = None
    verdicts = run.until(20)
    assert [watched for _, watched in verdicts] == [True]
    assert GRACE <= verdicts[0][0] <= GRACE + 1.1
    assert run.methods == ["unknown"]


def test_new_device_is_read_within_100_ms(run: ScriptedPresence) -> None:
    run.device = None
    ((time, watched),) = run.until(20, (2.0, lambda: setattr(run, "device", str(NODE))))
    assert watched is False
    assert time <= 2.1


@pytest.mark.parametrize("watched", [True, False])
def test_reopened_output_changes_nothing(run: ScriptedPresence, watched: bool) -> None:
    run.kernel.stream(watched)
    assert run.until(200, (10, lambda: setattr(run, "device", None)), (100, lambda: setattr(run, "device", str(NODE)))) == [
        (0.0, watched)
    ]


def test_closed_output_releases_device(run: ScriptedPresence) -> None:
    held: list[int] = []
    run.until(30, (10, lambda: setattr(run, "device", None)), (12, lambda: held.append(len(run.kernel.subscribed))))
    assert held == [0]


@pytest.mark.parametrize("watched", [True, False])
def test_removed_and_returned_node_is_read_again(run: ScriptedPresence, watched: bool) -> None:
    kernel = run.kernel
    kernel.stream(watched)

    def replug() -> None:
        kernel.gone, kernel.streaming = False, True

    verdicts = run.until(60, (10, kernel.vanish), (12, replug))
    assert verdicts[0] == (0.0, watched)
    assert run.presence.watched is True
    if watched:
        assert len(verdicts) == 1
    else:
        assert 12 <= verdicts[1][0] <= 12 + 1.1, "a viewer is found as soon as the node is back"


def test_missing_node_counts_as_watched(run: ScriptedPresence) -> None:
    verdicts = run.until(60, (10, run.kernel.vanish))
    assert [watched for _, watched in verdicts] == [False, True]
    assert 10 + GRACE <= verdicts[1][0] <= 10 + GRACE + 1.1
    assert run.methods == ["event", "unknown"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY])
def test_unopenable_node_counts_as_watched(run: ScriptedPresence, number: int) -> None:
    run.kernel.refused = number
    verdicts = run.until(60, (30, lambda: setattr(run.kernel, "refused", None)))
    assert [watched for _, watched in verdicts] == [True, False]
    assert 30 + GRACE <= verdicts[1][0] <= 30 + GRACE + 1.1


def test_silent_event_counts_as_watched(tmp_path: Path) -> None:
    class Silent(ScriptedUsage):
        def _announce(self) -> None:
            """No event arrives."""

    run = ScriptedPresence(Silent(), tmp_path)
    assert run.until(100) == [(0.0, True)]
    assert run.methods == ["unknown"]


def test_idle_presence_does_little_work(run: ScriptedPresence) -> None:
    """A sleeping thread: one check of the device's path per second, and one descriptor every half minute."""
    run.until(3000)
    assert run.kernel.polls < 3300
    assert run.kernel.opened <= 3 + 3000 / RESYNC + 1


def test_spurious_events_do_not_cause_busy_loop(run: ScriptedPresence) -> None:
    run.kernel.spurious = True
    verdicts = run.until(100, (50, lambda: run.kernel.stream(True)))
    assert [watched for _, watched in verdicts] == [False, True]
    assert 50 <= verdicts[1][0] <= 51.1
    assert run.kernel.polls < 400


@pytest.mark.parametrize("limit", ["1", "2"])
def test_reader_slot_is_left_free_with_few_openers(run: ScriptedPresence, tmp_path: Path, limit: str) -> None:
    about = tmp_path / "sys/class/video4linux/video42"
    about.mkdir(parents=True)
    (about / "max_openers").write_text(limit)
    run.until(20)
    assert run.kernel.opened == 0


def test_stop_before_run_prevents_start(run: ScriptedPresence) -> None:
    run.presence.stop()
    run.presence.run()
    assert run.verdicts == []
    assert run.kernel.opened == 0


def test_stop_ends_wait() -> None:
    kernel = FakeUsage()
    parts = ThreadedPresence(kernel)
    with running_presence(parts):
        parts.sees(False)
    assert not kernel.subscribed


def test_signals_do_not_end_presence(tmp_path: Path) -> None:
    """They interrupt the wait of the main thread, in which it runs here."""
    kernel, came = FakeUsage(), itertools.count()
    parts = ThreadedPresence(kernel, tmp_path)
    seen = threading.Event()

    def play() -> None:
        wait_for(lambda: parts.presence.watched is False, "nobody")
        kernel.stream(True)
        wait_for(lambda: parts.presence.watched is True, "a viewer")
        seen.set()
        parts.presence.stop()

    before = signal.signal(signal.SIGALRM, lambda *_: next(came))
    player = threading.Thread(target=play)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        player.start()
        parts.presence.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        parts.presence.stop()
        player.join(PATIENCE)
    assert seen.is_set()
    assert next(came) > 0


def test_200_viewers_leave_nothing_open() -> None:
    kernel = FakeUsage()
    parts = ThreadedPresence(kernel, grace=0.01)
    with running_presence(parts):
        parts.sees(False)
        for n in range(200):
            kernel.stream(True)
            parts.sees(True)
            kernel.stream(False)
            parts.sees(False)
            if n == 5:
                before = open_resources()
        wait_for(lambda: len(kernel.subscribed) == 1, "the fresh descriptor alone")
        assert open_resources() == before
        assert kernel.most_open <= 2
    assert parts.changes == 401


def test_always_watched_is_watched() -> None:
    changed: list[int] = []
    presence = AlwaysWatched(lambda: None, lambda: changed.append(1))
    assert presence.watched
    thread = threading.Thread(target=presence.run)
    thread.start()
    wait_for(lambda: changed == [1], "the one change")
    presence.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
