"""How a batch of renders ends."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from livebg.config.loading import load_settings
from livebg.rendering.batch import BatchRenderer
from livebg.rendering.job_files import job_folder
from livebg.rendering.jobs import Job
from livebg.rendering.reporters import QuietReporter
from livebg.rendering.video_plan import RenderOptions
from livebg.rendering.worker import Workers
from tests.support.media import Clip
from tests.support.photos import save_photo


def interrupted(_count: int) -> Workers:
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["talk.mp4", "me.png"])
def test_interrupt_before_the_first_task_stops_the_batch(name: str, tmp_path: Path) -> None:
    """The last file is being opened, so none waits and none runs."""
    if name == "me.png":
        save_photo(tmp_path / name)
    else:
        Clip(count=3).write(tmp_path / name)
    errors, output = StringIO(), tmp_path / f"out{Path(name).suffix}"
    reporter = QuietReporter(Console(file=errors, width=200))
    batch = BatchRenderer(load_settings({}), RenderOptions(), reporter, interrupted, 1)
    assert batch.run([Job(tmp_path / name, output)]) == 130
    assert errors.getvalue() == "livebg: Stopped. Nothing was removed.\n"
    assert not output.exists()
    assert not job_folder(output).exists()
