"""What the effects of a recorded video depend on besides the frame itself, known before the first frame is rendered.

Auto-framing and automatic light remember: their state at a frame depends on all frames before it. A :class:`Track` holds what was
measured in a few frames a second, and computes the state at any time from that, so that frames can be rendered in any order.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple

from livebg.compositing.auto_framing import CropWindow, FramingState, PersonBox, Place, visible_window
from livebg.compositing.light import LightState

_MAX_STEP_S: Final = 1 / 30
"""Maximum time between two steps of the path. In between samples, what the person needs is interpolated: a step at each sample
would be visible as a change of pace."""
_MAX_INTERPOLATED_S: Final = 1.0
"""Nothing is interpolated between samples that are farther apart."""
_NEED_STEPS: Final = 4096
"""Resolution of the needed light, finer than that of the tone curves."""
_BLOCK: Final = 32
"""Number of samples from one stored state of the path to the next."""


class Sample(NamedTuple):
    """What was measured in the frame at ``pts``: where the ``person`` is, and the light that the face needs in 4096ths. Both are
    None if there is none, or if the effect is off."""

    pts: int
    person: PersonBox | None
    need: int | None

    @classmethod
    def of(cls, pts: int, person: PersonBox | None, need: float | None) -> "Sample":
        """Return a sample; ``need`` is the strength of the light, 0..1."""
        return cls(pts, person, None if need is None else round(need * _NEED_STEPS))


class _Step(NamedTuple):
    """The states of the path after a frame at ``time``."""

    time: float
    framing: FramingState = FramingState()
    light: LightState = LightState()

    def advance(self, time: float, ideal: Place | None, need: float | None) -> "_Step":
        light = self.light if need is None else self.light.advance(time, need)
        return _Step(time, self.framing.advance(ideal, time), light)


@dataclass(frozen=True)
class Track:
    """Auto-framing and automatic light over a recorded video.

    ``samples`` are what was measured, with rising pts in ticks of ``time_base`` seconds; ``zoom`` is the maximum enlargement, 1
    without auto-framing. From the first sample on, the path takes the steps of
    :class:`~livebg.compositing.auto_framing.AutoFraming` and :class:`~livebg.compositing.light.Light` as if a frame came every
    1/30 s at least, with what is interpolated between the samples. In between it moves on continuously, and so does its speed.

    ``origin`` is the state of the path at the first sample, if the video begins earlier (:meth:`part`). Tracks are plain data:
    they are compared, pickled and stored by these fields. Raises ValueError for a zoom below 1, for times that do not rise, and
    for people in grids of different sizes.
    """

    time_base: Fraction
    zoom: float
    samples: tuple[Sample, ...]
    origin: tuple[FramingState, LightState] | None = None

    def __post_init__(self) -> None:
        if not self.zoom >= 1:
            raise ValueError(f"A zoom must be at least 1, got {self.zoom}.")
        if any(sample.pts >= following.pts for sample, following in pairwise(self.samples)):
            raise ValueError("The times of a track's samples must rise.")
        if len({sample.person[4:] for sample in self.samples if sample.person}) > 1:
            raise ValueError("The people of a track must be measured in one grid.")

    def __reduce__(self) -> tuple[type["Track"], tuple[object, ...]]:
        return Track, (self.time_base, self.zoom, self.samples, self.origin)  # without the path, which is computed from these

    def window(self, time: float) -> CropWindow:
        """Return the crop window of the frame at ``time`` (seconds)."""
        before, after = self._path.around(time)
        position = before.framing.position
        if not (after and before.framing.restarts(after.time)):
            position, _ = before.framing.ease((after or before).framing.target, max(time, before.time))
        return visible_window(position, self.zoom)

    def strength(self, time: float) -> float:
        """Return the strength of the light, 0..1, for the frame at ``time`` (seconds)."""
        before, after = self._path.around(time)
        light, goal = before.light, (after or before).light
        if light.time != before.time or (after and (goal.time != after.time or light.restarts(after.time))):
            return light.strength  # no face: the light stays as it is
        return light._replace(needed=goal.needed, following=goal.following).ease(max(time, before.time))

    def part(self, begin: float, end: float) -> "Track":
        """Return a short track with the same windows and strengths from ``begin`` to ``end`` (seconds)."""
        times = self._path.times
        first, last = max(bisect_right(times, begin) - 1, 0), bisect_left(times, end)
        return Track(self.time_base, self.zoom, self.samples[first : last + 1], self._path.state(first) if first else self.origin)

    def to_json(self) -> dict[str, Any]:
        """Return the track as plain values for :func:`json.dumps`."""
        grid = next((list(sample.person[4:]) for sample in self.samples if sample.person), None)
        rows, before = [], 0
        for pts, person, need in self.samples:
            rows.append([pts - before, *(person[:4] if person else ()), *(() if need is None else (need,))])
            before = pts
        return {"time_base": str(self.time_base), "zoom": self.zoom, "grid": grid, "samples": rows, "origin": self.origin}

    @classmethod
    def from_json(cls, values: Any) -> "Track":
        """Return the track of which :meth:`to_json` made ``values``. Raises ValueError for anything else."""
        try:
            samples, pts = [], 0
            for step, *measured in values["samples"]:
                pts += step
                person = PersonBox(*measured[:4], *values["grid"]) if len(measured) > 1 else None
                samples.append(Sample(pts, person, measured[-1] if len(measured) in (1, 5) else None))
            origin = values["origin"] and _origin(*values["origin"])
            return cls(Fraction(values["time_base"]), float(values["zoom"]), tuple(samples), origin)
        except (LookupError, TypeError, ArithmeticError) as error:
            raise ValueError(f"These are not the values of a track: {error}.") from error

    @cached_property
    def _path(self) -> "_Path":
        return _Path(self)


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a frame's effect depends on besides the frame, if frames are rendered in any order.

    ``start`` is the time in seconds of the first frame of the whole render, when a background video begins. ``track`` is None if
    neither auto-framing nor automatic light is on.
    """

    start: float
    track: Track | None = None


class _Path:
    """The steps of a track. One state per block of samples is computed in advance, the steps in between when they are needed."""

    def __init__(self, track: Track) -> None:
        self.times = [float(sample.pts * track.time_base) for sample in track.samples]
        self._ideals = [sample.person and sample.person.ideal(track.zoom) for sample in track.samples]
        self._needs = [None if sample.need is None else sample.need / _NEED_STEPS for sample in track.samples]
        self._states = list(self._block_states(track.origin))
        self._steps: tuple[int, list[_Step]] = -1, [_Step(0.0)]

    def state(self, sample: int) -> tuple[FramingState, LightState]:
        """Return the state of the path at the sample with this index."""
        step, _ = self.around(self.times[sample])
        return step.framing, step.light

    def around(self, time: float) -> tuple[_Step, _Step | None]:
        """Return the last step up to ``time`` and the next one, or None. Before all of them, returns the first one and None."""
        block = max(bisect_right(self.times, time) - 1, 0) // _BLOCK
        known, steps = self._steps
        if known != block and self.times:
            steps = list(self._block_steps(block))
            self._steps = block, steps
        number = bisect_right(steps, time, key=lambda step: step.time)
        return (steps[number - 1], steps[number] if number < len(steps) else None) if number else (steps[0], None)

    def _block_states(self, origin: tuple[FramingState, LightState] | None) -> Iterator[_Step]:
        """Yield the step at the first sample of each block."""
        if not self.times:
            return
        first = self.times[0]
        step = _Step(first, *origin) if origin else _Step(first).advance(first, self._ideals[0], self._needs[0])
        for sample in range(len(self.times)):
            if sample % _BLOCK == 0:
                yield step
            *_, step = step, *self._steps_after(step, sample)

    def _block_steps(self, block: int) -> Iterator[_Step]:
        """Yield the steps from the first sample of a block to that of the next."""
        last = self._states[block]
        yield last
        for sample in range(block * _BLOCK, (block + 1) * _BLOCK):
            for step in self._steps_after(last, sample):
                yield step
                last = step

    def _steps_after(self, step: _Step, sample: int) -> Iterator[_Step]:
        """Yield the steps after the one at a sample, up to that at the next sample, if there is one."""
        if sample + 1 >= len(self.times):
            return
        begin, end = self.times[sample : sample + 2]
        span = end - begin
        count = math.ceil(span / _MAX_STEP_S - 1e-6) if span <= _MAX_INTERPOLATED_S else 1
        (ideal, need), (next_ideal, next_need) = ((self._ideals[at], self._needs[at]) for at in (sample, sample + 1))
        for number in range(1, count):
            share = number / count
            step = step.advance(begin + span * share, _mix_places(ideal, next_ideal, share), _mix(need, next_need, share))
            yield step
        yield step.advance(end, next_ideal, next_need)


def _mix(before: float | None, after: float | None, share: float) -> float | None:
    """Return a value between two measurements; None if one of them is missing."""
    return None if before is None or after is None else before + (after - before) * share


def _mix_places(before: Place | None, after: Place | None, share: float) -> Place | None:
    if before is None or after is None:
        return None
    x, y, size = (one + (other - one) * share for one, other in zip(before, after, strict=True))
    return x, y, size


def _origin(framing: Sequence[Any], light: Sequence[Any]) -> tuple[FramingState, LightState]:
    """Return the states of which JSON made lists."""
    time, last_seen, target, position, speed, following = framing
    return FramingState(time, last_seen, _place(*target), _place(*position), _place(*speed), following), LightState(*light)


def _place(x: float, y: float, size: float) -> Place:
    return x, y, size
