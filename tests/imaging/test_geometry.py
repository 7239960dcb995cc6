"""Geometry: rotating, mirroring, cropping and scaling the camera's picture."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.imaging.frame import BT601, BT709, ColorSpec, Frame, empty_i420, planes
from livebg.imaging.geometry import ROTATIONS, Geometry
from tests.support.pipeline_fakes import gray_frame, noise_frame

even = st.integers(1, 40).map(lambda half: 2 * half)
sizes = st.tuples(even, even)
rotations = st.sampled_from(ROTATIONS)
seeds = st.integers(0, 2**32 - 1)


def rotated_size(size: tuple[int, int], rotate: int) -> tuple[int, int]:
    return size[::-1] if rotate % 180 else size


def ramp_frame(width: int, height: int) -> Frame:
    """Luma increases by 2 per column, U by 4 per column and V by 4 per row of its plane."""
    data = empty_i420(width, height)
    y, u, v = planes(data)
    y[:] = np.arange(width) * 2
    u[:] = np.arange(width // 2) * 4
    v[:] = (np.arange(height // 2) * 4)[:, None]
    return Frame(data, 0, Fraction(1, 30))


@given(seeds, sizes)
def test_identity_returns_same_frame(seed: int, size: tuple[int, int]) -> None:
    frame = noise_frame(seed, size)
    assert Geometry(size).apply(frame) is frame


@given(seeds, sizes, rotations, st.booleans(), sizes)
def test_result_has_output_size_and_input_time(
    seed: int, size: tuple[int, int], rotate: int, mirror: bool, output: tuple[int, int]
) -> None:
    frame = noise_frame(seed, size, number=7)
    made = Geometry(output, mirror, rotate).apply(frame)
    assert (made.width, made.height) == output
    assert (made.pts, made.time_base, made.color) == (7, frame.time_base, frame.color)
    assert not made.data.flags.writeable


@given(seeds, sizes, rotations, st.booleans())
def test_rotation_is_exact_on_every_plane(seed: int, size: tuple[int, int], rotate: int, mirror: bool) -> None:
    frame = noise_frame(seed, size)
    made = Geometry(rotated_size(size, rotate), mirror, rotate).apply(frame)
    for plane, result in zip(frame.planes, made.planes, strict=True):
        expected = np.rot90(plane, -rotate // 90)
        assert np.array_equal(result, expected[:, ::-1] if mirror else expected)


@given(seeds, sizes)
def test_mirroring_twice_is_identity(seed: int, size: tuple[int, int]) -> None:
    frame, geometry = noise_frame(seed, size), Geometry(size, mirror=True)
    assert np.array_equal(geometry.apply(geometry.apply(frame)).data, frame.data)


@given(seeds, sizes)
def test_four_quarter_turns_are_identity(seed: int, size: tuple[int, int]) -> None:
    frame = turned = noise_frame(seed, size)
    for _ in range(4):
        turned = Geometry((turned.height, turned.width), rotate=90).apply(turned)
    assert np.array_equal(turned.data, frame.data)


@given(sizes, rotations, st.booleans(), sizes)
def test_uniform_color_is_kept(size: tuple[int, int], rotate: int, mirror: bool, output: tuple[int, int]) -> None:
    y, u, v = Geometry(output, mirror, rotate).apply(gray_frame(luma=77, size=size)).planes
    assert set(y.ravel().tolist()) == {77}
    assert set(u.ravel().tolist()) == set(v.ravel().tolist()) == {128}


@pytest.mark.parametrize("output", [(64, 48), (128, 96), (32, 24)])
@pytest.mark.parametrize(
    ("rotate", "mirror", "share"),
    [
        (0, False, (0.25, 0.125)),
        (0, True, (0.75, 0.125)),
        (90, False, (0.875, 0.25)),
        (180, False, (0.75, 0.875)),
        (270, False, (0.125, 0.75)),
        (90, True, (0.125, 0.25)),
        (270, True, (0.875, 0.75)),
    ],
)
def test_bright_dot_moves_as_expected(rotate: int, mirror: bool, share: tuple[float, float], output: tuple[int, int]) -> None:
    """``share``: the expected position in shares of width and height; the dot starts at a quarter and an eighth."""
    size = rotated_size((64, 48), rotate)
    frame = gray_frame(luma=20, size=size)
    data = frame.data.copy()
    y, u, _ = planes(data)
    x, top = size[0] // 4, size[1] // 8
    y[top - 2 : top + 2, x - 2 : x + 2] = 220
    u[top // 2 - 1 : top // 2 + 1, x // 2 - 1 : x // 2 + 1] = 220
    made = Geometry(output, mirror, rotate).apply(Frame(data, 0, Fraction(1, 30)))
    for plane, ground in zip(made.planes[:2], (20.0, 128.0), strict=True):
        weight = plane - ground
        rows, columns = np.indices(plane.shape)
        found = ((columns + 0.5) * weight).sum() / weight.sum(), ((rows + 0.5) * weight).sum() / weight.sum()
        assert found[0] == pytest.approx(share[0] * plane.shape[1], abs=0.5)
        assert found[1] == pytest.approx(share[1] * plane.shape[0], abs=0.5)


@given(seeds, sizes, rotations, st.booleans(), sizes, st.floats(1, 3))
def test_oversampled_result_has_the_outputs_shape_and_no_invented_pixels(
    seed: int, size: tuple[int, int], rotate: int, mirror: bool, output: tuple[int, int], oversampling: float
) -> None:
    made = Geometry(output, mirror, rotate).apply(noise_frame(seed, size), oversampling)
    turned = rotated_size(size, rotate)
    for side, least, most in zip((made.width, made.height), output, turned, strict=True):
        assert least <= side <= max(least, min(most, least * oversampling + 1))
    assert abs(made.width / output[0] - made.height / output[1]) <= 2 / min(output), "rounded to even"


def test_oversampling_keeps_the_pixels_of_a_larger_camera() -> None:
    frame = noise_frame(1, (1920, 1080))
    assert Geometry((1280, 720)).apply(frame, 1.5) is frame
    assert Geometry((1280, 720)).apply(frame, 3.0) is frame
    smaller = Geometry((1280, 720)).apply(frame, 1.25)
    assert (smaller.width, smaller.height) == (1600, 900)
    assert Geometry((1920, 1080)).apply(frame, 2.0) is frame
    turned = Geometry((720, 1280), rotate=90).apply(frame, 2.0)
    assert np.array_equal(turned.y, np.rot90(frame.y, -1))


def test_untagged_color_is_kept_for_the_output_of_an_oversampled_frame() -> None:
    for oversampling in (1.5, 2.0):
        made = Geometry((640, 360)).apply(gray_frame(size=(1280, 720)), oversampling)
        assert (made.height, made.color) == (360 * oversampling, ColorSpec(BT709))


def test_crop_is_centered() -> None:
    made = Geometry((48, 48)).apply(ramp_frame(64, 48))
    assert np.array_equal(made.y, ramp_frame(64, 48).y[:, 8:56])
    assert np.array_equal(made.planes[1], ramp_frame(64, 48).planes[1][:, 4:28])
    made = Geometry((64, 24)).apply(ramp_frame(64, 48))
    assert np.array_equal(made.planes[2], ramp_frame(64, 48).planes[2][6:18])


def test_crop_keeps_luma_and_chroma_aligned() -> None:
    """Half of the cropped width is odd, 1: both planes are cropped at 0."""
    made = Geometry((62, 48)).apply(ramp_frame(64, 48))
    assert made.y[0, 0] == 0
    assert made.planes[1][0, 0] == 0


def test_crop_follows_quarter_turn() -> None:
    """A wide picture becomes upright: the full width stays, and as little height as possible is cropped."""
    made = Geometry((48, 32), rotate=90).apply(ramp_frame(64, 48))
    # 48x64 after rotation; 32 of 64 rows remain: the stored columns 16 to 48.
    assert made.y[0, 0] == 32
    assert made.y[-1, 0] == 2 * 47


def test_small_picture_is_enlarged_without_distortion() -> None:
    made = Geometry((1280, 720)).apply(ramp_frame(64, 48))
    assert (made.width, made.height) == (1280, 720)
    assert abs(int(made.y[0, 640]) - 64) <= 1
    assert int(made.planes[2][0, 0]) == 4 * 3  # 36 of 48 rows, so 3 of 24 chroma rows are cropped at the top


def test_non_square_pixels_become_square() -> None:
    """16:15 pixels at 60x64 fill a square."""
    geometry = Geometry((64, 64), sample_aspect_ratio=Fraction(16, 15))
    made = geometry.apply(ramp_frame(60, 64))
    # Nothing is cropped, neither in width nor in height.
    assert (made.y[0, 0], made.y[0, -1]) == (0, 2 * 59)
    assert (made.planes[2][0, 0], made.planes[2][-1, 0]) == (0, 4 * 31)


def test_a_tagged_picture_keeps_its_color_at_another_size() -> None:
    made = Geometry((360, 640), rotate=90).apply(gray_frame(size=(1280, 720), color=ColorSpec(BT601)))
    assert (made.width, made.height, made.color) == (360, 640, ColorSpec(BT601))


@pytest.mark.parametrize(
    ("given", "output", "matrix"),
    [((64, 48), (1280, 720), BT601), ((1280, 720), (64, 48), BT709), ((64, 48), (640, 480), ColorSpec().matrix)],
)
def test_untagged_color_is_kept_at_new_size(given: tuple[int, int], output: tuple[int, int], matrix: int) -> None:
    assert Geometry(output).apply(gray_frame(size=given)).color == ColorSpec(matrix)


@pytest.mark.parametrize("output", [(63, 48), (64, 47), (0, 2)])
def test_odd_sizes_are_rejected(output: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even"):
        Geometry(output)


def test_other_rotations_are_rejected() -> None:
    with pytest.raises(ValueError, match="rotated"):
        Geometry((64, 48), rotate=45)
