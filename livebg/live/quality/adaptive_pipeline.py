"""A pipeline that keeps the frame rate on slow machines by reusing, motion-warped, an earlier mask."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.config.settings import Settings
from livebg.factory import build_pipeline
from livebg.imaging.frame import Frame, Matte
from livebg.imaging.optical_flow import FlowEstimator, FlowField
from livebg.interfaces import ScalableSegmenter, Segmenter
from livebg.live.quality.frame_interval import FrameIntervalEstimator
from livebg.live.quality.governor import Governor
from livebg.live.quality.levels import QualityLevel, quality_levels
from livebg.live.quality.mask_task import MAX_MASK_AGE_S, MaskTask
from livebg.live.quality.power import PowerSource, on_battery
from livebg.pipeline import Mask, Pipeline, Processed

_NOMINAL_SIZE: Final = (1280, 720)
_CUT_ERROR: Final = 24.0
"""Error of the optical flow from which the previous mask does not fit the frame."""


class AdaptivePipeline:
    """A :class:`~livebg.pipeline.Processor` that reduces mask rate, mask size, then blur quality, but never frame rate.

    With a mask for every frame the output is that of ``pipeline``, byte for byte. Otherwise masks are computed only for some
    frames, in a separate thread if they take longer than a frame interval, and the last mask is motion-warped to each frame. A
    mask keeps the time of its source frame. If no mask is recent enough, :meth:`process` blocks until the pending one is ready,
    however long that takes; an outdated mask is never shown.

    ``interval`` is the initial estimate of the frame interval in seconds. ``power`` reports whether to save energy. ``stages``
    collects the CPU time of warping. Masks are timed and waited for by ``clock``.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        governor: Governor,
        interval: float = 1 / 30,
        *,
        power: PowerSource | None = None,
        stages: StageTimer | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._pipeline, self._governor, self._power, self._clock = pipeline, governor, power, clock
        self._stage = (stages or StageTimer()).stage
        self._flow = FlowEstimator()
        self._frame_interval = FrameIntervalEstimator(interval)
        self._last_mask: tuple[Mask, FlowField | None] | None = None
        """The last mask and the motion from the current frame back to its source frame; None if that is the current frame."""
        self._pending: MaskTask | None = None
        self._abandoned: MaskTask | None = None
        """A mask still being computed after a reset. No other can start until it is done."""
        self._frames_since_mask = 0
        """Number of frames since the last mask was started."""
        self._waited = 0.0
        self.degradations: tuple[str, ...] = ()
        """Current quality reductions, human-readable; empty at full quality."""

    @property
    def oversampling(self) -> float:
        """See :attr:`livebg.pipeline.Processor.oversampling`."""
        return self._pipeline.oversampling

    def process(self, frame: Frame) -> Processed:
        """Raise :class:`~livebg.errors.ModelError` if the mask of this or an earlier frame failed."""
        with self.governed(frame):
            return self.finish(frame, self.mask(frame))

    @contextmanager
    def governed(self, frame: Frame) -> Iterator[None]:
        """Measure the work on ``frame``, the newest one, and choose the quality level of the next."""
        began, self._waited = self._clock.monotonic(), 0.0
        self._frame_interval.begin(began, frame.time)
        self._governor.battery_saver = self._power is not None and self._power.on_battery
        yield
        ended = self._clock.monotonic()
        self._frame_interval.end(ended)
        self._governor.on_frame(ended, ended - began - self._waited, self._frame_interval.interval)
        self.degradations = self._governor.degradations

    def finish(self, frame: Frame, mask: Mask) -> Processed:
        """Return the composite of ``frame`` from a mask that is aligned with it."""
        return self._pipeline.finish(frame, self._pipeline.refine(mask, frame), coarse=self._governor.level.coarse)

    def picture(self, frame: Frame) -> NDArray[np.uint8]:
        """See :meth:`livebg.pipeline.Pipeline.picture`."""
        return self._pipeline.picture(frame)

    def warm(self, frame: Frame) -> None:
        """Warm up: do the slow first composite, which draws or scales the background, before the first frame.

        Call it before the first frame, from any thread. ``frame`` may be any frame of that format; it is not kept.
        """
        empty = np.zeros((frame.height, frame.width), np.uint8)
        self._pipeline.finish(frame, Matte(empty, frame.time, frame.time))

    @property
    def level(self) -> QualityLevel:
        """The current quality level."""
        return self._governor.level

    def reset(self) -> None:
        """Reset the temporal state and abandon the pending mask. Never blocks."""
        self._abandon()
        self._flow.reset()
        self._frame_interval.reset()
        if self._abandoned is None:
            self._pipeline.reset()

    def _abandon(self) -> None:
        self._abandoned = self._pending or self._abandoned
        self._pending = self._last_mask = None

    def mask(self, frame: Frame) -> Mask:
        """Return a mask that is aligned with the frame. Raises as :meth:`process` does."""
        level = self._governor.level
        self._frames_since_mask += 1
        if level.longest_interval > 1:
            with self._stage("flow"):
                self._update_motion(frame)
        else:
            self._last_mask = None
            self._flow.reset()
        if self._pending is not None and (self._pending.done or not self._governor.async_masks):
            self._collect()
        before, reused = self._last_mask, self._frames_since_mask > 1
        if self._pending is None and self._is_due(frame):
            self._start_mask(frame)
        while self._last_mask is None or not 0 <= frame.time - self._last_mask[0].time <= MAX_MASK_AGE_S:
            if self._pending is None:
                self._start_mask(frame)
            self._collect()
        mask, motion = self._last_mask
        with self._stage("flow"):
            if motion is not None:
                return Mask(motion.warp(mask.alpha), mask.time)
            return _halfway(before, mask) if level.reuse and reused else mask

    def _update_motion(self, frame: Frame) -> None:
        """Extend the motion of the last and the pending mask to the current frame."""
        step = self._flow.update(frame.pyramids[0])
        if step is None:
            self._abandon()
            return
        if self._last_mask is not None:
            mask, motion = self._last_mask
            self._last_mask = mask, step if motion is None else motion.compose(step)
        if self._pending is not None:
            motion = self._pending.motion
            self._pending.motion = step if motion is None else motion.compose(step)

    def _is_due(self, frame: Frame) -> bool:
        level = self._governor.level
        if self._last_mask is None or self._frames_since_mask >= level.longest_interval:
            return True
        motion = self._last_mask[1]
        if level.reuse and motion is not None and not motion.explains:
            return True
        # At low frame rates, starting the next mask a frame later would be too late.
        ready = self._governor.mask_seconds + self._frame_interval.interval
        return frame.time - self._last_mask[0].time + ready > MAX_MASK_AGE_S

    def _start_mask(self, frame: Frame) -> None:
        """Start the mask of ``frame``; compute it immediately unless masks are asynchronous."""
        level = self._governor.level
        if self._abandoned is not None:
            with self._waiting():
                self._abandoned.wait()
            self._abandoned = None
            self._pipeline.reset()
        # Reuse the motion to the last mask's frame for the temporal filter.
        motion = self._last_mask[1] if self._last_mask is not None and level.longest_interval > 1 else None
        self._frames_since_mask = 0
        make = partial(self._pipeline.mask, frame, level.mask_scale, motion)
        task = MaskTask(level.mask_scale, make, self._clock)
        if self._governor.async_masks:
            task.start()
            self._pending = task  # not before: a task without a thread is never done
        else:
            with self._waiting():
                task.run()
            self._pending = task
            self._collect()

    def _collect(self) -> None:
        """Wait for the pending mask and store it. Re-raises its exception."""
        making, self._pending = self._pending, None
        if making is None:
            return
        with self._waiting():
            mask = making.result()
        self._governor.on_mask(making.seconds, making.scale)
        self._last_mask = mask, making.motion

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Measure time that counts as mask time, not frame time."""
        began = self._clock.monotonic()
        try:
            yield
        finally:
            self._waited += self._clock.monotonic() - began


def _halfway(before: tuple[Mask, FlowField | None] | None, mask: Mask) -> Mask:
    """Return the mean of ``mask`` and the previous mask, warped to the same frame, unless there is a cut or a gap in between.

    The correction by two frames' worth of new information then takes two frames, as it would with a mask for each: otherwise
    every second frame flickers. After a gap the previous mask is too old to be shown, also in part.
    """
    if before is None or before[1] is None or before[1].error > _CUT_ERROR:
        return mask
    if not 0 < mask.time - before[0].time <= MAX_MASK_AGE_S:
        return mask
    return Mask((before[1].warp(before[0].alpha) + mask.alpha) * np.float32(0.5), mask.time)


def build_adaptive_pipeline(
    settings: Settings,
    segmenter: Segmenter,
    stages: StageTimer | None = None,
    previous: AdaptivePipeline | None = None,
    *,
    output_size: tuple[int, int] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AdaptivePipeline:
    """Return the adaptive pipeline for the settings. With the governor disabled it always runs at the best level.

    ``segmenter`` may be shared. ``previous`` is the replaced pipeline, whose quality level is kept.
    ``output_size`` (width, height) is that of the composites; frames can be larger (:attr:`AdaptivePipeline.oversampling`).
    Raises :class:`~livebg.errors.ConfigError` for an unusable background.
    """
    pipeline = build_pipeline(settings, segmenter, stages, live=True, output_size=output_size)
    wanted = settings.governor.enabled
    smaller = isinstance(segmenter, ScalableSegmenter) and segmenter.scaled_size(*_NOMINAL_SIZE, 0.5) != segmenter.input_size(
        *_NOMINAL_SIZE
    )
    levels = quality_levels(smaller=smaller, coarse=pipeline.compositor.has_coarse_effect, reuse=settings.governor.reuse_masks)
    if not wanted:
        levels = levels[:1]
    governor = Governor(levels, previous.level if previous is not None else QualityLevel())
    power = PowerSource(on_battery, clock) if wanted and settings.governor.on_battery == "save" else None
    return AdaptivePipeline(pipeline, governor, 1 / settings.camera.frame_rate, power=power, stages=stages, clock=clock)
