"""Segments give the frames of one whole decode: the same bytes and times, each frame in one segment."""

import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.errors import SourceError
from livebg.rendering.segments import Segment, decoded_range, plan_segments
from livebg.sources.damage import damage_notes
from livebg.sources.file import FileSource
from livebg.sources.packet_index import index_packets
from tests.support.media import Clip
from tests.support.segment_media import B_FRAMES, EXACT, INEXACT, OPEN_GOP, clip, moving

Content = tuple[int, bytes]
"""A frame's pts and data."""


def whole(path: Path, start: float | None = None, end: float | None = None) -> tuple[FileSource, list[Content]]:
    with FileSource(path, start, end, threads=1) as source:
        return source, [(frame.pts, frame.data.tobytes()) for frame in source]


def in_segments(
    path: Path, segments: Sequence[Segment], source: FileSource, start: float | None = None, end: float | None = None
) -> tuple[list[Content], Counter[str], list[str]]:
    """The frames of all segments, the sum of their damage, and the clauses on conversions: the same with and without warm-up."""
    bare, warmed_up = (_in_segments(path, segments, source, start, end, filtered=filtered) for filtered in (False, True))
    assert bare == warmed_up
    return warmed_up


def _in_segments(
    path: Path, segments: Sequence[Segment], source: FileSource, start: float | None, end: float | None, *, filtered: bool
) -> tuple[list[Content], Counter[str], list[str]]:
    frames: list[Content] = []
    damage = Counter[str]()
    notes: dict[str, None] = {}
    origin = index_packets(path).origin
    for segment in segments:
        first, last = decoded_range(segment, origin, start, end, filtered=filtered)
        with FileSource(path, first, last, threads=1, like=pickle.loads(pickle.dumps(source.input_format))) as part:
            assert part.format == source.format
            frames += [(frame.pts, frame.data.tobytes()) for frame in part if segment.contains(frame.pts)]
        damage.update(part.damage(segment.begin, segment.end))
        notes |= dict.fromkeys(part.conversions)
    return frames, damage, list(notes)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a file of EXACT once."""
    folder = tmp_path_factory.mktemp("media")

    def made(name: str) -> Path:
        path = folder / Path(name).stem / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            EXACT[name](path)
        return path

    return made


@pytest.mark.parametrize("name", EXACT)
def test_segments_have_the_frames_of_the_whole(make: Callable[[str], Path], name: str) -> None:
    path = make(name)
    source, expected = whole(path)
    index = index_packets(path)
    assert index.exact
    assert [pts for pts, _ in expected] == index.pts.tolist()
    segments = plan_segments(index, None, None, segment_s=1.6)
    assert len(segments) > 3
    frames, damage, notes = in_segments(path, segments, source)
    assert [pts for pts, _ in frames] == [pts for pts, _ in expected]
    assert frames == expected
    assert (*notes, *damage_notes(damage)) == source.notes


@pytest.mark.parametrize("name", INEXACT)
def test_other_files_are_one_segment(tmp_path: Path, name: str) -> None:
    path = INEXACT[name](tmp_path / name)
    source, expected = whole(path)
    segments = plan_segments(index_packets(path), None, None, segment_s=1.0)
    assert len(segments) == 1
    frames, damage, notes = in_segments(path, segments, source)
    assert frames == expected
    assert (*notes, *damage_notes(damage)) == source.notes


@pytest.mark.parametrize("name", ["open_gop.mkv", "interlaced.mp4", "mixed_scan.ts", "jittered.mkv"])
@pytest.mark.parametrize(("start", "end"), [(1.33, 6.41), (None, 4.0)])
def test_segments_of_a_range(make: Callable[[str], Path], name: str, start: float | None, end: float | None) -> None:
    path = make(name)
    source, expected = whole(path, start, end)
    segments = plan_segments(index_packets(path), start, end, segment_s=0.9)
    assert len(segments) > 1
    frames, damage, notes = in_segments(path, segments, source, start, end)
    assert frames == expected
    assert (*notes, *damage_notes(damage)) == source.notes


def test_a_frame_is_the_same_in_every_range(make: Callable[[str], Path]) -> None:
    """The deinterlacer uses the pictures before and after the range."""
    path = make("interlaced.mp4")
    _, expected = whole(path)
    for start, end in ((2.0, 4.0), (2.04, 2.08), (0.2, 0.48)):
        _, frames = whole(path, start, end)
        first = round(start * 25)
        assert frames == expected[first : round(end * 25)]


@pytest.mark.parametrize("name", ["slow_open_gop.mp4", "long_gop.ts"])
def test_ranges_start_with_the_right_frame(tmp_path: Path, name: str) -> None:
    """A seek can end at a key frame that is shown after the start, or in MPEG-TS between two key frames."""
    makers = {**EXACT, "long_gop.ts": clip(B_FRAMES | {"g": "50"}).write}
    path = makers[name](tmp_path / name)
    _, expected = whole(path)
    index = index_packets(path)
    for first in range(10, len(expected) - 10, len(expected) // 20):
        start = float(expected[first][0] * index.time_base - index.origin)
        assert whole(path, start, start + 0.01)[1] == expected[first : first + 1]


class TestDamage:
    @pytest.mark.parametrize(
        ("codec", "options"),
        [
            ("libx264", B_FRAMES),
            ("libx264", OPEN_GOP),
            ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=20:bframes=3"}),
            ("mpeg4", {"g": "20", "bf": "2"}),
        ],
    )
    @pytest.mark.parametrize("share", [0.3, 0.62])
    def test_damage_is_counted_once(self, tmp_path: Path, codec: str, options: dict[str, str], share: float) -> None:
        path = clip(options, codec=codec).write(tmp_path / "a.mp4")
        content = bytearray(path.read_bytes())
        begin = int(share * len(content))
        content[begin : begin + 3000] = np.random.default_rng(5).bytes(3000)
        path.write_bytes(content)
        source, expected = whole(path)
        segments = plan_segments(index_packets(path), None, None, segment_s=1.0)
        assert len(segments) > 5
        frames, damage, _ = in_segments(path, segments, source)
        assert damage.total() > 0
        assert damage_notes(damage) == source.notes
        assert [pts for pts, _ in frames] == [pts for pts, _ in expected]
        differing = [pts for (pts, data), (_, same) in zip(frames, expected, strict=True) if data != same]
        assert len(differing) <= 20  # what the decoder conceals, up to the next key frame

    def test_segments_after_a_damaged_key_frame(self, tmp_path: Path) -> None:
        """Its missing part is copied from the pictures before it, which a decoder that starts with it does not have."""
        path = clip(B_FRAMES | {"g": "100", "bf": "0"}).write(tmp_path / "a.mp4")
        with av.open(str(path)) as container:
            _, key = (packet for packet in container.demux(video=0) if packet.is_keyframe)
            assert key.pos is not None
            begin, end = key.pos + key.size // 2, key.pos + key.size
        content = bytearray(path.read_bytes())
        content[begin:end] = np.random.default_rng(1).bytes(end - begin)
        path.write_bytes(content)
        source, expected = whole(path)
        assert source.notes == ("1 frame decoded with errors",)
        segments = plan_segments(index_packets(path), None, None, segment_s=0.5)
        assert in_segments(path, segments, source)[0] == expected

    def test_undecodable_start_belongs_to_the_first_segment(self, make: Callable[[str], Path]) -> None:
        path = make("leading.mp4")
        source, _ = whole(path)
        index = index_packets(path)
        first, second, *_ = plan_segments(index, None, None, segment_s=1.0)
        with FileSource(path, 0.0, 0.2, threads=1, like=source.input_format) as part:
            assert list(part) == []
        assert part.damage(first.begin, first.end)["leading"] > 40
        assert part.damage(second.begin, None)["leading"] == 0
        assert index.begin < index.pts[0]

    def test_truncated_file_can_be_rendered_to_its_end(self, tmp_path: Path) -> None:
        path = clip(container_options={"movflags": "+faststart"}).write(tmp_path / "a.mp4")
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
        with pytest.raises(SourceError) as caught:
            FileSource(path)
        end = float(str(caught.value).removesuffix(".").rsplit(" ", 1)[1])
        source, expected = whole(path, end=end)
        segments = plan_segments(index_packets(path), None, end, segment_s=1.0)
        assert in_segments(path, segments, source, end=end)[0] == expected


class TestLike:
    def test_format_is_that_of_the_first_picture(self, make: Callable[[str], Path]) -> None:
        path = make("sizes.ts")
        source, _ = whole(path)
        with FileSource(path, 3.0, 4.0, like=source.input_format) as part:
            assert (part.format.width, part.format.height) == (64, 48)
            assert {frame.data.shape for frame in part} == {(72, 64)}
        with FileSource(path, 3.0, 4.0) as part:
            assert (part.format.width, part.format.height) == (80, 64)

    @pytest.mark.parametrize("times", [(3.3, 5.9), (100.0, 101.0)])
    def test_a_range_without_frames_is_empty(self, tmp_path: Path, times: tuple[float, float]) -> None:
        pts = [*range(0, 80), *range(150, 200)]
        path = Clip(130, pts=pts, time_base=Fraction(1, 25), picture=moving, options=B_FRAMES).write(tmp_path / "gap.mkv")
        source, _ = whole(path)
        with FileSource(path, *times, like=source.input_format) as part:
            assert list(part) == []
        with pytest.raises(SourceError):
            FileSource(path, *times)


def test_media_differs_from_picture_to_picture(tmp_path: Path) -> None:
    """Otherwise frames of the wrong time could have the right bytes."""
    _, frames = whole(clip().write(tmp_path / "a.mp4"))
    assert len({data for _, data in frames}) == len(frames)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0)) == 10
