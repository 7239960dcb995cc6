"""Measures the CPU cost per frame of rendering a file, by stage, as ratios within one run."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from time import process_time
from typing import Final

import cv2
import numpy as np

from livebg.clock import StageTimer, one_opencv_thread
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.factory import build_encoding, build_pipeline
from livebg.imaging.frame import Composite, Frame, VideoFormat, empty_i420
from livebg.interfaces import Segmenter
from livebg.pipeline import Passthrough, Pipeline
from livebg.rendering.augmented_segmenter import augmented_for_video
from livebg.rendering.matting import matting
from livebg.sinks.codecs import plan_encoder
from livebg.sinks.segment_file import SegmentWriter, written_format
from livebg.sources.file import FileSource

STAGES: Final = ("decode", "network", "smoothing", "upsampling", "compositing", "encode")
FINISHING: Final = ("smoothing", "upsampling", "compositing")


@dataclass(frozen=True, slots=True)
class RenderCost:
    """CPU milliseconds per frame by stage, on one thread; ``bare`` is decoding and encoding of the same clip without processing,
    ``blend`` one I420 blend of the same size, ``peak`` the peak memory of the process in MiB after a tenth of the frames and at
    the end (None if the system does not report it)."""

    clip: str
    size: tuple[int, int]
    frames: int
    model: str
    provider: str
    input_size: tuple[int, int]
    stages: dict[str, float]
    bare: float
    blend: float
    peak: tuple[float, float] | None

    @property
    def total(self) -> float:
        return sum(self.stages.values())

    @property
    def over_bare(self) -> float:
        """Total cost relative to decoding and encoding only."""
        return self.total / self.bare

    @property
    def finishing_blends(self) -> float:
        """Cost of smoothing, upsampling and compositing together, in I420 blends."""
        return sum(self.stages[stage] for stage in FINISHING) / self.blend


def bench_render(settings: Settings, segmenter: Segmenter, clip: Path, frames: int, consent: Consent) -> RenderCost:
    """Render the first ``frames`` of ``clip`` and discard the result.

    ``consent`` is for the bare pass, whose pictures go only to a temporary file. Codecs and OpenCV run on one thread, so that CPU
    time is attributed to the right stage; the segmenter should as well.
    """
    with one_opencv_thread():
        bare = StageTimer(process_time)
        format_, done, _ = _pass(settings, clip, frames, Passthrough(consent), bare)
        clock = StageTimer(process_time)  # encoders have threads
        blend = _blend(empty_i420(format_.width, format_.height).shape)
        pipeline = build_pipeline(settings, augmented_for_video(segmenter, settings), clock)
        _, done, peak = _pass(settings, clip, frames, pipeline, clock, blend)
    width, height = format_.width, format_.height
    return RenderCost(
        clip.name,
        (width, height),
        done,
        segmenter.name,
        segmenter.provider,
        segmenter.input_size(width, height),
        {stage: clock.seconds[stage] / done * 1000 for stage in STAGES},
        sum(bare.seconds.values()) / done * 1000,
        clock.seconds["blend"] / done * 1000,
        peak,
    )


def _pass(
    settings: Settings,
    clip: Path,
    frames: int,
    processing: Pipeline | Passthrough,
    clock: StageTimer,
    blend: Callable[[], object] | None = None,
) -> tuple[VideoFormat, int, tuple[float, float] | None]:
    """Run one timed pass, as one segment is rendered; a pipeline adds its own stages to the same clock.

    ``blend`` is timed once per frame in between, under the same cache and noise conditions as the stages that it is compared
    with.
    """
    mode = "none" if isinstance(processing, Passthrough) else settings.effect.mode
    encoding = build_encoding(settings, mode)
    done, early = 0, 0.0
    with tempfile.TemporaryDirectory(prefix="livebg-bench-") as folder, FileSource(clip, threads=1) as source:
        output = Path(folder) / ("out.mov" if mode == "cutout" else "out.mkv")
        shape = written_format(source.format, encoding.content)
        writer = SegmentWriter(output, plan_encoder(encoding, output), shape, source.time_base)
        for pts, shown in _composites(settings, processing, _decoded(islice(source, frames), clock)):
            if blend is not None:
                with clock.stage("blend"):
                    blend()
            with clock.stage("encode"):
                writer.write(shown, pts)
            done += 1
            if done == max(frames // 10, 1):
                early = _peak_mebibytes()
        with clock.stage("encode"):
            writer.close()
        return source.format, done, (early, _peak_mebibytes()) if early else None


def _composites(
    settings: Settings, processing: Pipeline | Passthrough, frames: Iterator[Frame]
) -> Iterator[tuple[int, Composite]]:
    """Yield the pts and the composite of each frame."""
    if isinstance(processing, Passthrough):
        for frame in frames:
            yield frame.pts, processing.process(frame).composite
        return
    mattes = matting(processing, settings.smoothing.temporal, settings.smoothing.time_constant)
    for frame, matte in mattes.mattes(frames, lambda _: True):
        yield frame.pts, processing.finish(frame, matte).composite


def _decoded(pictures: Iterator[Frame], clock: StageTimer) -> Iterator[Frame]:
    while True:
        with clock.stage("decode"):
            frame = next(pictures, None)
        if frame is None:
            return
        yield frame


def _blend(shape: tuple[int, ...]) -> Callable[[], object]:
    """Return the simplest blend of two I420 pictures with per-pixel weights: OpenCV's blendLinear on the planes."""
    rng = np.random.default_rng(7)
    weight = rng.random(shape, np.float32)
    front, back = (rng.integers(0, 256, shape, np.uint8) for _ in range(2))
    return partial(cv2.blendLinear, front, back, weight, np.float32(1) - weight)


def _peak_mebibytes() -> float:
    """Return the peak memory of the process so far; 0 if the system does not report it."""
    if sys.platform == "win32":
        return 0.0
    import resource  # not available on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
