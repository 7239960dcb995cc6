"""Is anybody watching: v4l2loopback's event, in a time of the test's own."""

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
from tests.support.presence import GRACE, RESYNC, Run, Threaded, in_use, threaded

NEW, UBUNTU = abi.EVENT_CLIENT_USAGE, abi.EVENT_CLIENT_USAGE_UBUNTU


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(ScriptedUsage(), tmp_path)


def test_before_the_first_reading_nothing_is_known(run: Run) -> None:
    assert run.presence.watched is None
    assert run.presence.method == "unknown"


def test_nobody_is_found_at_once_by_two_readings(run: Run) -> None:
    assert run.until(100) == [(0.0, False)]
    assert run.methods == ["event"]
    assert run.kernel.opened >= 3, "one for the event and two readings, each on a fresh descriptor"
    assert run.kernel.most_open <= 2


def test_somebody_is_found_at_once(run: Run) -> None:
    run.kernel.stream(True)
    assert run.until(100) == [(0.0, True)]


@pytest.mark.parametrize("types", [(NEW,), (UBUNTU,), (NEW, UBUNTU)])
def test_somebody_comes_and_goes(types: tuple[int, ...], tmp_path: Path) -> None:
    run = Run(ScriptedUsage(*types), tmp_path)
    stream = run.kernel.stream
    assert run.until(100, (10, lambda: stream(True)), (50, lambda: stream(False))) == [
        (0.0, False),
        (10.0, True),
        (50 + GRACE, False),
    ]


@pytest.mark.parametrize("gap", [0.1, 1.0, GRACE - 0.1])
def test_a_restart_within_the_grace_is_not_seen(run: Run, gap: float) -> None:
    stream = run.kernel.stream
    stream(True)
    restarts = [(10 + 5 * n + after, on) for n in range(8) for after, on in ((0.0, False), (gap, True))]
    assert run.until(100, *((time, lambda on=on: stream(on)) for time, on in restarts)) == [(0.0, True)]


def test_what_no_event_told_is_found_when_the_level_is_read_anew(run: Run) -> None:
    stream = run.kernel.stream
    verdicts = run.until(200, (40, lambda: stream(True, lost=True)), (100, lambda: stream(False, lost=True)))
    assert [watched for _, watched in verdicts] == [False, True, False]
    assert 40 < verdicts[1][0] <= 40 + RESYNC
    assert 100 + GRACE <= verdicts[2][0] <= 100 + RESYNC + GRACE + 0.1


def test_who_came_without_an_event_in_the_grace_is_found_at_its_end(run: Run) -> None:
    stream = run.kernel.stream
    stream(True)
    assert run.until(100, (10, lambda: stream(False)), (11, lambda: stream(True, lost=True))) == [(0.0, True)]


def test_without_a_device_nothing_is_found_for_a_while_and_then_somebody(run: Run) -> None:
    run.device = None
    verdicts = run.until(20)
    assert [watched for _, watched in verdicts] == [True]
    assert GRACE <= verdicts[0][0] <= GRACE + 1.1
    assert run.methods == ["unknown"]


def test_a_device_that_comes_is_read_within_a_tenth_of_a_second(run: Run) -> None:
    run.device = None
    ((time, watched),) = run.until(20, (2.0, lambda: setattr(run, "device", str(NODE))))
    assert watched is False
    assert time <= 2.1


@pytest.mark.parametrize("watched", [True, False])
def test_an_output_that_is_opened_again_changes_nothing(run: Run, watched: bool) -> None:
    run.kernel.stream(watched)
    assert run.until(200, (10, lambda: setattr(run, "device", None)), (100, lambda: setattr(run, "device", str(NODE)))) == [
        (0.0, watched)
    ]


def test_while_the_output_is_closed_its_device_is_let_go(run: Run) -> None:
    held: list[int] = []
    run.until(30, (10, lambda: setattr(run, "device", None)), (12, lambda: held.append(len(run.kernel.subscribed))))
    assert held == [0]


@pytest.mark.parametrize("watched", [True, False])
def test_a_node_that_vanishes_and_returns_is_read_again(run: Run, watched: bool) -> None:
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
        assert 12 <= verdicts[1][0] <= 12 + 1.1, "somebody is found as soon as the node is back"


def test_a_node_that_stays_away_counts_as_watched(run: Run) -> None:
    verdicts = run.until(60, (10, run.kernel.vanish))
    assert [watched for _, watched in verdicts] == [False, True]
    assert 10 + GRACE <= verdicts[1][0] <= 10 + GRACE + 1.1
    assert run.methods == ["event", "unknown"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY])
def test_a_node_that_cannot_be_opened_counts_as_watched(run: Run, number: int) -> None:
    run.kernel.refused = number
    verdicts = run.until(60, (30, lambda: setattr(run.kernel, "refused", None)))
    assert [watched for _, watched in verdicts] == [True, False]
    assert 30 + GRACE <= verdicts[1][0] <= 30 + GRACE + 1.1


def test_an_event_that_nothing_tells_of_its_level_counts_as_watched(tmp_path: Path) -> None:
    class Silent(ScriptedUsage):
        def _announce(self) -> None:
            """Nothing is told."""

    run = Run(Silent(), tmp_path)
    assert run.until(100) == [(0.0, True)]
    assert run.methods == ["unknown"]


def test_at_rest_hardly_anything_is_done(run: Run) -> None:
    """A thread that sleeps: a look a second at where the device is, and a descriptor every half minute."""
    run.until(3000)
    assert run.kernel.polls < 3300
    assert run.kernel.opened <= 3 + 3000 / RESYNC + 1


def test_a_driver_that_announces_nothing_is_asked_now_and_then(run: Run) -> None:
    run.kernel.spurious = True
    verdicts = run.until(100, (50, lambda: run.kernel.stream(True)))
    assert [watched for _, watched in verdicts] == [False, True]
    assert 50 <= verdicts[1][0] <= 51.1
    assert run.kernel.polls < 400


@pytest.mark.parametrize("limit", ["1", "2"])
def test_where_there_is_room_for_two_it_does_not_take_the_readers(run: Run, tmp_path: Path, limit: str) -> None:
    about = tmp_path / "sys/class/video4linux/video42"
    about.mkdir(parents=True)
    (about / "max_openers").write_text(limit)
    run.until(20)
    assert run.kernel.opened == 0


def test_a_stop_before_the_start_keeps_it_from_beginning(run: Run) -> None:
    run.presence.stop()
    run.presence.run()
    assert run.verdicts == []
    assert run.kernel.opened == 0


def test_a_stop_ends_the_wait() -> None:
    kernel = FakeUsage()
    parts = Threaded(kernel)
    with threaded(parts):
        parts.sees(False)
    assert not kernel.subscribed


def test_signals_do_not_end_it(tmp_path: Path) -> None:
    """They interrupt the wait of the main thread, in which it runs here."""
    kernel, came = FakeUsage(), itertools.count()
    parts = Threaded(kernel, tmp_path)
    seen = threading.Event()

    def play() -> None:
        wait_for(lambda: parts.presence.watched is False, "nobody")
        kernel.stream(True)
        wait_for(lambda: parts.presence.watched is True, "somebody")
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


def test_two_hundred_watchers_leave_nothing_behind() -> None:
    kernel = FakeUsage()
    parts = Threaded(kernel, grace=0.01)
    with threaded(parts):
        parts.sees(False)
        for n in range(200):
            kernel.stream(True)
            parts.sees(True)
            kernel.stream(False)
            parts.sees(False)
            if n == 5:
                before = in_use()
        wait_for(lambda: len(kernel.subscribed) == 1, "the fresh descriptor alone")
        assert in_use() == before
        assert kernel.most_open <= 2
    assert parts.changes == 401


def test_always_watched_is() -> None:
    changed: list[int] = []
    presence = AlwaysWatched(lambda: None, lambda: changed.append(1))
    assert presence.watched
    thread = threading.Thread(target=presence.run)
    thread.start()
    wait_for(lambda: changed == [1], "the one change")
    presence.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
