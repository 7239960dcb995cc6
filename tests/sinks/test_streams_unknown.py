"""Streams with a codec that libav does not know, next to good video: refused before the first frame, or left out."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import pytest

from livebg.errors import SinkError
from livebg.sources.file import FileSource
from tests.support.recordings import TEXTS, Recording, frame_times, record
from tests.support.sink_files import render

UNKNOWN = "uses a codec that this build of FFmpeg does not know"


def patched(path: Path, recording: Recording, old: bytes, new: bytes, count: int = -1) -> Path:
    """Record and replace a codec's name by one that no codec has."""
    data = record(path, recording).read_bytes()
    assert old in data
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new, count))
    return path


CASES = {
    "subtitle": ("in.mkv", Recording(subtitles=TEXTS), b"S_TEXT/UTF8", b"S_TEXT/ZZZZ", "subtitle stream 2 (ger)"),
    "audio": ("in.mkv", Recording(audio=("flac",)), b"A_FLAC", b"A_ZZZZ", "audio stream 1"),
    "audio-mp4": ("in.mov", Recording(audio=("alac",)), b"alac", b"zzzz", "audio stream 1"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_an_unknown_codec_is_named_or_left_out_on_request(tmp_path: Path, name: str, ending: str) -> None:
    file, recording, old, new, words = CASES[name]
    source = patched(tmp_path / file, recording, old, new)
    before = hashlib.sha256(source.read_bytes()).digest()
    with pytest.raises(SinkError) as caught:
        render(source, tmp_path / f"out{ending}")
    assert words in str(caught.value)
    assert UNKNOWN in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == [file]
    sink = render(source, tmp_path / f"out{ending}", drop_streams=True)
    assert any(UNKNOWN in note for note in sink.notes)
    assert len(frame_times(tmp_path / f"out{ending}")) == 20
    assert hashlib.sha256(source.read_bytes()).digest() == before


@pytest.mark.parametrize("first", [True, False])
def test_the_decodable_video_is_processed(tmp_path: Path, first: bool) -> None:
    source = two_videos(tmp_path / "in.mkv", first)
    assert len(list(FileSource(source))) == 10
    with pytest.raises(SinkError, match=rf"video stream {0 if first else 1} .*"):
        render(source, tmp_path / "out.mkv")
    sink = render(source, tmp_path / "out.mkv", drop_streams=True)
    assert any(UNKNOWN in note for note in sink.notes)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert len(container.streams.video) == 1


def two_videos(path: Path, first: bool) -> Path:
    """Two videos; the codec of the ``first`` or of the second one is unknown."""
    codecs = ["ffv1", "libx264"] if first else ["libx264", "ffv1"]
    with av.open(str(path), "w") as output:
        streams = [output.add_stream(codec, rate=10) for codec in codecs]
        for stream in streams:
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = 32, 32
        for number in range(10):
            for stream in streams:
                assert isinstance(stream, av.VideoStream)
                frame = av.VideoFrame(32, 32, "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                output.mux(stream.encode(frame))
        for stream in streams:
            assert isinstance(stream, av.VideoStream)
            output.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_ZZZZ"))
    return path
