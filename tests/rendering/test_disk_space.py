"""Free space is estimated before the render, on every disk that it writes to."""

import re
from pathlib import Path

import pytest

from livebg.errors import SinkError
from livebg.rendering.disk_space import check_space
from livebg.rendering.extra_outputs import OutputKind
from livebg.rendering.job_directory import JobDirectory
from livebg.rendering.manifest import Manifest
from tests.support.cli_runner import LivebgCli
from tests.support.media import Clip
from tests.support.render_jobs import render_segment

FITS = 1000.0
"""Bytes per second of a source of 35 s. The disk has 64 kB, and a quarter of the estimate must be free."""


def error_of(directory: JobDirectory, outputs: dict[OutputKind, Path], source_rate: float) -> str:
    with pytest.raises(SinkError) as caught:
        check_space(directory, outputs, source_rate)
    assert caught.value.hint == "Free some disk space, or choose another folder."
    return caught.value.message


def test_space_is_estimated_from_source_then_from_segments(tiny_disk: Path, manifest: Manifest) -> None:
    outputs = {OutputKind.VIDEO: tiny_disk / "talk.mp4"}
    with JobDirectory.open(outputs[OutputKind.VIDEO], manifest) as job:
        check_space(job, outputs, FITS)
        message = error_of(job, outputs, 4 * FITS)
        sizes = r"about 280\.0 kB of free disk space for talk\.mp4 and the segments, and only \d\d\.\d kB are free\."
        assert re.fullmatch(rf"{re.escape(str(tiny_disk))} needs {sizes}", message)
        job.add(render_segment(job.path, 0))
        check_space(job, outputs, 1e9)


def test_outputs_share_the_disk_of_the_job(tiny_disk: Path, manifest: Manifest) -> None:
    outputs = {OutputKind.VIDEO: tiny_disk / "talk.mp4", OutputKind.MATTE: tiny_disk / "matte.mkv"}
    with JobDirectory.open(outputs[OutputKind.VIDEO], manifest) as job:
        check_space(job, outputs, FITS)
        assert "280.0 kB of free disk space for talk.mp4, matte.mkv and the segments" in error_of(job, outputs, 2 * FITS)


@pytest.mark.parametrize("measured", [False, True])
def test_disk_of_another_output_is_checked(tiny_disk: Path, tmp_path: Path, manifest: Manifest, measured: bool) -> None:
    """It holds no segments. Both outputs there are added up."""
    here = {OutputKind.MATTE: tiny_disk / "matte.mkv", OutputKind.CUTOUT: tiny_disk / "cutout.webm"}
    outputs = {OutputKind.VIDEO: tmp_path / "talk.mp4", **here}
    with JobDirectory.open(outputs[OutputKind.VIDEO], manifest) as job:
        check_space(job, outputs, FITS)
        if measured:
            job.add(render_segment(job.path, 0, map(str, outputs)))
            check_space(job, outputs, 1e9)
            (tiny_disk / "filler").write_bytes(bytes(56_000))
        message = error_of(job, outputs, 4 * FITS)
    assert message.startswith(f"{tiny_disk} needs about ")
    assert "of free disk space for matte.mkv and cutout.webm, and only " in message


def test_segments_of_all_outputs_are_on_the_disk_of_the_job(tiny_disk: Path, tmp_path: Path, manifest: Manifest) -> None:
    outputs = {OutputKind.VIDEO: tiny_disk / "talk.mp4", OutputKind.MATTE: tmp_path / "matte.mkv"}
    with JobDirectory.open(outputs[OutputKind.VIDEO], manifest) as job:
        message = error_of(job, outputs, 3 * FITS)
    assert "about 315.0 kB of free disk space for talk.mp4 and the segments" in message


def test_render_with_full_disk_for_an_extra_output_is_refused(cli: LivebgCli, tiny_disk: Path) -> None:
    """Before the first frame, and nothing remains."""
    Clip(count=50, codec="rawvideo").write(cli.folder / "clip.mkv")
    (tiny_disk / "filler").write_bytes(bytes(60_000))
    before = cli.files()
    done = cli.render("clip.mkv", "--also", f"matte={tiny_disk / 'matte.mkv'}")
    assert done.code == SinkError.exit_code
    assert done.error_line.startswith(f"{tiny_disk} needs about ")
    assert cli.files() == before
    assert [path.name for path in tiny_disk.iterdir()] == ["filler"]
