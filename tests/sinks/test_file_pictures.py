"""The file sink's pictures: bytes, codecs, colors and pixel aspect ratio."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.errors import ConfigError, SinkError
from livebg.imaging.frame import ColorSpec, VideoFormat
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from tests.support.sink_contract import HEIGHT, TIME_BASE, composite
from tests.support.sink_files import ENDINGS, FAST, FORMAT, noise, write


class TestPictures:
    @pytest.mark.parametrize("width", [8, 62, 64, 66, 70])
    def test_lossless_codec_keeps_bytes(self, tmp_path: Path, width: int) -> None:
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
    def test_every_codec_encodes_picture(self, tmp_path: Path, codec: str, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        write(out, [0, 40, 80], encoding=Encoding(codec=codec, preset="ultrafast"))
        with av.open(str(out)) as container:
            found = [frame.to_ndarray()[:HEIGHT] for frame in container.decode(video=0)]
        assert [round(float(luma.mean())) for luma in found] == pytest.approx([40, 80, 120], abs=2)

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_8x8_pixels_are_encoded(self, tmp_path: Path, ending: str) -> None:
        with FileSink(tmp_path / f"out{ending}", VideoFormat(8, 8, Fraction(25)), TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0, size=(8, 8)))
        with av.open(str(tmp_path / f"out{ending}")) as container:
            frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (8, 8)

    def test_size_below_encoder_minimum_fails(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="libx265 does not accept 8x8"):
            FileSink(tmp_path / "out.mp4", VideoFormat(8, 8, Fraction(25)), TIME_BASE, encoding=Encoding(codec="libx265"))
        assert list(tmp_path.iterdir()) == []

    def test_8k_is_encoded(self, tmp_path: Path) -> None:
        with FileSink(tmp_path / "out.mp4", VideoFormat(7680, 4320, Fraction(25)), TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0, size=(7680, 4320)))
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert next(container.decode(video=0)).width == 7680

    def test_lower_crf_gives_larger_file(self, tmp_path: Path) -> None:
        sizes = []
        for crf in (10, 40):
            out = tmp_path / f"{crf}.mp4"
            with FileSink(out, FORMAT, TIME_BASE, encoding=replace(FAST, crf=crf)) as sink:
                sink.send(noise(0))
            sizes.append(out.stat().st_size)
        assert sizes[0] > 1.5 * sizes[1]

    def test_changed_size_fails(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
        with pytest.raises(SinkError, match="64x48"):
            sink.send(composite(0, size=(32, 32)))
        assert list(tmp_path.iterdir()) == []


class TestColor:
    @pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm"])
    @pytest.mark.parametrize(
        "color", [ColorSpec(), ColorSpec(1, 1, 1), ColorSpec(1, 1, 1, True), ColorSpec(6, 6, 6), ColorSpec(9, 9, 14)]
    )
    def test_color_tags_match_format(self, tmp_path: Path, color: ColorSpec, ending: str) -> None:
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

    def test_other_color_fails(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
        with pytest.raises(SinkError, match="color"):
            sink.send(noise(0, color=ColorSpec(1, 1, 1)))

    @pytest.mark.parametrize("ending", [".mp4", ".m4v", ".mov", ".mkv"])
    def test_pixel_aspect_ratio_is_kept(self, tmp_path: Path, ending: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, replace(FORMAT, sample_aspect_ratio=Fraction(16, 15)), TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0))
        with av.open(str(out)) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 15)
        assert sink.notes == ()

    def test_unsupported_pixel_aspect_ratio_is_noted(self, tmp_path: Path) -> None:
        out = tmp_path / "out.webm"
        with FileSink(out, replace(FORMAT, sample_aspect_ratio=Fraction(16, 15)), TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0))
        assert any("1:1 and not 16:15" in note for note in sink.notes)
