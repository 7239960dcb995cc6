"""What is given up when the machine is too slow, and when it is given back. Numbers in, a plan out: no threads, no clock."""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

_LOG: Final = logging.getLogger(__name__)

_MISSED: Final = 0.92
"""Share of a frame's time above which its budget counts as missed: around the frame there is other work as well."""
_FITS_BELOW: Final = 0.85
"""Share that a lower level may be reckoned to take to be chosen at once."""
_FITS_ABOVE: Final = 0.75
"""Share that a better level may be reckoned to take to be tried."""
_ALIKE: Final = 1.03
"""Two loads of which one is at most this many times the other are alike."""
_BESIDE: Final = 0.85
_TOGETHER: Final = 0.7
"""Shares of a frame's time above which masks are made beside the frames, and below which within them again."""

_WINDOW: Final = 0.5
"""Seconds of frames that are looked at."""
_LEAST_FRAMES: Final = 5
_MASKS: Final = 5
_LEAST_MASKS: Final = 3
_SETTLED: Final = 1.0
"""Seconds that a level is kept before a better one is tried."""
_TRIAL: Final = 5.0
"""Seconds within which a level that does not hold counts as a trial that failed."""
_FIRST_HOLD: Final = 4.0
_LONGEST_HOLD: Final = 60.0
"""Seconds until a level that failed is tried again, doubled each time."""
_RELIEF: Final = 0.75
"""A better level that is reckoned to take this share of what it was when it failed is another matter: it is tried at once."""
_OVERHEAD: Final = 0.2
"""Share of a mask's time that a smaller one is taken to cost as well, until it has been measured."""
_COARSE_SHARE: Final = 0.9
"""Share of a frame's time that is left with the coarse blur; it is small, and never reckoned anew."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How frames are to be made: a mask for every ``mask_every``-th of them, of a picture whose sides are ``mask_scale`` of the
    network's own, and with the coarse blur or the fine one."""

    mask_every: int = 1
    mask_scale: float = 1.0
    coarse: bool = False

    @property
    def given_up(self) -> tuple[str, ...]:
        """In words, for people."""
        ordinals = {2: "2nd", 3: "3rd"}
        rate = f"a mask for every {ordinals.get(self.mask_every, f'{self.mask_every}th')} frame"
        size = {0.75: "masks at three quarters of their size", 0.5: "masks at half their size"}
        said = (
            rate if self.mask_every > 1 else "",
            size.get(self.mask_scale, f"masks at {self.mask_scale:.0%} of their size") if self.mask_scale < 1 else "",
            "a coarse blur" if self.coarse else "",
        )
        return tuple(phrase for phrase in said if phrase)


def ladder(*, smaller: bool, coarse: bool) -> tuple[Plan, ...]:
    """All plans, from nothing given up downwards: the mask's rate, then its size, then the blur; never the frame rate.

    Half-size masks come last of all: a network that was not made for them may lose people altogether.
    ``smaller`` says whether the network runs at smaller sizes, ``coarse`` whether there is a coarse blur.
    """
    plans = [Plan(), Plan(2), Plan(3)]
    if smaller:
        plans.append(Plan(3, 0.75))
    if coarse:
        plans.append(Plan(3, plans[-1].mask_scale, True))
    if smaller:
        plans.append(Plan(3, 0.5, coarse))
    return tuple(plans)


@dataclass(slots=True)
class _Hold:
    """A level that was tried and did not hold: until when it is left alone, for how long, and what it was reckoned to take."""

    until: float
    seconds: float
    load: float


class Governor:
    """Chooses a plan of ``plans`` by what masks and frames take; it begins with ``start``, where that is among them.

    Down: within about half a second after the budget is missed, to the first level that is reckoned to fit. Up: one level a
    second, when it is reckoned to fit with a margin; a level that did not hold is tried again later and later, unless what it
    takes has fallen meanwhile. While ``saving`` is set, at least the second level is given up, whatever there is room for.
    """

    def __init__(self, plans: Sequence[Plan], start: Plan | None = None) -> None:
        self._plans = tuple(plans)
        self._level = self._plans.index(start) if start in self._plans else 0
        self._frames: deque[tuple[float, float]] = deque()
        self._masks: deque[float] = deque(maxlen=_MASKS)
        self._changed: float | None = None
        self._climbed: float | None = None
        self._expected = 0.0
        self._holds: dict[int, _Hold] = {}
        self._shares = {plan.mask_scale: plan.mask_scale**2 * (1 - _OVERHEAD) + _OVERHEAD for plan in plans}
        """What a mask of each scale costs of a full one."""
        self._left: tuple[float, float] | None = None
        """Scale and seconds of the masks before the last change of scale, until that has been learnt from."""
        self._beside = False
        self.saving = False

    @property
    def plan(self) -> Plan:
        return self._plans[self._level]

    @property
    def beside(self) -> bool:
        """Whether masks take too long to be made within a frame, and are to be made beside the frames."""
        return self._beside and self.plan.mask_every > 1

    @property
    def given_up(self) -> tuple[str, ...]:
        """What is given up, in words for people; empty where nothing is."""
        said = self.plan.given_up
        if self.saving and self._level == self._floor and said:
            return (f"{said[0]}, to spare the battery", *said[1:])
        return said

    @property
    def mask_seconds(self) -> float:
        """What a mask takes at present; 0 where none was made yet."""
        return median(self._masks) if self._masks else 0.0

    def mask(self, seconds: float, scale: float) -> None:
        """A mask was made, in wall seconds; one of another scale than the plan's is passed over."""
        if scale != self.plan.mask_scale:
            return
        self._masks.append(seconds)
        if self._left is not None and len(self._masks) == _LEAST_MASKS:
            before, took = self._left
            share = self._shares[before] * self.mask_seconds / took if took > 0 else 1.0
            # A network that became slower or faster at the same moment would teach nonsense.
            self._shares[scale] = min(max(share, scale**2), 1.0)
            self._left = None

    def frame(self, now: float, rest: float, interval: float) -> None:
        """A frame was made at ``now``, in ``rest`` wall seconds besides its mask; another comes each ``interval`` seconds."""
        self._frames.append((now, rest))
        while self._frames[0][0] < now - _WINDOW and len(self._frames) > _LEAST_FRAMES:
            self._frames.popleft()
        self._changed = now if self._changed is None else self._changed
        if self._level < self._floor:
            self._go(self._floor, now)
        elif len(self._frames) >= _LEAST_FRAMES and len(self._masks) >= _LEAST_MASKS:
            self._decide(now, interval)

    @property
    def _floor(self) -> int:
        return min(1, len(self._plans) - 1) if self.saving else 0

    def _decide(self, now: float, interval: float) -> None:
        together = (self.mask_seconds + self._rest(self.plan)) / interval
        self._beside = together > (_TOGETHER if self._beside else _BESIDE)
        load = self._load(self._level, interval)
        if load > _MISSED:
            self._step_down(now, interval)
        elif self._level > self._floor and now - (self._changed or now) >= _SETTLED:
            self._step_up(now, interval)

    def _step_down(self, now: float, interval: float) -> None:
        loads = {level: self._load(level, interval) for level in range(self._level, len(self._plans))}
        # Where none fits, the first of those that take least: what does not help is not given up.
        enough = max(_FITS_BELOW, min(loads.values()) * _ALIKE)
        fitting = next(level for level, load in loads.items() if load <= enough)
        if fitting == self._level:
            return
        if self._climbed is not None and now - self._climbed <= _TRIAL:
            before = self._holds.get(self._level)
            seconds = min(before.seconds * 2, _LONGEST_HOLD) if before else _FIRST_HOLD
            self._holds[self._level] = _Hold(now + seconds, seconds, self._expected)
        else:
            self._holds.pop(self._level, None)
        self._climbed = None
        self._go(fitting, now)

    def _step_up(self, now: float, interval: float) -> None:
        better = self._level - 1
        load = self._load(better, interval)
        hold = self._holds.get(better)
        if hold is not None and now < hold.until and load > hold.load * _RELIEF:
            return
        if load <= _FITS_ABOVE:
            self._climbed, self._expected = now, load
            self._go(better, now)

    def _go(self, level: int, now: float) -> None:
        before, self._level = self.plan, level
        self._changed = now
        self._frames.clear()
        if before.mask_scale != self.plan.mask_scale:
            self._left = (before.mask_scale, self.mask_seconds) if len(self._masks) >= _LEAST_MASKS else None
            self._masks.clear()
        _LOG.info("given up for speed: %s", "; ".join(self.given_up) or "nothing any more")

    def _load(self, level: int, interval: float) -> float:
        """The share of the frames' time that a level takes, or would."""
        plan = self._plans[level]
        mask = self.mask_seconds * self._shares[plan.mask_scale] / self._shares[self.plan.mask_scale]
        rest = self._rest(plan)
        if plan.mask_every == 1:
            return (mask + rest) / interval
        if mask + rest <= _BESIDE * interval:
            return (mask / plan.mask_every + rest) / interval
        return max(mask / plan.mask_every, rest) / interval

    def _rest(self, plan: Plan) -> float:
        """What a frame takes besides its mask: the mean without the slowest tenth, which something else had held up."""
        times = sorted(rest for _, rest in self._frames)
        mean = fmean(times[: max(len(times) - max(len(times) // 10, 1), 1)])
        if plan.coarse == self.plan.coarse:
            return mean
        return mean * _COARSE_SHARE if plan.coarse else mean / _COARSE_SHARE
