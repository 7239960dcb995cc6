"""The kernel's structs and constants against its header."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

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
        (abi.QueryControl, 232),
        (abi.MenuItem, 44),
        (abi.ControlValue, 20),
        (abi.ControlValues, 32),
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
    query, item, value = abi.QueryControl(minimum=5, flags=6), abi.MenuItem(value=7), abi.ControlValue(value64=8)
    assert [(bytes(query)[40], bytes(query)[72]), bytes(item)[8], bytes(value)[12]] == [(5, 6), 7, 8]
    entries = (abi.ControlValue * 1)(value)
    assert bytes(abi.ControlValues(count=1, controls=entries))[24:] == ctypes.addressof(entries).to_bytes(8, sys.byteorder)


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
        abi.S_PARM: 0xC0CC5616,
        abi.QUERYMENU: 0xC02C5625,
        abi.G_EXT_CTRLS: 0xC0205647,
        abi.S_EXT_CTRLS: 0xC0205648,
        abi.QUERY_EXT_CTRL: 0xC0E85667,
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


@pytest.mark.skipif(not shutil.which("cc") or not Path("/usr/include/linux/videodev2.h").exists(), reason="no compiler or header")
def test_control_structs_match_the_header(tmp_path: Path) -> None:
    structs = {"v4l2_query_ext_ctrl": abi.QueryControl, "v4l2_querymenu": abi.MenuItem}
    structs |= {"v4l2_ext_control": abi.ControlValue, "v4l2_ext_controls": abi.ControlValues}
    requests = {
        "VIDIOC_QUERY_EXT_CTRL": abi.QUERY_EXT_CTRL,
        "VIDIOC_QUERYMENU": abi.QUERYMENU,
        "VIDIOC_G_EXT_CTRLS": abi.G_EXT_CTRLS,
        "VIDIOC_S_EXT_CTRLS": abi.S_EXT_CTRLS,
        "V4L2_CID_BRIGHTNESS": abi.CID_USER,
        "V4L2_CID_EXPOSURE_AUTO": abi.CID_CAMERA + 1,
    }
    lines = [f'_Static_assert(sizeof(struct {name}) == {ctypes.sizeof(struct)}, "{name}");' for name, struct in structs.items()]
    lines += [f'_Static_assert({name} == {number}u, "{name}");' for name, number in requests.items()]
    source = tmp_path / "check.c"
    source.write_text("\n".join(["#include <linux/videodev2.h>", *lines]))
    subprocess.run(["cc", "-fsyntax-only", str(source)], check=True)
