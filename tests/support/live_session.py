"""Test doubles for a live session: a scripted camera, a sink that records everything, a controlled presence."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.compositing.backgrounds import ColorBackground
from livebg.compositing.composite import composite
from livebg.compositing.compositor import Compositor
from livebg.errors import SinkError, SourceError
from livebg.imaging.frame import BT601, Alpha, ColorSpec, Composite, Frame, Matte, VideoFormat, empty_i420, planes
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource, Sink
from livebg.live.capture_loop import Camera
from livebg.live.output_loop import Output
from livebg.live.presence.device import AlwaysWatched, Method, PresenceFactory
from livebg.live.session import ExitReason, Session
from livebg.live.snapshot import State, describe
from livebg.pipeline import Pipeline, Processor
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from tests.support.pipeline_fakes import LumaSegmenter

SIZE = (64, 48)
COLOR = ColorSpec(BT601, BT601, BT601)
FORMAT = VideoFormat(*SIZE, Fraction(50), COLOR)
TICKS = Fraction(1, 1_000_000)
PATIENCE = 20.0
"""Seconds after which a test that waits has failed."""


def room_pattern(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """The room's luma, (height, width): noise that resembles nothing else."""
    return np.random.default_rng(11).integers(60, 200, (size[1], size[0]), np.uint8)


def person_mask(width: int, height: int) -> Alpha:
    """The true alpha: a person in the lower middle."""
    alpha = np.zeros((height, width), np.float32)
    alpha[height // 2 :, width // 3 : -(width // 3)] = 1
    return alpha


def person_frame(pts: int, size: tuple[int, int] = SIZE) -> Frame:
    """The person (gray 235) in front of the patterned room."""
    data = empty_i420(*size)
    luma, *chroma = planes(data)
    luma[:] = np.where(person_mask(*size) > 0.5, 235, room_pattern(size))
    for plane in chroma:
        plane[:] = 128
    return Frame(data, pts, TICKS, COLOR)


def shows_room(shown: Composite) -> bool:
    """Whether the room's pattern is anywhere in the picture where the person is not, upright or not."""
    size = (shown.width, shown.height)
    outside = person_mask(*size) < 0.5
    luma = planes(shown.data)[0].astype(np.float64)
    for seen in (luma, luma[:, ::-1], luma[::-1], luma[::-1, ::-1]):
        values, pattern = seen[outside], room_pattern(size)[outside].astype(np.float64)
        if values.std() > 0 and abs(np.corrcoef(values, pattern)[0, 1]) > 0.3:
            return True
    return False


class PersonSegmenter(LumaSegmenter):
    """Finds the person of :func:`person_frame`; ``before`` is called first, and may raise, wait or return another alpha."""

    def __init__(self, before: Callable[[int], Alpha | None] = lambda _: None) -> None:
        super().__init__()
        self._before = before

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        self.looks += 1
        instead = self._before(self.looks)
        return person_mask(image.shape[1], image.shape[0]) if instead is None else instead


def green_effect(frame: Frame, matte: Matte) -> Composite:
    return composite(frame, ColorBackground((0, 255, 0)).picture(frame, matte), matte)


def green_pipeline(segmenter: LumaSegmenter) -> Pipeline:
    """The room replaced by one color, in which any pattern would be visible."""
    return Pipeline(segmenter, TemporalFilter(), GuidedUpsampler(), Compositor(green_effect))


def green_processor() -> Processor:
    return green_pipeline(PersonSegmenter())


class ToyCamera(LiveSource):
    """Films :func:`filmed` at ``rate`` frames a second in real time, until ``until`` frames are out; then it does ``then``.

    ``then`` may raise SourceError (unplugged) or wait (stalled); without it the stream ends.
    """

    def __init__(
        self,
        rate: float = 100,
        until: int | None = None,
        then: Callable[[threading.Event], None] | None = None,
        size: tuple[int, int] = SIZE,
        jump: Callable[[int], float] = lambda _: 0.0,
    ) -> None:
        self._closed = threading.Event()
        self._rate, self._until, self._then, self._size, self._jump = rate, until, then, size, jump
        self.closed = False

    @property
    def format(self) -> VideoFormat:
        return VideoFormat(*self._size, Fraction(self._rate), COLOR)

    @property
    def name(self) -> str:
        return "a toy"

    @property
    def mode(self) -> str:
        return "as set"

    def now(self) -> float:
        return time.monotonic()

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        while not self._closed.wait(1 / self._rate):
            if number == self._until:
                if self._then is None:
                    return
                self._then(self._closed)
            number += 1
            yield person_frame(int((self.now() + self._jump(number)) / TICKS), self._size)

    def close(self) -> None:
        self.closed = True
        self._closed.set()


class CameraSequence:
    """Hands out one camera after the other; a SourceError in the list is raised, and the last entry comes again and again."""

    def __init__(self, *cameras: Callable[[], LiveSource] | SourceError) -> None:
        self._cameras = list(cameras)
        self.opened = 0

    def __call__(self) -> LiveSource:
        entry = self._cameras[min(self.opened, len(self._cameras) - 1)]
        self.opened += 1
        if isinstance(entry, SourceError):
            raise entry
        return entry()


class RecordingSink(Sink):
    """Records all output with its time; it can be broken and opened again (:meth:`open`)."""

    def __init__(self) -> None:
        self.composites: list[Composite] = []
        self.times: list[float] = []
        self.broken = threading.Event()
        self.opened = self.closed = 0

    def open(self) -> "RecordingSink":
        if self.broken.is_set():
            raise SinkError("the node is gone: plug it in")
        self.opened += 1
        return self

    def send(self, composite: Composite) -> None:
        if self.broken.is_set():
            raise SinkError("the node has vanished: plug it in")
        if self.composites and composite.time <= self.composites[-1].time:
            raise SinkError("time must increase")
        assert (composite.width, composite.height) == SIZE
        self.composites.append(composite)
        self.times.append(time.monotonic())

    def close(self) -> None:
        self.closed += 1

    def abort(self) -> None:
        self.closed += 1

    @property
    def people(self) -> int:
        """How many of the pictures show the person on green."""
        return sum(is_green(shown) for shown in tuple(self.composites))

    @property
    def longest_silence(self) -> float:
        """Seconds."""
        return float(np.diff(self.times).max())


def is_green(shown: Composite) -> bool:
    """Whether the picture is the person on the green of :func:`green_pipeline`, and nothing else."""
    luma, u, v = planes(shown.data)
    return bool(luma[40, 32] > 230 and len(np.unique(luma[:12])) == 1 and u[0, 0] < 70 and v[0, 0] < 70)


def make_session(
    camera: Callable[[], LiveSource],
    sink: RecordingSink,
    build: Callable[[], Processor],
    clock: Clock = SYSTEM_CLOCK,
    *,
    presence: PresenceFactory = AlwaysWatched,
    forget: Callable[[], None] = lambda: None,
) -> Session:
    return Session(*ends(camera, sink, presence), build, discard_network=forget, clock=clock)


def ends(
    camera: Callable[[], LiveSource], sink: RecordingSink, presence: PresenceFactory = AlwaysWatched
) -> tuple[Camera, Output]:
    """Both ends of a session."""
    return Camera(camera, lambda _: Geometry(SIZE)), Output(sink.open, FORMAT, presence)


def state(live: Session) -> State:
    return describe(live.snapshot())[0]


def reason(live: Session) -> str | None:
    return describe(live.snapshot())[1]


def all_counted(live: Session) -> bool:
    """Whether every captured frame was sent, dropped or failed."""
    counts = live.snapshot().counts
    return counts.captured == counts.sent + counts.dropped + counts.failed


class FastClock(Clock):
    """Runs at ``speed`` times the system's clock, and is ``offset`` seconds ahead of it."""

    def __init__(self, speed: float = 1.0, offset: float = 0.0) -> None:
        self.speed, self.offset = speed, offset

    def monotonic(self) -> float:
        return super().monotonic() * self.speed + self.offset


class FakePresence:
    """Reports whether an app watches, as the test sets it (:meth:`set_watched`)."""

    def __init__(self, device: Callable[[], str | None], changed: Callable[[], object]) -> None:
        self.watched: bool | None = None
        self.method: Method = "unknown"
        self.device = device
        self._changed, self._end = changed, threading.Event()

    def run(self) -> None:
        self._end.wait()

    def stop(self) -> None:
        self._end.set()

    def set_watched(self, watched: bool | None) -> None:
        self.watched = watched
        self._changed()


@contextmanager
def running(live: Session) -> Iterator[list[ExitReason]]:
    """Run the session in a thread and stop it at the end; its exceptions are raised here. The list gets its exit."""
    exits: list[ExitReason] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            exits.append(live.run())
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield exits
    finally:
        live.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the session did not end"
    if raised:
        raise raised[0]


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(0.01)
