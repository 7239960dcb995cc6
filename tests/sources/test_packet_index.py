"""The packet index lists the pictures that a decoder shows, and states when that is not certain."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livebg.errors import SourceError
from livebg.sources.file import FileSource
from livebg.sources.packet_index import index_packets
from tests.support.media import FAST, Clip, write_sound
from tests.support.segment_media import B_FRAMES, INEXACT, OPEN_GOP, clip, remuxed


def shown(path: Path) -> list[int]:
    with FileSource(path) as source:
        return [frame.pts for frame in source]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mov"])
def test_pictures_and_key_frames(tmp_path: Path, name: str) -> None:
    path = clip(OPEN_GOP, count=60).write(tmp_path / name)
    index = index_packets(path)
    assert index.exact
    assert index.pts.dtype == index.key_frames.dtype == np.int64
    assert index.pts.tolist() == shown(path)
    assert index.key_frames.tolist() == index.pts[::20].tolist()
    assert index.pts[0] * index.time_base - index.origin == 0
    assert index.begin == index.pts[0]


def test_pictures_before_an_edit_are_not_shown(tmp_path: Path) -> None:
    path = remuxed(clip(count=60).write(tmp_path / "whole.mp4"), tmp_path / "a.mp4", shift=27 * 512)
    index = index_packets(path)
    assert index.exact
    assert index.pts.tolist() == shown(path) == [512 * number for number in range(33)]
    assert index.key_frames.tolist() == [13 * 512]


def test_video_may_start_after_sound(tmp_path: Path) -> None:
    path = Clip(10, pts=list(range(20, 30)), audio="aac", options=FAST).write(tmp_path / "late.mp4")
    index = index_packets(path)
    assert index.pts[0] * index.time_base - index.origin == Fraction(20, 25)


@pytest.mark.parametrize("name", INEXACT)
def test_other_sources_are_not_exact(tmp_path: Path, name: str) -> None:
    assert not index_packets(INEXACT[name](tmp_path / name)).exact


def repeated_times(path: Path) -> Path:
    whole = clip(B_FRAMES | {"bf": "0"}, count=40).write(path.with_name("whole.ts"))
    content = whole.read_bytes()
    path.write_bytes(content + content)
    return path


def cut(path: Path) -> Path:
    whole = clip(count=60, container_options={"movflags": "+faststart"}).write(path)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    return path


def without_key_frame(path: Path) -> Path:
    return remuxed(clip(count=60).write(path.with_name("whole.mp4")), path, skip=45)


def lost_packets(path: Path) -> Path:
    content = bytearray(clip(count=60).write(path).read_bytes())
    begin = len(content) // 2 // 188 * 188
    path.write_bytes(content[:begin] + content[begin + 5 * 188 :])
    return path


@pytest.mark.parametrize(
    ("name", "make"), [("a.ts", repeated_times), ("a.mp4", cut), ("b.mp4", without_key_frame), ("b.ts", lost_packets)]
)
def test_irregular_files_are_not_exact(tmp_path: Path, name: str, make: Callable[[Path], Path]) -> None:
    assert not index_packets(make(tmp_path / name)).exact


@pytest.mark.parametrize("content", [b"", b"Dear all,\nthis is no video.\n" * 50])
def test_other_files_fail(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "note.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"note\.mp4"):
        index_packets(path)


def test_sound_alone_fails(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no video stream"):
        index_packets(write_sound(tmp_path / "song.m4a", "aac"))
