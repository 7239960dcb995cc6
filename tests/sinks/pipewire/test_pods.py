"""PipeWire PODs written by livebg, parsed here by their definition, and the errors without PipeWire."""

import ctypes
import struct
import sys
from fractions import Fraction

import pytest

from livebg.errors import SinkError
from livebg.imaging.frame import BT601, ColorSpec, VideoFormat
from livebg.sinks.pipewire import abi, pods
from livebg.sinks.pipewire.buffers import Layout
from livebg.sinks.pipewire.libpipewire import Library, Params

Value = int | tuple[int, ...]
FORM = VideoFormat(640, 360, Fraction(30), ColorSpec(BT601, BT601, BT601))


def read_object(pod: bytes) -> tuple[int, int, dict[int, Value]]:
    """Return an object's type, ID and properties: numbers, pairs, or a choice's kind and numbers."""
    size, kind = struct.unpack_from("=II", pod)
    assert (kind, size) == (15, len(pod) - 8)
    object_type, about = struct.unpack_from("=II", pod, 8)
    properties: dict[int, Value] = {}
    place = 16
    while place < len(pod):
        key, flags, length, value_type = struct.unpack_from("=IIII", pod, place)
        assert flags == 0
        numbers = struct.unpack_from(f"={length // 4}I", pod, place + 16)
        if value_type == 19:
            assert numbers[1:4] == (0, 4, 4), "no flags, then the size and type of whole numbers"
            numbers = (numbers[0], *numbers[4:])
        assert value_type in ((3, 4) if length == 4 else (10, 11) if length == 8 else (19,))
        properties[key] = numbers[0] if len(numbers) == 1 else numbers
        place += 16 + -(-length // 8) * 8
    assert place == len(pod), "everything ends at a multiple of eight bytes"
    return object_type, about, properties


@pytest.mark.parametrize(("index", "pixel_format"), [(0, 2), (1, 4)])
def test_offered_formats_are_i420_and_yuy2_limited_bt601(index: int, pixel_format: int) -> None:
    kind, about, properties = read_object(pods.offered_formats(FORM)[index])
    assert (kind, about) == (0x40003, 3)
    assert properties == {
        1: 2,
        2: 1,
        0x20001: pixel_format,
        0x20003: (640, 360),
        0x20004: (30, 1),
        0x2000C: 2,
        0x2000D: 4,
        0x2000E: 5,
        0x2000F: 4,
    }


@pytest.mark.parametrize(("rate", "whole"), [(Fraction(30000, 1001), 30), (Fraction(24000, 1001), 24), (Fraction(1, 3), 1)])
def test_rate_is_offered_in_whole_frames(rate: Fraction, whole: int) -> None:
    for offered in pods.offered_formats(VideoFormat(640, 360, rate)):
        assert read_object(offered)[2][0x20004] == (whole, 1)


def test_pixel_format_is_read_from_negotiated_format() -> None:
    for offered, pixel_format in zip(pods.offered_formats(FORM), (2, 4), strict=True):
        memory = ctypes.create_string_buffer(offered, len(offered))
        assert pods.video_format(ctypes.addressof(memory)) == pixel_format
        plain = struct.pack("=IIIII4x", 0x20001, 0, 4, 3, pixel_format)
        choice = struct.pack("=IIIIIIIII4x", 0x20001, 0, 20, 19, 0, 0, 4, 3, pixel_format)
        chosen = offered.replace(plain, choice)
        assert len(chosen) == len(offered) + 16, "as PipeWire 0.3.65 reports it"
        memory = ctypes.create_string_buffer(struct.pack("=I", len(chosen) - 8) + chosen[4:], len(chosen))
        assert pods.video_format(ctypes.addressof(memory)) == pixel_format
    other = ctypes.create_string_buffer(pods.wanted_header())
    with pytest.raises(ValueError, match="no pixel format"):
        pods.video_format(ctypes.addressof(other))


@pytest.mark.parametrize(("pixel_format", "size", "stride"), [(2, 640 * 360 * 3 // 2, 640), (4, 640 * 360 * 2, 1280)])
def test_each_buffer_holds_one_picture(pixel_format: int, size: int, stride: int) -> None:
    kind, about, properties = read_object(pods.wanted_buffers(Layout(pixel_format, 640, 360)))
    assert (kind, about) == (0x40004, 5)
    assert properties == {1: (1, 8, 2, 16), 2: 1, 3: size, 4: stride, 6: (4, 1 << 2)}


def test_each_buffer_has_a_header() -> None:
    assert read_object(pods.wanted_header()) == (0x40005, 6, {1: 1, 2: 32})


@pytest.mark.parametrize(
    ("kind", "size"),
    [(abi.MetaHeader, 32), (abi.MetaData, 16), (abi.Chunk, 16), (abi.Data, 40), (abi.SpaBuffer, 24), (abi.StreamEvents, 96)],
)
@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the sizes are those of 64-bit systems")
def test_struct_sizes_match_headers(kind: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(kind) == size


def test_params_are_pointers_to_pods() -> None:
    params = Params([b"first", b"second"])
    assert params.count == 2
    assert [ctypes.string_at(params.array[place] or 0, size) for place, size in ((0, 5), (1, 6))] == [b"first", b"second"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux looks for the library")
def test_missing_library_error_names_package() -> None:
    with pytest.raises(SinkError, match=r"libpipewire-9\.so cannot be loaded .*\. Install PipeWire .*libpipewire-0\.3-0"):
        Library("libpipewire-9.so")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux looks for the library")
def test_library_without_functions_is_too_old() -> None:
    with pytest.raises(SinkError, match=r"older than 0\.3\.34 .*\. Install a newer version"):
        Library("libc.so.6")
