"""FileSource: the contract, file names, memory, and the development clips."""

import gc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from livebg.interfaces import Source
from livebg.sources.file import FileSource
from tests.support.media import Clip
from tests.support.source_contract import SourceContract
from tests.support.source_frames import frames_of


class TestContract(SourceContract):
    @pytest.fixture(params=["clip.mp4", "clip.mkv", "odd.mkv", "clip.gif"])
    def open_source(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Source]:
        name = str(request.param)
        clips = {
            "clip.gif": Clip(codec="gif", pix_fmt="rgb8", rate=Fraction(10), count=5),
            "odd.mkv": Clip(codec="ffv1", width=35, height=27, count=5),
        }
        path = clips.get(name, Clip(count=5)).write(tmp_path / name)
        return lambda: FileSource(path)


def test_frames_need_no_garbage_collector(tmp_path: Path) -> None:
    path = Clip(60, display=(90, False, False)).write(tmp_path / "a.mp4")
    gc.collect()
    gc.disable()
    try:
        assert len(frames_of(path)[1]) == 60
        assert gc.collect() < 30
    finally:
        gc.enable()


def test_colon_in_name_is_accepted(tmp_path: Path) -> None:
    assert len(frames_of(Clip(3).write(tmp_path / "12:30 talk.mkv"))[1]) == 3


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "video"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the development clips are missing")
@pytest.mark.parametrize("pattern", ["signing/*.mkv", "signing/*male.gif", "desk/*.mp4", "talking/*.mp4"])
def test_real_clips_keep_timestamps(pattern: str) -> None:
    path = sorted(SHARED.glob(pattern))[0]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        begin = stream.start_time or 0
        expected = [
            frame.pts for frame in container.decode(stream) if (frame.pts or 0) - begin < 2 / float(stream.time_base or 1)
        ]
    source, frames = frames_of(path, end=2.0)
    assert [frame.pts for frame in frames] == expected
    assert (source.format.width, source.format.height) == (frames[0].width, frames[0].height)
    assert 10 < frames[len(frames) // 2].y.mean() < 245
