"""The ends of a soaked session, each of which may be broken while it runs, and a monitor of all its pictures."""

import ctypes
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.config.settings import Settings
from livebg.errors import ModelError, SinkError, SourceError
from livebg.factory import build_segmenter
from livebg.imaging.frame import Alpha, Composite, Frame, VideoFormat
from livebg.interfaces import LiveSource, ScalableSegmenter, Segmenter, Sink
from livebg.sources.looping_file import LoopingFile
from livebg.v4l2.syscalls import EventFd, Ready
from tests.soak.room import SIZE, RoomDetector
from tests.soak.virtual_time import VirtualTime
from tests.support.fake_client_usage import NODE, FakeUsage

LONGEST_SILENCE: Final = 0.5
"""Seconds between two pictures."""
LONGEST_HOLD: Final = 1.0
"""Seconds for which one composite is sent, from the first time to the last."""
_EXACT: Final = 1e-5


class Violations(list[str]):
    """The violations as sentences, limited to a readable number."""

    def note(self, text: str) -> None:
        if len(self) < 100:
            self.append(text)


class CameraFaults:
    """The camera's next faults: ``error`` once with its next frame, ``stall`` in seconds, ``busy`` as a number of times."""

    def __init__(self) -> None:
        self.error: SourceError | None = None
        self.stall = 0.0
        self.busy = 0


class SoakCamera(LiveSource):
    """The looped clip, each frame when it is due by the session's time, with the faults of a camera."""

    def __init__(self, clip: Path, time: VirtualTime, faults: CameraFaults) -> None:
        if faults.busy > 0:
            faults.busy -= 1
            raise SourceError("the camera is in use by another program: close it there")
        self._file = LoopingFile(clip, time)
        self._faults, self._closed = faults, time.event()

    @property
    def format(self) -> VideoFormat:
        return self._file.format

    @property
    def name(self) -> str:
        return self._file.name

    @property
    def mode(self) -> str:
        return self._file.mode

    def now(self) -> float:
        return self._file.now()

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._file:
            stall, self._faults.stall = self._faults.stall, 0.0
            if stall and self._closed.wait(stall):
                return
            error, self._faults.error = self._faults.error, None
            if error is not None:
                raise error
            yield frame

    def close(self) -> None:
        self._closed.set()
        self._file.close()


class NetworkFaults:
    """The network's faults: ``kind`` for the next ``looks`` calls, of ``seconds`` each if it is slow or hangs."""

    def __init__(self, time: VirtualTime) -> None:
        self.kind = ""
        self.looks = 0
        self.seconds = 0.0
        self.hanging = 0
        """Threads that hang at this moment."""
        self._time = time
        self._released = time.event()

    def hang(self) -> None:
        """Wait until the time is over or :meth:`release` is called."""
        self.hanging += 1
        self._released.wait(self.seconds)
        self.hanging -= 1

    def release(self) -> None:
        """Let everything that hangs continue."""
        released, self._released = self._released, self._time.event()
        released.set()


class SoakNetwork(ScalableSegmenter):
    """A real network on onnxruntime, with the faults of one; it may be shared by threads as that may."""

    def __init__(self, network: Segmenter, time: VirtualTime, faults: NetworkFaults) -> None:
        assert isinstance(network, ScalableSegmenter)
        self._network, self._time, self._faults = network, time, faults

    @property
    def name(self) -> str:
        return self._network.name

    @property
    def provider(self) -> str:
        return self._network.provider

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return self._network.input_size(width, height)

    def scaled_size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        return self._network.scaled_size(width, height, scale)

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        faults = self._faults
        if faults.looks <= 0:
            return self._network.segment(image)
        faults.looks -= 1
        match faults.kind:
            case "fails":
                raise ModelError("the network failed")
            case "defect":
                raise RuntimeError("a defect")
            case "memory":
                raise MemoryError
            case "no numbers":
                return np.full(image.shape[:2], np.nan, np.float32)
            case "other size":
                return np.ones((3, 5), np.float32)
            case "hangs":
                faults.hang()
            case _:
                self._time.sleep(faults.seconds)
        return self._network.segment(image)


def network_opener(time: VirtualTime, faults: NetworkFaults) -> Callable[[Settings], Segmenter]:
    """Opens what the settings name, as livebg does."""
    return lambda settings: SoakNetwork(build_segmenter(settings), time, faults)


class OutputMonitor:
    """Looks at every picture that leaves: is it of the room without the user's word, does it come too late, is it of this size.

    ``broken`` is why nothing can be written, or None. ``room_allowed``: whether the user has said that the room may be seen.
    """

    def __init__(self, time: VirtualTime, violations: Violations) -> None:
        self._time, self._violations, self._detector = time, violations, RoomDetector()
        self.broken: str | None = None
        self.room_allowed = False
        self.pictures = self.rooms = 0
        self.longest_silence = 0.0
        self._since = time.monotonic()
        self._last = float("-inf")
        self._shown: NDArray[np.uint8] | None = None
        self._shown_since = 0.0
        self._placeholder: NDArray[np.uint8] | None = None
        """What leaves first: it may be sent for as long as needed."""

    def open(self) -> Sink:
        if self.broken is not None:
            raise SinkError(self.broken)
        return _MonitoredSink(self)

    def repair(self) -> None:
        """Excuse all silence so far, since the output was broken."""
        self.broken, self._since = None, self._time.monotonic()

    def take(self, composite: Composite) -> None:
        if self.broken is not None:
            raise SinkError(self.broken)
        now = self._time.monotonic()
        silence, self._since = now - self._since, now
        self.longest_silence = max(self.longest_silence, silence)
        if silence > LONGEST_SILENCE + _EXACT:
            self._violations.note(f"nothing left for {silence:.3f} s before {now:.3f} s")
        if (composite.width, composite.height) != SIZE or composite.time <= self._last:
            self._violations.note(f"a picture of {composite.width}x{composite.height} at {composite.time} after {self._last}")
            return
        self._last = composite.time
        self.pictures += 1
        self._check_hold(composite.data, now)
        if self._detector.sees(composite):
            self.rooms += 1
            if not self.room_allowed:
                self._violations.note(f"the room was seen at {now:.3f} s")

    def _check_hold(self, data: NDArray[np.uint8], now: float) -> None:
        self._placeholder = data if self._placeholder is None else self._placeholder
        if data is not self._shown:
            self._shown, self._shown_since = data, now
        elif data is not self._placeholder and now - self._shown_since > LONGEST_HOLD + _EXACT:
            self._violations.note(f"one composite was sent for {now - self._shown_since:.3f} s until {now:.3f} s")


class UnreliableOutput(OutputMonitor):
    """The second virtual camera: it hangs and fails at random, so its silence is excused. All else holds as for ``first``."""

    def __init__(self, time: VirtualTime, violations: Violations, first: OutputMonitor, chance: random.Random) -> None:
        super().__init__(time, violations)
        self._first, self._chance = first, chance
        self._deciding = threading.Lock()
        self._hanging = False
        self._may_hang = True
        self.hangs = self.failures = 0

    def open(self) -> Sink:
        if self._chance.random() < 0.3:
            self.failures += 1
            raise SinkError("the second output cannot be opened")
        return super().open()

    def take(self, composite: Composite) -> None:
        self.room_allowed, self._since = self._first.room_allowed, self._time.monotonic()
        super().take(composite)
        with self._deciding:
            self._hanging = self._may_hang and self._chance.random() < 0.005
        if self._hanging:
            self.hangs += 1
            self._time.sleep(self._chance.choice((0.3, 1.5, 5.0)))
            self._hanging = False
        if self._chance.random() < 0.005:
            self.failures += 1
            raise SinkError("the second output has failed")

    @contextmanager
    def responsive(self) -> Iterator[bool]:
        """Inside the ``with`` block it does not begin to hang. Yields whether it does not hang already.

        A command waits for an output that hangs, so time must pass meanwhile.
        """
        with self._deciding:
            self._may_hang = False
            responds = not self._hanging
        try:
            yield responds
        finally:
            self._may_hang = True


class _MonitoredSink(Sink):
    """The virtual camera."""

    device = str(NODE)

    def __init__(self, monitor: OutputMonitor) -> None:
        self._monitor = monitor

    def send(self, composite: Composite) -> None:
        self._monitor.take(composite)

    def close(self) -> None:
        """Nothing to complete."""

    def abort(self) -> None:
        """Nothing to undo."""


class _VirtualWaker(EventFd):
    """Ends a poll of :class:`SoakUsage`."""

    def __init__(self, kernel: "SoakUsage") -> None:
        super().__init__()
        self._kernel = kernel
        self.rung = False

    def wake(self) -> None:
        self.rung = True
        super().wake()
        self._kernel.ring()


class SoakUsage(FakeUsage):
    """The kernel's report of who watches, polled in the session's time."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time
        self._news = time.condition()

    def now(self) -> float:
        return self._time.monotonic()

    def waker(self) -> EventFd:
        return _VirtualWaker(self)

    def ring(self) -> None:
        with self._news:
            self._news.notify_all()

    def stream(self, on: bool, *, lost: bool = False) -> None:
        with self._news:
            super().stream(on, lost=lost)
            self._news.notify_all()

    def open(self, path: Path) -> int:
        with self._news:
            return super().open(path)

    def close(self, fd: int) -> None:
        with self._news, suppress(KeyError):
            super().close(fd)

    def ioctl(self, fd: int, request: int, argument: ctypes.Structure) -> None:
        with self._news:
            super().ioctl(fd, request, argument)

    def poll(self, fd: int | None, waker: EventFd, timeout: float, *, event: bool = False) -> Ready:  # noqa: ARG002
        assert isinstance(waker, _VirtualWaker)
        with self._news:
            self._news.wait_for(lambda: waker.rung or self.pending(fd), max(timeout, 0.0))
            return Ready(self.pending(fd), False, waker.rung)
