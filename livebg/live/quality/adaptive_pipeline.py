"""The pipeline on a machine that may be too slow for it: each frame leaves in its time, with its own mask or a carried one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import numpy as np

from livebg.clock import REAL, StageClock, Waits
from livebg.config.settings import Settings
from livebg.factory import build_pipeline
from livebg.imaging.frame import Composite, Frame, Matte
from livebg.imaging.optical_flow import AlphaCarrier, Motion
from livebg.interfaces import ScalableSegmenter, Segmenter
from livebg.live.quality.frame_interval import Pace
from livebg.live.quality.governor import Governor, Plan, ladder
from livebg.live.quality.mask_task import OLDEST_MASK, MaskMaking
from livebg.live.quality.power import PowerSource, on_battery
from livebg.pipeline import Mask, Pipeline

_NOMINAL: Final = (1280, 720)


class GovernedPipeline:
    """A :class:`~livebg.live.worker.LiveProcessor` that gives up masks, then their size, then the blur's quality, never frames.

    As long as nothing is given up it is ``pipeline`` itself, byte for byte. Otherwise masks are made of some frames only, in a
    thread of their own where they take longer than a frame has, and each frame gets the last mask carried to it with the
    picture. A mask keeps the time of the picture that it was made from. Where none is young enough the one that is being made
    is waited for, however long that takes: whoever watches finds :meth:`process` busy, and no old mask is shown.

    ``interval`` is the seconds between two frames until they have been seen; ``power`` says whether to save; ``clock`` is wall
    time in seconds, and ``waits`` what masks are waited for with. ``stages`` takes the CPU time of carrying.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        governor: Governor,
        interval: float = 1 / 30,
        *,
        power: PowerSource | None = None,
        stages: StageClock | None = None,
        clock: Callable[[], float] = time.perf_counter,
        waits: Waits = REAL,
    ) -> None:
        self._pipeline, self._governor, self._power, self._clock, self._waits = pipeline, governor, power, clock, waits
        self._stage = (stages or StageClock()).stage
        self._carrier = AlphaCarrier()
        self._pace = Pace(interval)
        self._held: tuple[Mask, Motion | None] | None = None
        """The last mask that was made, and the way from the present frame back to its picture; None: it is this frame's."""
        self._making: MaskMaking | None = None
        self._forgotten: MaskMaking | None = None
        """A mask that was being made when all was forgotten: until it is done no other can be."""
        self._begun = 0
        """Frames since the last mask was begun."""
        self._waited = 0.0
        self.given_up: tuple[str, ...] = ()
        """What is given up at the moment, in words for people; empty where nothing is."""
        self.last_matte: Matte | None = None
        """The matte of the frame that was processed last."""

    def process(self, frame: Frame) -> Composite:
        """Raises what the pipeline raises: :class:`~livebg.errors.ModelError` when a mask failed, this frame's or one before."""
        began, self._waited = self._clock(), 0.0
        self._pace.begin(began, frame.time)
        self._governor.saving = self._power is not None and self._power.on_battery
        mask = self._mask(frame)
        plan = self._governor.plan
        self.last_matte = matte = self._pipeline.refine(mask, frame)
        composite = self._pipeline.composite(frame, matte, coarse=plan.coarse)
        ended = self._clock()
        self._pace.end(ended)
        self._governor.frame(ended, ended - began - self._waited, self._pace.interval)
        self.given_up = self._governor.given_up
        return composite

    def warm(self, frame: Frame) -> None:
        """Take the slow first composite, whose background is painted or brought to its size, away from the first frame.

        For before the first frame, from any thread; ``frame`` may be any of that format, and nothing is remembered of it.
        """
        nobody = np.zeros((frame.height, frame.width), np.uint8)
        self._pipeline.composite(frame, Matte(nobody, frame.time, frame.time))

    @property
    def plan(self) -> Plan:
        """How frames are being made."""
        return self._governor.plan

    def reset(self) -> None:
        """Forget the past, and the mask that is being made with it. Waits for nothing."""
        self._forget()
        self.last_matte = None
        self._carrier.reset()
        self._pace.reset()
        if self._forgotten is None:
            self._pipeline.reset()

    def _forget(self) -> None:
        self._forgotten = self._making or self._forgotten
        self._making = self._held = None

    def _mask(self, frame: Frame) -> Mask:
        plan = self._governor.plan
        self._begun += 1
        if plan.mask_every > 1:
            with self._stage("carrying"):
                self._follow(frame)
        else:
            self._held = None
            self._carrier.reset()
        if self._making is not None and (self._making.done or not self._governor.beside):
            self._collect()
        if self._making is None and self._is_due(frame):
            self._begin(frame)
        while not self._is_young(frame):
            if self._making is None:
                self._begin(frame)
            self._collect()
        return self._carried()

    def _is_young(self, frame: Frame) -> bool:
        return self._held is not None and 0 <= frame.time - self._held[0].time <= OLDEST_MASK

    def _follow(self, frame: Frame) -> None:
        """Bring all that is on the way to the present frame."""
        step = self._carrier.follow(frame.y)
        if step is None:
            self._forget()
            return
        if self._held is not None:
            mask, motion = self._held
            self._held = mask, step if motion is None else motion.then(step)
        if self._making is not None:
            motion = self._making.motion
            self._making.motion = step if motion is None else motion.then(step)

    def _is_due(self, frame: Frame) -> bool:
        plan = self._governor.plan
        if self._held is None or self._begun >= plan.mask_every:
            return True
        # At low frame rates the next mask would come too late if it were begun a frame later.
        ready = self._governor.mask_seconds + self._pace.interval
        return frame.time - self._held[0].time + ready > OLDEST_MASK

    def _begin(self, frame: Frame) -> None:
        """Begin the mask of ``frame``, and where it is not made beside the frames make it."""
        plan = self._governor.plan
        if self._forgotten is not None:
            with self._waiting():
                self._forgotten.wait()
            self._forgotten = None
            self._pipeline.reset()
        # The way back to the last mask's picture is known: steadying needs no other.
        motion = self._held[1] if self._held is not None and plan.mask_every > 1 else None
        self._begun = 0
        make = partial(self._pipeline.mask, frame, plan.mask_scale, motion)
        self._making = MaskMaking(frame.time, plan.mask_scale, make, self._clock, self._waits)
        if self._governor.beside:
            self._making.start()
        else:
            with self._waiting():
                self._making.run()
            self._collect()

    def _collect(self) -> None:
        """Take the mask that is being made, waiting for it. Raises what making it raised."""
        making, self._making = self._making, None
        if making is None:
            return
        with self._waiting():
            mask = making.result()
        self._governor.mask(making.seconds, making.scale)
        self._held = mask, making.motion

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Time in here is a mask's, not the frame's."""
        began = self._clock()
        try:
            yield
        finally:
            self._waited += self._clock() - began

    def _carried(self) -> Mask:
        if self._held is None:
            raise RuntimeError("nothing is held that could be carried")
        mask, motion = self._held
        if motion is None:
            return mask
        with self._stage("carrying"):
            return Mask(motion.carry(mask.alpha), mask.time)


def governed(
    settings: Settings,
    segmenter: Segmenter,
    stages: StageClock | None = None,
    before: GovernedPipeline | None = None,
    *,
    clock: Callable[[], float] = time.perf_counter,
    waits: Waits = REAL,
) -> GovernedPipeline:
    """The pipeline that the settings ask for, under a governor that gives up nothing where they want none.

    ``segmenter`` may be shared. ``before`` is the pipeline in whose place this one comes: what that had given up stays given up.
    Raises :class:`~livebg.errors.ConfigError` for an unusable background.
    """
    pipeline = build_pipeline(settings, segmenter, stages, live=True)
    wanted = settings.governor.enabled
    smaller = isinstance(segmenter, ScalableSegmenter) and segmenter.scaled_size(*_NOMINAL, 0.5) != segmenter.input_size(
        *_NOMINAL
    )
    plans = ladder(smaller=smaller, coarse=pipeline.has_coarse_look) if wanted else (Plan(),)
    governor = Governor(plans, before.plan if before is not None else Plan())
    power = PowerSource(on_battery, time.monotonic) if wanted and settings.governor.on_battery == "save" else None
    return GovernedPipeline(
        pipeline, governor, 1 / settings.camera.frame_rate, power=power, stages=stages, clock=clock, waits=waits
    )
