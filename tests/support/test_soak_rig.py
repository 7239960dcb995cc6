"""The parts of the soak and a short soak: violations are found, and its times are correct."""

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livebg.compositing.composite import Consent, Placeholder, composite, passthrough
from livebg.daemon.bootstrap import READERS_COLOR
from livebg.errors import SinkError
from livebg.imaging.frame import Composite, Frame, Matte, empty_i420, planes
from livebg.pipeline import Processed
from tests.soak.chapter import Chapter, SoakFiles, soak
from tests.soak.faults import OutputMonitor, Violations
from tests.soak.figures import Figures, Sample, growth
from tests.soak.room import SIZE, RoomDetector, filmed_luma
from tests.soak.virtual_time import VirtualTime

PATIENCE = 20.0
CONSENT = Consent("a test")


def person_frame(number: int) -> Frame:
    data = empty_i420(*SIZE)
    data[:] = 128
    planes(data)[0][:] = filmed_luma(number)
    return Frame(data, number, Fraction(1, 30), READERS_COLOR)


def run_in_threads(*targets: Callable[[], object]) -> None:
    """Run them in parallel, all from the same moment on."""
    begin = threading.Barrier(len(targets))

    def run(target: Callable[[], object]) -> None:
        begin.wait(PATIENCE)
        target()

    threads = [
        threading.Thread(target=run, args=(target,), name=f"actor {number}", daemon=True) for number, target in enumerate(targets)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "time stands still"


ACTORS = [f"actor {number}" for number in range(4)]


def test_time_advances_to_next_wakeup() -> None:
    received: list[tuple[float, str]] = []
    with VirtualTime(ACTORS) as time:

        def sleeper(name: str, *naps: float) -> None:
            for nap in naps:
                time.sleep(nap)
                received.append((round(time.monotonic(), 3), name))

        run_in_threads(lambda: sleeper("a", 10, 10, 3600), lambda: sleeper("b", 4, 11))
    assert received == [(4, "b"), (10, "a"), (15, "b"), (20, "a"), (3620, "a")]


def test_time_ignores_threads_from_before() -> None:
    ended = threading.Event()
    left_behind = threading.Thread(target=ended.wait, args=(PATIENCE,), name="livebg-worker", daemon=True)
    left_behind.start()
    with VirtualTime(ACTORS) as time:
        run_in_threads(lambda: time.sleep(60))
        assert time.monotonic() == 60
        assert left_behind.is_alive()
    ended.set()


def test_time_waits_for_busy_threads_except_detached_ones() -> None:
    working, done = threading.Event(), threading.Event()
    with VirtualTime(ACTORS) as time:
        seen: list[float] = []

        def worker() -> None:
            working.wait(PATIENCE)
            seen.append(time.monotonic())
            with time.beside():
                done.wait(PATIENCE)
            seen.append(time.monotonic())

        def sleeper() -> None:
            working.set()
            time.sleep(100)
            done.set()
            time.sleep(1)

        run_in_threads(worker, sleeper)
    assert seen[0] == 0
    assert seen[1] >= 100


def test_notified_thread_runs_before_time_advances() -> None:
    with VirtualTime(ACTORS) as time:
        condition, items = time.condition(), list[int]()
        got: list[tuple[float, bool]] = []

        def taker() -> None:
            for _ in range(2):
                with condition:
                    got.append((time.monotonic(), condition.wait_for(lambda: bool(items), 50)))
                    items.clear()

        def putter() -> None:
            time.sleep(7)
            with condition:
                items.append(1)
                condition.notify()

        run_in_threads(taker, putter)
        assert [found for _, found in got] == [True, False]
        assert time.monotonic() == pytest.approx(57)


def test_tiny_wait_ends() -> None:
    with VirtualTime(ACTORS) as time:

        def waits() -> None:
            time.sleep(1e6)
            event = time.event()
            end = time.monotonic() + 1e-11
            while (left := end - time.monotonic()) > 0:
                event.wait(left)
            assert not event.wait(0)

        run_in_threads(waits)


def test_ended_thread_does_not_hold_time() -> None:
    with VirtualTime(ACTORS) as time:
        run_in_threads(lambda: time.sleep(1), lambda: time.sleep(500))
        assert time.monotonic() == pytest.approx(500)


def test_exit_wakes_all_threads() -> None:
    asleep, awake = threading.Event(), threading.Event()
    time = VirtualTime()

    def sleeper() -> None:
        asleep.set()
        time.event().wait()
        awake.set()

    with time:
        threading.Thread(target=sleeper, daemon=True).start()
        assert asleep.wait(PATIENCE)
    assert awake.wait(PATIENCE)


@pytest.mark.parametrize("turn", [np.asarray, np.fliplr, np.flipud])
def test_detector_finds_room_and_ignores_hidden_room(turn: Callable[[np.ndarray], np.ndarray]) -> None:
    detector = RoomDetector()
    frame = person_frame(7)
    assert detector.share(np.ascontiguousarray(turn(frame.y))) > 0.9
    person = Matte((frame.y > 150).astype(np.uint8) * 255, frame.time, frame.time)
    gray = np.full_like(frame.data, 128)
    assert detector.share(planes(composite(frame, gray, person).data)[0]) < 0.1
    assert detector.share(planes(Placeholder(*SIZE, READERS_COLOR).at(0, Fraction(1)).data)[0]) < 0.1
    corner = np.full_like(frame.y, 90)
    corner[:45, :80] = frame.y[:45, :80]
    assert detector.share(corner) > 0.9, "a sixteenth of the room is the room"


@pytest.fixture
def monitored() -> tuple[VirtualTime, OutputMonitor, Violations]:
    violations = Violations()
    time = VirtualTime(ACTORS)
    return time, OutputMonitor(time, violations), violations


def after(time: VirtualTime, seconds: float, monitor: OutputMonitor, picture: Composite) -> None:
    def act() -> None:
        time.sleep(seconds)
        monitor.take(picture)

    run_in_threads(act)


def test_monitor_reports_room_silence_and_wrong_pictures(monitored: tuple[VirtualTime, OutputMonitor, Violations]) -> None:
    time, monitor, violations = monitored
    calm = Placeholder(*SIZE, READERS_COLOR)
    with time:
        after(time, 0.5, monitor, calm.at(1, Fraction(1)))
        monitor.room_allowed = True
        after(time, 0.1, monitor, passthrough(person_frame(60), CONSENT))
        assert violations == []
        assert monitor.rooms == 1
        monitor.room_allowed = False
        after(time, 0.1, monitor, passthrough(person_frame(90), CONSENT))
        after(time, 0.51, monitor, calm.at(4, Fraction(1)))
        after(time, 0.1, monitor, Placeholder(64, 48, READERS_COLOR).at(5, Fraction(1)))
        after(time, 0.1, monitor, calm.at(4, Fraction(1)))
        monitor.broken = "gone"
        with pytest.raises(SinkError):
            monitor.open()
        monitor.repair()
        after(time, 0.4, monitor, calm.at(6, Fraction(1)))
    assert violations == [
        "the room was seen at 0.700 s",
        "nothing left for 0.510 s before 1.210 s",
        "a picture of 64x48 at 5.0 after 4.0",
        "a picture of 320x180 at 4.0 after 4.0",
    ]


def samples_of_values(*values: tuple[float, int, int]) -> list[Sample]:
    return [Sample(1, number * 1000, *value) for number, value in enumerate(values)]


def test_growth_is_found_and_plateau_is_not() -> None:
    flat = samples_of_values(*[(100.0 + 30 * (number > 2), 10, 11) for number in range(16)])
    assert growth(flat) == []
    assert growth(samples_of_values(*[(100.0 + number, 10, 11) for number in range(16)])) == [
        "rss grew from 105.5 to 113.5 within 11000 frames"
    ]
    assert growth(samples_of_values(*[(100.0, 10 + number // 5, 11) for number in range(16)]))[0].startswith(
        "threads grew from 11 to 12 "
    )
    assert growth(samples_of_values(*[(100.0, 10, 11 + number) for number in range(16)]))[0].startswith("descriptors grew")
    assert growth(flat[:5]) == []


def test_figures_continue_from_file(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    assert Figures.read(path) == Figures()
    figures = Figures(seed=5, frames=12, samples=samples_of_values((1.0, 2, 3)), violations=["no"], acts={"set": 3})
    figures.write(path)
    assert Figures.read(path) == figures
    assert list(tmp_path.iterdir()) == [path]


def test_short_soak_has_no_violations(tmp_path: Path) -> None:
    figures = Figures(seed=2)
    soak(SoakFiles(tmp_path), figures, 250, 120)
    assert figures.violations == []
    assert figures.frames >= 250
    assert figures.longest_silence <= 0.5
    assert figures.pictures == figures.frames + figures.placeholders + figures.repeated
    assert figures.clip_seconds > 250 / 30
    assert len(figures.samples) >= 2


def test_soak_reports_session_that_shows_room(tmp_path: Path) -> None:
    """The monitor works: the same soak, but the output's report that the room is hidden is ignored."""
    figures = Figures(seed=3)
    files = SoakFiles(tmp_path)
    (tmp_path / "stage").mkdir()
    chapter = Chapter(files, figures, 1, tmp_path / "stage")
    chapter.live.switch(lambda: LeakingProcessor(), at_once=False)
    chapter.run(40, 40)
    assert any("the room was seen" in text for text in figures.violations)


class LeakingProcessor:
    """A processor with a hole in it."""

    oversampling = 1.0

    def process(self, frame: Frame) -> Processed:
        return Processed(passthrough(frame, CONSENT), None)

    def reset(self) -> None: ...
