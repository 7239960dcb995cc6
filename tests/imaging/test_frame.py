"""Frames, colors and formats; a Composite cannot be constructed directly."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.imaging.frame import BT601, BT709, BT2020, ColorSpec, Composite, Frame, VideoFormat, empty_i420, planes
from tests.support.pipeline_fakes import gray_frame, noise_frame

specs = st.builds(ColorSpec, st.sampled_from([BT601, BT709, BT2020, 2]), st.just(2), st.just(2), st.booleans())


def test_planes_are_views_that_cover_every_byte_once() -> None:
    data = empty_i420(6, 4)
    data[:] = 0
    y, u, v = planes(data)
    assert (y.shape, u.shape, v.shape) == ((4, 6), (2, 3), (2, 3))
    for plane in (y, u, v):
        plane += 1
    assert (data == 1).all()
    u[:] = 7
    assert (data.reshape(-1)[24:30] == 7).all()


def test_frame_is_read_only() -> None:
    frame = gray_frame()
    with pytest.raises(ValueError, match="read-only"):
        frame.y[0, 0] = 1


@pytest.mark.parametrize("shape", [(5, 4), (6, 3), (7, 4)])
def test_odd_frame_size_is_rejected(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even size"):
        Frame(np.zeros(shape, np.uint8), 0, Fraction(1))


def test_time_is_pts_times_time_base() -> None:
    assert Frame(empty_i420(2, 2), 1001, Fraction(1, 30000)).time == pytest.approx(1001 / 30000)


@pytest.mark.parametrize("size", [(3, 4), (4, 3), (0, 2)])
def test_odd_format_size_is_rejected(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even width and height"):
        VideoFormat(*size, Fraction(30))


@given(specs, st.sampled_from([480, 720]))
def test_color_matrices_are_inverse(color: ColorSpec, height: int) -> None:
    there, back = color.rgb_to_yuv(height), color.yuv_to_rgb(height)
    rgb = np.array([12.0, 200.0, 77.0])
    yuv = there @ [*rgb, 1]
    assert back @ [*yuv, 1] == pytest.approx(rgb, abs=1e-6)


@given(specs)
def test_white_and_black_have_no_chroma(color: ColorSpec) -> None:
    top, bottom = (255, 0) if color.full_range else (235, 16)
    assert color.rgb_to_yuv(480) @ [255, 255, 255, 1] == pytest.approx([top, 128, 128], abs=1e-9)
    assert color.rgb_to_yuv(480) @ [0, 0, 0, 1] == pytest.approx([bottom, 128, 128], abs=1e-9)


def test_primaries_match_standards() -> None:
    # BT.709 and BT.601 red in limited range, as in standard test charts.
    assert np.rint(ColorSpec(BT709).rgb_to_yuv(720) @ [255, 0, 0, 1]).tolist() == [63, 102, 240]
    assert np.rint(ColorSpec(BT601).rgb_to_yuv(720) @ [255, 0, 0, 1]).tolist() == [81, 90, 240]


def test_untagged_matrix_follows_height() -> None:
    assert np.array_equal(ColorSpec().rgb_to_yuv(720), ColorSpec(BT709).rgb_to_yuv(720))
    assert np.array_equal(ColorSpec().rgb_to_yuv(576), ColorSpec(BT601).rgb_to_yuv(576))


def test_frame_converts_to_rgb() -> None:
    frame = gray_frame(luma=126, color=ColorSpec(BT601))
    rgb = frame.rgb((16, 8))
    assert rgb.shape == (8, 16, 3)
    assert np.abs(rgb.astype(int) - round((126 - 16) * 255 / 219)).max() <= 1


def test_composite_cannot_be_constructed_directly() -> None:
    frame = noise_frame(1)
    with pytest.raises(TypeError, match="no raw frame may leave"):
        Composite(frame.data, frame.pts, frame.time_base, frame.color)
