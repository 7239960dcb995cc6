"""Segments: the same bytes wherever they are written, and complete or an error."""

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.errors import ConfigError, SinkError
from livebg.imaging.frame import VideoFormat
from livebg.sinks.codecs import Content, EncoderPlan, Encoding, plan_encoder
from livebg.sinks.segment_file import SegmentWriter, examine_segment, written_format
from tests.support.segments import SIZE, decoded, encode, moving
from tests.support.sink_files import noise

MILLISECOND = Fraction(1, 1000)
FORMAT = VideoFormat(*SIZE, Fraction(25))
FAST = Encoding(preset="ultrafast")
ENCODINGS = [
    ("out.mp4", Encoding()),
    ("out.mkv", Encoding()),
    ("out.mp4", Encoding("libx265", preset="fast")),
    ("out.mp4", Encoding("libsvtav1", preset="fast")),
    ("out.webm", Encoding(preset="fast")),
    ("out.mkv", Encoding("mpeg4")),
    ("out.mkv", Encoding("ffv1")),
    ("out.mp4", Encoding(content=Content.MATTE, preset="fast")),
    ("out.webm", Encoding(content=Content.CUTOUT, preset="fast")),
    ("out.mov", Encoding(content=Content.CUTOUT)),
]
WRITER = """
import os, sys
from fractions import Fraction
from pathlib import Path
from livebg.sinks.codecs import Content, Encoding, plan_encoder
from tests.support.sink_files import noise
from tests.support.segments import encode
folder, name, codec, preset, content, cores = sys.argv[1:]
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
plan = plan_encoder(Encoding(codec, preset=preset, content=Content(content)), Path(name))
encode(Path(folder) / f"{cores}-{name}", plan, range(0, 1200, 40), Fraction(1, 1000), cutout=content == "cutout")
"""

ZOOMING_WRITER = """
import sys
from fractions import Fraction
from pathlib import Path
import cv2
import numpy as np
from livebg.imaging.frame import _SEAL, Composite, VideoFormat
from livebg.sinks.codecs import Encoding, plan_encoder
from livebg.sinks.segment_file import SegmentWriter
path, size = Path(sys.argv[1]), (200, 120)
texture = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (180, 400), np.uint8), (0, 0), 2)
writer = SegmentWriter(path, plan_encoder(Encoding(), path), VideoFormat(*size, Fraction(25)), Fraction(1, 25))
for number in range(16):
    zoom, turn = 1 + 0.02 * number, 0.01 * number
    motion = np.float32([[zoom, turn, -6 * number], [-turn, zoom, 2 * number]])
    writer.write(Composite(cv2.warpAffine(texture, motion, (200, 180)), number, Fraction(1, 25), seal=_SEAL), number)
writer.close()
"""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestBytes:
    @pytest.mark.parametrize(("name", "encoding"), ENCODINGS)
    def test_bytes_do_not_depend_on_process_or_cores(self, tmp_path: Path, name: str, encoding: Encoding) -> None:
        for cores in (1, 64):
            settings = [name, encoding.codec, encoding.preset, encoding.content.value, str(cores)]
            subprocess.run([sys.executable, "-c", WRITER, str(tmp_path), *settings], check=True)
        plan, cutout = plan_encoder(encoding, Path(name)), encoding.content is Content.CUTOUT
        encode(tmp_path / name, plan, range(0, 1200, 40), MILLISECOND, cutout=cutout)
        assert len({digest(each) for each in tmp_path.iterdir()}) == 1
        assert len(list(tmp_path.iterdir())) == 3

    def test_bytes_do_not_depend_on_earlier_content_of_memory(self, tmp_path: Path) -> None:
        """A process that has rendered a segment uses its memory again. glibc can fill new memory with a value."""
        for filler in ("0", "90", "165"):
            command = [sys.executable, "-c", ZOOMING_WRITER, str(tmp_path / f"{filler}.mp4")]
            subprocess.run(command, check=True, env=os.environ | {"MALLOC_PERTURB_": filler})
        assert len({digest(each) for each in tmp_path.iterdir()}) == 1

    @pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm"])
    def test_bytes_depend_on_distances_and_not_on_start(self, tmp_path: Path, name: str) -> None:
        plan = plan_encoder(FAST, Path(name))
        for start in (0, -80, 7_200_000):
            encode(tmp_path / f"{start}", plan, range(start, start + 400, 40), MILLISECOND)
        assert len({digest(each) for each in tmp_path.iterdir()}) == 1

    def test_distances_control_the_rate(self, tmp_path: Path) -> None:
        """Pictures that are shown longer get more bits, as in a file written in one go."""
        plan = plan_encoder(Encoding(), Path("out.mp4"))
        constant, slow = (encode(tmp_path / str(step), plan, range(0, 30 * step, step), MILLISECOND) for step in (20, 200))
        assert digest(constant[0]) != digest(slow[0])


class TestFile:
    @pytest.mark.parametrize(("name", "encoding"), ENCODINGS)
    def test_packet_times_are_ranks(self, tmp_path: Path, name: str, encoding: Encoding) -> None:
        plan, cutout = plan_encoder(encoding, Path(name)), encoding.content is Content.CUTOUT
        pts = [90_000 + int(each) for each in np.cumsum(np.random.default_rng(3).integers(100, 3000, 40))]
        path, written = encode(tmp_path / name, plan, pts, Fraction(1, 30_000), cutout=cutout)
        assert list(written) == pts
        with av.open(str(path)) as container:
            times = sorted(Fraction(each.pts or 0) * each.time_base for each in container.demux(video=0) if each.size)
        assert times == [number * times[1] for number in range(40)]
        assert examine_segment(path, 40).delay <= 3

    def test_first_frame_only_is_key_frame(self, tmp_path: Path) -> None:
        """A segment is one group of pictures."""
        path, _ = encode(tmp_path / "out.mp4", plan_encoder(FAST, Path("out.mp4")), range(0, 14_000, 40), MILLISECOND)
        with av.open(str(path)) as container:
            assert [each.is_keyframe for each in container.demux(video=0) if each.size] == [True] + [False] * 349

    def test_lossless_matte_is_exact(self, tmp_path: Path) -> None:
        format_ = written_format(FORMAT, Content.MATTE)
        assert format_.color.full_range
        assert written_format(FORMAT, Content.PICTURE) == FORMAT
        writer = SegmentWriter(tmp_path / "0", plan_encoder(Encoding(content=Content.MATTE), Path("m.mkv")), format_, MILLISECOND)
        pictures = [moving(number, number * 40, MILLISECOND) for number in range(5)]
        for picture in pictures:
            writer.write(picture, picture.pts)
        writer.close()
        np.testing.assert_array_equal(decoded(tmp_path / "0"), [picture.data.reshape(-1) for picture in pictures])

    def test_finished_file_is_complete_before_close_returns(self, tmp_path: Path) -> None:
        path, pts = encode(tmp_path / "out.mp4", plan_encoder(FAST, Path("out.mp4")), range(0, 400, 40), MILLISECOND)
        assert examine_segment(path, len(pts)).encoding[:3] == ("h264", *SIZE)


class TestFailures:
    def test_time_must_increase(self, tmp_path: Path) -> None:
        writer = SegmentWriter(tmp_path / "0", plan_encoder(FAST, Path("out.mp4")), FORMAT, MILLISECOND)
        writer.write(moving(0, 40, MILLISECOND), 40)
        with pytest.raises(SinkError, match="Times must increase"):
            writer.write(moving(1, 40, MILLISECOND), 40)
        writer.abort()
        writer.abort()

    def test_segment_without_pictures_fails(self, tmp_path: Path) -> None:
        writer = SegmentWriter(tmp_path / "0", plan_encoder(FAST, Path("out.mp4")), FORMAT, MILLISECOND)
        with pytest.raises(SinkError, match="no picture"):
            writer.close()
        writer.abort()

    def test_errors_name_output(self, tmp_path: Path) -> None:
        plan, missing = plan_encoder(FAST, Path("out.mp4")), tmp_path / "nowhere" / "0"
        with pytest.raises(SinkError, match=r"Cannot write talk\.mp4: no such file"):
            SegmentWriter(missing, plan, FORMAT, MILLISECOND, shown_as=Path("talk.mp4"))
        with pytest.raises(SinkError, match=rf"Cannot write {missing}: no such file"):
            SegmentWriter(missing, plan, FORMAT, MILLISECOND)

    def test_size_that_encoder_refuses_fails(self, tmp_path: Path) -> None:
        plan = plan_encoder(Encoding("libx265"), Path("out.mp4"))
        with pytest.raises(ConfigError, match="libx265 does not accept 8x8"):
            SegmentWriter(tmp_path / "0", plan, VideoFormat(8, 8, Fraction(25)), MILLISECOND)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_full_disk_fails(self) -> None:
        plan = EncoderPlan("matroska", "ffv1", options={"level": "3"})
        writer = SegmentWriter(Path("/dev/full"), plan, FORMAT, MILLISECOND)

        def fill() -> None:
            for number in range(3000):
                writer.write(moving(number, number * 40, MILLISECOND), number * 40)

        with pytest.raises(SinkError, match="no space left on device"):
            fill()
        writer.abort()

    def test_encoder_that_drops_pictures_fails(self, tmp_path: Path) -> None:
        rate = {"b": "4000", "minrate": "4000", "maxrate": "4000", "bufsize": "4000", "drop-threshold": "90"}
        dropping = EncoderPlan("webm", "libvpx-vp9", options={**rate, "deadline": "realtime", "lag-in-frames": "0"})
        writer = SegmentWriter(tmp_path / "0", dropping, FORMAT, MILLISECOND)
        for number in range(60):
            writer.write(noise(number, pts=40 * number), 40 * number)
        with pytest.raises(SinkError, match=r"returned \d+ packets for 60 pictures"):
            writer.close()
        writer.abort()
