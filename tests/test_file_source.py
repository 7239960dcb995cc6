"""FileSource: every frame once, at its own time, upright I420."""

import gc
import os
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray

from livebg.errors import ConfigError, SourceError
from livebg.frame import ColorSpec, Frame
from livebg.interfaces import Source
from livebg.sources.decoder import Timestamps
from livebg.sources.file import FileSource
from tests.media import Clip, read_stamp, stamped, write_sound, yuv_picture
from tests.source_contract import SourceContract

FAST_VP9 = {"deadline": "realtime", "cpu-used": "8"}
FAST = {"preset": "ultrafast"}


def frames_of(path: Path, start: float | None = None, end: float | None = None) -> tuple[FileSource, list[Frame]]:
    with FileSource(path, start, end) as source:
        return source, list(source)


def stamps(frames: list[Frame]) -> list[int]:
    return [read_stamp(frame.y) for frame in frames]


def times(frames: list[Frame]) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in frames]


def flat(luma: int, blue: int = 128, red: int = 128, pix_fmt: str = "yuv420p") -> Callable[[int, int, int], av.VideoFrame]:
    """Pictures of one colour in an 8- or 10-bit 4:2:0 format."""
    kind = np.uint16 if "10" in pix_fmt else np.uint8

    def picture(_number: int, width: int, height: int) -> av.VideoFrame:
        chroma = ((height + 1) // 2, (width + 1) // 2)
        return yuv_picture(
            [np.full((height, width), luma, kind), np.full(chroma, blue, kind), np.full(chroma, red, kind)], pix_fmt
        )

    return picture


class TestContract(SourceContract):
    @pytest.fixture(params=["clip.mp4", "clip.mkv", "odd.mkv", "clip.gif"])
    def open_source(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Source]:
        name = str(request.param)
        clips = {
            "clip.gif": Clip(codec="gif", pix_fmt="rgb8", rate=Fraction(10), count=5),
            "odd.mkv": Clip(codec="ffv1", width=35, height=27, count=5),
        }
        path = clips.get(name, Clip(count=5)).write(tmp_path / name)
        return lambda: FileSource(path)


class TestTime:
    def test_a_thousand_jittered_frames(self, tmp_path: Path) -> None:
        jitter = np.random.default_rng(7).integers(500, 9000, 1000)
        pts = (np.cumsum(jitter) - jitter[0]).tolist()
        clip = Clip(count=1000, pts=pts, time_base=Fraction(1, 90_000), options=FAST, audio="aac")
        source, frames = frames_of(clip.write(tmp_path / "vfr.mp4"))
        assert stamps(frames) == list(range(1000))
        assert times(frames) == [Fraction(tick, 90_000) for tick in pts]
        assert source.notes == ()

    @pytest.mark.parametrize("rate", [Fraction(30_000, 1001), Fraction(60)])
    def test_a_thousand_frames_of_constant_rate_with_b_frames(self, tmp_path: Path, rate: Fraction) -> None:
        source, frames = frames_of(
            Clip(count=1000, rate=rate, options={"preset": "veryfast", "bf": "3"}).write(tmp_path / "a.mp4")
        )
        assert stamps(frames) == list(range(1000))
        assert times(frames) == [number / rate for number in range(1000)]
        assert source.format.frame_rate == rate
        assert source.frame_estimate == 1000
        assert source.duration == pytest.approx(float(1000 / rate), abs=0.05)

    @pytest.mark.parametrize(
        ("name", "clip"),
        [
            ("a.mkv", Clip(audio="aac")),
            ("a.mov", Clip(audio="aac")),
            ("a.webm", Clip(codec="libvpx-vp9", options=FAST_VP9, audio="libopus")),
            ("b_frames.avi", Clip(options={"bf": "3"})),
            ("mjpeg.avi", Clip(codec="mjpeg", pix_fmt="yuvj420p")),
            ("a.gif", Clip(codec="gif", pix_fmt="rgb8")),
            ("a.ts", Clip()),
            ("tiny.mp4", Clip(width=8, height=8)),
        ],
    )
    def test_containers(self, tmp_path: Path, name: str, clip: Clip) -> None:
        _, frames = frames_of(clip.write(tmp_path / name))
        assert stamps(frames) == list(range(30))
        steps = {after - before for before, after in zip(times(frames), times(frames)[1:], strict=False)}
        assert steps == {Fraction(1, 25)}

    def test_video_that_begins_later_than_its_sound_keeps_its_time(self, tmp_path: Path) -> None:
        clip = Clip(count=10, pts=list(range(20, 30)), audio="aac")
        _, frames = frames_of(clip.write(tmp_path / "late.mp4"))
        assert times(frames) == [Fraction(tick, 25) for tick in range(20, 30)]

    def test_raw_h264_has_no_times_and_gets_some(self, tmp_path: Path) -> None:
        source, frames = frames_of(Clip(options={"bf": "3"}).write(tmp_path / "raw.h264"))
        assert stamps(frames) == list(range(30))
        assert [float(time) for time in times(frames)] == pytest.approx([number / 25 for number in range(30)])
        assert "corrected 30 timestamps, missing or out of order" in source.notes

    def test_timestamps_repeat_and_reverse(self) -> None:
        clock = Timestamps(step=10, second=1000, decode_order_only=False)
        assert [clock.frame(pts) for pts in (0, 10, 10, 5, 20, None, 40)] == [0, 10, 11, 12, 20, 30, 40]
        assert clock.corrected == 3

    def test_a_clock_that_starts_again_goes_on(self) -> None:
        clock = Timestamps(step=10, second=1000, decode_order_only=False)
        assert [clock.frame(pts) for pts in (5000, 5010, 0, 10, 20)] == [5000, 5010, 5020, 5030, 5040]
        assert clock.corrected == 1

    def test_decoding_times_stand_in(self) -> None:
        clock = Timestamps(step=10, second=1000, decode_order_only=True)
        for pts, dts in ((1, 0), (4, 1), (2, 2)):
            clock.packet(pts, dts)
        assert [clock.frame(pts) for pts in (1, 4, 2)] == [0, 1, 2]
        assert clock.corrected == 0


class TestRange:
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.gif", "a.ts"])
    def test_frames_within_the_range(self, tmp_path: Path, name: str) -> None:
        gif = name.endswith("gif")
        clip = Clip(
            count=120,
            codec="gif" if gif else "libx264",
            pix_fmt="rgb8" if gif else "yuv420p",
            rate=Fraction(20),
            options={} if gif else {"g": "15"},
        )
        _, frames = frames_of(clip.write(tmp_path / name), start=3.1, end=4.0)
        assert stamps(frames) == list(range(62, 80))
        origin = Fraction(0) if not name.endswith("ts") else times(frames)[0] - Fraction(62, 20)
        assert times(frames) == [Fraction(number, 20) + origin for number in range(62, 80)]

    def test_ranges_join_without_gap_or_overlap(self, tmp_path: Path) -> None:
        path = Clip(count=90, rate=Fraction(30_000, 1001), options={"g": "12"}).write(tmp_path / "a.mp4")
        joined = [
            number
            for start in (0.0, 1.0, 2.002)
            for number in stamps(frames_of(path, start, start + 1.0 + 0.002 * (start == 1.0))[1])
        ]
        assert joined == list(range(90))

    def test_time_is_counted_from_the_files_start(self, tmp_path: Path) -> None:
        path = Clip(count=60, pts=list(range(1000, 1060))).write(tmp_path / "late.ts")
        _, frames = frames_of(path, start=1.0, end=1.2)
        assert stamps(frames) == [25, 26, 27, 28, 29]

    def test_progress_follows_the_range(self, tmp_path: Path) -> None:
        source, _ = frames_of(Clip(count=100, options=FAST).write(tmp_path / "a.mp4"), start=1.0, end=3.0)
        assert source.duration == pytest.approx(2.0)
        assert source.frame_estimate == 50

    @pytest.mark.parametrize("start", [1.2, 5.0, 1000.0])
    def test_start_behind_the_end(self, tmp_path: Path, start: float) -> None:
        path = Clip().write(tmp_path / "a.mkv")
        with pytest.raises(SourceError, match=r"a\.mkv is at 1\.160 s, before --start"):
            FileSource(path, start=start)

    @pytest.mark.parametrize(("start", "end"), [(2.0, 1.0), (1.0, 1.0), (-1.0, None), (None, float("nan"))])
    def test_a_range_that_cannot_be(self, tmp_path: Path, start: float | None, end: float | None) -> None:
        with pytest.raises(ConfigError, match=r"start|end"):
            FileSource(Clip(count=3).write(tmp_path / "a.mp4"), start, end)


class TestBytes:
    def test_planes_are_copied_untouched(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(1)
        pictures = [[noise.integers(0, 256, shape, dtype=np.uint8) for shape in ((54, 70), (27, 35), (27, 35))] for _ in range(3)]
        clip = Clip(3, 70, 54, codec="ffv1", picture=lambda number, _w, _h: yuv_picture(pictures[number], "yuv420p"))
        source, frames = frames_of(clip.write(tmp_path / "noise.mkv"))
        for frame, picture in zip(frames, pictures, strict=True):
            assert all(np.array_equal(got, given) for got, given in zip(frame.planes, picture, strict=True))
        assert source.notes == ()

    def test_an_odd_size_repeats_its_edge(self, tmp_path: Path) -> None:
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
    def test_orientation(self, tmp_path: Path, name: str, display: tuple[int, bool, bool]) -> None:
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

    def test_colour_is_taken_from_the_frame(self, tmp_path: Path) -> None:
        source, frames = frames_of(Clip(3, color=(1, 1, 1, 2), options=FAST).write(tmp_path / "full.mp4"))
        assert source.format.color == frames[0].color == ColorSpec(1, 1, 1, True)

    def test_motion_jpeg_is_full_range(self, tmp_path: Path) -> None:
        clip = Clip(2, codec="mjpeg", pix_fmt="yuvj422p", picture=flat(248, pix_fmt="yuvj420p"))
        source, frames = frames_of(clip.write(tmp_path / "camera.avi"))
        assert source.format.color.full_range
        assert int(np.median(frames[0].y)) == pytest.approx(248, abs=5)  # 229 when squeezed into limited range

    def test_an_untagged_turned_picture_says_its_matrix(self, tmp_path: Path) -> None:
        clip = Clip(2, 960, 540, display=(90, False, False), options=FAST)
        assert frames_of(clip.write(tmp_path / "phone.mp4"))[0].format.color.matrix == 6


class TestConversion:
    @pytest.mark.parametrize("pix_fmt", ["yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
    def test_other_layouts_keep_their_levels(self, tmp_path: Path, pix_fmt: str) -> None:
        clip = Clip(2, codec="ffv1", pix_fmt=pix_fmt, picture=flat(81, 90, 240))
        source, frames = frames_of(clip.write(tmp_path / "a.mkv"))
        for plane, level in zip(frames[1].planes, (81, 90, 240), strict=True):
            assert np.abs(plane.astype(int) - level).max() <= 1
        assert source.notes == (f"converted from {pix_fmt} to 8-bit 4:2:0",)

    def test_grey(self, tmp_path: Path) -> None:
        source, frames = frames_of(Clip(3, codec="ffv1", pix_fmt="gray").write(tmp_path / "a.mkv"))
        assert stamps(frames) == [0, 1, 2]
        assert set(np.unique(frames[0].planes[1])) == {128}
        assert source.format.color.full_range

    @pytest.mark.parametrize(("height", "matrix"), [(64, 6), (720, 1)])
    def test_rgb(self, tmp_path: Path, height: int, matrix: int) -> None:
        color = (200, 60, 30)

        def picture(_number: int, width: int, height: int) -> av.VideoFrame:
            return av.VideoFrame.from_ndarray(np.full((height, width, 3), color, np.uint8), "rgb24")

        source, frames = frames_of(Clip(1, 64, height, codec="ffv1", pix_fmt="bgr0", picture=picture).write(tmp_path / "rgb.mkv"))
        assert source.format.color == ColorSpec(matrix, 1, 13, False)
        expected = source.format.color.rgb_to_yuv(height) @ [*color, 1]
        assert [int(np.median(plane)) for plane in frames[0].planes] == pytest.approx(expected, abs=1.5)

    def test_interlaced_is_deinterlaced_frame_for_frame(self, tmp_path: Path) -> None:
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

    def test_size_and_layout_change_on_the_way(self, tmp_path: Path) -> None:
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
        assert sum("size changes" in note for note in source.notes) == 2
        assert [float(b - a) for a, b in zip(times(frames), times(frames)[1:], strict=False)] == pytest.approx([0.04] * 119)

    def test_the_deinterlacers_last_frame_survives_a_change_of_size(self, tmp_path: Path) -> None:
        first = Clip(30, options={"flags": "+ildct+ilme", "bf": "0"}).write(tmp_path / "first.ts")
        second = Clip(30, 128, 96, options={"bf": "0"}).write(tmp_path / "second.ts")
        path = tmp_path / "joined.ts"
        path.write_bytes(first.read_bytes() + second.read_bytes())
        assert stamps(frames_of(path)[1]) == [*range(30)] * 2


def comb(luma: NDArray[np.uint8]) -> float:
    """How much neighbouring rows differ, in the mean."""
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
            # Up to the knee of BT.2390's EETF the light is that of BT.2408's scaling: (nits / 203) ** (1 / 2.4).
            pytest.param(0, 16, id="black"),
            pytest.param(26, 109, id="18 % grey"),
            pytest.param(65, 152, id="light skin"),
            pytest.param(203, 214, id="reference white"),
            pytest.param(1000, 235, id="peak"),
        ],
    )
    def test_grey_lands_where_the_reports_put_it(self, tmp_path: Path, transfer: int, nits: float, sdr: int) -> None:
        signal = pq(nits) if transfer == 16 else hlg((nits / 1000) ** (1 / 1.2))
        picture = flat(round(64 + 876 * signal), 512, 512, "yuv420p10le")
        clip = Clip(2, codec="ffv1", pix_fmt="yuv420p10le", color=(9, 9, transfer, 1), picture=picture)
        source, frames = frames_of(clip.write(tmp_path / "hdr.mkv"))
        assert int(np.median(frames[1].y)) == pytest.approx(sdr, abs=2)
        assert [int(np.median(plane)) for plane in frames[1].planes[1:]] == pytest.approx([128, 128], abs=1)
        assert source.format.color == ColorSpec(1, 1, 1, False)
        assert source.notes == (f"tone-mapped from {'PQ' if transfer == 16 else 'HLG'} to SDR BT.709",)

    def test_skin_keeps_its_colour(self, tmp_path: Path) -> None:
        light_709 = np.array([60.0, 35.0, 25.0])  # cd/m2, below the knee, so nothing but scale and primaries change
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

    def test_a_phones_clip_is_turned_and_mapped(self, tmp_path: Path) -> None:
        options = {"preset": "ultrafast", "x265-params": "log-level=none"}
        clip = Clip(
            12, 128, 96, codec="libx265", pix_fmt="yuv420p10le", color=(9, 9, 18, 1), display=(270, False, False), options=options
        )
        source, frames = frames_of(clip.write(tmp_path / "phone.mov"))
        assert len(frames) == 12
        assert (source.format.width, source.format.height) == (96, 128)
        assert source.notes == ("rotated by 90 degrees", "tone-mapped from HLG to SDR BT.709")


def grainy(number: int, width: int, height: int) -> av.VideoFrame:
    """A stamp under noise, so that the pictures weigh more than the file's headers."""
    luma = stamped(number, width, height) + np.random.default_rng(number).integers(-25, 25, (height, width))
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return yuv_picture([luma.astype(np.uint8), chroma, chroma], "yuv420p")


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "codec", "options"),
        [
            ("a.mp4", "libx264", {"sc_threshold": "0"}),
            ("a.mkv", "libx264", {"sc_threshold": "0"}),
            # Its decoder does not wait for a key frame, it paints on grey.
            ("asp.mkv", "mpeg4", {"sc_threshold": "1000000"}),
        ],
    )
    def test_a_copy_that_begins_between_key_frames(self, tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
        whole = Clip(60, codec=codec, options={"g": "20", **options}).write(tmp_path / "whole.mp4")
        path = copy_from(whole, tmp_path / name, 7)
        source, frames = frames_of(path)
        assert stamps(frames) == list(range(20, 60))
        assert source.notes == ("skipped 13 packets at the start, which cannot be decoded",)

    def test_a_damaged_stretch_is_skipped_and_counted(self, tmp_path: Path) -> None:
        path = Clip(100, 128, 96, picture=grainy, options={"g": "20", "sc_threshold": "0"}).write(tmp_path / "a.mp4")
        content = bytearray(path.read_bytes())
        media = content.index(b"mdat")
        length = (content.index(b"moov") - media) // 10
        begin = media + 5 * length
        content[begin : begin + length] = np.random.default_rng(3).bytes(length)
        path.write_bytes(content)
        source, frames = frames_of(path)
        assert 60 < len(frames) < 100
        assert any(re.fullmatch(r"skipped \d+ packets, which cannot be decoded", note) for note in source.notes)
        whole = [frame for frame in frames if not 40 * 512 <= frame.pts < 80 * 512]
        assert [frame.pts // 512 for frame in whole] == stamps(whole) == [*range(40), *range(80, 100)]

    @pytest.mark.parametrize(
        ("name", "options", "container_options"),
        [
            ("front.mp4", {}, {"movflags": "+faststart"}),
            ("fragments.mp4", {"g": "10"}, {"movflags": "frag_keyframe+empty_moov"}),
            ("a.mkv", {}, {}),
            ("a.avi", {"bf": "3"}, {}),
        ],
    )
    @pytest.mark.parametrize("share", [0.5, 0.77])
    def test_a_file_that_is_cut_short(
        self, tmp_path: Path, name: str, options: dict[str, str], container_options: dict[str, str], share: float
    ) -> None:
        clip = Clip(100, 128, 96, picture=grainy, options=options, container_options=container_options)
        path = clip.write(tmp_path / name)
        whole = frames_of(path)[1]
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(SourceError, match=r"is cut short, it breaks off at \d+\.\d{3} s: .* --end \d+\.\d{3}$") as caught:
            FileSource(path)
        end = float(str(caught.value).removesuffix(".").rsplit(" ", 1)[1])
        assert 0.2 < end < 4
        _, frames = frames_of(path, end=end)
        assert len(frames) > 5
        assert stamps(frames) == stamps(whole)[: len(frames)]
        assert times(frames) == times(whole)[: len(frames)]
        assert float(times(frames)[-1] - times(whole)[0]) > end - 0.2
        assert stamps(frames_of(path, end=0.2)[1]) == [0, 1, 2, 3, 4]


def copy_from(source: Path, target: Path, first_packet: int) -> Path:
    """What ``-c copy`` does when it is told to start anywhere."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = given.streams.video[0]
        copied = made.add_stream_from_template(stream)
        packets = [packet for packet in given.demux(stream) if packet.dts is not None][first_packet:]
        begin = packets[0].dts
        for packet in packets:
            assert packet.pts is not None
            assert packet.dts is not None
            assert begin is not None
            packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, copied
            made.mux(packet)
    return target


class TestRefusal:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"gone\.mp4 does not exist"):
            FileSource(tmp_path / "gone.mp4")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="is a folder"):
            FileSource(tmp_path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
    def test_unreadable(self, tmp_path: Path) -> None:
        path = Clip(2).write(tmp_path / "secret.mp4")
        path.chmod(0)
        with pytest.raises(SourceError, match="may not be read"):
            FileSource(path)

    @pytest.mark.parametrize("name", ["note.txt", "note.mp4", "note.nfo", "note"])
    def test_text(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_text("Dear all,\nthis is no video.\n" * 50)
        with pytest.raises(SourceError, match=f"{name} cannot be read as a video"):
            FileSource(path)

    def test_empty(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.mp4"
        path.touch()
        with pytest.raises(SourceError, match="is empty"):
            FileSource(path)

    def test_only_sound(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"song\.m4a has no video stream, it holds only sound"):
            FileSource(write_sound(tmp_path / "song.m4a", "aac"))

    def test_sound_with_a_cover(self, tmp_path: Path) -> None:
        path = tmp_path / "song.mp4"
        with av.open(str(path), "w") as container:
            cover = container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            sound = container.add_stream("aac", rate=48_000)
            container.mux(cover.encode(av.VideoFrame(64, 48, "yuvj420p")))
            container.mux(cover.encode())
            tone = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            tone.sample_rate = 48_000
            container.mux(sound.encode(tone))
            container.mux(sound.encode())
        with pytest.raises(SourceError, match="has no video stream"):
            FileSource(path)

    def test_a_header_that_never_came(self, tmp_path: Path) -> None:
        path = Clip().write(tmp_path / "a.mp4")
        content = path.read_bytes()
        path.write_bytes(content[: content.index(b"moov") - 4])
        with pytest.raises(SourceError, match=r"a\.mp4 cannot be read as a video: .* never written to its end"):
            FileSource(path)

    def test_a_codec_that_cannot_be_opened(self, tmp_path: Path) -> None:
        path = Clip(2, codec="rawvideo").write(tmp_path / "raw.mov")
        with pytest.raises(SourceError, match="cannot decode: convert it"):
            FileSource(path)

    @pytest.mark.parametrize("name", ["none.mp4", "none.mkv"])
    def test_no_frames(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(SourceError, match=name):
            FileSource(Clip(0).write(tmp_path / name))

    def test_nothing_decodes(self, tmp_path: Path) -> None:
        path = Clip(20, options={"bf": "0"}).write(tmp_path / "a.mp4")
        content = bytearray(path.read_bytes())
        begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
        content[begin:end] = bytes(end - begin)
        path.write_bytes(content)
        with pytest.raises(SourceError, match=r"no picture in .*a\.mp4 decodes"):
            FileSource(path)


def test_frames_do_not_wait_for_the_garbage_collector(tmp_path: Path) -> None:
    path = Clip(60, display=(90, False, False)).write(tmp_path / "a.mp4")
    gc.collect()
    gc.disable()
    try:
        assert len(frames_of(path)[1]) == 60
        assert gc.collect() < 30
    finally:
        gc.enable()


def test_a_name_with_a_colon(tmp_path: Path) -> None:
    assert len(frames_of(Clip(3).write(tmp_path / "12:30 talk.mkv"))[1]) == 3


SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "video"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the development clips are not there")
@pytest.mark.parametrize("pattern", ["signing/*.mkv", "signing/*male.gif", "desk/*.mp4", "talking/*.mp4"])
def test_real_clips(pattern: str) -> None:
    path = sorted(SHARED.glob(pattern))[0]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        begin = stream.start_time or 0
        expected = [
            frame.pts for frame in container.decode(stream) if (frame.pts or 0) - begin < 2 / float(stream.time_base or 1)
        ]
    source, frames = frames_of(path, end=2.0)
    assert [frame.pts for frame in frames] == expected
    assert (source.format.width, source.format.height) == (frames[0].width, frames[0].height)
    assert 10 < frames[len(frames) // 2].y.mean() < 245
