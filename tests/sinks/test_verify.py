"""Verification names the first difference between a finished file and what was sent to it."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from livebg.errors import SinkError
from livebg.sinks.copied_stream import CopiedStream
from livebg.sinks.stream_copy import StreamCopier
from livebg.sinks.stream_selection import CopyOptions
from livebg.sinks.verify import verify
from tests.support.recordings import Recording, record
from tests.support.sink_contract import TIME_BASE
from tests.support.sink_files import render, write

PTS = range(0, 2000, 100)
OUT = Path("talk.mkv")


def copier(source: Path) -> Iterator[StreamCopier]:
    """A copier that has copied every packet of ``source``."""
    copier = StreamCopier(source, OUT, "matroska", CopyOptions())
    with av.open(str(source)) as container:
        for stream in copier.selection.copied:
            is_pcm = stream.codec_context is not None and stream.codec_context.name.startswith("pcm_")
            copier.copied.append(CopiedStream(stream.index, stream.type, is_pcm, stream))
        targets = {each.index: each for each in copier.copied}
        for packet in container.demux():
            if packet.size and packet.stream_index in targets:
                targets[packet.stream_index].payload.add(packet)
    yield copier
    copier.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return record(tmp_path / "source.mkv", Recording(cover=True, font=b"not a font", subtitles=((0.2, 0.8, "Hello"),)))


@pytest.fixture
def others(source: Path) -> Iterator[StreamCopier]:
    yield from copier(source)


def difference(part: Path, others: StreamCopier | None = None, pts: range = PTS) -> str:
    """The difference that verification finds."""
    with pytest.raises(SinkError, match=r"^Verification of talk\.mkv failed, so it was removed: ") as caught:
        verify(part, OUT, pts, TIME_BASE, others)
    return caught.value.message.partition("removed: ")[2]


def test_complete_file_passes(tmp_path: Path, source: Path, others: StreamCopier) -> None:
    render(source, tmp_path / "out.mkv")
    assert verify(tmp_path / "out.mkv", OUT, PTS, TIME_BASE, others) == Fraction(1)


def test_file_that_cannot_be_opened_fails(tmp_path: Path) -> None:
    (tmp_path / "out.mkv").write_bytes(bytes(100))
    assert difference(tmp_path / "out.mkv").startswith("it cannot be opened (")


def test_file_without_video_fails(tmp_path: Path) -> None:
    sound = record(tmp_path / "out.mkv", Recording(videos=0))
    assert difference(sound) == "it holds no video."


@pytest.mark.parametrize(("sent", "found"), [(19, "20 frames instead of 19"), (21, "20 frames instead of 21")])
def test_missing_or_additional_frame_fails(tmp_path: Path, sent: int, found: str) -> None:
    write(tmp_path / "out.mkv", PTS)
    assert difference(tmp_path / "out.mkv", pts=range(0, sent * 100, 100)) == f"it holds {found}."


def test_frame_at_another_time_fails(tmp_path: Path) -> None:
    write(tmp_path / "out.mkv", [0, 100, 250])
    found = difference(tmp_path / "out.mkv", pts=range(0, 300, 100))
    assert found == "frame 2 is at 0.250000 s instead of 0.200000 s."


def test_missing_streams_fail(tmp_path: Path, others: StreamCopier) -> None:
    write(tmp_path / "out.mkv", PTS)
    assert difference(tmp_path / "out.mkv", others) == "its audio stream 0 is missing."


def test_missing_subtitles_fail(tmp_path: Path, others: StreamCopier) -> None:
    sound = record(tmp_path / "sound.mkv", Recording())
    render(sound, tmp_path / "out.mkv")
    assert difference(tmp_path / "out.mkv", others) == "its subtitle stream 0 is missing."


@pytest.mark.parametrize(
    ("recording", "found"),
    [
        (Recording(font=b"not a font", subtitles=((0.2, 0.8, "Hello"),)), "0 cover pictures instead of 1"),
        (Recording(cover=True, subtitles=((0.2, 0.8, "Hello"),)), "0 attachments instead of 1"),
    ],
)
def test_missing_cover_or_attachment_fails(tmp_path: Path, others: StreamCopier, recording: Recording, found: str) -> None:
    render(record(tmp_path / "less.mkv", recording), tmp_path / "out.mkv")
    assert difference(tmp_path / "out.mkv", others) == f"it holds {found}."


@pytest.mark.parametrize(("codec", "found"), [("aac", "packets instead of"), ("pcm_s16le", "bytes instead of")])
def test_shortened_audio_fails(tmp_path: Path, codec: str, found: str) -> None:
    whole = record(tmp_path / "whole.mkv", Recording((codec,)))
    render(record(tmp_path / "short.mkv", Recording((codec,), seconds=1.0)), tmp_path / "out.mkv")
    for others in copier(whole):
        assert found in difference(tmp_path / "out.mkv", others)


def test_rewritten_packets_of_the_same_number_pass(tmp_path: Path) -> None:
    """Muxers change packets, such as the headers of AAC, so only their number counts then."""
    whole = record(tmp_path / "whole.mkv", Recording())
    render(whole, tmp_path / "out.mkv")
    shutil.copy(tmp_path / "out.mkv", tmp_path / "copy.mkv")
    for others in copier(whole):
        packets = others.copied[0].payload.packets
        others.copied[0].payload.add(av.Packet(b"another header"))
        others.copied[0].payload.packets = packets
        verify(tmp_path / "copy.mkv", OUT, PTS, TIME_BASE, others)
