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
_MIN_WAIT_S: Final = 10.0
"""Time without an overload before a better level is tried."""
_MAX_WAIT_S: Final = 160.0
"""Limit of that time, which doubles after each failed attempt."""
_SAME_LEVEL_WAITS: Final = 4
"""Number of those times for which the level that failed is not tried again."""
_LOG_INTERVAL_S: Final = 60.0
"""Minimum time between two log messages about the level. Changes in between are counted."""
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


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A rise to a better level: when, and from which level."""

    time: float
    origin: int


class _ChangeLog:
    """Logs the first change of the level at once and summarizes those that follow soon after it."""

    def __init__(self) -> None:
        self._logged: float | None = None
        self._changes = 0

    def changed(self) -> None:
        """Count a change."""
        self._changes += 1

    def update(self, now: float, degradations: Sequence[str]) -> None:
        """Log the changes that are due, with the current quality reductions."""
        if not self._changes or (self._logged is not None and now - self._logged < _LOG_INTERVAL_S):
            return
        state = "; ".join(degradations) or "none"
        if self._changes == 1:
            _LOG.info("Reduced quality: %s", state)
        else:
            _LOG.info("Reduced quality: %s (%d changes in %.0f s)", state, self._changes, now - (self._logged or now))
        self._logged, self._changes = now, 0


class Governor:
    """Chooses one of ``plans`` from the measured times of masks and frames. Starts with ``start`` if it is among them.

    Down: within about 0.5 s after the budget is missed, to the first level estimated to fit. Up: to the best level that has been
    estimated to fit with a margin for 10 s. If that level is overloaded before it has held for as long, the attempt has failed:
    the governor returns to the level before and waits twice as long, and four times as long before it tries the same level again.
    While ``battery_saver`` is set, the best level is never used.
    """

    def __init__(self, plans: Sequence[QualityLevel], start: QualityLevel | None = None) -> None:
        self._plans = tuple(plans)
        self._level = self._plans.index(start) if start in self._plans else 0
        self._frames: deque[tuple[float, float]] = deque()
        self._rest_seconds = 0.0
        """Mean time of a frame without its mask, in seconds."""
        self._masks: deque[float] = deque(maxlen=_MASK_WINDOW)
        self._wait = _MIN_WAIT_S
        self._attempt: _Attempt | None = None
        """The last rise, until it has failed or held."""
        self._blocked: dict[int, tuple[float, float]] = {}
        """For each level that failed: when it may be tried again, and the wait in seconds that led to this time."""
        self._fits_since: dict[int, float] = {}
        """For each better level: since when its estimated load has always been low enough."""
        self._log = _ChangeLog()
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
        if self._level < self._min_level:
            self._switch(self._min_level)
        elif len(self._frames) >= _MIN_FRAMES and len(self._masks) >= _MIN_MASKS:
            self._decide(now, interval)
        self._log.update(now, self.degradations)

    @property
    def _min_level(self) -> int:
        return min(1, len(self._plans) - 1) if self.battery_saver else 0

    def _decide(self, now: float, interval: float) -> None:
        times = sorted(rest for _, rest in self._frames)
        # Without the slowest tenth, which other processes delayed.
        self._rest_seconds = fmean(times[: max(len(times) - max(len(times) // 10, 1), 1)])
        together = (self.mask_seconds + self._rest(self.level)) / interval
        self._async_masks = together > (_SYNC_BELOW if self._async_masks else _ASYNC_ABOVE)
        load = self._load(self._level, interval)
        if load > _OVERLOAD:
            self._step_down(now, interval)
        else:
            self._step_up(now, interval)

    def _step_down(self, now: float, interval: float) -> None:
        loads = {level: self._load(level, interval) for level in range(self._level, len(self._plans))}
        # If none fits, choose the best of those with the lowest load: no reduction without benefit.
        enough = max(_MAX_LOAD_DOWN, min(loads.values()) * _LOAD_TOLERANCE)
        fitting = next(level for level, load in loads.items() if load <= enough)
        if fitting == self._level:
            return
        if self._attempt is not None and now - self._attempt.time < self._wait:
            fitting = self._attempt.origin
            self._block(now)
        self._attempt = None
        self._switch(fitting)

    def _block(self, now: float) -> None:
        """Lengthen the waits after a failed attempt at the current level."""
        _, before = self._blocked.get(self._level, (0.0, self._wait * _SAME_LEVEL_WAITS / 2))
        wait = min(before * 2, _MAX_WAIT_S)
        self._blocked[self._level] = now + wait, wait
        self._wait = min(self._wait * 2, _MAX_WAIT_S)

    def _step_up(self, now: float, interval: float) -> None:
        if self._attempt is not None and now - self._attempt.time >= self._wait:  # the level has held
            self._attempt, self._wait = None, _MIN_WAIT_S
            self._blocked.pop(self._level, None)
        for level in range(self._min_level, self._level):
            if self._load(level, interval) > _MAX_LOAD_UP:
                self._fits_since.pop(level, None)
            blocked_until, _ = self._blocked.get(level, (now, 0.0))
            if now - self._fits_since.setdefault(level, now) >= self._wait and now >= blocked_until:
                self._attempt = _Attempt(now, self._level)
                self._switch(level)
                return

    def _switch(self, level: int) -> None:
        before, self._level = self.level, level
        self._fits_since.clear()
        self._frames.clear()
        if before.mask_scale != self.level.mask_scale:
            self._previous_scale = (before.mask_scale, self.mask_seconds) if len(self._masks) >= _MIN_MASKS else None
            self._masks.clear()
        self._log.changed()

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
        """Returns the estimated frame time of a level without the mask, in seconds."""
        if plan.coarse == self.level.coarse:
            return self._rest_seconds
        return self._rest_seconds * _COARSE_SHARE if plan.coarse else self._rest_seconds / _COARSE_SHARE
