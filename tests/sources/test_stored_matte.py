"""Mattes read from a file: each frame gets its own, and every file that could be wrong is refused before the first frame."""

import pickle
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livebg.errors import SourceError
from livebg.sources.matte_index import MatteIndex, index_matte
from livebg.sources.stored_matte import StoredMatte
from tests.support.matte_files import LIMITED_RANGE, SIZE, STORED, TICKS, frame_at, write_matte
from tests.support.media import FAST, Clip, flat, read_stamp, stamped, write_sound, yuv_picture

PTS = [7 * number * number + 20 * number for number in range(10)]
"""A variable frame rate, not in whole milliseconds."""


def stamps(index: MatteIndex, pts: Sequence[int], time_base: Fraction = TICKS) -> list[int]:
    """The numbers of the pictures that the frames at ``pts`` get."""
    with StoredMatte(index) as stored:
        return [read_stamp(stored.matte(frame_at(each, time_base)).alpha) for each in pts]


def yuv(chroma: int) -> Callable[[int, int, int], av.VideoFrame]:
    def picture(number: int, width: int, height: int) -> av.VideoFrame:
        plane = np.full((height // 2, width // 2), chroma, np.uint8)
        return yuv_picture([stamped(number, width, height), plane, plane], "yuv420p")

    return picture


YUV = replace(STORED, pix_fmt="yuv420p", picture=yuv(128))


def test_each_frame_gets_its_own_matte(tmp_path: Path) -> None:
    index = index_matte(write_matte(tmp_path / "a.mkv", PTS), SIZE, TICKS, PTS)
    assert stamps(index, PTS) == list(range(10))
    with StoredMatte(index) as stored:
        frame = frame_at(PTS[4])
        matte = stored.matte(frame)
    assert (matte.alpha == stamped(4, *SIZE)).all()
    assert matte.alpha.flags.c_contiguous
    assert (matte.time, matte.picture_time) == (frame.time, frame.time)


def test_frames_are_found_in_any_order(tmp_path: Path) -> None:
    pts = [24 * number for number in range(300)]
    index = index_matte(write_matte(tmp_path / "a.mkv", pts), SIZE, TICKS, pts)
    wanted = random.Random(4).sample(range(300), 25)
    assert stamps(index, [pts[number] for number in wanted]) == wanted


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm"])
def test_matte_of_another_codec_is_read(name: str, tmp_path: Path) -> None:
    """An editor may write other codecs, with pictures that depend on others."""
    pts = [24 * number for number in range(60)]
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    clip = replace(YUV, codec=codec, options={"crf": "20", "g": "12", "bf": "3"} if codec == "libx264" else {})
    index = index_matte(write_matte(tmp_path / name, pts, clip=clip), SIZE, TICKS, pts)
    assert stamps(index, [pts[number] for number in (31, 32, 40, 3, 59)]) == [31, 32, 40, 3, 59]


def test_segment_in_the_middle_reads_its_part(tmp_path: Path) -> None:
    index = index_matte(write_matte(tmp_path / "a.mkv", PTS), SIZE, TICKS, PTS)
    part = pickle.loads(pickle.dumps(index.between(PTS[3], PTS[6])))
    assert list(part.pts) == PTS[3:6]
    assert stamps(part, PTS[3:6]) == [3, 4, 5]
    assert stamps(index.between(PTS[8], None), PTS[8:]) == [8, 9]
    for pts in (PTS[2], PTS[6]):
        with pytest.raises(SourceError, match=r"a\.mkv has no picture for the frame at"):
            stamps(part, [pts])


def test_only_wanted_frames_are_matted(tmp_path: Path) -> None:
    index = index_matte(write_matte(tmp_path / "a.mkv", PTS), SIZE, TICKS, PTS)
    frames = [frame_at(pts) for pts in PTS]
    with StoredMatte(index) as stored:
        found = list(stored.mattes(frames, lambda frame: frame.pts >= PTS[5]))
    assert [frame.pts for frame, _ in found] == PTS[5:]
    assert [read_stamp(matte.alpha) for _, matte in found] == [5, 6, 7, 8, 9]


def test_frame_without_a_matte_raises(tmp_path: Path) -> None:
    """It never counts as fully visible."""
    index = index_matte(write_matte(tmp_path / "a.mkv", PTS), SIZE, TICKS, PTS)
    for pts, unit in ((PTS[3] + 1, TICKS), (PTS[9] + 24, TICKS), (-1, TICKS), (2 * PTS[3] + 1, TICKS / 2)):
        with pytest.raises(SourceError, match="has no picture for the frame"):
            stamps(index, [pts], unit)
    with StoredMatte(index) as stored, pytest.raises(ValueError, match="The frame is 32x24"):
        stored.matte(frame_at(PTS[0], size=(32, 24)))


def test_file_that_changes_after_the_check_is_an_error(tmp_path: Path) -> None:
    path = write_matte(tmp_path / "a.mkv", PTS)
    index = index_matte(path, SIZE, TICKS, PTS)
    write_matte(path, [pts + 12 for pts in PTS])
    with pytest.raises(SourceError, match="has changed since it was checked"):
        stamps(index, PTS[4:])
    write_matte(path, PTS, clip=replace(STORED, color=LIMITED_RANGE))
    with pytest.raises(SourceError, match="limited range"):
        stamps(index, PTS[4:])


def test_part_of_a_video_takes_either_matte(tmp_path: Path) -> None:
    for pts, expected in ((PTS, [4, 5, 6]), (PTS[4:7], [0, 1, 2])):
        index = index_matte(write_matte(tmp_path / "a.mkv", pts), SIZE, TICKS, PTS[4:7], PTS)
        assert stamps(index, PTS[4:7]) == expected
    with pytest.raises(SourceError, match="it has 9 frames and the video 10"):
        index_matte(write_matte(tmp_path / "a.mkv", PTS[:-1]), SIZE, TICKS, PTS[4:7], PTS)


def test_times_may_begin_at_zero(tmp_path: Path) -> None:
    """As in a file that begins before 0, which no container can store, or after an editor."""
    for first in (-37, 900):
        pts = [first + each for each in PTS]
        index = index_matte(write_matte(tmp_path / "a.mkv", PTS), SIZE, TICKS, pts)
        assert stamps(index, pts) == list(range(10))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gaps=st.lists(st.integers(1, 4000), min_size=1, max_size=12),
    first=st.integers(0, 10_000),
    time_base=st.sampled_from([Fraction(1, 1000), Fraction(1, 600), Fraction(1001, 30000), Fraction(1, 90000)]),
    name=st.sampled_from(["a.mkv", "a.mov"]),
)
def test_times_survive_rounding(gaps: list[int], first: int, time_base: Fraction, name: str, tmp_path: Path) -> None:
    """Frames at least 2 ms apart get their own matte, in every time base."""
    step = max(1, int(Fraction(2, 1000) / time_base))
    pts = [first]
    for gap in gaps:
        pts.append(pts[-1] + step + gap)
    clip = STORED if name == "a.mkv" else replace(YUV, codec="libx264", options=FAST)
    index = index_matte(write_matte(tmp_path / name, pts, time_base, clip), SIZE, time_base, pts)
    assert stamps(index, pts, time_base) == list(range(len(pts)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(0, 9),
    fault=st.sampled_from(["missing", "extra", "moved"]),
    shift=st.integers(2, 10).flatmap(lambda each: st.sampled_from([each, -each])),
)
def test_one_wrong_time_is_refused(number: int, fault: str, shift: int, tmp_path: Path) -> None:
    """Wherever the fault is, and however small: 2/600 s is less than any distance between two frames."""
    pts = [50 + each for each in PTS]
    wrong = list(pts)
    if fault == "missing":
        del wrong[number]
    elif fault == "extra":
        wrong.insert(number + 1, pts[number] + abs(shift))
    else:
        wrong[number] += shift
    with pytest.raises(SourceError, match=r"^The frames of the matte .*a\.mkv are not those of the video: ") as refusal:
        index_matte(write_matte(tmp_path / "a.mkv", wrong), SIZE, TICKS, pts)
    assert refusal.value.hint is not None


def times_error(path: Path, pts: Sequence[int], video: Sequence[int]) -> str:
    with pytest.raises(SourceError) as refusal:
        index_matte(write_matte(path, pts), SIZE, TICKS, video)
    return str(refusal.value).replace(str(path), "a.mkv")


def test_message_names_the_first_difference(tmp_path: Path) -> None:
    path, video = tmp_path / "a.mkv", [24 * number for number in range(10)]
    start = "The frames of the matte a.mkv are not those of the video: "
    hint = " Use the file that --keep-matte wrote for this video, or export it with every frame at its time."
    assert times_error(path, video[:6], video) == (
        f"{start}it has 6 frames and the video 10, and the one at 0.240 s is missing.{hint}"
    )
    assert times_error(path, [*video, 240], video) == (
        f"{start}it has 11 frames and the video 10, and it continues after the last frame of the video, at 0.400 s.{hint}"
    )
    assert times_error(path, [*video[:3], 75, *video[4:]], video) == (
        f"{start}it has 10 frames and the video 10, and the one at 0.120 s is at 0.125 s.{hint}"
    )
    # Every frame a period late: a constant shift is refused too, unless the matte begins at 0.
    assert "the one at 0.000 s is at 0.040 s." in times_error(path, [each + 24 for each in video], video)


REFUSED = {
    "limited": (replace(STORED, color=LIMITED_RANGE), "has limited range, so its levels are not alpha"),
    "limited yuv": (replace(YUV, color=LIMITED_RANGE), "has limited range"),
    "untagged yuv": (replace(YUV, color=None), "is not tagged as full range"),
    "color": (replace(YUV, picture=yuv(150)), "has color at 0.000 s, but a matte is gray"),
    "other color": (replace(YUV, picture=yuv(100)), "has color at 0.000 s, but a matte is gray"),
    "later color": (
        replace(YUV, picture=lambda number, *size: yuv(128 + 9 * (number == 7))(number, *size)),
        "has color at 0.805 s, but a matte is gray",
    ),
    "rgb": (
        replace(
            STORED,
            codec="libx264rgb",
            pix_fmt="rgb24",
            picture=lambda _, width, height: av.VideoFrame(width, height, "rgb24"),
            color=None,
        ),
        "has the pixel format gbrp",
    ),
    "10 bits": (replace(STORED, pix_fmt="yuv420p10le", picture=flat(512, 512, 512, "yuv420p10le")), "format yuv420p10le"),
    "size": (replace(STORED, width=62), "is 62x48, but the frames of the video are 64x48"),
    "turned": (replace(YUV, codec="libx264", display=(180, False, False)), "is rotated or mirrored for display"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_wrong_pictures_are_refused(fault: str, tmp_path: Path) -> None:
    clip, message = REFUSED[fault]
    path = write_matte(tmp_path / ("a.mov" if fault == "turned" else "a.mkv"), PTS, clip=clip)
    with pytest.raises(SourceError, match=message) as refusal:
        index_matte(path, SIZE, TICKS, PTS)
    assert str(refusal.value).startswith(f"The matte {path} ")
    assert refusal.value.hint is not None


def test_interlaced_matte_is_refused(tmp_path: Path) -> None:
    clip = replace(YUV, codec="libx264", options={"x264-params": "tff=1"})
    with pytest.raises(SourceError, match=r"a\.mkv is interlaced at 0\.000 s"):
        index_matte(write_matte(tmp_path / "a.mkv", PTS, clip=clip), SIZE, TICKS, PTS)


def test_several_video_streams_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream in streams:
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "gray"
        for stream in streams:
            assert isinstance(stream, av.VideoStream)
            picture = STORED.picture(0, *SIZE)
            picture.pts, picture.time_base = 0, Fraction(1, 25)
            container.mux([*stream.encode(picture), *stream.encode()])
    with pytest.raises(SourceError, match="has 2 video streams, but a matte has one"):
        index_matte(path, SIZE, TICKS, [0])


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    def error(path: Path) -> str:
        with pytest.raises(SourceError) as refusal:
            index_matte(path, SIZE, TICKS, PTS)
        return str(refusal.value)

    (tmp_path / "text.mkv").write_text("no video")
    (tmp_path / "empty.mkv").touch()
    assert "does not exist" in error(tmp_path / "none.mkv")
    assert "cannot be read as a video" in error(tmp_path / "text.mkv")
    assert "is empty" in error(tmp_path / "empty.mkv")
    assert "is a folder" in error(tmp_path)
    assert "no video stream" in error(write_sound(tmp_path / "tone.mkv", "aac"))


def test_truncated_matte_is_refused(tmp_path: Path) -> None:
    pts = [24 * number for number in range(100)]
    path = write_matte(tmp_path / "a.mkv", pts)
    whole = path.read_bytes()
    for share in (0.3, 0.7, 0.95):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(SourceError):
            stamps(index_matte(path, SIZE, TICKS, pts), pts)


def damage(path: Path, number: int) -> None:
    """Flip one bit in the middle of a packet."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[number]
    content[content.index(bytes(packet)) + packet.size // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("slices", ["1", "4"])
def test_damaged_picture_is_refused(slices: str, tmp_path: Path) -> None:
    """By its checksum: libav shows the one before in its place."""
    clip = replace(STORED, options={"level": "3", "slicecrc": "1", "g": "1", "slices": slices})
    path = write_matte(tmp_path / "a.mkv", PTS, clip=clip)
    assert stamps(index_matte(path, SIZE, TICKS, PTS), PTS) == list(range(10))
    damage(path, 6)
    with pytest.raises(SourceError, match=r"a\.mkv is damaged at 0\.620 s\. Get an undamaged copy"):
        index_matte(path, SIZE, TICKS, PTS)


def test_matte_without_checksums_is_read(tmp_path: Path) -> None:
    clip = replace(STORED, options={"level": "3", "slicecrc": "0", "g": "1"})
    path = write_matte(tmp_path / "a.mkv", PTS, clip=clip)
    assert stamps(index_matte(path, SIZE, TICKS, PTS), PTS) == list(range(10))


def test_damage_that_the_decoder_finds_is_refused(tmp_path: Path) -> None:
    pts = [24 * number for number in range(30)]
    path = write_matte(tmp_path / "a.mkv", pts, clip=replace(YUV, codec="libx264", options={"g": "10"}))
    with av.open(str(path)) as container:
        packet = max(list(container.demux(video=0))[10:], key=lambda each: each.size)
    path.write_bytes(path.read_bytes().replace(bytes(packet)[40:], b"\xa5" * (packet.size - 40)))
    with pytest.raises(SourceError, match=r"is damaged at|cannot be decoded"):
        index_matte(path, SIZE, TICKS, pts)


def test_clip_of_the_room_is_refused(tmp_path: Path) -> None:
    """The video itself, for example, which would show everything bright."""
    path = Clip(count=10, pts=[round(each * TICKS * 1000) for each in PTS], time_base=Fraction(1, 1000)).write(tmp_path / "a.mkv")
    with pytest.raises(SourceError, match="is not tagged as full range"):
        index_matte(path, SIZE, TICKS, PTS)
