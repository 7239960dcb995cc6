"""For how long the last composite is held at low frame rates, in virtual time."""

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from livebg.errors import ModelError, SourceError
from livebg.imaging.frame import Composite, Frame, VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource, Sink
from livebg.live.capture_loop import Camera
from livebg.live.frame_path import CompositeHold
from livebg.live.output_loop import Output
from livebg.live.session import Session
from livebg.pipeline import Processor
from tests.live_parts import COLOR, FORMAT, PATIENCE, SIZE, TICKS, PersonSegmenter, Watchers, filmed, green, is_green, shows_room
from tests.soak.virtual_time import VirtualTime

SHORT = 0.25
"""The hold in seconds unless a low frame rate is known."""
EXACT = 1e-4
Play = Callable[["Stage"], object]


class VirtualCamera(LiveSource):
    """Films 30 frames a second of virtual time. Raises ``error`` once if it is set."""

    def __init__(self, time: VirtualTime, rate: float = 30) -> None:
        self._time, self._closed, self._rate = time, time.event(), rate
        self.error: SourceError | None = None

    @property
    def format(self) -> VideoFormat:
        return VideoFormat(*SIZE, Fraction(30), COLOR)

    @property
    def name(self) -> str:
        return "virtual"

    @property
    def mode(self) -> str:
        return "as set"

    def now(self) -> float:
        return self._time.monotonic()

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed.wait(1 / self._rate):
            error, self.error = self.error, None
            if error is not None:
                raise error
            yield filmed(int(self.now() / TICKS))

    def close(self) -> None:
        self._closed.set()


class TimedSink(Sink):
    """Keeps when each picture was sent, and its data unless it was the placeholder."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self.sent: list[tuple[float, object | None]] = []
        self.arrivals: list[float] = []
        """When each composite was sent first."""
        self._last: object = None

    def send(self, composite: Composite) -> None:
        assert not shows_room(composite)
        now, data = self._time.monotonic(), composite.data if is_green(composite) else None
        if data is not None and data is not self._last:
            self.arrivals.append(now)
            self._last = data
        self.sent.append((now, data))

    def close(self) -> None:
        """There is nothing to complete."""

    def abort(self) -> None:
        """There is nothing to take back."""


class Watched(Watchers):
    """An app that uses the virtual camera from the start; waits in virtual time."""

    def __init__(self, time: VirtualTime, device: Callable[[], str | None], changed: Callable[[], object]) -> None:
        super().__init__(device, changed)
        self._end = time.event()

    def run(self) -> None:
        self.say(True)
        super().run()


class Stage:
    """A session in virtual time, whose network takes ``seconds`` per frame; ``fails`` makes the next frame fail."""

    def __init__(self, time: VirtualTime, seconds: float, rate: float = 30) -> None:
        self.time, self.seconds, self.fails, self._rate = time, seconds, False, rate
        self.cameras: list[VirtualCamera] = []
        self.sink = TimedSink(time)
        self.camera = Camera(self._open, lambda _: Geometry(SIZE))
        output = Output(lambda: self.sink, FORMAT, lambda device, changed: Watched(time, device, changed))
        self.live = Session(self.camera, output, self.processor, clock=time)

    def processor(self) -> Processor:
        return green(PersonSegmenter(self._work))

    def wait_for_composites(self, count: int) -> None:
        """Sleep until ``count`` more composites arrived."""
        until = len(self.arrivals) + count
        self.wait(lambda: len(self.arrivals) >= until)

    def wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            assert not self.live.snapshot().stopping
            self.time.sleep(0.01)

    @property
    def arrivals(self) -> list[float]:
        """When each composite was sent first."""
        return list(self.sink.arrivals)

    def placeholders(self, begin: float, end: float) -> list[float]:
        return [when for when, data in self.sink.sent if begin <= when <= end and data is None]

    def ages(self, begin: float, end: float) -> list[float]:
        """The age of each composite that was sent in that time, in seconds since its arrival."""
        arrivals = np.array(self.arrivals)
        sent = [when for when, data in self.sink.sent if begin <= when <= end and data is not None]
        return [float(when - arrivals[arrivals <= when].max()) for when in sent]

    def _open(self) -> VirtualCamera:
        self.cameras.append(VirtualCamera(self.time, self._rate))
        return self.cameras[-1]

    def _work(self, _: int) -> None:
        self.time.sleep(self.seconds)
        fails, self.fails = self.fails, False
        if fails:
            raise ModelError("the network failed")


def staged(seconds: float, play: Play, rate: float = 30) -> Stage:
    """Run ``play`` in its own thread beside a session, and stop it afterwards."""
    time = VirtualTime(["player"])
    stage = Stage(time, seconds, rate)
    errors: list[BaseException] = []

    def guarded(act: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - raised again below
                errors.append(error)
                stage.live.stop()

        return run

    with time:
        session = threading.Thread(target=guarded(stage.live.run), name="livebg-session", daemon=True)
        player = threading.Thread(target=guarded(lambda: play(stage)), name="player", daemon=True)
        session.start()
        player.start()
        player.join(PATIENCE)
        stage.live.stop()
        session.join(PATIENCE)
    assert not player.is_alive()
    if errors:
        raise errors[0]
    return stage


@pytest.mark.parametrize("seconds", [0.3, 0.4, 0.6])
def test_slow_network_once_five_composites_are_known_never_shows_the_placeholder(seconds: float) -> None:
    stage = staged(seconds, lambda stage: stage.wait_for_composites(15))
    arrivals = stage.arrivals
    assert stage.placeholders(arrivals[0], arrivals[4]), "a low frame rate is not known yet"
    assert not stage.placeholders(arrivals[4], arrivals[-1])
    assert max(stage.ages(arrivals[4], arrivals[-1])) < 1.5 * seconds + 0.1


def test_slow_camera_once_five_composites_are_known_never_shows_the_placeholder() -> None:
    stage = staged(0.0, lambda stage: stage.wait_for_composites(15), rate=2)
    arrivals = stage.arrivals
    assert stage.placeholders(arrivals[0], arrivals[4])
    assert not stage.placeholders(arrivals[4], arrivals[-1])


@pytest.mark.parametrize(("seconds", "hold"), [(0.02, SHORT), (0.3, 0.45), (0.4, 0.6), (0.6, 0.9), (0.9, 1.0), (1.2, SHORT)])
def test_hanging_network_shows_the_placeholder_after_the_hold(seconds: float, hold: float) -> None:
    def hang(stage: Stage) -> None:
        stage.wait_for_composites(8)
        stage.seconds = 4.0  # too late to be shown
        stage.time.sleep(5)

    stage = staged(seconds, hang)
    last = stage.arrivals[-1]
    ages = stage.ages(last, last + 3.5)
    first = min(stage.placeholders(last, last + 3.5)) - last
    assert max(ages) < first
    assert hold - EXACT < first < min(hold + 0.07, 1.0 + EXACT)  # the network waits for a frame, too
    assert len(stage.placeholders(last + first, last + 3.5)) > 30


def fail(stage: Stage) -> None:
    stage.fails = True
    stage.wait(lambda: not stage.fails)


def lose_camera(stage: Stage) -> None:
    stage.cameras[-1].error = SourceError("the camera is gone: plug it in again")
    stage.wait(lambda: stage.live.snapshot().camera_lost is not None)


def switch(stage: Stage) -> None:
    stage.live.switch(stage.processor, at_once=False)


def replace_camera(stage: Stage) -> None:
    stage.live.use_camera(stage.camera)


@pytest.mark.parametrize("interrupt", [fail, lose_camera, switch, replace_camera])
def test_interruption_shortens_the_hold(interrupt: Play) -> None:
    moments: list[float] = []

    def play(stage: Stage) -> None:
        stage.wait_for_composites(8)
        stage.time.sleep(0.3)
        interrupt(stage)
        moments.append(stage.time.monotonic())
        stage.wait_for_composites(8)

    stage = staged(0.4, play)
    arrivals, (moment,) = stage.arrivals, moments
    before = [when for when in arrivals if when < moment]
    after = [when for when in arrivals if when >= moment]
    assert not stage.placeholders(before[4], moment - 0.01), "it was held before"
    assert max(stage.ages(moment, after[4])) < SHORT + EXACT
    assert stage.placeholders(moment, after[0])
    assert not stage.placeholders(after[5], after[-1]), "the low frame rate is known again"


def pause(stage: Stage) -> None:
    stage.live.pause()
    stage.time.sleep(0.5)
    stage.live.resume()


def lock(stage: Stage) -> None:
    stage.live.lock(True)
    stage.time.sleep(0.5)
    stage.live.lock(False)


def switch_at_once(stage: Stage) -> None:
    stage.live.switch(stage.processor, at_once=True)


@pytest.mark.parametrize("end", [pause, lock, switch_at_once])
def test_end_of_the_picture_needs_no_hold(end: Play) -> None:
    moments: list[float] = []

    def play(stage: Stage) -> None:
        stage.wait_for_composites(8)
        moments.append(stage.time.monotonic())
        end(stage)
        stage.wait_for_composites(8)

    stage = staged(0.4, play)
    (moment,) = moments
    arrivals = stage.arrivals
    after = [when for when in arrivals if when > moment]
    assert not stage.placeholders(arrivals[4], moment - 0.01)
    assert not stage.ages(moment + 0.01, after[0] - EXACT), "no earlier composite is repeated"
    assert max(stage.ages(after[0], after[4])) < SHORT + EXACT
    assert not stage.placeholders(after[5], after[-1])


def test_single_hang_does_not_extend_the_hold() -> None:
    hold = CompositeHold()
    for now in np.cumsum([0.03] * 10 + [0.9] + [0.03] * 3):
        hold.on_composite(float(now))
    assert hold.seconds == SHORT


def test_gap_of_more_than_a_second_forgets_the_low_frame_rate() -> None:
    hold = CompositeHold()
    for now in np.cumsum([0.4] * 10):
        hold.on_composite(float(now))
    assert hold.seconds == pytest.approx(0.6)
    hold.on_composite(4.0 + 1.1)
    assert hold.seconds == SHORT
