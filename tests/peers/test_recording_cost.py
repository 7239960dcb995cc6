"""A recording of a running feed costs little more CPU time than encoding its composites."""

import time
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livebg.compositing.composite import with_pts
from livebg.imaging.frame import _SEAL, BT601, ColorSpec, Composite, VideoFormat
from livebg.live.frame_path import OutputFrame
from livebg.live.preview_feed import PreviewFeed
from livebg.live.recorder import Recorder, RecordingOptions
from livebg.sinks.recording import RecordingFile

_COLOR: Final = ColorSpec(BT601, BT601, BT601)
_FORMAT: Final = VideoFormat(1280, 720, Fraction(30), _COLOR)
_MAX_RATIO: Final = 1.15
_COUNT: Final = 40
_MIN_RUNS, _MAX_RUNS = 3, 12


def moving_composites() -> list[Composite]:
    """A blurred texture that moves, with some noise, as cameras have it."""
    rng = np.random.default_rng(5)
    blurred = np.asarray(cv2.GaussianBlur(rng.random((1080, 1280)), (0, 0), 6))
    texture = np.interp(blurred, (blurred.min(), blurred.max()), (20, 220))
    noise = rng.normal(0, 1, (1080, 1280))
    shown = (np.roll(texture, 3 * number, axis=1) + np.roll(noise, 17 * number, axis=0) for number in range(_COUNT))
    return [Composite(each.astype(np.uint8), number, Fraction(1, 30), _COLOR, None, _SEAL) for number, each in enumerate(shown)]


def cost_alone(composites: list[Composite], path: Path) -> float:
    """CPU seconds of this process per composite, in real time too: after a pause, caches are cold and the clock is low."""
    begin = time.process_time()
    with RecordingFile(path, _FORMAT, overwrite=True) as file:
        for number, composite in enumerate(composites):
            file.send(with_pts(composite, number, Fraction(1, 30)))
            time.sleep(1 / 30)
    return (time.process_time() - begin) / len(composites)


def cost_recorded(composites: list[Composite], path: Path) -> float:
    """CPU seconds of this process per composite, from a feed in real time."""
    feed = PreviewFeed(lambda _: None, lambda _: True)
    recorder = Recorder(feed, _FORMAT, lambda: False)
    begin = time.process_time()
    recorder.start(RecordingOptions(path=path, overwrite=True))
    while not feed.count:
        time.sleep(0.001)
    for composite in composites:
        feed.publish(OutputFrame(composite))
        time.sleep(1 / 30)
    frames = recorder.stop().frames
    assert frames > len(composites) / 2
    return (time.process_time() - begin) / frames


def test_recording_costs_little_more_than_encoding(tmp_path: Path) -> None:
    """A ratio of CPU times, each the lowest of several runs, since other programs on the machine only add to them."""
    composites = moving_composites()
    alone, recorded = list[float](), list[float]()
    for _ in range(_MAX_RUNS):
        alone.append(cost_alone(composites, tmp_path / "alone.mkv"))
        recorded.append(cost_recorded(composites, tmp_path / "live.mkv"))
        if len(alone) >= _MIN_RUNS and min(recorded) <= _MAX_RATIO * min(alone):
            return
    assert min(recorded) / min(alone) <= _MAX_RATIO
