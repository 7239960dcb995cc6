"""Copied chapters, covers, attachments and tags."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from livebg.imaging.frame import VideoFormat
from livebg.sinks.file import FileSink
from livebg.sinks.metadata import stream_tags
from tests.support.recordings import TEXTS, Recording, cover_of, frame_times, record
from tests.support.sink_contract import HEIGHT, WIDTH, composite
from tests.support.sink_files import FAST, render

CHAPTERS = ((0.0, 0.9, "Anfang"), (0.9, 1.6, "Mitte"), (1.6, 2.0, "Schluß"))


class TestChapters:
    @pytest.mark.parametrize(
        ("ending", "to"), [(".mp4", ".mp4"), (".mp4", ".mov"), (".mov", ".mkv"), (".mkv", ".mkv"), (".mkv", ".mp4")]
    )
    def test_chapters_are_kept_and_file_opens(self, tmp_path: Path, ending: str, to: str) -> None:
        source = record(tmp_path / f"in{ending}", Recording(chapters=CHAPTERS))
        render(source, tmp_path / f"out{to}")
        assert chapters_of(tmp_path / f"out{to}") == list(CHAPTERS)
        with av.open(str(tmp_path / f"out{to}")) as container:
            data = len(container.streams.data)
        assert data == (0 if to == ".mkv" else 1)

    def test_day_long_chapters_with_fine_time_base_are_kept(self, tmp_path: Path) -> None:
        chapters = ((0.0, 40_000.0, "Vormittag"), (40_000.0, 80_000.0, "Nachmittag"))
        source = record(tmp_path / "in.mkv", Recording(chapters=chapters))
        out = tmp_path / "out.mp4"
        with FileSink(
            out, VideoFormat(WIDTH, HEIGHT, Fraction(30)), Fraction(1, 90_000), encoding=FAST, copy_from=source
        ) as sink:
            for pts in (0, 3003, 6006):
                sink.send(composite(pts, time_base=Fraction(1, 90_000)))
        assert chapters_of(out) == list(chapters)
        assert frame_times(out) == [Fraction(pts, 90_000) for pts in (0, 3003, 6006)]

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_cut_clips_chapters(self, tmp_path: Path, ending: str) -> None:
        source = record(tmp_path / f"in{ending}", Recording(chapters=CHAPTERS))
        out = tmp_path / f"out{ending}"
        render(source, out, pts=range(500, 1500, 100), start=0.5, end=1.5)
        assert chapters_of(out) == [(0.0, 0.4, "Anfang"), (0.4, 1.0, "Mitte")]


def chapters_of(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as container:
        found = [
            (each["start"], each["end"], each["time_base"] or Fraction(0), each["metadata"]) for each in container.chapters()
        ]
    return [(float(start * unit), float(end * unit), tags["title"]) for start, end, unit, tags in found]


class TestCoversAndAttachments:
    @pytest.mark.parametrize(("ending", "to"), [(".mp4", ".mp4"), (".mp4", ".mkv"), (".mkv", ".mkv"), (".mkv", ".mp4")])
    def test_cover_is_kept(self, tmp_path: Path, ending: str, to: str) -> None:
        source = record(tmp_path / f"in{ending}", Recording(cover=True))
        render(source, tmp_path / f"out{to}")
        cover = cover_of(source)
        assert cover is not None
        assert cover_of(tmp_path / f"out{to}") == cover

    def test_cover_is_kept_after_cut(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mp4", Recording(cover=True))
        render(source, tmp_path / "out.mp4", pts=range(500, 1500, 100), start=0.5, end=1.5)
        assert cover_of(tmp_path / "out.mp4") == cover_of(source)

    def test_fonts_are_kept(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mkv", Recording(font=b"FONT" * 1000, cover=True, subtitles=TEXTS))
        render(source, tmp_path / "out.mkv")
        with av.open(str(tmp_path / "out.mkv")) as container:
            (font,) = container.streams.attachments
            assert (font.name, font.mimetype, font.data) == ("font.ttf", "font/ttf", b"FONT" * 1000)


class TestTags:
    @pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
    def test_file_tags_are_kept(self, tmp_path: Path, ending: str) -> None:
        tags = {"title": "Vortrag", "artist": "Ich", "creation_time": "2024-01-02T03:04:05.000000Z"}
        source = record(tmp_path / f"in{ending}", Recording(tags=tags))
        render(source, tmp_path / f"out{ending}")
        with av.open(str(tmp_path / f"out{ending}")) as container:
            found = {key.lower(): value for key, value in container.metadata.items()}
        assert {key: found.get(key) for key in tags} == tags

    @pytest.mark.parametrize("to", [".mp4", ".mov"])
    def test_unusual_tags_are_kept_in_mp4(self, tmp_path: Path, to: str) -> None:
        source = record(tmp_path / "in.mkv", Recording(tags={"title": "Vortrag", "com.apple.quicktime.make": "Apple"}))
        render(source, tmp_path / f"out{to}")
        with av.open(str(tmp_path / f"out{to}")) as container:
            found = {key.lower(): value for key, value in container.metadata.items()}
        assert found["com.apple.quicktime.make"] == "Apple"
        assert found["title"] == "Vortrag"

    def test_outdated_tags_are_removed(self, tmp_path: Path) -> None:
        stale = {"rotate": "90", "BPS-eng": "123", "_STATISTICS_TAGS": "BPS", "ENCODER": "another", "DURATION": "9"}
        source = record(tmp_path / "in.mkv", Recording(video_tags={**stale, "title": "Kamera", "language": "ger"}))
        render(source, tmp_path / "out.mkv")
        with av.open(str(tmp_path / "out.mkv")) as container:
            tags = dict(container.streams.video[0].metadata)
        assert tags.pop("DURATION").startswith("00:00:02")
        assert tags == {"title": "Kamera", "language": "ger"}

    def test_timecode_is_kept_except_after_cut(self, tmp_path: Path) -> None:
        source = record(tmp_path / "in.mov", Recording(video_tags={"timecode": "01:00:00:00"}, fps=25))
        render(source, tmp_path / "whole.mov")
        render(source, tmp_path / "cut.mov", pts=range(500, 1500, 100), start=0.5)
        with av.open(str(tmp_path / "whole.mov")) as whole, av.open(str(tmp_path / "cut.mov")) as cut:
            assert "timecode" in whole.streams.video[0].metadata
            assert "timecode" not in cut.streams.video[0].metadata
            assert len(whole.streams.data) == 1

    def test_chapters_take_precedence_over_timecode(self, tmp_path: Path) -> None:
        # libav's MP4 can reference only one of the two, and unreferenced chapters look like subtitles.
        recording = Recording(video_tags={"timecode": "01:00:00:00"}, fps=25, chapters=CHAPTERS)
        source = record(tmp_path / "in.mkv", recording)
        render(source, tmp_path / "out.mov")
        assert chapters_of(tmp_path / "out.mov") == list(CHAPTERS)
        with av.open(str(tmp_path / "out.mov")) as container:
            assert [stream.type for stream in container.streams] == ["video", "audio", "data"]


@pytest.mark.parametrize(("container", "kept"), [("mp4", True), ("mov", True), ("matroska", False), ("webm", False)])
def test_handler_name_is_kept_only_where_it_belongs(container: str, kept: bool) -> None:
    tags = {"handler_name": "SoundHandler", "language": "eng", "BPS-eng": "1", "encoder": "Lavc"}
    found = stream_tags(tags, container, encoded=True, timecode=True)
    assert found == {"language": "eng"} | ({"handler_name": "SoundHandler"} if kept else {})
