"""A pipeline that is late by a few frames, for a steadier matte."""

from livebg.clock import StageTimer
from livebg.config.settings import Settings
from livebg.imaging.frame import Frame
from livebg.live.quality.adaptive_pipeline import AdaptivePipeline
from livebg.pipeline import Mask, Processed, Processor
from livebg.segmentation.fixed_lag import FixedLagFilter


class DelayedPipeline:
    """A :class:`~livebg.pipeline.Processor` that returns each frame after the next ``frames`` ones, 1..3, are known.

    A composite is made when its frame leaves, from the mask of that frame. ``time_constant`` is that of the temporal filter in
    ``pipeline``. ``stages`` collects the CPU time.
    """

    def __init__(self, pipeline: AdaptivePipeline, frames: int, time_constant: float, stages: StageTimer | None = None) -> None:
        self._pipeline = pipeline
        self._filter = FixedLagFilter[tuple[Frame, float]](frames, time_constant)
        self._stage = (stages or StageTimer()).stage

    @property
    def oversampling(self) -> float:
        """See :attr:`livebg.pipeline.Processor.oversampling`."""
        return self._pipeline.oversampling

    def process(self, frame: Frame) -> Processed | None:
        """May raise as the pipeline does."""
        with self._pipeline.governed(frame):
            mask = self._pipeline.mask(frame)
            with self._stage("smoothing"):
                released = self._filter.push((frame, mask.time), mask.alpha, self._pipeline.picture(frame), frame.time)
            if released is None:
                return None
            earlier, picture_time = released.item
            processed = self._pipeline.finish(earlier, Mask(released.alpha, picture_time))
            return processed._replace(frames_ago=released.pictures_ago)

    def reset(self) -> None:
        """Reset the temporal state and drop the held frames. Never blocks."""
        self._filter.reset()
        self._pipeline.reset()


def with_delay(pipeline: AdaptivePipeline, settings: Settings, stages: StageTimer | None = None) -> Processor:
    """Return ``pipeline`` with the delay in the settings. Without a temporal filter there is none."""
    smoothing = settings.smoothing
    if not (smoothing.delay_frames and smoothing.time_constant):
        return pipeline
    return DelayedPipeline(pipeline, smoothing.delay_frames, smoothing.time_constant, stages)
