"""Chooses the quality level from measured times. Pure logic: no threads, no clock."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from livebg.live.quality.levels import ChangeLog, QualityLevel

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
_OVERHEAD: Final = 0.2
"""Size-independent share of the mask time, assumed until measured."""
_COARSE_SHARE: Final = 0.9
"""Relative frame time with the coarse blur. The saving is small and not measured."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A rise to a better level: when, and from which level."""

    time: float
    origin: int


class Governor:
    """Chooses one of ``levels`` from the measured times of masks and frames. Starts with ``start`` if it is among them.

    Down: within about 0.5 s after the budget is missed, to the first level estimated to fit. Up: to the best level that has been
    estimated to fit with a margin for 10 s. If that level is overloaded before it has held for as long, the attempt has failed:
    the governor returns to the level before and waits twice as long, and four times as long before it tries the same level again.
    While ``battery_saver`` is set, the best level is never used.
    """

    def __init__(self, levels: Sequence[QualityLevel], start: QualityLevel | None = None) -> None:
        self._levels = tuple(levels)
        self._level = self._levels.index(start) if start in self._levels else 0
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
        self._log = ChangeLog()
        self._shares = {level.mask_scale: level.mask_scale**2 * (1 - _OVERHEAD) + _OVERHEAD for level in levels}
        """Relative cost of a mask at each scale."""
        self._previous_scale: tuple[float, float] | None = None
        """Mask scale and time in seconds before the last change of scale, until the new scale is measured."""
        self._async_masks = False
        self.battery_saver = False

    @property
    def level(self) -> QualityLevel:
        return self._levels[self._level]

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
        """Record the wall time of a mask in seconds. Masks of another scale than the level's are ignored."""
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
        return min(1, len(self._levels) - 1) if self.battery_saver else 0

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
        loads = {level: self._load(level, interval) for level in range(self._level, len(self._levels))}
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

    def _load(self, number: int, interval: float) -> float:
        """Return the estimated load of a level, as a share of the frame interval."""
        level = self._levels[number]
        mask = self.mask_seconds * self._shares[level.mask_scale] / self._shares[self.level.mask_scale]
        rest = self._rest(level)
        if level.mask_every == 1:
            return (mask + rest) / interval
        if mask + rest <= _ASYNC_ABOVE * interval:
            return (mask / level.mask_every + rest) / interval
        return max(mask / level.mask_every, rest) / interval

    def _rest(self, level: QualityLevel) -> float:
        """Return the estimated frame time of a level without the mask, in seconds."""
        if level.coarse == self.level.coarse:
            return self._rest_seconds
        return self._rest_seconds * _COARSE_SHARE if level.coarse else self._rest_seconds / _COARSE_SHARE
