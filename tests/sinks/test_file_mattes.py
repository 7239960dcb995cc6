"""The file sink's mattes and cutouts: alpha is exact, and nothing of the room is visible."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.errors import ConfigError, SinkError
from livebg.imaging.frame import _SEAL, Alpha8, ColorSpec, Composite, planes
from livebg.sinks.av_frames import to_av
from livebg.sinks.codecs import Content, Encoding
from livebg.sinks.file import FileSink
from tests.support.sink_contract import HEIGHT, TIME_BASE, WIDTH, composite
from tests.support.sink_files import FORMAT


def ramp() -> NDArray[np.uint8]:
    """Luma with all 256 values, ascending above and shuffled below, which only a lossless codec preserves."""
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
    def test_matte_decodes_losslessly(self, tmp_path: Path, ending: str, codec: str) -> None:
        out = tmp_path / f"out{ending}"
        with FileSink(out, FORMAT, TIME_BASE, encoding=Encoding(content=Content.MATTE)) as sink:
            sink.send(matte_picture())
        with av.open(str(out)) as container:
            frame = next(container.decode(video=0))
            assert container.streams.video[0].codec_context.name == codec
        assert int(frame.color_range) == 2
        np.testing.assert_array_equal(frame.to_ndarray()[:HEIGHT], ramp())

    def test_matte_is_full_range_in_players(self, tmp_path: Path) -> None:
        with FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=Encoding(content=Content.MATTE)) as sink:
            sink.send(matte_picture())
        with av.open(str(tmp_path / "out.mp4")) as container:
            gray = next(container.decode(video=0)).to_ndarray(format="rgb24")[..., 1]
        assert np.abs(gray.astype(int) - ramp()).max() <= 2

    def test_matte_rejects_lossy_codec(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is lossless"):
            FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=Encoding(codec="libx265", content=Content.MATTE))


def cutout_picture(*, full_range: bool = False) -> tuple[Composite, Alpha8]:
    """A colored disc with a soft edge on an empty background, black where alpha is 0."""
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
    """Return the first picture as straight RGBA, decoded with the given decoder."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packet = next(packet for packet in container.demux(stream) if packet.size)
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        frames = [*context.decode(packet), *context.decode(None)]  # type: ignore[attr-defined]
        return np.asarray(frames[0].to_ndarray(format="rgba"), np.uint8)


class TestCutout:
    @pytest.mark.parametrize(("ending", "decoder"), [(".webm", "libvpx-vp9"), (".mov", None)])
    @pytest.mark.parametrize("full_range", [False, True])
    def test_alpha_is_kept_and_room_is_black(self, tmp_path: Path, ending: str, decoder: str | None, full_range: bool) -> None:
        picture, alpha = cutout_picture(full_range=full_range)
        out = tmp_path / f"out{ending}"
        format_ = replace(FORMAT, color=picture.color)
        with FileSink(out, format_, TIME_BASE, encoding=Encoding(content=Content.CUTOUT, crf=5)) as sink:
            sink.send(picture)
        rgba = decode_rgba(out, decoder).astype(int)
        assert np.abs(rgba[..., 3] - alpha).max() <= (12 if ending == ".webm" else 2)
        center = rgba[HEIGHT // 2, WIDTH // 2, :3]
        assert center == pytest.approx(picture_rgb(picture)[HEIGHT // 2, WIDTH // 2], abs=4)
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

    def test_prores_has_10_bits_and_no_color_outside_person(self) -> None:
        picture, alpha = cutout_picture()
        frame = to_av(picture, "yuva444p10le")
        y, u, v, a = (np.frombuffer(memoryview(plane), np.uint16).reshape(HEIGHT, -1)[:, :WIDTH] for plane in frame.planes)
        there = alpha > 0
        np.testing.assert_array_equal(y, np.where(there, 600, 64))
        assert set(u[~there]) == set(v[~there]) == {512}
        assert (int(u[HEIGHT // 2, WIDTH // 2]), int(v[HEIGHT // 2, WIDTH // 2])) == (360, 680)
        np.testing.assert_array_equal(a, np.rint(alpha / 255 * 1023))

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_cutout_in_other_container_fails(self, tmp_path: Path, ending: str) -> None:
        with pytest.raises(ConfigError, match=r"\.webm .*\.mov"):
            FileSink(tmp_path / f"out{ending}", FORMAT, TIME_BASE, encoding=Encoding(content=Content.CUTOUT))

    def test_cutout_without_alpha_fails(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mov", FORMAT, TIME_BASE, encoding=Encoding(content=Content.CUTOUT))
        with pytest.raises(SinkError, match="no alpha"):
            sink.send(composite(0))


def picture_rgb(picture: Composite) -> NDArray[np.float64]:
    """Return the composite as RGB by H.273, chroma repeated."""
    y, u, v = planes(picture.data)
    full = np.stack([y, *(plane.repeat(2, 0).repeat(2, 1) for plane in (u, v)), np.ones_like(y)], axis=-1)
    return np.clip(full @ picture.color.yuv_to_rgb(HEIGHT).T, 0, 255)
