"""The live session with one fault at a time: the room never leaves, the output never falls silent, the picture returns.

The limit on silence here only distinguishes a stop from a stutter; its exact length is measured by hand.
"""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from livebg.compositing.composite import Consent, passthrough
from livebg.errors import ModelError, SourceError
from livebg.imaging.frame import Alpha, Frame
from livebg.live.session import Session
from livebg.live.stats import LastError
from livebg.pipeline import Processed, Processor
from tests.support.live_session import (
    PATIENCE,
    SIZE,
    CameraSequence,
    FastClock,
    PersonSegmenter,
    RecordingSink,
    ToyCamera,
    all_counted,
    green_pipeline,
    green_processor,
    is_green,
    make_session,
    reason,
    running,
    shows_room,
    state,
    wait_for,
)

SILENCE = 1.5
"""Seconds: three times the promised ones, because test machines are busy."""


@pytest.fixture
def sink() -> Iterator[RecordingSink]:
    """A sink that checks at the end: no picture of the room was written, and the output never fell silent."""
    sink = RecordingSink()
    yield sink
    assert len(sink.composites) > 3
    assert not any(shows_room(shown) for shown in sink.composites)
    assert sink.longest_silence < SILENCE


def wait_for_person(live: Session, sink: RecordingSink) -> None:
    """Waits until people are shown from now on."""
    since = len(sink.composites)
    wait_for(lambda: any(map(is_green, sink.composites[since:])), f"a picture, while it is {state(live)}: {reason(live)}")


def last_error(live: Session) -> LastError:
    error = live.snapshot().last_error
    assert error is not None
    return error


def shows_placeholder(sink: RecordingSink) -> bool:
    return not is_green(sink.composites[-1])


def test_busy_camera_is_retried(sink: RecordingSink) -> None:
    busy = SourceError("/dev/video0 is in use by zoom (4711): close it there")
    cameras = CameraSequence(busy, busy, ToyCamera)
    live = make_session(cameras, sink, green_processor)
    with running(live):
        wait_for(lambda: state(live) == "camera lost", "the loss")
        assert reason(live) == str(busy)
        assert shows_placeholder(sink)
        wait_for_person(live, sink)
        assert last_error(live).text == str(busy)  # reported although it is over
        assert last_error(live).seconds_ago >= 0
    assert cameras.opened == 3


def test_lost_camera_is_reopened(sink: RecordingSink) -> None:
    def unplugged(_: threading.Event) -> None:
        raise SourceError("the camera is gone: plug it in again")

    gone = SourceError("there is no camera: plug one in")
    cameras = CameraSequence(lambda: ToyCamera(until=20, then=unplugged), gone, gone, ToyCamera)
    live = make_session(cameras, sink, green_processor)
    with running(live):
        wait_for(lambda: state(live) == "camera lost", "the loss")
        wait_for(lambda: shows_placeholder(sink), "the placeholder")
        wait_for(lambda: cameras.opened == 4, "the camera's return")
        wait_for_person(live, sink)
    assert sink.opened == 1  # readers of the node saw no break


def test_stalled_camera_shows_placeholder(sink: RecordingSink) -> None:
    """A driver that is silent for seconds, and then continues as if nothing had happened."""

    go_on = threading.Event()

    def stalled(closed: threading.Event) -> None:
        closed.wait(2.5)
        go_on.wait(PATIENCE)

    live = make_session(lambda: ToyCamera(until=20, then=stalled), sink, green_processor)
    with running(live):
        wait_for(lambda: live.output.sent, "the first pictures")  # a busy machine may drop most of the twenty
        wait_for(lambda: shows_placeholder(sink), "the placeholder")
        go_on.set()
        wait_for_person(live, sink)


def test_changed_camera_size_is_adapted(sink: RecordingSink) -> None:
    def changed(_: threading.Event) -> None:
        raise SourceError("the camera sends 32x48 where 64x48 was agreed")

    live = make_session(
        CameraSequence(lambda: ToyCamera(until=10, then=changed), lambda: ToyCamera(size=(128, 96))), sink, green_processor
    )
    with running(live):
        wait_for(lambda: live.snapshot().opened == 2, "the other size")
        wait_for_person(live, sink)
    assert {(shown.width, shown.height) for shown in sink.composites} == {SIZE}


@pytest.mark.parametrize("error", [ModelError("it failed"), RuntimeError("a defect"), MemoryError()])
def test_network_error_shows_placeholder_and_recovers(sink: RecordingSink, error: Exception) -> None:
    def fails(look: int) -> None:
        if 20 <= look < 60:
            raise error

    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(fails)))
    with running(live):
        wait_for(lambda: live.snapshot().last_error is not None and state(live) == "stalled", "the failure")
        assert last_error(live).text in (str(error), type(error).__name__)
        wait_for_person(live, sink)
    assert live.snapshot().counts.failed == 40


def test_network_that_fails_on_every_second_frame_is_logged_once(sink: RecordingSink, caplog: pytest.LogCaptureFixture) -> None:
    """An entry for each of them would be a million a day."""

    def fails(look: int) -> None:
        if look % 2:
            raise ModelError("it failed")

    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(fails)))
    with running(live):
        wait_for(lambda: live.snapshot().counts.failed > 20 and live.output.sent > 20, "failures and successes")
    assert [record.message for record in caplog.records] == ["Frame dropped: it failed"]


def test_permanent_network_failure_shows_placeholder(sink: RecordingSink) -> None:
    def fails(look: int) -> None:
        if look > 10:
            raise ModelError("it failed")

    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(fails)))
    with running(live):
        wait_for(lambda: live.snapshot().counts.failed > 60, "many failures")
        assert shows_placeholder(sink)
        assert reason(live) == "it failed"


def test_late_result_of_hung_network_is_not_shown(sink: RecordingSink) -> None:
    answer, following = threading.Event(), threading.Event()

    def hangs(look: int) -> None:
        if look == 20:
            answer.wait(30)
        if look == 21:  # or the next picture might take the late one's place before the output has seen it
            following.wait(30)

    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(hangs)))
    with running(live):
        wait_for(lambda: reason(live) == "The network does not respond.", "the hang")
        assert state(live) == "stalled"
        assert shows_placeholder(sink)
        outdated = live.output.outdated
        answer.set()
        wait_for(lambda: live.output.outdated > outdated, "the late answer to be turned away")
        assert shows_placeholder(sink)
        following.set()
        wait_for_person(live, sink)


def test_hung_network_is_replaced(sink: RecordingSink) -> None:
    answer = threading.Event()
    built: list[int] = []

    def build() -> Processor:
        built.append(len(built))

        def hangs(look: int) -> None:
            if len(built) == 1 and look == 20:
                answer.wait(60)

        return green_pipeline(PersonSegmenter(hangs))

    forgotten: list[int] = []
    live = make_session(ToyCamera, sink, build, forget=lambda: forgotten.append(len(built)))
    with running(live):
        wait_for(lambda: len(built) == 2, "another worker")
        before = live.output.sent
        wait_for(lambda: live.output.sent > before + 10, "the person again")
        assert state(live) == "live"
        assert "and was restarted" in last_error(live).text
        processed = live.snapshot().counts.processed
        answer.set()  # its result is ignored
        wait_for(lambda: live.snapshot().counts.processed > processed + 5, "more pictures")
    assert forgotten == [1]  # the hung network was abandoned before the new one was built
    assert all_counted(live)


def test_repeatedly_hung_network_ends_session(sink: RecordingSink) -> None:
    def hangs(_: int) -> None:
        threading.Event().wait(60)

    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(hangs)), clock=FastClock(speed=20))
    with pytest.raises(ModelError, match=r"3 restarts did not help\. Select another"), running(live) as exits:
        wait_for(lambda: exits or live.snapshot().stopping, "the end")
    assert "for 20 s and" in last_error(live).text


def test_slow_network_gets_more_time(sink: RecordingSink) -> None:
    looks: list[int] = []

    def slow(look: int) -> None:
        looks.append(look)
        time.sleep(0.6)  # six seconds by the session's clock

    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(slow)), clock=FastClock(speed=10))
    with running(live):
        wait_for(lambda: len(looks) > 10, "ten looks")
        assert "for 5 s and" in last_error(live).text, "it was given up once, and no more"
        assert live.snapshot().counts.processed > 5


def test_low_frame_rate_shows_placeholder_between_frames(sink: RecordingSink) -> None:
    live = make_session(lambda: ToyCamera(rate=2), sink, green_processor)
    with running(live):
        for _ in range(2):
            wait_for(lambda: state(live) == "live", "a picture")
            wait_for(lambda: state(live) == "stalled", "the placeholder")
            assert "The frame rate is too low" in str(reason(live))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_non_finite_alpha_fails_frame(sink: RecordingSink, wrong: float) -> None:
    def gives(look: int) -> Alpha | None:
        return np.full((SIZE[1], SIZE[0]), wrong, np.float32) if 10 <= look < 40 else None

    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(gives)))
    with running(live):
        wait_for(lambda: live.snapshot().counts.failed == 30, "the failures")
        wait_for_person(live, sink)


def test_alpha_of_other_size_fails_frame(sink: RecordingSink) -> None:
    live = make_session(
        ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(lambda look: np.ones((2, 2), np.float32) if look > 9 else None))
    )
    with running(live):
        wait_for(lambda: live.snapshot().counts.failed > 20, "the failures")


def test_slow_model_loading_shows_placeholder(sink: RecordingSink) -> None:
    loaded = threading.Event()

    def build() -> Processor:
        loaded.wait(30)
        return green_processor()

    live = make_session(ToyCamera, sink, build)
    with running(live):
        wait_for(lambda: live.snapshot().counts.captured > 100, "the camera")
        assert state(live) == "waking"
        assert reason(live) == "Loading the network."
        assert live.output.sent == 0
        assert live.output.placeholders > 10
        loaded.set()
        wait_for_person(live, sink)


def test_lost_output_is_reopened() -> None:
    sink = RecordingSink()
    live = make_session(ToyCamera, sink, green_processor)
    with running(live):
        wait_for(lambda: live.output.sent > 10, "the first pictures")
        sink.broken.set()
        wait_for(lambda: live.output.lost, "the loss")
        assert state(live) != "live"
        assert reason(live) in ("the node has vanished: plug it in", "the node is gone: plug it in")
        sink.broken.clear()
        wait_for_person(live, sink)
        assert live.output.lost is None
    assert (sink.opened, sink.closed) == (2, 2)
    assert not any(map(shows_room, sink.composites))


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_clock_jump_is_survived(sink: RecordingSink, jump: float) -> None:
    """A monotonic clock may not do this, but suspended laptops and drivers with their own clocks have done worse."""
    clock = FastClock(offset=5000)
    live = make_session(ToyCamera, sink, green_processor, clock)
    with running(live):
        wait_for(lambda: live.output.sent > 10, "the first pictures")
        clock.offset += jump
        wait_for_person(live, sink)


@pytest.mark.parametrize("jump", [0.4, 3600.0, -3600.0])
def test_camera_clock_jump_is_survived(sink: RecordingSink, jump: float) -> None:
    def jumps(number: int) -> float:
        return jump if 30 <= number < 60 else 0.0

    live = make_session(lambda: ToyCamera(jump=jumps), sink, green_processor)
    with running(live):
        wait_for(lambda: live.snapshot().counts.captured > 70, "the jump and the way back")
        wait_for_person(live, sink)


def test_effect_switch_works_while_network_fails(sink: RecordingSink) -> None:
    def fails(_: int) -> None:
        raise ModelError("it failed")

    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter(fails)))
    with running(live):
        wait_for(lambda: live.snapshot().counts.failed > 10, "the failures")
        live.switch(green_processor, at_once=True)
        wait_for_person(live, sink)


def test_pending_raw_frame_is_dropped_after_switch() -> None:
    """The worst moment: the room's own frame is under way while the user hides it."""
    sink, begun, go_on = RecordingSink(), threading.Event(), threading.Event()

    class Slow:
        oversampling = 1.0

        def process(self, frame: Frame) -> Processed:
            begun.set()
            go_on.wait(30)
            return Processed(passthrough(frame, Consent("a test")), None)

        def reset(self) -> None: ...

    live = make_session(ToyCamera, sink, Slow)
    with running(live):
        begun.wait(30)
        live.switch(green_processor, at_once=True)
        go_on.set()
        wait_for_person(live, sink)
    assert not any(map(shows_room, sink.composites))


def test_combined_faults_are_survived(sink: RecordingSink) -> None:
    """A bad cable, a bad network and a bad clock."""
    chance = np.random.default_rng(5)

    def sometimes(_: int) -> Alpha | None:
        draw = chance.random()
        if draw < 0.1:
            raise ModelError("it failed")
        if draw < 0.15:
            time.sleep(0.4)
        return np.full((SIZE[1], SIZE[0]), np.nan, np.float32) if draw < 0.25 else None

    def loose() -> ToyCamera:
        return ToyCamera(until=int(chance.integers(5, 40)), then=unplugged, jump=lambda _: float(chance.normal(0, 0.3)))

    def unplugged(_: threading.Event) -> None:
        raise SourceError("the camera is gone: plug it in again")

    live = make_session(loose, sink, lambda: green_pipeline(PersonSegmenter(sometimes)))
    with running(live):
        wait_for(lambda: live.snapshot().opened > 8, "many losses")
        wait_for_person(live, sink)
    assert all_counted(live)
