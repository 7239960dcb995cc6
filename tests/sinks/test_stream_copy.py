"""Copied streams: audio and subtitles, and streams that cannot be copied."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.errors import SinkError
from tests.support.decoding import samples_of
from tests.support.media import Clip
from tests.support.recordings import TEXTS, Recording, StoredPacket, frame_times, packets_of, record
from tests.support.sink_files import render


def assert_equal_within(found: Sequence[StoredPacket], expected: Sequence[StoredPacket], unit: Fraction) -> None:
    assert [each.data for each in found] == [each.data for each in expected]
    apart = [abs(one.time - other.time) for one, other in zip(found, expected, strict=True)]
    assert max(apart) <= unit / 2


class TestAudio:
    @pytest.mark.parametrize(
        ("codec", "ending", "to"),
        [
            ("aac", ".mp4", ".mp4"),
            ("aac", ".mp4", ".mov"),
            ("aac", ".mov", ".mp4"),
            ("aac", ".mkv", ".mkv"),
            ("libopus", ".webm", ".webm"),
            ("libopus", ".webm", ".mkv"),
            ("libopus", ".mp4", ".mp4"),
            ("libmp3lame", ".mkv", ".mkv"),
            ("pcm_s16le", ".mov", ".mov"),
            ("flac", ".mkv", ".mkv"),
        ],
    )
    def test_every_packet_is_copied_unchanged(self, tmp_path: Path, codec: str, ending: str, to: str) -> None:
        source = record(tmp_path / f"in{ending}", Recording(audio=(codec,)))
        render(source, tmp_path / f"out{to}")
        expected = packets_of(source, "audio")
        assert len(expected) > 10
        assert packets_of(tmp_path / f"out{to}", "audio") == expected

    def test_sound_before_unreadable_bytes_is_copied(self, tmp_path: Path) -> None:
        source = Clip(50, audio="aac").write(tmp_path / "in.ts")
        expected = packets_of(source, "audio")
        with source.open("ab") as file:
            file.write(bytes(20_000))
        render(source, tmp_path / "out.mkv")
        assert len(packets_of(tmp_path / "out.mkv", "audio")) == len(expected)

    def test_sound_of_joined_recordings_continues(self, tmp_path: Path) -> None:
        part = Clip(75, audio="aac").write(tmp_path / "part.ts")
        joined = tmp_path / "joined.ts"
        joined.write_bytes(part.read_bytes() * 2)
        render(joined, tmp_path / "out.mkv")
        found, expected = packets_of(tmp_path / "out.mkv", "audio"), packets_of(part, "audio")
        assert len(found) == 2 * len(expected)
        steps = [float(after.time - before.time) for before, after in pairwise(found)]
        assert 0.01 < min(steps) <= max(steps) < 0.05

    def test_matroska_rounds_times_to_milliseconds(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mp4", Recording())
        render(source, tmp_path / "out.mkv")
        assert_equal_within(packets_of(tmp_path / "out.mkv", "audio"), packets_of(source, "audio"), Fraction(1, 1000))

    @pytest.mark.parametrize(
        ("codec", "ending", "to"),
        [
            ("pcm_s16le", ".avi", ".mp4"),  # only a channel count, no layout
            ("pcm_s16le", ".mkv", ".mov"),
            ("alac", ".mkv", ".mp4"),  # packets without a duration
            ("libmp3lame", ".avi", ".mkv"),
            ("aac", ".ts", ".mp4"),  # ADTS headers, which MP4 stores elsewhere
            ("aac", ".ts", ".mkv"),
        ],
    )
    def test_every_sample_is_kept_across_containers(self, tmp_path: Path, codec: str, ending: str, to: str) -> None:
        source = record(tmp_path / f"in{ending}", Recording(audio=(codec,), fps=25))
        with av.open(str(source)) as container:
            first = Fraction(container.streams.video[0].start_time or 0) * (container.streams.video[0].time_base or 0)
        render(source, tmp_path / f"out{to}", pts=[int(1000 * first) + each for each in range(0, 2000, 100)])
        expected = samples_of(source)
        assert expected.size > 90_000
        np.testing.assert_array_equal(samples_of(tmp_path / f"out{to}"), expected)

    @pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
    @pytest.mark.parametrize(("video_from", "audio_from"), [(0.337, 0.0), (0.0, 0.337), (0.0, 0.0123)])
    def test_late_start_is_kept(self, tmp_path: Path, ending: str, video_from: float, audio_from: float) -> None:
        source = record(tmp_path / f"in{ending}", Recording(video_from=video_from, audio_from=audio_from))
        pts = [round(1000 * video_from) + each for each in range(0, 2000, 100)]
        out = tmp_path / f"out{ending}"
        render(source, out, pts=pts)
        assert frame_times(out) == [Fraction(each, 1000) for each in pts]
        unit = Fraction(1, 1000) if ending == ".mkv" else Fraction(1, 48_000)
        assert_equal_within(packets_of(out, "audio"), packets_of(source, "audio"), unit)

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_two_tracks_keep_their_languages(self, tmp_path: Path, ending: str) -> None:
        tags = {"language": "ger", "title": "Ton"}
        source = record(tmp_path / f"in{ending}", Recording(audio=("aac", "libmp3lame"), audio_tags=tags))
        out = tmp_path / f"out{ending}"
        render(source, out)
        for number in (0, 1):
            assert packets_of(out, "audio", number) == packets_of(source, "audio", number)
        with av.open(str(out)) as container:
            sounds = container.streams.audio
            assert [each.codec_context.name for each in sounds] == ["aac", "mp3float"]
            assert [each.language for each in sounds] == ["ger", "ger"]
            assert [each.metadata.get("title", each.metadata.get("name")) for each in sounds] == ["Ton", "Ton"]

    def test_mov_keeps_language_with_other_code(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mp4", Recording(audio_tags={"language": "deu"}))
        render(source, tmp_path / "out.mov")
        with av.open(str(tmp_path / "out.mov")) as container:
            assert container.streams.audio[0].language == "ger"

    def test_audio_longer_than_video_is_kept(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mp4", Recording())
        render(source, tmp_path / "out.mp4", pts=[0, 100])
        assert packets_of(tmp_path / "out.mp4", "audio") == packets_of(source, "audio")

    @pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
    def test_range_after_the_end_of_the_sound_is_rendered(self, tmp_path: Path, ending: str) -> None:
        source = record(tmp_path / f"in{ending}", Recording())
        out = tmp_path / f"out{ending}"
        render(source, out, pts=range(3000, 4000, 100), start=3)
        assert frame_times(out) == [Fraction(each, 1000) for each in range(0, 1000, 100)]

    def test_audio_and_video_are_interleaved(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mkv", Recording(seconds=30, fps=2))
        render(source, tmp_path / "out.mkv", pts=range(0, 30_000, 500))
        with av.open(str(tmp_path / "out.mkv")) as container:
            kinds = [packet.stream.type for packet in container.demux() if packet.size]
        halves = kinds[: len(kinds) // 2], kinds[len(kinds) // 2 :]
        assert all(abs(half.count("video") - 30) <= 6 for half in halves)

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_cut_keeps_packets_inside_range(self, tmp_path: Path, ending: str) -> None:
        source = record(tmp_path / f"in{ending}", Recording(subtitles=TEXTS if ending == ".mkv" else ()))
        out = tmp_path / f"out{ending}"
        render(source, out, pts=range(500, 1500, 100), start=0.5, end=1.5)
        assert frame_times(out) == [Fraction(each, 1000) for each in range(0, 1000, 100)]
        inside = [each for each in packets_of(source, "audio") if Fraction(1, 2) <= each.time < Fraction(3, 2)]
        moved = [StoredPacket(each.time - Fraction(1, 2), each.data) for each in inside]
        unit = Fraction(1, 1000) if ending == ".mkv" else Fraction(1, 48_000)
        assert_equal_within(packets_of(out, "audio"), moved, unit)
        if ending == ".mkv":
            assert packets_of(out, "subtitle") == [StoredPacket(Fraction(1, 2), b"Ende")]

    def test_cut_counts_from_start_of_file(self, tmp_path: Path) -> None:
        source = Clip(75, audio="aac", container_options={"output_ts_offset": "1.4"}).write(tmp_path / "in.ts")
        with av.open(str(source)) as container:
            origin = Fraction(container.start_time or 0, av.time_base)
        assert origin > 1
        render(source, tmp_path / "out.mkv", pts=range(2500, 3500, 100), start=1, end=2)
        inside = [each for each in packets_of(source, "audio") if 1 <= each.time - origin < 2]
        found = packets_of(tmp_path / "out.mkv", "audio")
        assert abs(len(found) - len(inside)) <= 1
        assert found[0].time == pytest.approx(inside[0].time - 1, abs=0.022)


class TestSubtitles:
    @pytest.mark.parametrize(
        ("codec", "ending", "audio"), [("subrip", ".mkv", "aac"), ("webvtt", ".webm", "libopus"), ("mov_text", ".mp4", "aac")]
    )
    def test_subtitles_are_copied(self, tmp_path: Path, codec: str, ending: str, audio: str) -> None:
        source = record(tmp_path / f"in{ending}", Recording(audio=(audio,), subtitles=TEXTS, subtitle_codec=codec))
        out = tmp_path / f"out{ending}"
        render(source, out)
        found = packets_of(out, "subtitle")
        assert found == packets_of(source, "subtitle")
        assert [text for text in (b"Guten Tag", b"Ende") if any(text in each.data for each in found)] == [b"Guten Tag", b"Ende"]
        with av.open(str(out)) as container:
            assert container.streams.subtitles[0].language == "ger"
            assert container.streams.subtitles[0].codec_context.name == {"subrip": "srt"}.get(codec, codec)


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "recording", "to", "words"),
        [
            ("in.mkv", Recording(subtitles=TEXTS), ".mp4", "subtitle stream 2 (srt, ger) is not supported by MP4"),
            ("in.mp4", Recording(), ".webm", "audio stream 1 (aac"),
            (
                "in.mkv",
                Recording(videos=2),
                ".mkv",
                "video stream 1 (h264) is a second video and would show the unprocessed room",
            ),
            ("in.mkv", Recording(font=b"FONT"), ".mp4", "attachment stream 2 (font.ttf)"),
            ("in.mp4", Recording(cover=True), ".mov", "video stream 2 (mjpeg)"),
        ],
        ids=["subrip", "aac", "second-video", "font", "cover"],
    )
    def test_unsupported_stream_fails_and_can_be_dropped(
        self, tmp_path: Path, name: str, recording: Recording, to: str, words: str
    ) -> None:
        source = record(tmp_path / name, recording)
        with pytest.raises(SinkError) as caught:
            render(source, tmp_path / f"out{to}")
        assert words in str(caught.value)
        assert "--drop-streams" in str(caught.value)
        assert [each.name for each in tmp_path.iterdir()] == [name]
        sink = render(source, tmp_path / f"out{to}", drop_streams=True)
        assert len(sink.notes) == (2 if to == ".webm" else 1)
        assert words in sink.notes[-1]
        assert len(frame_times(tmp_path / f"out{to}")) == 20
        with av.open(str(tmp_path / f"out{to}")) as container:
            assert len(container.streams.video) == 1

    def test_hint_names_other_extensions_only_if_one_supports_all(self, tmp_path: Path) -> None:
        for source, fix in (
            (Clip(2, audio="libmp3lame").write(tmp_path / "mp3.mkv"), "Choose a file extension that supports them, or use"),
            (Clip(2, audio="adpcm_ms").write(tmp_path / "adpcm.avi"), "Choose a file extension that supports them, or use"),
            (record(tmp_path / "two.mkv", Recording(videos=2)), "No file extension that livebg writes supports them: use"),
        ):
            with pytest.raises(SinkError, match=rf"{fix} --drop-streams\.$"):
                render(source, tmp_path / "out.webm")

    def test_all_unsupported_streams_are_named(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mkv", Recording(subtitles=TEXTS, videos=2, font=b"FONT"))
        with pytest.raises(SinkError, match=r"video stream 1.*subtitle stream 3.*attachment stream 4"):
            render(source, tmp_path / "out.mp4")
