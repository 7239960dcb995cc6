"""Pictures with side data that PyAV may not know, such as EXIF, next to the display matrix."""

import io
import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray
from PIL import Image, ImageOps

from livebg.compositing.video_background import VideoBackground
from livebg.imaging.frame import Frame, Matte, empty_i420, planes
from livebg.sources.file import FileSource
from livebg.sources.looping_file import LoopingFile
from tests.support.pipeline_fakes import InstantClock

_ORIENTATION = 0x112


def photo(orientation: int, kind: str) -> tuple[bytes, Image.Image]:
    """A photo file with four gray fields and EXIF, and the picture as viewers show it."""
    fields = np.kron(np.array([[40, 90], [150, 220]], np.uint8), np.ones((32, 48), np.uint8))
    image = Image.fromarray(fields).convert("RGB")
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    file = io.BytesIO()
    image.save(file, kind, exif=exif, quality=95)
    return file.getvalue(), ImageOps.exif_transpose(Image.open(file))


def clip_of(path: Path, data: bytes, codec: str) -> Path:
    """A clip whose packets are copies of a photo file."""
    with av.open(str(path), "w") as output:
        stream = output.add_mux_stream(codec, rate=5, width=96, height=64)
        stream.time_base = Fraction(1, 1000)
        for number in range(5):
            packet: Packet[Stream] = Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1000), True
            packet.pts = packet.dts = 200 * number
            output.mux(packet)
    return path


def fields_of(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The medians of the four fields."""
    height, width = luma.shape
    quarters = [np.median(part) for rows in np.split(luma, 2) for part in np.split(rows, 2, axis=1)]
    assert (height % 2, width % 2) == (0, 0)
    return np.array(quarters)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "codec", "name"), [("jpeg", "mjpeg", "a.mkv"), ("jpeg", "mjpeg", "a.avi"), ("png", "png", "a.mov")]
)
def test_pictures_with_exif_are_upright(tmp_path: Path, kind: str, codec: str, name: str, orientation: int) -> None:
    data, shown = photo(orientation, kind)
    source = FileSource(clip_of(tmp_path / name, data, codec))
    frames = list(source)
    assert len(frames) == 5
    assert (source.format.width, source.format.height) == shown.size
    expected = np.asarray(shown.convert("L"))
    scale = 1 if frames[-1].color.full_range else 219 / 255
    offset = 0 if frames[-1].color.full_range else 16
    np.testing.assert_allclose(fields_of(frames[-1].planes[0]), fields_of(expected) * scale + offset, atol=3)


def test_a_file_as_the_camera_may_have_exif(tmp_path: Path) -> None:
    data, shown = photo(6, "jpeg")
    with LoopingFile(clip_of(tmp_path / "a.mkv", data, "mjpeg"), InstantClock()) as source:
        frames = list(itertools.islice(source, 8))
    assert {(frame.width, frame.height) for frame in frames} == {shown.size}


@pytest.mark.parametrize("live", [False, True])
def test_video_background_may_have_exif(tmp_path: Path, live: bool) -> None:
    data, shown = photo(6, "jpeg")
    background = VideoBackground(clip_of(tmp_path / "a.mkv", data, "mjpeg"), live=live, fit="fit")
    frame = Frame(empty_i420(*shown.size), 0, Fraction(1, 30))
    picture = background.picture(frame, Matte(np.zeros((frame.height, frame.width), np.uint8), frame.time, frame.time))
    background.close()
    expected = fields_of(np.asarray(shown.convert("L"))) * 219 / 255 + 16
    np.testing.assert_allclose(fields_of(planes(picture)[0]), expected, atol=3)
