"""The capture thread: opens the camera, forwards its frames and reopens the camera after a failure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.errors import SourceError
from livebg.imaging.frame import VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.frame_path import CapturedFrame, FramePath
from livebg.live.stats import FailureLog, RateMeter

_MIN_RETRY_DELAY_S: Final = 0.25
_MAX_RETRY_DELAY_S: Final = 2.0
_START_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A camera and how its frames become those of the output.

    ``open`` opens the camera or raises :class:`~livebg.errors.SourceError`; it is called again after a failure. ``geometry_for``
    returns the geometry that converts frames of the camera's format to the output format.
    """

    open: Callable[[], LiveSource]
    geometry_for: Callable[[VideoFormat], Geometry]


class CaptureLoop:
    """Captures frames in its own thread (:meth:`run`). All other members are thread-safe.

    The camera is open only while frames are needed. Failures are retried with increasing delays. A source that ends without an
    error sets ``ended``, which ends the session.
    """

    def __init__(
        self, camera: Camera, path: FramePath, stages: StageTimer, failures: FailureLog, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._camera, self._path, self._demand = camera, path, path.demand
        self._stages, self._failures = stages, failures
        self.rate = RateMeter(clock)
        self._stop = clock.event()
        self.source: LiveSource | None = None
        """The open camera, or None."""
        self._released: LiveSource | None = None
        """A source closed by another thread. Its end is not the end of the stream."""
        self.captured = self.opened = 0
        self.lost: str | None = None
        """Why the camera is unavailable, as a message. None while it works or is being opened for the first time."""
        self.ended = False

    def run(self) -> None:
        delay = _MIN_RETRY_DELAY_S
        while not self.ended and self._demand.wait():
            before = self.captured
            try:
                self._capture(self._camera)
            except SourceError as error:
                self.lost = self._failures.record_loss(error, self.lost)
                self._path.interrupt()
                delay = _MIN_RETRY_DELAY_S if self.captured > before else min(delay * 2, _MAX_RETRY_DELAY_S)
                self._stop.wait(delay)

    def stop(self) -> None:
        """End :meth:`run`. Thread-safe."""
        self._stop.set()
        self._demand.close()
        self.release()

    def use(self, camera: Camera) -> None:
        """Switch to another camera immediately. Thread-safe."""
        self._camera = camera
        self._path.interrupt()
        self.release()

    def release(self) -> None:
        """Close the camera. :meth:`run` reopens it when frames are needed. Thread-safe."""
        source = self.source
        if source is not None:
            self._released = source
            source.close()

    def _capture(self, camera: Camera) -> None:
        with camera.open() as source:
            self.source = source
            self.opened += 1
            try:
                self._forward_frames(source, camera)
            finally:
                self.source = None

    def _is_needed(self, source: LiveSource, camera: Camera) -> bool:
        replaced = camera is not self._camera or source is self._released
        return not self._stop.is_set() and self._demand.wanted and not replaced

    def _forward_frames(self, source: LiveSource, camera: Camera) -> None:
        """Forward frames until the camera is not needed or was replaced, including while it was being opened."""
        frames, geometry = iter(source), camera.geometry_for(source.format)
        # Decoding frames for a network that is still loading would only slow it down.
        while source.can_wait and self._is_needed(source, camera) and not self._path.started.wait(_START_POLL_S):
            pass
        while self._is_needed(source, camera):
            generation = self._demand.generation
            with self._stages.stage("camera"):
                frame = next(frames, None)
            if frame is None:
                self.ended = not self._stop.is_set() and source is not self._released
                return
            if not self._demand.wanted:
                return
            self.captured += 1
            self.rate.tick()
            self.lost = None
            self._path.captured.put(CapturedFrame(frame, source, geometry, generation))
