"""The kernel's structs and constants against its header."""

import ctypes
import sys

import pytest

from livebg.v4l2 import abi

WIDE = sys.maxsize > 2**32


@pytest.mark.skipif(not WIDE, reason="the sizes are those of 64 bit")
@pytest.mark.parametrize(
    ("struct", "size"),
    [
        (abi.Capability, 104),
        (abi.FormatDescription, 64),
        (abi.FrameSize, 44),
        (abi.FrameInterval, 52),
        (abi.PixFormat, 48),
        (abi.Format, 208),
        (abi.StreamParameters, 204),
        (abi.RequestBuffers, 20),
        (abi.Buffer, 88),
    ],
)
def test_struct_sizes_match_kernel(struct: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(struct) == size


@pytest.mark.skipif(not WIDE, reason="the offsets are those of 64 bit")
def test_field_offsets_match_kernel() -> None:
    form, buffer = abi.Format(type=2), abi.Buffer()
    form.pix.width, form.pix.height = 0x11223344, 0x55667788
    assert bytes(form)[:16].hex() == "0200000000000000" + "4433221188776655"
    buffer.timestamp.tv_sec, buffer.timestamp.tv_usec, buffer.offset, buffer.length = 1, 2, 3, 4
    words = [int.from_bytes(bytes(buffer)[start : start + 8], "little") for start in (24, 32, 64, 72)]
    assert words == [1, 2, 3, 4]


@pytest.mark.skipif(not WIDE, reason="the numbers hold the sizes of 64 bit")
def test_request_numbers_match_kernel() -> None:
    numbers = {
        abi.QUERYCAP: 0x80685600,
        abi.ENUM_FMT: 0xC0405602,
        abi.G_FMT: 0xC0D05604,
        abi.S_FMT: 0xC0D05605,
        abi.REQBUFS: 0xC0145608,
        abi.QUERYBUF: 0xC0585609,
        abi.QBUF: 0xC058560F,
        abi.DQBUF: 0xC0585611,
        abi.STREAMON: 0x40045612,
        abi.STREAMOFF: 0x40045613,
        abi.G_PARM: 0xC0CC5615,
        abi.S_PARM: 0xC0CC5616,
        abi.ENUM_FRAMESIZES: 0xC02C564A,
        abi.ENUM_FRAMEINTERVALS: 0xC034564B,
    }
    assert {mine: hex(mine) for mine in numbers} == {mine: hex(number) for mine, number in numbers.items()}


def test_fourcc_converts_both_ways() -> None:
    assert abi.fourcc("YU12") == 0x32315559
    assert abi.fourcc_text(0x32315559) == "YU12"
    assert abi.fourcc_text(0xFFFFFF59) == "Y..."
    with pytest.raises(ValueError, match="four characters"):
        abi.fourcc("H264X")


def test_frame_interval_is_inverted_to_rate() -> None:
    assert abi.Fract(1001, 30000).inverse == pytest.approx(29.97, abs=0.001)
    assert abi.Fract(0, 30).inverse is None
    assert abi.Fract(1, 0).inverse is None
