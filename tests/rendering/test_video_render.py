"""One video that is rendered in segments."""

import os
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.compositing.composite import Consent
from livebg.config.loading import load_settings
from livebg.errors import SinkError
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


def test_output_written_while_the_input_was_opened_is_refused_at_once(tmp_path: Path) -> None:
    """Another run of the same command had the lock, and has just finished. Before, that was noticed after the last frame."""
    path, output = clip(sound=False).write(tmp_path / "talk.mp4"), tmp_path / "out.mp4"
    options = RenderOptions(consent=Consent("test"), segment_s=1.0)
    render = VideoRender(Job(path, output), load_settings({}), options, pytest.fail)
    render.add(render.begin()[0].run(Worker(load_segmenter, lambda _: None, lambda: False)))
    assert render.stop() is not None

    def finish_the_other(note: str) -> None:
        assert "starts over" in note
        output.write_bytes(b"the other")

    with pytest.raises(SinkError, match=r"out\.mp4 already exists"):
        VideoRender(Job(path, output), load_settings({"render.crf": 30.0}), options, finish_the_other)
    assert {each.name for each in tmp_path.iterdir()} == {"talk.mp4", "out.mp4"}
    assert output.read_bytes() == b"the other"
