"""The frames between the threads of a session, and the decision which of them may be shown."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.compositing.composite import Placeholder
from livebg.imaging.frame import Composite, Frame, Matte, VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.demand import Demand
from livebg.live.threads import Broadcast, LatestSlot, SendBarrier
from livebg.pipeline import Processor

MAX_FRAME_AGE_S: Final = 2.0
"""Maximum age in seconds of a frame that is shown, for example after a slow network call."""
_MIN_HOLD_S: Final = 0.25
_MAX_HOLD_S: Final = 1.0
_HOLD_INTERVALS: Final = 1.5
"""The hold, as a multiple of the median interval between composites."""
_KNOWN_COMPOSITES: Final = 5

Build = Callable[[], Processor]
"""Returns a processor that turns frames into composites. Called in the worker thread."""


@dataclass(frozen=True, slots=True, eq=False)
class CapturedFrame:
    """A frame and where it comes from.

    ``geometry`` converts the source's frames to the output format. ``generation`` is the demand's before the frame was read.
    """

    frame: Frame
    source: LiveSource
    geometry: Geometry
    generation: int

    @property
    def age(self) -> float:
        """Seconds since the frame was captured, by the source's clock."""
        return max(self.source.now() - self.frame.time, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class OutputFrame:
    """A picture for the output and what it was made from. A placeholder is only a picture.

    ``captured`` holds the frame converted to the output format (larger if auto-framing crops it), ``matte`` its matte if a
    network ran. ``effect`` is the number of the effect that made the composite. ``number`` counts the pictures that previews
    receive. A frame is ``delayed`` if later ones were processed before its composite was made.
    """

    composite: Composite
    captured: CapturedFrame | None = None
    matte: Matte | None = None
    effect: int = 0
    number: int = 0
    delayed: bool = False


class CompositeHold:
    """For how long the newest composite is repeated if no newer one arrives; then the placeholder replaces it. Thread-safe.

    0.25 s, so that a failure is visible soon. Below 4 composites per second, picture and placeholder would alternate: 1.5 times
    the median interval of the last five composites, at most 1 s, bridges the time to the next one. A gap of more than 1 s and
    :meth:`reset` forget the earlier composites, so it is 0.25 s again until five more have arrived.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque(maxlen=_KNOWN_COMPOSITES)

    def on_composite(self, now: float) -> None:
        """Record the arrival of a composite at ``now``, in seconds."""
        with self._lock:
            if self._arrivals and now - self._arrivals[-1] > _MAX_HOLD_S:
                self._arrivals.clear()
            self._arrivals.append(now)

    def reset(self) -> None:
        """Forget the earlier composites: their interval does not predict the next one."""
        with self._lock:
            self._arrivals.clear()

    @property
    def seconds(self) -> float:
        with self._lock:
            if len(self._arrivals) < _KNOWN_COMPOSITES:
                return _MIN_HOLD_S
            interval = median(later - earlier for earlier, later in pairwise(self._arrivals))
        return min(max(interval * _HOLD_INTERVALS, _MIN_HOLD_S), _MAX_HOLD_S)


class FramePath:
    """The newest captured frame and the newest composite, and what decides whether a composite may be shown. Thread-safe.

    Each slot holds one frame, so a slow thread lowers the frame rate but adds no latency. Each of the ``outputs`` has a slot in
    ``composites`` and checks and sends its pictures inside its own barrier of ``sends``. A change of demand and a :meth:`switch`
    wait for these barriers: no output starts to send a picture that they rule out after they return.

    ``build`` builds the processor of the first effect.
    """

    def __init__(self, build: Build, clock: Clock = SYSTEM_CLOCK, outputs: int = 1) -> None:
        self.sends: Final = tuple(SendBarrier(clock) for _ in range(outputs))
        self.demand = Demand(clock, self.sends)
        self.captured = LatestSlot[CapturedFrame](clock)
        self.composites = Broadcast([LatestSlot[OutputFrame](clock) for _ in range(outputs)])
        self.holds: Final = tuple(CompositeHold() for _ in range(outputs))
        self.started = clock.event()
        """Set when the worker is ready for the first frame."""
        self._build, self._switching = build, threading.Lock()
        self.effect = self._oldest_effect = 0
        """The numbers of the active effect and of the earliest one that may still be shown."""
        self.dropped_waiting = 0
        """Number of frames that were dropped while they waited for later ones."""

    def switch(self, build: Build, *, at_once: bool) -> None:
        """Switch to another effect. If ``at_once``, composites of earlier effects are not shown any more."""
        with self._switching:
            self._build, self.effect = build, self.effect + 1
            self._oldest_effect = self.effect if at_once else self._oldest_effect
        self.captured.wake()  # the worker builds the processor even if no frame arrives
        self.interrupt()
        if at_once:
            for send in self.sends:
                send.wait()

    def interrupt(self) -> None:
        """Shorten the hold of the newest composite: the camera, the network or the effect changed or failed."""
        for hold in self.holds:
            hold.reset()
        self.composites.wake()

    def active_effect(self) -> tuple[Build, int]:
        """Return how to build the processor of the active effect, and the effect's number."""
        with self._switching:
            return self._build, self.effect

    def may_show(self, frame: OutputFrame) -> bool:
        """Return whether the effect of the frame and the demand allow to show it, also again: not to later viewers.

        A placeholder may always be shown.
        """
        return frame.captured is None or (frame.effect >= self._oldest_effect and self.is_wanted(frame.captured))

    def is_current(self, frame: OutputFrame) -> bool:
        """Return whether a frame is recent and was read for the current viewers: a slow worker may deliver an earlier one.

        A delayed frame must also be of the active effect: it was captured before the change.
        """
        captured = frame.captured
        if captured is None or (frame.delayed and frame.effect != self.effect):
            return False
        return captured.age <= MAX_FRAME_AGE_S and captured.generation == self.demand.generation

    def is_wanted(self, captured: CapturedFrame) -> bool:
        """Return whether the viewers for whom a frame was read still wait for it."""
        return self.demand.wanted and captured.generation == self.demand.generation

    def clear(self) -> None:
        """Drop the frames that are waiting, and shorten the hold of the newest composite."""
        for hold in self.holds:
            hold.reset()
        self.captured.clear()
        self.captured.wake()  # the worker drops the frames that wait in its processor
        self.composites.clear()

    def close(self) -> None:
        """Drop the frames that are waiting and all later ones, and wake the threads that wait for them."""
        self.captured.close()
        self.composites.close()


class NewestFrame:
    """What output ``index`` of ``path`` shows: its newest composite while that may be shown, otherwise the placeholder.

    Call :meth:`update` inside the output's barrier. Not thread-safe.
    """

    def __init__(self, path: FramePath, index: int, form: VideoFormat) -> None:
        self._path, self._hold = path, path.holds[index]
        self.placeholder: Final = OutputFrame(Placeholder(form.width, form.height, form.color).at(0, Fraction(1)))
        self._newest, self._arrived = self.placeholder, 0.0

    def update(self, new: OutputFrame | None, now: float) -> OutputFrame:
        """Return what to show at ``now``, in seconds. ``new`` is the composite that has just arrived, if any."""
        if new is not None and self._path.is_current(new):
            self._newest, self._arrived = new, now
        if not (self._path.may_show(self._newest) and 0 <= now - self._arrived < self._hold.seconds):
            self._newest = self.placeholder
        elif self._newest is new:
            self._hold.on_composite(now)
        return self._newest

    def seconds_left(self, now: float) -> float:
        """Return for how long the newest composite is repeated if no newer one arrives."""
        return max(self._arrived + self._hold.seconds - now, 0.0)
