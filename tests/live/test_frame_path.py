"""Which frames may be shown, and to whom."""

import threading
from collections.abc import Callable
from fractions import Fraction

import pytest

from livebg.compositing.composite import Consent
from livebg.imaging.frame import VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.live.frame_path import CapturedFrame, FramePath, NewestFrame, OutputFrame
from livebg.pipeline import Passthrough
from tests.soak.virtual_time import VirtualTime
from tests.support.live_session import SIZE, ToyCamera, person_frame, wait_for


def test_picture_of_earlier_viewers_is_not_shown_again() -> None:
    consent = Consent("a test")
    path, frame = FramePath(lambda: Passthrough(consent)), person_frame(0)
    path.demand.update(watched=True)
    captured = CapturedFrame(frame, ToyCamera(), Geometry(SIZE), path.demand.generation)
    shown = OutputFrame(Passthrough(consent).process(frame).composite, captured)
    assert path.may_show(shown)
    path.demand.update(watched=False)
    assert not path.may_show(shown)
    path.demand.update(watched=True)  # before the output thread has sent a placeholder
    assert not path.may_show(shown)
    assert path.may_show(OutputFrame(shown.composite)), "a placeholder"


class StoppedCamera(ToyCamera):
    """A camera for which no time passes."""

    def now(self) -> float:
        return 0.0


def composite_in(path: FramePath) -> OutputFrame:
    """A composite for the viewers of now."""
    consent, frame = Consent("a test"), person_frame(0)
    captured = CapturedFrame(frame, StoppedCamera(), Geometry(SIZE), path.demand.generation)
    return OutputFrame(Passthrough(consent).process(frame).composite, captured)


@pytest.fixture
def path() -> FramePath:
    """An app watches."""
    path = FramePath(lambda: Passthrough(Consent("a test")))
    path.demand.update(watched=True)
    return path


@pytest.fixture
def newest(path: FramePath) -> NewestFrame:
    return NewestFrame(path, 0, VideoFormat(*SIZE, Fraction(30)))


def test_output_repeats_composite_for_a_moment_and_then_shows_placeholder(path: FramePath, newest: NewestFrame) -> None:
    shown = composite_in(path)
    assert newest.update(None, 100) is newest.placeholder
    assert newest.update(shown, 100) is shown
    assert newest.update(None, 100.2) is shown
    assert newest.seconds_left(100.2) == pytest.approx(0.05)
    assert newest.update(None, 100.25) is newest.placeholder
    assert newest.update(None, 100.2) is newest.placeholder, "a composite that was replaced does not return"
    path.demand.update(watched=False)
    assert newest.update(shown, 101) is newest.placeholder


def test_composite_is_not_repeated_after_the_clock_went_back(path: FramePath, newest: NewestFrame) -> None:
    """It would be repeated until the clock is where it was."""
    shown = composite_in(path)
    assert newest.update(shown, 100) is shown
    assert newest.update(None, 99) is newest.placeholder


def test_late_composite_for_earlier_viewers_is_ignored(path: FramePath, newest: NewestFrame) -> None:
    late = composite_in(path)
    path.demand.update(watched=False)
    path.demand.update(watched=True)
    shown = composite_in(path)
    assert newest.update(shown, 100) is shown
    assert newest.update(late, 100.1) is shown


@pytest.mark.parametrize("end", [FramePath.clear, FramePath.close])
def test_no_frame_waits_after_the_end(path: FramePath, end: Callable[[FramePath], None]) -> None:
    shown = composite_in(path)
    assert shown.captured is not None
    path.captured.put(shown.captured)
    path.composites.put(shown)
    end(path)
    assert path.captured.take(0) is None
    assert path.composites.slots[0].take(0) is None
    assert (path.captured.dropped, path.composites.slots[0].dropped) == (1, 1)


@pytest.mark.parametrize("at_once", [True, False])
def test_only_switch_at_once_waits_for_the_send_in_progress(at_once: bool) -> None:
    """In virtual time, so that the wait is exact: the send of the room ends before the user sees that it is hidden."""
    time, seconds = VirtualTime(["sender", "switcher"]), 0.4
    path, answered = FramePath(lambda: Passthrough(Consent("a test")), time), list[float]()

    def send() -> None:
        with path.sends[0].sending():
            threads[1].start()
            time.sleep(seconds)

    def switch() -> None:
        path.switch(lambda: Passthrough(Consent("a test")), at_once=at_once)
        answered.append(round(time.monotonic(), 3))

    with time:
        threads = [threading.Thread(target=act, name=name, daemon=True) for name, act in (("sender", send), ("switcher", switch))]
        threads[0].start()
        wait_for(lambda: answered, "the answer")
    assert answered == [seconds if at_once else 0.0]
