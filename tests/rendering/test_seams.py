"""Where two segments meet, the matte continues as if the video had been rendered in one."""

from fractions import Fraction
from itertools import chain, cycle, islice
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from livebg.config.loading import load_settings
from livebg.demo import find_material
from livebg.rendering.batch import BatchRenderer
from livebg.rendering.jobs import Job
from livebg.rendering.reporters import QuietReporter
from livebg.rendering.segments import plan_segments
from livebg.rendering.video_plan import RenderOptions
from livebg.rendering.workers import open_workers
from livebg.sources.packet_index import index_packets

SEGMENT_S = 5.0
FRAMES_AFTER = 3


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """13 s of a person who talks in a car, forward and backward by turns, so that there is no cut."""
    path = tmp_path_factory.mktemp("seams") / "talking.mp4"
    with av.open(str(find_material().talking_head)) as source:
        pictures = [frame.reformat(format="yuv420p") for frame in source.decode(video=0)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "48", "crf": "14"})
        stream.width, stream.height = pictures[0].width, pictures[0].height
        for number, picture in enumerate(islice(cycle(chain(pictures, pictures[::-1])), 400)):
            picture.pts, picture.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def mattes(clip: Path, output: Path, segment_s: float) -> NDArray[np.float32]:
    """Return all mattes of a render in segments of that length, in levels of 255."""
    options = RenderOptions(segment_s=segment_s)
    batch = BatchRenderer(load_settings({"effect.mode": "matte"}), options, QuietReporter(Console()), open_workers, 1)
    assert batch.run([Job(clip, output)]) == 0
    with av.open(str(output)) as container:
        return np.stack([frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]).astype(np.float32)


def test_matte_continues_across_seams(clip: Path, tmp_path: Path) -> None:
    index = index_packets(clip)
    whole, parts = mattes(clip, tmp_path / "whole.mkv", 1e6), mattes(clip, tmp_path / "parts.mkv", SEGMENT_S)
    begins = [segment.begin for segment in plan_segments(index, None, None, SEGMENT_S)[1:]]
    seams = np.searchsorted(index.pts, begins)
    assert len(seams) == 2
    for seam in seams:
        difference = np.abs(parts - whole)[seam : seam + FRAMES_AFTER]
        assert difference.mean(axis=(1, 2)).max() <= 1
        assert (difference > 16).mean(axis=(1, 2)).max() <= 0.001
    changes, unchanged = (np.sqrt(np.square(np.diff(each, axis=0)).mean(axis=(1, 2))) for each in (parts, whole))
    assert changes[seams - 1].mean() <= 1.05 * unchanged[seams - 1].mean()
