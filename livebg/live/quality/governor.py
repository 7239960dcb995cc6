"""Chooses the quality level from measured times. Pure logic: no threads, no clock."""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

_LOG: Final = logging.getLogger(__name__)

_OVERLOAD: Final = 0.92
"""Load above which the frame budget counts as missed. Load is a share of the frame interval; some is needed for other work."""
_MAX_LOAD_DOWN: Final = 0.85
"""Maximum estimated load of a lower level to choose it immediately."""
_MAX_LOAD_UP: Final = 0.75
"""Maximum estimated load of a higher level to try it."""
_LOAD_TOLERANCE: Final = 1.03
"""Maximum ratio of two loads that count as equal."""
_ASYNC_ABOVE: Final = 0.85
_SYNC_BELOW: Final = 0.7
"""Loads above which masks are computed asynchronously, and below which synchronously again."""

_WINDOW_S: Final = 0.5
"""Length of the window of measured frames."""
_MIN_FRAMES: Final = 5
_MASK_WINDOW: Final = 5
_MIN_MASKS: Final = 3
_MIN_DWELL_S: Final = 1.0
"""Minimum time at a level before a higher one is tried."""
_TRIAL_S: Final = 5.0
"""Time within which leaving a higher level counts as a failed trial."""
_MIN_BACKOFF_S: Final = 4.0
_MAX_BACKOFF_S: Final = 60.0
"""Delay until a failed level is retried; it doubles each time."""
_RETRY_LOAD_RATIO: Final = 0.75
"""A failed level is retried immediately if its estimated load fell to this share of its load at the failure."""
_OVERHEAD: Final = 0.2
"""Size-independent share of the mask time, assumed until measured."""
_COARSE_SHARE: Final = 0.9
"""Relative frame time with the coarse blur. The saving is small and not measured."""


@dataclass(frozen=True, slots=True)
class QualityLevel:
    """A quality level.

    A mask is computed for every ``mask_every``-th frame, with the sides of the network input scaled by ``mask_scale``, and with
    the coarse or the fine blur.
    """

    mask_every: int = 1
    mask_scale: float = 1.0
    coarse: bool = False

    @property
    def degradations(self) -> tuple[str, ...]:
        """Human-readable quality reductions."""
        ordinals = {2: "2nd", 3: "3rd"}
        rate = f"mask every {ordinals.get(self.mask_every, f'{self.mask_every}th')} frame"
        size = {0.75: "masks at three quarters of their size", 0.5: "masks at half their size"}
        phrases = (
            rate if self.mask_every > 1 else "",
            size.get(self.mask_scale, f"masks at {self.mask_scale:.0%} of their size") if self.mask_scale < 1 else "",
            "a coarse blur" if self.coarse else "",
        )
        return tuple(phrase for phrase in phrases if phrase)


def quality_levels(*, smaller: bool, coarse: bool) -> tuple[QualityLevel, ...]:
    """Returns all quality levels, best first: reduced mask rate, then mask size, then blur; never the frame rate.

    Half-size masks come last: a network not trained for them may miss people entirely.
    ``smaller``: the network supports smaller inputs. ``coarse``: a coarse blur is available.
    """
    plans = [QualityLevel(), QualityLevel(2), QualityLevel(3)]
    if smaller:
        plans.append(QualityLevel(3, 0.75))
    if coarse:
        plans.append(QualityLevel(3, plans[-1].mask_scale, True))
    if smaller:
        plans.append(QualityLevel(3, 0.5, coarse))
    return tuple(plans)


@dataclass(slots=True)
class _Backoff:
    """Back-off of a failed level: its end, its length in seconds and the estimated load at the failure."""

    until: float
    seconds: float
    load: float


class Governor:
    """Chooses one of ``plans`` from the measured times of masks and frames. Starts with ``start`` if it is among them.

    Down: within about 0.5 s after the budget is missed, to the first level estimated to fit. Up: at most one level per second,
    if it is estimated to fit with a margin. A level that failed is retried with exponential back-off, or earlier if its load has
    fallen. While ``battery_saver`` is set, the best level is never used.
    """

    def __init__(self, plans: Sequence[QualityLevel], start: QualityLevel | None = None) -> None:
        self._plans = tuple(plans)
        self._level = self._plans.index(start) if start in self._plans else 0
        self._frames: deque[tuple[float, float]] = deque()
        self._masks: deque[float] = deque(maxlen=_MASK_WINDOW)
        self._changed: float | None = None
        self._last_step_up: float | None = None
        self._expected = 0.0
        self._backoffs: dict[int, _Backoff] = {}
        self._shares = {plan.mask_scale: plan.mask_scale**2 * (1 - _OVERHEAD) + _OVERHEAD for plan in plans}
        """Relative cost of a mask at each scale."""
        self._previous_scale: tuple[float, float] | None = None
        """Mask scale and time in seconds before the last change of scale, until the new scale is measured."""
        self._async_masks = False
        self.battery_saver = False

    @property
    def level(self) -> QualityLevel:
        return self._plans[self._level]

    @property
    def async_masks(self) -> bool:
        """Whether masks take longer than a frame interval and are computed asynchronously."""
        return self._async_masks and self.level.mask_every > 1

    @property
    def degradations(self) -> tuple[str, ...]:
        """Human-readable quality reductions; empty at full quality."""
        phrases = self.level.degradations
        if self.battery_saver and self._level == self._min_level and phrases:
            return (f"{phrases[0]} (on battery)", *phrases[1:])
        return phrases

    @property
    def mask_seconds(self) -> float:
        """Current time of a mask in seconds; 0 before the first one."""
        return median(self._masks) if self._masks else 0.0

    def on_mask(self, seconds: float, scale: float) -> None:
        """Record the wall time of a mask in seconds. Masks of another scale than the plan's are ignored."""
        if scale != self.level.mask_scale:
            return
        self._masks.append(seconds)
        if self._previous_scale is not None and len(self._masks) == _MIN_MASKS:
            before, took = self._previous_scale
            share = self._shares[before] * self.mask_seconds / took if took > 0 else 1.0
            # Clamp: the network's speed may have changed at the same time.
            self._shares[scale] = min(max(share, scale**2), 1.0)
            self._previous_scale = None

    def on_frame(self, now: float, rest: float, interval: float) -> None:
        """Record a frame finished at ``now`` that took ``rest`` wall seconds without its mask. ``interval`` is in seconds."""
        self._frames.append((now, rest))
        while self._frames[0][0] < now - _WINDOW_S and len(self._frames) > _MIN_FRAMES:
            self._frames.popleft()
        self._changed = now if self._changed is None else self._changed
        if self._level < self._min_level:
            self._switch(self._min_level, now)
        elif len(self._frames) >= _MIN_FRAMES and len(self._masks) >= _MIN_MASKS:
            self._decide(now, interval)

    @property
    def _min_level(self) -> int:
        return min(1, len(self._plans) - 1) if self.battery_saver else 0

    def _decide(self, now: float, interval: float) -> None:
        together = (self.mask_seconds + self._rest(self.level)) / interval
        self._async_masks = together > (_SYNC_BELOW if self._async_masks else _ASYNC_ABOVE)
        load = self._load(self._level, interval)
        if load > _OVERLOAD:
            self._step_down(now, interval)
        elif self._level > self._min_level and now - (self._changed or now) >= _MIN_DWELL_S:
            self._step_up(now, interval)

    def _step_down(self, now: float, interval: float) -> None:
        loads = {level: self._load(level, interval) for level in range(self._level, len(self._plans))}
        # If none fits, choose the best of those with the lowest load: no reduction without benefit.
        enough = max(_MAX_LOAD_DOWN, min(loads.values()) * _LOAD_TOLERANCE)
        fitting = next(level for level, load in loads.items() if load <= enough)
        if fitting == self._level:
            return
        if self._last_step_up is not None and now - self._last_step_up <= _TRIAL_S:
            before = self._backoffs.get(self._level)
            seconds = min(before.seconds * 2, _MAX_BACKOFF_S) if before else _MIN_BACKOFF_S
            self._backoffs[self._level] = _Backoff(now + seconds, seconds, self._expected)
        else:
            self._backoffs.pop(self._level, None)
        self._last_step_up = None
        self._switch(fitting, now)

    def _step_up(self, now: float, interval: float) -> None:
        better = self._level - 1
        load = self._load(better, interval)
        backoff = self._backoffs.get(better)
        if backoff is not None and now < backoff.until and load > backoff.load * _RETRY_LOAD_RATIO:
            return
        if load <= _MAX_LOAD_UP:
            self._last_step_up, self._expected = now, load
            self._switch(better, now)

    def _switch(self, level: int, now: float) -> None:
        before, self._level = self.level, level
        self._changed = now
        self._frames.clear()
        if before.mask_scale != self.level.mask_scale:
            self._previous_scale = (before.mask_scale, self.mask_seconds) if len(self._masks) >= _MIN_MASKS else None
            self._masks.clear()
        _LOG.info("Reduced quality: %s", "; ".join(self.degradations) or "none")

    def _load(self, level: int, interval: float) -> float:
        """Returns the estimated load of a level, as a share of the frame interval."""
        plan = self._plans[level]
        mask = self.mask_seconds * self._shares[plan.mask_scale] / self._shares[self.level.mask_scale]
        rest = self._rest(plan)
        if plan.mask_every == 1:
            return (mask + rest) / interval
        if mask + rest <= _ASYNC_ABOVE * interval:
            return (mask / plan.mask_every + rest) / interval
        return max(mask / plan.mask_every, rest) / interval

    def _rest(self, plan: QualityLevel) -> float:
        """Returns the frame time without the mask: the mean without the slowest tenth, which other processes delayed."""
        times = sorted(rest for _, rest in self._frames)
        mean = fmean(times[: max(len(times) - max(len(times) // 10, 1), 1)])
        if plan.coarse == self.level.coarse:
            return mean
        return mean * _COARSE_SHARE if plan.coarse else mean / _COARSE_SHARE
