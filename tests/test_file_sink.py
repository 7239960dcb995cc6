"""The file sink: times, pictures, colours, and everything that can go wrong with an output."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.errors import ConfigError, SinkError, SourceError
from livebg.frame import _SEAL, Alpha8, ColorSpec, Composite, VideoFormat, planes
from livebg.sinks.codecs import Content, Encoding
from livebg.sinks.file import FileSink
from livebg.sinks.null import NullSink
from livebg.sinks.pictures import to_av
from tests.muxing import Recording, frame_times, record
from tests.sink_contract import HEIGHT, TIME_BASE, WIDTH, MakeSink, SinkContract, composite

FORMAT = VideoFormat(WIDTH, HEIGHT, Fraction(25))
FAST = Encoding(preset="ultrafast")
ENDINGS = [".mp4", ".m4v", ".mov", ".mkv", ".webm"]


class TestNullSink(SinkContract):
    @pytest.fixture
    def make_sink(self) -> MakeSink:
        return NullSink

    def test_it_counts(self) -> None:
        with NullSink() as sink:
            for pts in range(7):
                sink.send(composite(pts))
        assert sink.frames == 7


class TestFileSink(SinkContract):
    @pytest.fixture(params=[".mp4", ".mkv"])
    def make_sink(self, request: pytest.FixtureRequest, tmp_path: Path) -> MakeSink:
        return lambda: FileSink(tmp_path / f"out{request.param}", FORMAT, TIME_BASE, encoding=FAST)


def write(path: Path, pts: Sequence[int], time_base: Fraction = TIME_BASE, encoding: Encoding = FAST) -> None:
    """Write plain composites at the given times."""
    with FileSink(path, FORMAT, time_base, encoding=encoding) as sink:
        for each in pts:
            sink.send(composite(each, time_base=time_base))


def jittered(count: int) -> list[int]:
    """Times of a phone: 30 fps in units of 1/90000 s, each off by up to 15 ms, with pauses."""
    chance = np.random.default_rng(1)
    steps = chance.integers(1650, 4350, count) + (chance.random(count) < 0.01) * 60_000
    return [int(each) for each in np.cumsum(steps)]


def to_milliseconds(times: Sequence[Fraction]) -> list[Fraction]:
    return [Fraction(int(time * 1000 + Fraction(1, 2)), 1000) for time in times]


class TestTimes:
    @pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
    @pytest.mark.parametrize(
        ("pts", "time_base"),
        [
            (jittered(1000), Fraction(1, 90_000)),
            (range(0, 1_001_000, 1001), Fraction(1, 30_000)),
            (range(1000), Fraction(1001, 30_000)),
            (range(1000), Fraction(1, 60)),
        ],
        ids=["jittered", "ntsc", "ntsc-frames", "60fps"],
    )
    def test_a_thousand_frames_keep_their_times(
        self, tmp_path: Path, pts: Sequence[int], time_base: Fraction, ending: str
    ) -> None:
        out = tmp_path / f"out{ending}"
        write(out, pts, time_base, replace(FAST, preset="veryfast"))  # with B-frames
        expected = [each * time_base for each in pts]
        assert frame_times(out) == (to_milliseconds(expected) if ending == ".mkv" else expected)

    def test_webm_keeps_times_to_the_millisecond(self, tmp_path: Path) -> None:
        pts = jittered(60)
        write(tmp_path / "out.webm", pts, Fraction(1, 90_000))
        assert frame_times(tmp_path / "out.webm") == to_milliseconds([each * Fraction(1, 90_000) for each in pts])

    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("first", [1, 333, 100_000])
    def test_a_late_beginning_stays_late(self, tmp_path: Path, ending: str, first: int) -> None:
        out = tmp_path / f"out{ending}"
        write(out, [first, first + 40, first + 90])
        assert frame_times(out) == [Fraction(pts, 1000) for pts in (first, first + 40, first + 90)]

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_what_begins_before_zero_is_moved_and_says_so(self, tmp_path: Path, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, FORMAT, TIME_BASE, encoding=FAST) as sink:
            for pts in (-167, -100, 0, 40):
                sink.send(composite(pts))
        assert frame_times(out) == [Fraction(pts, 1000) for pts in (0, 67, 167, 207)]
        assert any("0.167 s" in note for note in sink.notes)

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_start_becomes_zero(self, tmp_path: Path, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, FORMAT, Fraction(1, 30_000), encoding=FAST, start=10.01) as sink:
            for pts in (300_300, 301_301, 302_302):
                sink.send(composite(pts, time_base=Fraction(1, 30_000)))
        expected = [Fraction(pts, 30_000) for pts in (0, 1001, 2002)]
        assert frame_times(out) == (to_milliseconds(expected) if ending == ".mkv" else expected)

    @pytest.mark.parametrize("ending", [".mp4", ".mov"])
    def test_nanoseconds_are_rounded_to_what_mp4_can_count(self, tmp_path: Path, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        write(out, [0, 33_366_667, 5_000_000_499], Fraction(1, 10**9))
        assert frame_times(out) == [Fraction(microseconds, 10**6) for microseconds in (0, 33_367, 5_000_000)]

    def test_another_time_base_is_converted_when_that_is_exact(self, tmp_path: Path) -> None:
        with FileSink(tmp_path / "out.mp4", FORMAT, Fraction(1, 600), encoding=FAST) as sink:
            for pts in range(3):
                sink.send(composite(pts, time_base=Fraction(1, 30)))
        assert frame_times(tmp_path / "out.mp4") == [Fraction(pts, 30) for pts in range(3)]

    def test_a_time_between_the_ticks_is_refused(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mp4", FORMAT, Fraction(1, 30), encoding=FAST)
        sink.send(composite(0))
        with pytest.raises(SinkError, match="no multiple"):
            sink.send(composite(40))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("codec", ["libx264", "ffv1"])
    def test_the_last_frame_lasts_as_long_as_in_the_input(self, tmp_path: Path, codec: str) -> None:
        source = record(tmp_path / "in.mp4", Recording(audio=(), fps=1, seconds=3))
        with FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=replace(FAST, codec=codec), copy_from=source) as sink:
            for pts in (0, 40, 80):
                sink.send(composite(pts))
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert container.duration == pytest.approx(3_000_000, abs=1000)


def noise(seed: int, size: tuple[int, int] = (WIDTH, HEIGHT), color: ColorSpec = ColorSpec(), pts: int = 0) -> Composite:  # noqa: B008
    """A composite of random bytes, which no lossy codec and no stray conversion leaves as they are."""
    data = np.random.default_rng(seed).integers(16, 236, (size[1] * 3 // 2, size[0]), dtype=np.uint8)
    return Composite(data, pts, TIME_BASE, color, None, _SEAL)


class TestPictures:
    @pytest.mark.parametrize("width", [8, 62, 64, 66, 70])
    def test_bytes_arrive_untouched(self, tmp_path: Path, width: int) -> None:
        pictures = [noise(seed, (width, 6), pts=40 * seed) for seed in range(3)]
        encoding = Encoding(codec="ffv1")
        with FileSink(tmp_path / "out.mkv", VideoFormat(width, 6, Fraction(25)), TIME_BASE, encoding=encoding) as sink:
            for picture in pictures:
                sink.send(picture)
        with av.open(str(tmp_path / "out.mkv")) as container:
            found = [frame.to_ndarray() for frame in container.decode(video=0)]
        np.testing.assert_array_equal(np.stack(found), np.stack([picture.data for picture in pictures]))

    @pytest.mark.parametrize(
        ("codec", "ending"),
        [
            ("libx264", ".mp4"),
            ("h264", ".mkv"),
            ("libx265", ".mov"),
            ("libsvtav1", ".mp4"),
            ("libvpx-vp9", ".webm"),
            ("mpeg4", ".mkv"),
            ("libx264", ".webm"),
        ],
    )
    def test_every_codec_shows_the_picture(self, tmp_path: Path, codec: str, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        write(out, [0, 40, 80], encoding=Encoding(codec=codec, preset="ultrafast"))
        with av.open(str(out)) as container:
            found = [frame.to_ndarray()[:HEIGHT] for frame in container.decode(video=0)]
        assert [round(float(luma.mean())) for luma in found] == pytest.approx([40, 80, 120], abs=2)

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_eight_by_eight_pixels(self, tmp_path: Path, ending: str) -> None:
        with FileSink(tmp_path / f"out{ending}", VideoFormat(8, 8, Fraction(25)), TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0, size=(8, 8)))
        with av.open(str(tmp_path / f"out{ending}")) as container:
            frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (8, 8)

    def test_too_small_for_the_encoder_is_one_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="libx265 does not take 8x8"):
            FileSink(tmp_path / "out.mp4", VideoFormat(8, 8, Fraction(25)), TIME_BASE, encoding=Encoding(codec="libx265"))
        assert list(tmp_path.iterdir()) == []

    def test_8k(self, tmp_path: Path) -> None:
        with FileSink(tmp_path / "out.mp4", VideoFormat(7680, 4320, Fraction(25)), TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0, size=(7680, 4320)))
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert next(container.decode(video=0)).width == 7680

    def test_quality_follows_crf(self, tmp_path: Path) -> None:
        sizes = []
        for crf in (10, 40):
            out = tmp_path / f"{crf}.mp4"
            with FileSink(out, FORMAT, TIME_BASE, encoding=replace(FAST, crf=crf)) as sink:
                sink.send(noise(0))
            sizes.append(out.stat().st_size)
        assert sizes[0] > 1.5 * sizes[1]

    def test_the_size_must_stay(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
        with pytest.raises(SinkError, match="64x48"):
            sink.send(composite(0, size=(32, 32)))
        assert list(tmp_path.iterdir()) == []


class TestColour:
    @pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm"])
    @pytest.mark.parametrize(
        "color", [ColorSpec(), ColorSpec(1, 1, 1), ColorSpec(1, 1, 1, True), ColorSpec(6, 6, 6), ColorSpec(9, 9, 14)]
    )
    def test_it_is_tagged_as_it_is(self, tmp_path: Path, color: ColorSpec, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, replace(FORMAT, color=color), TIME_BASE, encoding=FAST) as sink:
            sink.send(noise(0, color=color))
        with av.open(str(out)) as container:
            frame = next(container.decode(video=0))
            context = container.streams.video[0].codec_context
        found = (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc))
        assert found == (color.matrix, color.primaries, color.transfer)
        assert (int(frame.color_range) == 2) == color.full_range
        assert (int(context.colorspace), int(context.color_primaries)) == (color.matrix, color.primaries)

    def test_another_colour_is_refused(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
        with pytest.raises(SinkError, match="colour"):
            sink.send(noise(0, color=ColorSpec(1, 1, 1)))

    @pytest.mark.parametrize("ending", [".mp4", ".m4v", ".mov", ".mkv"])
    def test_pixels_keep_their_shape(self, tmp_path: Path, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, replace(FORMAT, sample_aspect_ratio=Fraction(16, 15)), TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0))
        with av.open(str(out)) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 15)
        assert sink.notes == ()

    def test_a_shape_that_cannot_be_told_is_noted(self, tmp_path: Path) -> None:
        out = tmp_path / "out.webm"
        with FileSink(out, replace(FORMAT, sample_aspect_ratio=Fraction(16, 15)), TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0))
        assert any("1:1 and not 16:15" in note for note in sink.notes)


def ramp() -> NDArray[np.uint8]:
    """Luma with all 256 values in order above, and in disorder below, where nothing but a lossless codec gets it right."""
    luma = np.arange(WIDTH * HEIGHT, dtype=np.uint32).reshape(HEIGHT, WIDTH) % 256
    luma[HEIGHT // 2 :] = np.random.default_rng(2).integers(0, 256, (HEIGHT // 2, WIDTH))
    return luma.astype(np.uint8)


def matte_picture() -> Composite:
    data = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    data[:HEIGHT] = ramp()
    return Composite(data, 0, TIME_BASE, ColorSpec(full_range=True), None, _SEAL)


class TestMatte:
    @pytest.mark.parametrize(
        ("ending", "codec"), [(".mp4", "h264"), (".m4v", "h264"), (".mov", "h264"), (".mkv", "ffv1"), (".webm", "vp9")]
    )
    def test_it_decodes_as_it_was(self, tmp_path: Path, ending: str, codec: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, FORMAT, TIME_BASE, encoding=Encoding(content=Content.MATTE)) as sink:
            sink.send(matte_picture())
        with av.open(str(out)) as container:
            frame = next(container.decode(video=0))
            assert container.streams.video[0].codec_context.name == codec
        assert int(frame.color_range) == 2
        np.testing.assert_array_equal(frame.to_ndarray()[:HEIGHT], ramp())

    def test_players_see_the_full_range(self, tmp_path: Path) -> None:
        with FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=Encoding(content=Content.MATTE)) as sink:
            sink.send(matte_picture())
        with av.open(str(tmp_path / "out.mp4")) as container:
            gray = next(container.decode(video=0)).to_ndarray(format="rgb24")[..., 1]
        assert np.abs(gray.astype(int) - ramp()).max() <= 2

    def test_another_codec_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="without loss"):
            FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=Encoding(codec="libx265", content=Content.MATTE))


def cutout_picture(*, full_range: bool = False) -> tuple[Composite, Alpha8]:
    """A person of colour on nothing: a disc with a soft edge, black where alpha is 0."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2)
    alpha = (np.clip((18 - distance) / 6, 0, 1) * 255).astype(np.uint8)
    data = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    y, u, v = planes(data)
    y[:] = np.where(alpha > 0, 150, 0 if full_range else 16)
    there = alpha.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).max(axis=(1, 3)) > 0
    u[there], v[there] = 90, 170
    return Composite(data, 0, TIME_BASE, ColorSpec(1, 1, 1, full_range), alpha, _SEAL), alpha


def decode_rgba(path: Path, decoder: str | None = None) -> NDArray[np.uint8]:
    """The first picture as straight RGBA, through a decoder of choice."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packet = next(packet for packet in container.demux(stream) if packet.size)
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        frames = [*context.decode(packet), *context.decode(None)]  # type: ignore[attr-defined]
        return np.asarray(frames[0].to_ndarray(format="rgba"), np.uint8)


class TestCutout:
    @pytest.mark.parametrize(("ending", "decoder"), [(".webm", "libvpx-vp9"), (".mov", None)])
    @pytest.mark.parametrize("full_range", [False, True])
    def test_alpha_arrives_and_nothing_shows_beside_the_person(
        self, tmp_path: Path, ending: str, decoder: str | None, full_range: bool
    ) -> None:
        picture, alpha = cutout_picture(full_range=full_range)
        out = tmp_path / f"out{ending}"
        format_ = replace(FORMAT, color=picture.color)
        with FileSink(out, format_, TIME_BASE, encoding=Encoding(content=Content.CUTOUT, crf=5)) as sink:
            sink.send(picture)
        rgba = decode_rgba(out, decoder).astype(int)
        assert np.abs(rgba[..., 3] - alpha).max() <= (12 if ending == ".webm" else 2)
        centre = rgba[HEIGHT // 2, WIDTH // 2, :3]
        assert centre == pytest.approx(picture_rgb(picture)[HEIGHT // 2, WIDTH // 2], abs=4)
        far = np.pad(alpha, 8, mode="edge")
        beside = np.lib.stride_tricks.sliding_window_view(far, (17, 17)).max(axis=(2, 3)) == 0
        assert beside.sum() > 100
        assert rgba[beside][:, :3].max() <= 3

    def test_prores_keeps_alpha_exactly(self, tmp_path: Path) -> None:
        picture, alpha = cutout_picture()
        with FileSink(
            tmp_path / "out.mov", replace(FORMAT, color=picture.color), TIME_BASE, encoding=Encoding(content=Content.CUTOUT)
        ) as sink:
            sink.send(picture)
        with av.open(str(tmp_path / "out.mov")) as container:
            frame = next(container.decode(video=0))
        plane = frame.planes[3]
        depth = frame.format.components[3].bits
        found = np.frombuffer(memoryview(plane), np.uint16).reshape(HEIGHT, -1)[:, :WIDTH].astype(int)
        np.testing.assert_array_equal(np.rint(found * 255 / (2**depth - 1)).astype(int), alpha)

    def test_prores_gets_ten_bits_and_no_colour_beside_the_person(self) -> None:
        picture, alpha = cutout_picture()
        frame = to_av(picture, "yuva444p10le")
        y, u, v, a = (np.frombuffer(memoryview(plane), np.uint16).reshape(HEIGHT, -1)[:, :WIDTH] for plane in frame.planes)
        there = alpha > 0
        np.testing.assert_array_equal(y, np.where(there, 600, 64))
        assert set(u[~there]) == set(v[~there]) == {512}
        assert (int(u[HEIGHT // 2, WIDTH // 2]), int(v[HEIGHT // 2, WIDTH // 2])) == (360, 680)
        np.testing.assert_array_equal(a, np.rint(alpha / 255 * 1023))

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_other_endings_name_the_two(self, tmp_path: Path, ending: str) -> None:
        with pytest.raises(ConfigError, match=r"\.webm .*\.mov"):
            FileSink(tmp_path / f"out{ending}", FORMAT, TIME_BASE, encoding=Encoding(content=Content.CUTOUT))

    def test_without_alpha_there_is_no_cutout(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mov", FORMAT, TIME_BASE, encoding=Encoding(content=Content.CUTOUT))
        with pytest.raises(SinkError, match="no alpha"):
            sink.send(composite(0))


def picture_rgb(picture: Composite) -> NDArray[np.float64]:
    """The composite as RGB by H.273, chroma repeated."""
    y, u, v = planes(picture.data)
    full = np.stack([y, *(plane.repeat(2, 0).repeat(2, 1) for plane in (u, v)), np.ones_like(y)], axis=-1)
    return np.clip(full @ picture.color.yuv_to_rgb(HEIGHT).T, 0, 255)


class TestConfiguration:
    @pytest.mark.parametrize(
        ("name", "encoding", "words"),
        [
            ("out.avi", FAST, ".avi"),
            ("out", FAST, "no ending"),
            ("out.mp4", Encoding(codec="nonsense"), "nonsense"),
            ("out.mp4", Encoding(codec="aac"), "aac"),
            ("out.mp4", Encoding(codec="libx264rgb"), "4:2:0"),
            ("out.webm", Encoding(codec="libx265"), "libx265"),
            ("out.mov", Encoding(codec="ffv1"), "ffv1"),
            ("out.mp4", Encoding(preset="speedy"), "speedy"),
            ("out.mp4", Encoding(crf=70), "70"),
            ("out.mp4", Encoding(threads=-1), "threads"),
        ],
    )
    def test_what_does_not_fit_is_said_before_anything_is_written(
        self, tmp_path: Path, name: str, encoding: Encoding, words: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            FileSink(tmp_path / name, FORMAT, TIME_BASE, encoding=encoding)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_webm_says_that_it_is_vp9(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.webm", FORMAT, TIME_BASE, encoding=FAST)
        sink.abort()
        assert any("VP9" in note for note in sink.notes)

    def test_mp4_begins_with_its_index(self, tmp_path: Path) -> None:
        write(tmp_path / "out.mp4", range(0, 400, 40))
        content = (tmp_path / "out.mp4").read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")


class TestOutputFile:
    def test_it_appears_only_when_whole(self, tmp_path: Path) -> None:
        out = tmp_path / "out.mp4"
        with FileSink(out, FORMAT, TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0))
            assert not out.exists()
            assert all(each.name.startswith(".") for each in tmp_path.iterdir())
        assert list(tmp_path.iterdir()) == [out]

    def test_it_has_the_usual_permissions(self, tmp_path: Path) -> None:
        (tmp_path / "other").touch()
        write(tmp_path / "out.mp4", [0])
        assert (tmp_path / "out.mp4").stat().st_mode == (tmp_path / "other").stat().st_mode

    @pytest.mark.parametrize("end", ["abort", "exception"])
    def test_giving_up_leaves_nothing(self, tmp_path: Path, end: Literal["abort", "exception"]) -> None:
        sink = FileSink(tmp_path / "out.mkv", FORMAT, TIME_BASE, encoding=FAST)
        for pts in range(0, 4000, 40):
            sink.send(composite(pts))
        if end == "abort":
            sink.abort()
        else:
            sink.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        assert list(tmp_path.iterdir()) == []

    def test_no_picture_no_file(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
        with pytest.raises(SinkError, match="no picture"):
            sink.close()
        assert list(tmp_path.iterdir()) == []

    def test_an_existing_output_is_kept(self, tmp_path: Path) -> None:
        out = tmp_path / "out.mp4"
        out.write_bytes(b"precious")
        with pytest.raises(SinkError, match="exists already"):
            FileSink(out, FORMAT, TIME_BASE, encoding=FAST)
        assert out.read_bytes() == b"precious"

    def test_overwriting_replaces_it_at_the_end(self, tmp_path: Path) -> None:
        out = tmp_path / "out.mp4"
        out.write_bytes(b"precious")
        with FileSink(out, FORMAT, TIME_BASE, encoding=FAST, overwrite=True) as sink:
            sink.send(composite(0))
            assert out.read_bytes() == b"precious"
        assert frame_times(out) == [0]
        assert list(tmp_path.iterdir()) == [out]

    def test_an_output_that_comes_up_meanwhile_is_kept(self, tmp_path: Path) -> None:
        out = tmp_path / "out.mp4"
        sink = FileSink(out, FORMAT, TIME_BASE, encoding=FAST)
        sink.send(composite(0))
        out.write_bytes(b"precious")
        with pytest.raises(SinkError, match="exists already"):
            sink.close()
        assert out.read_bytes() == b"precious"
        assert list(tmp_path.iterdir()) == [out]

    @pytest.mark.parametrize("link", ["itself", "symbolic", "hard"])
    def test_the_input_is_never_overwritten(self, tmp_path: Path, link: str) -> None:
        source = record(tmp_path / "in.mp4", Recording(seconds=0.5))
        before = source.read_bytes()
        out = tmp_path / "out.mp4" if link != "itself" else source
        if link == "symbolic":
            out.symlink_to(source)
        elif link == "hard":
            out.hardlink_to(source)
        with pytest.raises(SinkError, match="is the input itself"):
            FileSink(out, FORMAT, TIME_BASE, encoding=FAST, copy_from=source, overwrite=True)
        assert source.read_bytes() == before

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SinkError, match=r"nowhere does not exist"):
            FileSink(tmp_path / "nowhere" / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_is_no_output(self, tmp_path: Path) -> None:
        (tmp_path / "out.mp4").mkdir()
        with pytest.raises(SinkError, match="it is a folder"):
            FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST, overwrite=True)

    def test_an_input_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "in.mp4").write_bytes(b"no video" * 100)
        with pytest.raises(SourceError, match="cannot be opened"):
            FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST, copy_from=tmp_path / "in.mp4")
        assert [each.name for each in tmp_path.iterdir()] == ["in.mp4"]

    @pytest.mark.parametrize("name", ["ta:lk.mp4", "-talk.mp4", "talk %03d.mp4", "gespräch\udce4.mkv"])
    def test_names_are_only_names(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write(Path(name), [0, 40])
        assert [os.fsencode(each.name) for each in tmp_path.iterdir()] == [os.fsencode(name)]

    def test_a_file_changed_under_our_hands_is_noticed(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mkv", FORMAT, TIME_BASE, encoding=Encoding(codec="ffv1"))
        for number in range(100):
            sink.send(noise(number, pts=40 * number))
        part = next(tmp_path.iterdir())
        os.truncate(part, 1000)
        with pytest.raises(SinkError, match="not what was sent"):
            sink.close()
        assert list(tmp_path.iterdir()) == []


WRITER = """
import sys
from fractions import Fraction
from pathlib import Path
from livebg.errors import SinkError
from livebg.frame import VideoFormat
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from tests.test_file_sink import noise
try:
    with FileSink(Path(sys.argv[1]), VideoFormat(64, 48, Fraction(25)), Fraction(1, 1000), encoding=Encoding(crf=1)) as sink:
        for number in range(int(sys.argv[2])):
            sink.send(noise(number, pts=40 * number))
except SinkError as error:
    sys.exit(f"SinkError {error}")
"""


class TestFullDisk:
    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    # The limit strikes while packets are written, and, where little is written at all, with the trailer.
    @pytest.mark.parametrize(("limit", "frames"), [(100_000, 200), (2_000, 2), (100, 2)])
    def test_nothing_is_left(self, tmp_path: Path, ending: str, limit: int, frames: int) -> None:
        out = tmp_path / f"out{ending}"
        run = subprocess.run(
            [sys.executable, "-c", WRITER, str(out), str(frames)],
            check=False,
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert run.returncode == 1
        message = run.stderr.strip()
        assert message.startswith(f"SinkError cannot write {out}: file too large")
        assert "\n" not in message
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_may_not_be_written_to(self) -> None:
        folder = Path("/proc/self")
        if not folder.is_dir():
            pytest.skip("no /proc: nothing here refuses even root")
        with pytest.raises(SinkError, match=r"cannot write /proc/self/out.mp4: "):
            FileSink(folder / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
