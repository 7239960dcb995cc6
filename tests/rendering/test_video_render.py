"""One video that is rendered in segments."""

import os
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.compositing.composite import Consent
from livebg.config.loading import load_settings
from livebg.rendering.cached_segmenter import load_segmenter
from livebg.rendering.jobs import Job
from livebg.rendering.video_plan import RenderOptions
from livebg.rendering.video_render import VideoRender
from livebg.rendering.worker import Worker
from tests.support.media import Clip


def clip(*, sound: bool) -> Clip:
    return Clip(count=12, rate=Fraction(4), options={"g": "4"}, audio="aac" if sound else None)


@pytest.mark.parametrize("change", ["nothing", "the time", "the content"])
def test_input_modified_during_the_render_is_noted(change: str, tmp_path: Path) -> None:
    path = clip(sound=False).write(tmp_path / "talk.mp4")
    options = RenderOptions(consent=Consent("test"), segment_s=1.0)
    render = VideoRender(Job(path, tmp_path / "out.mp4"), load_settings({}), options, pytest.fail)
    worker = Worker(load_segmenter, lambda _: None, lambda: False)
    first, *others = render.begin()
    render.add(first.run(worker))
    if change == "the time":
        os.utime(path, (1, 1))
    elif change == "the content":
        clip(sound=True).write(path)
    for task in others:
        render.add(task.run(worker))
    assert len(others) == 2
    modified = f"the source {path} was modified during the render: the output may show both versions"
    assert render.finish().notes == ((modified,) if change == "the content" else ())
