"""The soak's own parts, and a short one: what it finds must be found, and what it says of time must be so."""

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
from tests.soak.chapter import Chapter, Props, soak
from tests.soak.faults import Departures, Violations
from tests.soak.figures import Figures, Sample, growth
from tests.soak.room import SIZE, RoomDetector, filmed_luma
from tests.soak.virtual_time import VirtualTime

PATIENCE = 20.0
CONSENT = Consent("a test")


def filmed(number: int) -> Frame:
    data = empty_i420(*SIZE)
    data[:] = 128
    planes(data)[0][:] = filmed_luma(number)
    return Frame(data, number, Fraction(1, 30), READERS_COLOR)


def in_threads(*targets: Callable[[], object]) -> None:
    """Run them beside each other, all from the same moment on."""
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


def test_time_passes_to_the_next_who_wakes_up() -> None:
    told: list[tuple[float, str]] = []
    with VirtualTime(ACTORS) as time:

        def sleeper(name: str, *naps: float) -> None:
            for nap in naps:
                time.sleep(nap)
                told.append((round(time.monotonic(), 3), name))

        in_threads(lambda: sleeper("a", 10, 10, 3600), lambda: sleeper("b", 4, 11))
    assert told == [(4, "b"), (10, "a"), (15, "b"), (20, "a"), (3620, "a")]


def test_time_does_not_wait_for_who_was_there_before() -> None:
    ended = threading.Event()
    left_behind = threading.Thread(target=ended.wait, args=(PATIENCE,), name="livebg-worker", daemon=True)
    left_behind.start()
    with VirtualTime(ACTORS) as time:
        in_threads(lambda: time.sleep(60))
        assert time.monotonic() == 60
        assert left_behind.is_alive()
    ended.set()


def test_time_waits_for_who_works_and_not_for_who_is_beside_it() -> None:
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

        in_threads(worker, sleeper)
    assert seen[0] == 0
    assert seen[1] >= 100


def test_who_is_notified_wakes_up_before_time_passes() -> None:
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

        in_threads(taker, putter)
        assert [found for _, found in got] == [True, False]
        assert time.monotonic() == pytest.approx(57)


def test_a_wait_too_short_to_be_told_ends_all_the_same() -> None:
    with VirtualTime(ACTORS) as time:

        def waits() -> None:
            time.sleep(1e6)
            event = time.event()
            end = time.monotonic() + 1e-11
            while (left := end - time.monotonic()) > 0:
                event.wait(left)
            assert not event.wait(0)

        in_threads(waits)


def test_a_thread_that_ends_holds_no_time() -> None:
    with VirtualTime(ACTORS) as time:
        in_threads(lambda: time.sleep(1), lambda: time.sleep(500))
        assert time.monotonic() == pytest.approx(500)


def test_the_end_wakes_everybody() -> None:
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
def test_the_room_is_known_and_what_hides_it_is_not_taken_for_it(turn: Callable[[np.ndarray], np.ndarray]) -> None:
    detector = RoomDetector()
    frame = filmed(7)
    assert detector.share(np.ascontiguousarray(turn(frame.y))) > 0.9
    person = Matte((frame.y > 150).astype(np.uint8) * 255, frame.time, frame.time)
    grey = np.full_like(frame.data, 128)
    assert detector.share(planes(composite(frame, grey, person).data)[0]) < 0.1
    assert detector.share(planes(Placeholder(*SIZE, READERS_COLOR).at(0, Fraction(1)).data)[0]) < 0.1
    corner = np.full_like(frame.y, 90)
    corner[:45, :80] = frame.y[:45, :80]
    assert detector.share(corner) > 0.9, "a sixteenth of the room is the room"


@pytest.fixture
def watched() -> tuple[VirtualTime, Departures, Violations]:
    violations = Violations()
    time = VirtualTime(ACTORS)
    return time, Departures(time, violations), violations


def after(time: VirtualTime, seconds: float, departures: Departures, picture: Composite) -> None:
    def act() -> None:
        time.sleep(seconds)
        departures.take(picture)

    in_threads(act)


def test_the_observer_finds_the_room_a_silence_and_a_wrong_picture(watched: tuple[VirtualTime, Departures, Violations]) -> None:
    time, departures, violations = watched
    calm = Placeholder(*SIZE, READERS_COLOR)
    with time:
        after(time, 0.5, departures, calm.at(1, Fraction(1)))
        departures.room_allowed = True
        after(time, 0.1, departures, passthrough(filmed(60), CONSENT))
        assert violations == []
        assert departures.rooms == 1
        departures.room_allowed = False
        after(time, 0.1, departures, passthrough(filmed(90), CONSENT))
        after(time, 0.51, departures, calm.at(4, Fraction(1)))
        after(time, 0.1, departures, Placeholder(64, 48, READERS_COLOR).at(5, Fraction(1)))
        after(time, 0.1, departures, calm.at(4, Fraction(1)))
        departures.broken = "gone"
        with pytest.raises(SinkError):
            departures.open()
        departures.mend()
        after(time, 0.4, departures, calm.at(6, Fraction(1)))
    assert violations == [
        "the room was seen at 0.700 s",
        "nothing left for 0.510 s before 1.210 s",
        "a picture of 64x48 at 5.0 after 4.0",
        "a picture of 320x180 at 4.0 after 4.0",
    ]


def sampled(*values: tuple[float, int, int]) -> list[Sample]:
    return [Sample(1, number * 1000, *value) for number, value in enumerate(values)]


def test_what_grows_is_found_and_what_settles_is_not() -> None:
    flat = sampled(*[(100.0 + 30 * (number > 2), 10, 11) for number in range(16)])
    assert growth(flat) == []
    assert growth(sampled(*[(100.0 + number, 10, 11) for number in range(16)])) == [
        "rss grew from 105.5 to 113.5 within 11000 frames"
    ]
    assert growth(sampled(*[(100.0, 10 + number // 5, 11) for number in range(16)]))[0].startswith("threads grew from 11 to 12 ")
    assert growth(sampled(*[(100.0, 10, 11 + number) for number in range(16)]))[0].startswith("descriptors grew")
    assert growth(flat[:5]) == []


def test_figures_go_on_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    assert Figures.read(path) == Figures()
    figures = Figures(seed=5, frames=12, samples=sampled((1.0, 2, 3)), violations=["no"], acts={"set": 3})
    figures.write(path)
    assert Figures.read(path) == figures
    assert list(tmp_path.iterdir()) == [path]


def test_a_short_soak(tmp_path: Path) -> None:
    figures = Figures(seed=2)
    soak(Props(tmp_path), figures, 250, 120)
    assert figures.violations == []
    assert figures.frames >= 250
    assert figures.longest_silence <= 0.5
    assert figures.pictures == figures.frames + figures.placeholders + figures.repeated
    assert figures.clip_seconds > 250 / 30
    assert len(figures.samples) >= 2


def test_a_soak_tells_of_a_session_that_shows_the_room(tmp_path: Path) -> None:
    """The observer at work: the same soak, but that the output's word is never heard that the room is hidden."""
    figures = Figures(seed=3)
    props = Props(tmp_path)
    (tmp_path / "stage").mkdir()
    chapter = Chapter(props, figures, 1, tmp_path / "stage")
    chapter.live.switch(lambda: Raw(), at_once=False)
    chapter.run(40, 40)
    assert any("the room was seen" in text for text in figures.violations)


class Raw:
    """A processor with a hole in it."""

    def process(self, frame: Frame) -> Processed:
        return Processed(passthrough(frame, CONSENT), None)

    def reset(self) -> None: ...
