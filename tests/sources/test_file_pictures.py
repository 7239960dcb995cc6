"""FileSource's pictures: unchanged if possible, otherwise upright 8-bit 4:2:0 SDR."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.imaging.frame import ColorSpec
from tests.support.media import FAST, Clip, flat, yuv_picture
from tests.support.source_frames import frames_of, stamps, times


class TestBytes:
    def test_planes_are_copied_unchanged(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(1)
        pictures = [[noise.integers(0, 256, shape, dtype=np.uint8) for shape in ((54, 70), (27, 35), (27, 35))] for _ in range(3)]
        clip = Clip(3, 70, 54, codec="ffv1", picture=lambda number, _w, _h: yuv_picture(pictures[number], "yuv420p"))
        source, frames = frames_of(clip.write(tmp_path / "noise.mkv"))
        for frame, picture in zip(frames, pictures, strict=True):
            assert all(np.array_equal(got, given) for got, given in zip(frame.planes, picture, strict=True))
        assert source.notes == ()

    def test_odd_size_is_padded_by_repeating_edge(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(2)
        given = [noise.integers(0, 256, shape, dtype=np.uint8) for shape in ((143, 175), (72, 88), (72, 88))]
        clip = Clip(1, 175, 143, codec="ffv1", picture=lambda *_: yuv_picture(given, "yuv420p"))
        source, (frame,) = frames_of(clip.write(tmp_path / "odd.mkv"))
        y, u, v = frame.planes
        assert np.array_equal(y, np.pad(given[0], ((0, 1), (0, 1)), mode="edge"))
        assert np.array_equal(u, given[1])
        assert np.array_equal(v, given[2])
        assert source.notes == ("padded from 175x143 to 176x144 (edge repeated)",)

    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
    @pytest.mark.parametrize("display", [(d, h, False) for d in (0, 90, 180, 270) for h in (False, True)] + [(0, False, True)])
    def test_display_matrix_is_applied(self, tmp_path: Path, name: str, display: tuple[int, bool, bool]) -> None:
        luma = np.kron(np.array([[40, 90, 140], [190, 220, 65]], np.uint8), np.ones((16, 16), np.uint8))
        blue = np.kron(np.array([[60, 100], [140, 180]], np.uint8), np.ones((8, 12), np.uint8))

        def picture(_number: int, _width: int, _height: int) -> av.VideoFrame:
            return yuv_picture([luma, blue, 255 - blue], "yuv420p")

        clip = Clip(2, 48, 32, picture=picture, display=display, sample_aspect_ratio=Fraction(4, 3), options={"qp": "0"})
        source, frames = frames_of(clip.write(tmp_path / name))
        turned = np.rot90(luma, display[0] // 90), np.rot90(blue, display[0] // 90)
        if display[1]:
            turned = np.fliplr(turned[0]), np.fliplr(turned[1])
        if display[2]:
            turned = np.flipud(turned[0]), np.flipud(turned[1])
        assert np.array_equal(frames[1].y, turned[0])
        assert np.array_equal(frames[1].planes[1], turned[1])
        sideways = display[0] in (90, 270)
        assert source.format.sample_aspect_ratio == (Fraction(3, 4) if sideways else Fraction(4, 3))
        assert len(source.notes) == (display != (0, False, False))

    def test_color_comes_from_frame(self, tmp_path: Path) -> None:
        source, frames = frames_of(Clip(3, color=(1, 1, 1, 2), options=FAST).write(tmp_path / "full.mp4"))
        assert source.format.color == frames[0].color == ColorSpec(1, 1, 1, True)

    def test_motion_jpeg_is_full_range(self, tmp_path: Path) -> None:
        clip = Clip(2, codec="mjpeg", pix_fmt="yuvj422p", picture=flat(248, pix_fmt="yuvj420p"))
        source, frames = frames_of(clip.write(tmp_path / "camera.avi"))
        assert source.format.color.full_range
        assert int(np.median(frames[0].y)) == pytest.approx(248, abs=5)  # 229 in limited range

    def test_untagged_rotated_picture_keeps_its_matrix(self, tmp_path: Path) -> None:
        clip = Clip(2, 960, 540, display=(90, False, False), options=FAST)
        assert frames_of(clip.write(tmp_path / "phone.mp4"))[0].format.color.matrix == 6


class TestConversion:
    @pytest.mark.parametrize("pix_fmt", ["yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
    def test_other_pixel_formats_keep_levels(self, tmp_path: Path, pix_fmt: str) -> None:
        clip = Clip(2, codec="ffv1", pix_fmt=pix_fmt, picture=flat(81, 90, 240))
        source, frames = frames_of(clip.write(tmp_path / "a.mkv"))
        for plane, level in zip(frames[1].planes, (81, 90, 240), strict=True):
            assert np.abs(plane.astype(int) - level).max() <= 1
        assert source.notes == (f"converted from {pix_fmt} to 8-bit 4:2:0",)

    def test_gray_becomes_full_range(self, tmp_path: Path) -> None:
        source, frames = frames_of(Clip(3, codec="ffv1", pix_fmt="gray").write(tmp_path / "a.mkv"))
        assert stamps(frames) == [0, 1, 2]
        assert set(np.unique(frames[0].planes[1])) == {128}
        assert source.format.color.full_range

    @pytest.mark.parametrize(("height", "matrix"), [(64, 6), (720, 1)])
    def test_rgb_is_converted_with_matrix_for_size(self, tmp_path: Path, height: int, matrix: int) -> None:
        color = (200, 60, 30)

        def picture(_number: int, width: int, height: int) -> av.VideoFrame:
            return av.VideoFrame.from_ndarray(np.full((height, width, 3), color, np.uint8), "rgb24")

        source, frames = frames_of(Clip(1, 64, height, codec="ffv1", pix_fmt="bgr0", picture=picture).write(tmp_path / "rgb.mkv"))
        assert source.format.color == ColorSpec(matrix, 1, 13, False)
        expected = source.format.color.rgb_to_yuv(height) @ [*color, 1]
        assert [int(np.median(plane)) for plane in frames[0].planes] == pytest.approx(expected, abs=1.5)

    def test_interlaced_video_is_deinterlaced(self, tmp_path: Path) -> None:
        def combed(number: int, width: int, height: int) -> av.VideoFrame:
            luma = np.full((height, width), 60, np.uint8)
            luma[1::2, (number * 2) % width :] = 200
            chroma = np.full((height // 2, width // 2), 128, np.uint8)
            return yuv_picture([luma, chroma, chroma], "yuv420p")

        clip = Clip(40, picture=combed, options={"flags": "+ildct+ilme", "x264-params": "tff=1", "qp": "0"})
        path = clip.write(tmp_path / "tv.mp4")
        source, frames = frames_of(path)
        assert times(frames) == [Fraction(number, 25) for number in range(40)]
        assert source.notes == ("deinterlaced",)
        with av.open(str(path)) as container:
            raw = next(container.decode(video=0)).to_ndarray()[:48].astype(np.uint8)
        assert comb(frames[0].y) < comb(raw) / 2

    def test_size_and_format_may_change_within_file(self, tmp_path: Path) -> None:
        parts = [Clip(30), Clip(30, 128, 96), Clip(30, 48, 48, picture=flat(200)), Clip(30, pix_fmt="yuv422p")]
        parts = [Clip(**{**vars(part), "options": {"bf": "0"}}) for part in parts]
        path = tmp_path / "joined.ts"
        path.write_bytes(b"".join(part.write(tmp_path / f"{number}.ts").read_bytes() for number, part in enumerate(parts)))
        source, frames = frames_of(path)
        assert stamps(frames[:60] + frames[90:]) == [*range(30)] * 3
        assert all(frame.data.shape == (72, 64) for frame in frames)
        boxed = frames[75].y
        assert boxed[:, 32].min() > 190
        assert set(np.unique(boxed[:, :6])) == {16}
        assert sum("size change" in note for note in source.notes) == 2
        assert [float(b - a) for a, b in zip(times(frames), times(frames)[1:], strict=False)] == pytest.approx([0.04] * 119)

    def test_deinterlacer_is_flushed_at_size_change(self, tmp_path: Path) -> None:
        first = Clip(30, options={"flags": "+ildct+ilme", "bf": "0"}).write(tmp_path / "first.ts")
        second = Clip(30, 128, 96, options={"bf": "0"}).write(tmp_path / "second.ts")
        path = tmp_path / "joined.ts"
        path.write_bytes(first.read_bytes() + second.read_bytes())
        assert stamps(frames_of(path)[1]) == [*range(30)] * 2


def comb(luma: NDArray[np.uint8]) -> float:
    """Return the mean difference between neighboring rows."""
    return float(np.abs(np.diff(luma.astype(int), axis=0)).mean())


def pq(nits: float) -> float:
    """SMPTE ST 2084, inverse EOTF."""
    power = (nits / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg(scene: float) -> float:
    """ITU-R BT.2100 HLG OETF of scene light 0..1."""
    return float((3 * scene) ** 0.5 if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073)


class TestHdr:
    @pytest.mark.parametrize("transfer", [16, 18])
    @pytest.mark.parametrize(
        ("nits", "sdr"),
        [
            # Below the knee of BT.2390's EETF, only BT.2408's scaling applies: (nits / 203) ** (1 / 2.4).
            pytest.param(0, 16, id="black"),
            pytest.param(26, 109, id="18 % gray"),
            pytest.param(65, 152, id="light skin"),
            pytest.param(203, 214, id="reference white"),
            pytest.param(1000, 235, id="peak"),
        ],
    )
    def test_gray_is_tone_mapped_as_standardized(self, tmp_path: Path, transfer: int, nits: float, sdr: int) -> None:
        signal = pq(nits) if transfer == 16 else hlg((nits / 1000) ** (1 / 1.2))
        picture = flat(round(64 + 876 * signal), 512, 512, "yuv420p10le")
        clip = Clip(2, codec="ffv1", pix_fmt="yuv420p10le", color=(9, 9, transfer, 1), picture=picture)
        source, frames = frames_of(clip.write(tmp_path / "hdr.mkv"))
        assert int(np.median(frames[1].y)) == pytest.approx(sdr, abs=2)
        assert [int(np.median(plane)) for plane in frames[1].planes[1:]] == pytest.approx([128, 128], abs=1)
        assert source.format.color == ColorSpec(1, 1, 1, False)
        assert source.notes == (f"tone-mapped from {'PQ' if transfer == 16 else 'HLG'} to SDR BT.709",)

    def test_skin_color_is_kept(self, tmp_path: Path) -> None:
        light_709 = np.array([60.0, 35.0, 25.0])  # cd/m2, below the knee, so only scale and primaries change
        bt709_to_bt2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
        signal = np.array([pq(value) for value in bt709_to_bt2020 @ light_709])
        luma = float(signal @ [0.2627, 0.6780, 0.0593])
        codes = (64 + 876 * luma, 512 + 896 * (signal[2] - luma) / 1.8814, 512 + 896 * (signal[0] - luma) / 1.4746)
        picture = flat(round(codes[0]), round(codes[1]), round(codes[2]), "yuv420p10le")
        clip = Clip(2, codec="ffv1", pix_fmt="yuv420p10le", color=(9, 9, 16, 1), picture=picture)
        source, frames = frames_of(clip.write(tmp_path / "skin.mkv"))
        rgb = 255 * (light_709 / 203) ** (1 / 2.4)
        expected = source.format.color.rgb_to_yuv(48) @ [*rgb, 1]
        assert [int(np.median(plane)) for plane in frames[1].planes] == pytest.approx(expected, abs=2)

    def test_phone_clip_is_rotated_and_tone_mapped(self, tmp_path: Path) -> None:
        options = {"preset": "ultrafast", "x265-params": "log-level=none"}
        clip = Clip(
            12, 128, 96, codec="libx265", pix_fmt="yuv420p10le", color=(9, 9, 18, 1), display=(270, False, False), options=options
        )
        source, frames = frames_of(clip.write(tmp_path / "phone.mov"))
        assert len(frames) == 12
        assert (source.format.width, source.format.height) == (96, 128)
        assert source.notes == ("rotated by 90 degrees", "tone-mapped from HLG to SDR BT.709")
