"""Data tracks of phones and action cameras: left out if the container cannot hold them, or refused with --keep-streams."""

import hashlib
from pathlib import Path

import av
import pytest

from livebg.errors import SinkError
from tests.support.recordings import TEXTS, Recording, frame_times, record
from tests.support.sink_files import render


def telemetry(path: Path, tag: bytes) -> Path:
    """A MOV with a text track made a metadata track (handler ``meta``) whose samples have the format ``tag``."""
    record(path, Recording(subtitles=TEXTS, subtitle_codec="mov_text"))
    data = path.read_bytes()
    for old, new in ((b"sbtl", b"meta"), (b"text", b"meta"), (b"tx3g", tag)):
        data = data.replace(old, new)
    path.write_bytes(data)
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "data"]
    return path


@pytest.fixture(params=["gpmd", "mebx", "camm", "klv"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "klv":
        return record(tmp_path / "in.ts", Recording(data="klv"))
    return telemetry(tmp_path / "in.mov", request.param.encode())


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_data_is_left_out_with_one_line(source: Path, ending: str) -> None:
    before = hashlib.sha256(source.read_bytes()).digest()
    out = source.with_name(f"out{ending}")
    sink = render(source, out)
    lines = [note for note in sink.notes if note.startswith("dropped: data stream 2 (")]
    with av.open(str(out)) as container:
        kinds = [stream.type for stream in container.streams]
    assert kinds == ["video", "audio"] if lines else kinds == ["video", "audio", "data"]
    assert len(lines) <= 1
    assert len(frame_times(out)) == 20
    assert hashlib.sha256(source.read_bytes()).digest() == before


def test_keeping_refuses_before_the_first_frame(source: Path) -> None:
    with pytest.raises(
        SinkError, match=r"data stream 2 \(.*is not supported by Matroska\..*leave out --keep-streams\."
    ) as caught:
        render(source, source.with_name("out.mkv"), keep_streams=True)
    assert "use --drop-streams" not in str(caught.value)
    assert [each.name for each in source.parent.iterdir()] == [source.name]


def test_sound_next_to_data_is_still_refused(source: Path) -> None:
    with pytest.raises(SinkError, match=r"audio stream 1 .*use --drop-streams"):
        render(source, source.with_name("out.webm"))
    assert [each.name for each in source.parent.iterdir()] == [source.name]
