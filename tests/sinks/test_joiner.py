"""Joined segments: the same pictures at exact times in every container, whatever the spacing, the lengths and the B-frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from livebg.errors import ConfigError, SinkError, SourceError
from livebg.imaging.frame import VideoFormat
from livebg.sinks.codecs import Content, EncoderPlan, Encoding, plan_encoder
from livebg.sinks.joiner import Joiner
from livebg.sinks.stream_selection import CopyOptions
from livebg.sinks.timeline import Timeline
from tests.support.recordings import TEXTS, Recording, cover_of, frame_times, packets_of, record
from tests.support.segments import (
    CONTAINERS,
    SIZE,
    decoded,
    encode,
    encode_all,
    format_at,
    moving,
    packet_times,
    temporary_folder,
)

MILLISECOND = Fraction(1, 1000)
FORMAT = VideoFormat(*SIZE, Fraction(25))


def plan_for(ending: str, b_frames: int = 2) -> EncoderPlan:
    """A fast encoder for the container; H.264 uses exactly ``b_frames``, which refer to each other from two on."""
    if ending == ".webm":
        return plan_encoder(Encoding(preset="ultrafast", crf=40), Path("out.webm"))
    options = {"preset": "ultrafast", "crf": "30", "bf": str(b_frames), "b_strategy": "0", "b-pyramid": "normal"}
    return EncoderPlan(CONTAINERS[ending], "libx264", options=options)


@dataclass(frozen=True)
class Case:
    """What an output is joined from: the times of each segment's pictures in ticks, and B-frames in a row."""

    ending: str
    time_base: Fraction
    b_frames: int
    parts: Sequence[Sequence[int]]

    @property
    def times(self) -> list[Fraction]:
        """All times as the container stores them."""
        exact = [pts * self.time_base for part in self.parts for pts in part]
        return [rounded(time) for time in exact] if self.ending in (".mkv", ".webm") else exact


def rounded(time: Fraction) -> Fraction:
    """To the nearest millisecond, halves up, as Matroska stores times."""
    return int(time * 1000 + Fraction(1, 2)) * MILLISECOND


@st.composite
def cases(draw: st.DrawFn) -> Case:
    time_base = draw(st.sampled_from([Fraction(1, 90_000), Fraction(1, 30_000), Fraction(1, 1000), Fraction(1, 30), Fraction(1)]))
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    if draw(st.booleans()):
        lengths[-1] = 1
    shortest = max(1, round(Fraction(2, 1000) / time_base))
    step = st.integers(shortest, max(shortest + 2, round(Fraction(1, 5) / time_base)))
    # A late start, and a long pause between any two pictures.
    first = draw(st.sampled_from([0, 1, shortest, round(Fraction(1, 20) / time_base), round(2 / time_base)]))
    steps = [draw(step) for _ in range(sum(lengths))]
    steps[draw(st.integers(0, len(steps) - 1))] += draw(st.sampled_from([0, round(3 / time_base)]))
    times = [first + int(each) for each in np.cumsum([0, *steps[1:]])]
    bounds = [0, *np.cumsum(lengths).tolist()]
    parts = [times[begin:end] for begin, end in pairwise(bounds)]
    return Case(draw(st.sampled_from([*CONTAINERS])), time_base, draw(st.integers(0, 3)), parts)


class TestTimes:
    @given(cases())
    @example(Case(".mov", Fraction(1, 30), 3, [list(range(1, 12)), [12]]))
    @example(Case(".mp4", Fraction(1), 3, [list(range(1, 12)), [12]]))
    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
    def test_join_keeps_pictures_and_exact_times(self, case: Case) -> None:
        plan = plan_for(case.ending, case.b_frames)
        with temporary_folder() as folder:
            segments = encode_all(folder, plan, case.parts, case.time_base)
            out = folder / f"out{case.ending}"
            Joiner(out, plan, format_at(case.time_base), case.time_base).join(segments)
            expected = [picture for path, _ in segments for picture in decoded(path)]
            found = decoded(out)
            assert len(found) == len(expected)
            assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
            assert frame_times(out) == case.times
            packets = packet_times(out)
        assert sorted(each.pts for each in packets) == case.times
        assert all(each.dts <= each.pts for each in packets if each.dts is not None)
        decoding = [each.dts for each in packets if each.dts is not None]
        assert all(one < other for one, other in pairwise(decoding))
        if case.ending in (".mp4", ".mov"):  # Matroska stores presentation times alone
            assert len(decoding) == len(packets)

    @given(cases(), st.lists(st.integers(0, 7), min_size=1, max_size=20))
    def test_decoding_times_rise_and_never_follow_pictures(self, case: Case, keys: list[int]) -> None:
        pts = [each for part in case.parts for each in part]
        # Any decoding order that begins with the first picture, and in which no picture is displaced by more than 7.
        order = [0, *sorted(range(1, len(pts)), key=lambda rank: rank + keys[rank % len(keys)])]
        delay = max(position - rank for position, rank in enumerate(order))
        timeline = Timeline(pts, case.time_base, delay, nominal=1 + keys[0])
        decoding = [timeline.decoding(position) for position in range(len(order))]
        assert all(one < other for one, other in pairwise(decoding))
        waits = [timeline.presentation(rank) - dts for dts, rank in zip(decoding, order, strict=True)]
        assert min(waits) >= 0
        assert min(waits[:delay], default=waits[0]) == waits[0]  # or MP4's edit list would move all pictures

    @given(cases())
    @settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
    def test_one_segment_equals_its_parts_in_times(self, case: Case) -> None:
        plan, whole = plan_for(case.ending, case.b_frames), [[pts for part in case.parts for pts in part]]
        with temporary_folder() as folder:
            for name, parts in (("one", whole), ("many", case.parts)):
                (folder / name).mkdir()
                segments = encode_all(folder / name, plan, parts, case.time_base)
                Joiner(folder / f"{name}{case.ending}", plan, format_at(case.time_base), case.time_base).join(segments)
            one, many = (frame_times(folder / f"{name}{case.ending}") for name in ("one", "many"))
        assert one == many == case.times

    @pytest.mark.parametrize("ending", [*CONTAINERS])
    def test_times_before_zero_are_shifted_with_note(self, tmp_path: Path, ending: str) -> None:
        plan = plan_for(ending)
        segments = encode_all(tmp_path, plan, [[-167, -100, 0], [40]], MILLISECOND)
        joiner = Joiner(tmp_path / f"out{ending}", plan, FORMAT, MILLISECOND)
        joiner.join(segments)
        assert frame_times(tmp_path / f"out{ending}") == [each * MILLISECOND for each in (0, 67, 167, 207)]
        assert any("0.167 s" in note for note in joiner.notes)


class TestContent:
    def test_join_equals_encoding_in_one_go(self, tmp_path: Path) -> None:
        """The encoder's own packets at their own times, written by libav alone, decode to the same pictures."""
        plan, pts = plan_for(".mp4", 3), list(range(0, 1200, 40))
        with av.open(str(tmp_path / "direct.mp4"), "w") as output:
            stream = output.add_stream("libx264", rate=25, options={**plan.options, "threads": "1"})
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = SIZE
            stream.codec_context.time_base = MILLISECOND
            for number, each in enumerate(pts):
                frame = av.VideoFrame.from_ndarray(moving(number, each, MILLISECOND).data, "yuv420p")
                frame.pts, frame.time_base = each, MILLISECOND
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        Joiner(tmp_path / "out.mp4", plan, FORMAT, MILLISECOND).join([encode(tmp_path / "0", plan, pts, MILLISECOND)])
        np.testing.assert_array_equal(decoded(tmp_path / "out.mp4"), decoded(tmp_path / "direct.mp4"))
        assert frame_times(tmp_path / "out.mp4") == frame_times(tmp_path / "direct.mp4")

    @pytest.mark.parametrize(
        ("name", "encoding", "decoder"),
        [
            ("out.webm", Encoding(content=Content.CUTOUT, preset="ultrafast"), "libvpx-vp9"),
            ("out.mov", Encoding(content=Content.CUTOUT), None),
            ("out.mkv", Encoding(content=Content.MATTE), None),
            ("out.mp4", Encoding(content=Content.MATTE, preset="ultrafast"), None),
            ("out.webm", Encoding(content=Content.MATTE, preset="ultrafast"), None),
            ("out.mkv", Encoding(codec="mpeg4"), None),
            ("out.mp4", Encoding(codec="libx265", preset="ultrafast"), None),
            ("out.mp4", Encoding(codec="libsvtav1", preset="ultrafast"), None),
            ("out.mp4", Encoding(codec="libvpx-vp9", preset="ultrafast"), None),
        ],
    )
    def test_every_codec_is_joined(self, tmp_path: Path, name: str, encoding: Encoding, decoder: str | None) -> None:
        plan, cutout = plan_encoder(encoding, Path(name)), encoding.content is Content.CUTOUT
        parts = [range(0, 400, 40), range(400, 800, 40), [800]]
        segments = encode_all(tmp_path, plan, parts, MILLISECOND, cutout=cutout)
        Joiner(tmp_path / name, plan, FORMAT, MILLISECOND).join(segments)
        expected = [picture for path, _ in segments for picture in decoded(path, decoder)]
        found = decoded(tmp_path / name, decoder)
        np.testing.assert_array_equal(found, expected)
        if cutout:
            alphas = [picture.reshape(-1)[-SIZE[0] * SIZE[1] :] for picture in found]
            assert all(alpha.min() < 30 and alpha.max() > 200 for alpha in alphas)
        with av.open(str(tmp_path / name)) as joined, av.open(str(segments[0][0])) as segment:
            one, other = joined.streams.video[0], segment.streams.video[0]
            assert one.codec_context.codec_tag == other.codec_context.codec_tag
            assert one.average_rate == 25
            assert one.metadata.get("alpha_mode") == ("1" if cutout and name == "out.webm" else None)

    @pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
    def test_key_frames_begin_segments(self, tmp_path: Path, ending: str) -> None:
        plan = plan_for(ending)
        segments = encode_all(tmp_path, plan, [range(0, 400, 40), range(400, 600, 40), [600]], MILLISECOND)
        Joiner(tmp_path / f"out{ending}", plan, FORMAT, MILLISECOND).join(segments)
        with av.open(str(tmp_path / f"out{ending}")) as container:
            keys = [
                Fraction(each.pts or 0) * each.time_base for each in container.demux(video=0) if each.size and each.is_keyframe
            ]
        assert keys == [0, Fraction(2, 5), Fraction(3, 5)]

    @pytest.mark.parametrize(("name", "codec"), [("in.mp4", "aac"), ("in.mkv", "aac"), ("in.webm", "libopus")])
    def test_other_streams_are_copied_and_interleaved(self, tmp_path: Path, name: str, codec: str) -> None:
        ending = Path(name).suffix
        extra = {"subtitles": TEXTS, "font": b"FONT", "cover": True} if ending == ".mkv" else {"cover": ending == ".mp4"}
        chapters = ((0.0, 0.9, "Anfang"), (0.9, 2.0, "Ende"))
        recording: dict[str, Any] = {"audio": (codec,), "seconds": 6.0, "tags": {"title": "Talk"}, "chapters": chapters, **extra}
        source, out, plan = record(tmp_path / name, Recording(**recording)), tmp_path / f"out{ending}", plan_for(ending)
        segments = encode_all(tmp_path, plan, [range(0, 3000, 100), range(3000, 5900, 100), [5900]], MILLISECOND)
        joiner = Joiner(out, plan, FORMAT, MILLISECOND, copy_from=source)
        joiner.join(segments)
        assert joiner.notes == (("encoded as VP9, because WebM cannot hold H.264",) if ending == ".webm" else ())
        assert packets_of(out, "audio") == packets_of(source, "audio")
        assert cover_of(out) == cover_of(source)
        if ending == ".mkv":
            assert packets_of(out, "subtitle") == packets_of(source, "subtitle")
        with av.open(str(out)) as container:
            assert container.metadata["title"] == "Talk"
            assert len(container.chapters()) == 2
            kinds = [packet.stream.type for packet in container.demux() if packet.size]
        halves = kinds[: len(kinds) // 2], kinds[len(kinds) // 2 :]
        assert all(abs(half.count("video") - 30) <= 6 for half in halves)

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_start_and_end_shift_all_times(self, tmp_path: Path, ending: str) -> None:
        source, plan = record(tmp_path / f"in{ending}", Recording()), plan_for(ending)
        segments = encode_all(tmp_path, plan, [range(500, 1000, 100), range(1000, 1500, 100)], MILLISECOND)
        options = CopyOptions(0.5, 1.5)
        out = tmp_path / f"out{ending}"
        Joiner(out, plan, FORMAT, MILLISECOND, copy_from=source, copy_options=options).join(segments)
        assert frame_times(out) == [each * MILLISECOND for each in range(0, 1000, 100)]
        assert packets_of(out, "audio")[0].time < Fraction(1, 20)

    @pytest.mark.parametrize("ending", [*CONTAINERS])
    def test_joining_twice_gives_identical_files(self, tmp_path: Path, ending: str) -> None:
        codec = "libopus" if ending == ".webm" else "aac"
        source, plan = record(tmp_path / f"in{ending}", Recording(audio=(codec,))), plan_for(ending)
        segments = encode_all(tmp_path, plan, [range(0, 400, 40), range(400, 800, 40)], MILLISECOND)
        for name in ("one", "two"):
            Joiner(tmp_path / f"{name}{ending}", plan, FORMAT, MILLISECOND, copy_from=source).join(segments)
        assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"two{ending}").read_bytes()


class TestFailures:
    def test_nothing_is_written_before_join(self, tmp_path: Path) -> None:
        joiner = Joiner(tmp_path / "out.mp4", plan_for(".mp4"), FORMAT, MILLISECOND)
        assert list(tmp_path.iterdir()) == []
        joiner.close()
        joiner.close()

    @pytest.mark.parametrize("given_part", [True, False])
    def test_part_is_given_or_hidden_and_disappears(self, tmp_path: Path, given_part: bool) -> None:
        plan, jobs = plan_for(".mp4"), tmp_path / "jobs"
        jobs.mkdir()
        part = jobs / "output.part" if given_part else None
        if part is not None:
            part.write_bytes(b"left by an interrupted run")
        segments = [encode(jobs / "0", plan, range(0, 400, 40), MILLISECOND)]
        found: list[set[str]] = []
        joiner = Joiner(tmp_path / "out.mp4", plan, FORMAT, MILLISECOND)
        joiner.join(segments, part=part, on_frame=lambda _: found.append({each.name for each in jobs.iterdir()}))
        assert found == [{"0", "output.part"} if given_part else {"0"}] * 10
        assert {each.name for each in tmp_path.iterdir()} == {"jobs", "out.mp4"}
        assert {each.name for each in jobs.iterdir()} == {"0"}

    def test_prepared_output_appears_with_commit_or_not_at_all(self, tmp_path: Path) -> None:
        plan, out = plan_for(".mp4"), tmp_path / "out.mp4"
        segments = [encode(tmp_path / "0", plan, range(0, 400, 40), MILLISECOND)]
        for commit in (False, True):
            joiner = Joiner(out, plan, FORMAT, MILLISECOND)
            prepared = joiner.prepare(segments, part=tmp_path / "part")
            assert {each.name for each in tmp_path.iterdir()} == {"0", "part"}
            if commit:
                prepared.commit()
            prepared.rollback()
            assert {each.name for each in tmp_path.iterdir()} == ({"0", "out.mp4"} if commit else {"0"})
        assert len(frame_times(out)) == 10

    def test_error_in_callback_leaves_only_segments(self, tmp_path: Path) -> None:
        plan = plan_for(".mp4")
        segments = encode_all(tmp_path, plan, [range(0, 400, 40), range(400, 800, 40)], MILLISECOND)

        def stop(frames: int) -> None:
            if frames == 15:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Joiner(tmp_path / "out.mp4", plan, FORMAT, MILLISECOND).join(segments, on_frame=stop)
        assert {each.name for each in tmp_path.iterdir()} == {"0.segment", "1.segment"}

    def test_no_pictures_fail(self, tmp_path: Path) -> None:
        with pytest.raises(SinkError, match="no picture"):
            Joiner(tmp_path / "out.mp4", plan_for(".mp4"), FORMAT, MILLISECOND).join([(tmp_path / "0", ())])
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    @pytest.mark.parametrize("defect", ["truncated", "empty", "missing", "shorter", "longer"])
    def test_damaged_segment_fails(self, tmp_path: Path, ending: str, defect: str) -> None:
        plan, out = plan_for(ending), tmp_path / f"out{ending}"
        segments = encode_all(tmp_path, plan, [range(0, 400, 40), range(400, 800, 40)], MILLISECOND)
        path, pts = segments[1]
        if defect == "truncated":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        elif defect == "empty":
            path.write_bytes(b"")
        elif defect == "missing":
            path.unlink()
        else:
            segments[1] = path, (pts[:-1] if defect == "shorter" else [*pts, 800])
        with pytest.raises(SinkError, match=rf"^Verification of {out} failed, so it was removed: segment 1 is damaged \("):
            Joiner(out, plan, FORMAT, MILLISECOND).join(segments)
        assert not out.exists()

    @pytest.mark.parametrize("other", [{"preset": "medium"}, {"refs": "5"}])
    def test_segment_encoded_differently_fails(self, tmp_path: Path, other: dict[str, str]) -> None:
        plan = plan_for(".mp4", 0)
        foreign = replace(plan, options={**plan.options, **other})
        segments = [
            encode(tmp_path / "0", plan, range(0, 400, 40), MILLISECOND),
            encode(tmp_path / "1", foreign, range(400, 800, 40), MILLISECOND),
        ]
        with pytest.raises(SinkError, match="segment 1 was encoded differently from segment 0"):
            Joiner(tmp_path / "out.mp4", plan, FORMAT, MILLISECOND).join(segments)
        assert not (tmp_path / "out.mp4").exists()

    def test_refusals_come_before_the_work(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mkv", Recording(subtitles=TEXTS))
        plan, out = plan_for(".mp4"), tmp_path / "out.mp4"
        with pytest.raises(SinkError, match="subtitle stream 2"):
            Joiner(out, plan, FORMAT, MILLISECOND, copy_from=source)
        with pytest.raises(SinkError, match="does not exist"):
            Joiner(tmp_path / "nowhere" / "out.mp4", plan, FORMAT, MILLISECOND)
        with pytest.raises(SinkError, match="is the input itself"):
            Joiner(source, plan_for(".mkv"), FORMAT, MILLISECOND, copy_from=source, overwrite=True)
        with pytest.raises(SinkError, match="already exists"):
            Joiner(source, plan_for(".mkv"), FORMAT, MILLISECOND)
        with pytest.raises(SourceError, match="cannot be opened"):
            Joiner(out, plan, FORMAT, MILLISECOND, copy_from=tmp_path / "nothing.mp4")
        hevc = plan_encoder(Encoding(codec="libx265"), out)
        with pytest.raises(ConfigError, match="does not accept 8x8"):
            Joiner(out, hevc, VideoFormat(8, 8, Fraction(25)), MILLISECOND)
        assert [each.name for each in tmp_path.iterdir()] == ["in.mkv"]

    def test_output_created_meanwhile_is_kept(self, tmp_path: Path) -> None:
        plan, out = plan_for(".mp4"), tmp_path / "out.mp4"
        segments = [encode(tmp_path / "0", plan, [0, 40], MILLISECOND)]
        joiner = Joiner(out, plan, FORMAT, MILLISECOND)
        out.write_bytes(b"precious")
        with pytest.raises(SinkError, match="already exists"):
            joiner.join(segments)
        assert out.read_bytes() == b"precious"


def test_prepared_output_gets_its_name_when_it_is_committed(tmp_path: Path) -> None:
    plan = plan_for(".mkv")
    segments = [encode(tmp_path / "0", plan, [0, 40, 80], MILLISECOND)]
    for commit in (False, True):
        out = tmp_path / "out.mkv"
        prepared = Joiner(out, plan, FORMAT, MILLISECOND).prepare(segments, part=tmp_path / "video.part")
        assert {path.name for path in tmp_path.iterdir()} == {"0", "video.part"}
        if commit:
            prepared.commit()
        prepared.rollback()
        assert {path.name for path in tmp_path.iterdir()} == ({"0", "out.mkv"} if commit else {"0"})
