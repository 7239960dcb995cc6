"""A session in virtual time: its camera, network and viewer wait by a simulated clock, and each picture sent has a time."""

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final

import numpy as np

from livebg.errors import ModelError, SourceError
from livebg.imaging.frame import Composite, Frame, VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource, Sink
from livebg.live.capture_loop import Camera
from livebg.live.output_loop import Output
from livebg.live.session import Session
from livebg.pipeline import Processor
from tests.soak.virtual_time import VirtualTime
from tests.support.live_session import (
    COLOR,
    FORMAT,
    SIZE,
    TICKS,
    FakePresence,
    PersonSegmenter,
    green_pipeline,
    is_green,
    person_frame,
    shows_room,
)

_TIMEOUT_S: Final = 300.0
"""Real time, for a busy machine."""
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
            yield person_frame(int(self.now() / TICKS))

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
        now, data = self._time.monotonic(), composite.data if composite.data is self._last or is_green(composite) else None
        assert data is not None or not shows_room(composite)
        if data is not None and data is not self._last:
            assert not shows_room(composite)
            self.arrivals.append(now)
            self._last = data
        self.sent.append((now, data))

    def close(self) -> None:
        """There is nothing to complete."""

    def abort(self) -> None:
        """There is nothing to take back."""


class Watched(FakePresence):
    """An app that uses the virtual camera from the start; waits in virtual time."""

    def __init__(self, time: VirtualTime, device: Callable[[], str | None], changed: Callable[[], object]) -> None:
        super().__init__(device, changed)
        self._end = time.event()

    def run(self) -> None:
        self.set_watched(True)
        super().run()


class Stage:
    """A session in virtual time, whose network takes ``seconds`` per frame; ``fails`` makes the next frame fail.

    ``make`` returns another processor than that with this network.
    """

    def __init__(
        self, time: VirtualTime, seconds: float, rate: float = 30, make: Callable[[VirtualTime], Processor] | None = None
    ) -> None:
        self._make = make
        self.time, self.seconds, self.fails, self._rate = time, seconds, False, rate
        self.cameras: list[VirtualCamera] = []
        self.sink = TimedSink(time)
        self.camera = Camera(self._open, lambda _: Geometry(SIZE))
        output = Output(lambda: self.sink, FORMAT, lambda device, changed: Watched(time, device, changed))
        self.live = Session(self.camera, output, self.processor, clock=time)

    def processor(self) -> Processor:
        return green_pipeline(PersonSegmenter(self._work)) if self._make is None else self._make(self.time)

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


def staged(seconds: float, play: Play, rate: float = 30, make: Callable[[VirtualTime], Processor] | None = None) -> Stage:
    """Run ``play`` in its own thread beside a session, and stop it afterwards."""
    time = VirtualTime(["player"])
    stage = Stage(time, seconds, rate, make)
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
        player.join(_TIMEOUT_S)
        stage.live.stop()
        session.join(_TIMEOUT_S)
    assert not player.is_alive()
    if errors:
        raise errors[0]
    return stage
