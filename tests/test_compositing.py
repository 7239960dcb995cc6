"""What may leave, and what it looks like."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from livebg.compositing import OLDEST_MATTE, Consent, blend, composite, cutout, matte_picture, passthrough, plane_alphas
from livebg.frame import Alpha8, ColorSpec, Matte, planes
from tests.fakes import noise_frame

bytes_ = arrays(np.uint8, (6, 8))


def matte_for(alpha: Alpha8, number: int = 0, age: float = 0.0) -> Matte:
    time = float(number * Fraction(1, 30))
    return Matte(alpha, time, time - age)


def blended(foreground: NDArray[np.uint8], background: NDArray[np.uint8], alpha: Alpha8) -> NDArray[np.uint8]:
    out = np.empty_like(foreground)
    blend(foreground, background, alpha, out)
    return out


def random_alpha(seed: int) -> Alpha8:
    """Soft, with whole blocks of 0 and of 255."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([0, 255, 100, 254, 1], np.uint8), (12, 16)).repeat(4, 0).repeat(4, 1)


@given(bytes_, bytes_, bytes_)
def test_blend_is_the_compositing_equation(foreground: NDArray[np.uint8], background: NDArray[np.uint8], alpha: Alpha8) -> None:
    weight = alpha / 255
    expected = foreground * weight + background * (1 - weight)
    result = blended(foreground, background, alpha)
    assert np.abs(result - expected).max() <= 1.0
    assert (result[alpha == 255] == foreground[alpha == 255]).all()
    assert (result[alpha == 0] == background[alpha == 0]).all()


def test_bands_join_without_a_seam() -> None:
    rng = np.random.default_rng(5)
    foreground, background, alpha = (rng.integers(0, 256, (301, 1000), np.uint8) for _ in range(3))
    expected = foreground * (alpha / 255) + background * (1 - alpha / 255)
    assert np.abs(blended(foreground, background, alpha) - expected).max() <= 1.0


@given(bytes_, bytes_)
def test_a_picture_over_itself_stays_itself_within_a_level(picture: NDArray[np.uint8], alpha: Alpha8) -> None:
    assert np.abs(blended(picture, picture, alpha).astype(int) - picture).max() <= 1


@given(st.integers(0, 2**32 - 1))
def test_foreground_bytes_are_the_input_and_room_bytes_the_background(seed: int) -> None:
    frame, background, alpha = noise_frame(seed), noise_frame(seed + 1).data, random_alpha(seed)
    shown = composite(frame, background, matte_for(alpha))
    weight = np.concatenate([plane.ravel() for plane in plane_alphas(alpha)]).reshape(72, 64)
    assert (shown.data[weight == 255] == frame.data[weight == 255]).all()
    assert (shown.data[weight == 0] == background[weight == 0]).all()
    assert (shown.pts, shown.time_base, shown.color) == (frame.pts, frame.time_base, frame.color)


def test_chroma_takes_the_mean_alpha_of_its_block() -> None:
    alpha = np.zeros((4, 4), np.uint8)
    alpha[0, :2] = 255
    _, u, v = plane_alphas(alpha)
    assert u.tolist() == v.tolist() == [[128, 0], [0, 0]]


@pytest.mark.parametrize("make", [lambda f, m: composite(f, f.data, m), matte_picture, cutout])
def test_only_this_frames_own_fresh_matte_will_do(make: object) -> None:
    assert callable(make)
    frame, alpha = noise_frame(1), np.full((48, 64), 255, np.uint8)
    make(frame, matte_for(alpha, age=OLDEST_MATTE))
    with pytest.raises(ValueError, match="old"):
        make(frame, matte_for(alpha, age=OLDEST_MATTE + 0.01))
    with pytest.raises(ValueError, match="old"):
        make(frame, matte_for(alpha, age=-0.01))
    with pytest.raises(ValueError, match="matte is for"):
        make(frame, matte_for(alpha, number=1))
    with pytest.raises(ValueError, match="the matte is"):
        make(frame, matte_for(alpha[:24]))


def test_a_background_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="background is"):
        composite(noise_frame(1), noise_frame(1, (32, 24)).data, matte_for(np.zeros((48, 64), np.uint8)))


def test_the_matte_as_a_picture_is_alpha_over_the_full_range() -> None:
    alpha = random_alpha(3)
    shown = matte_picture(noise_frame(2), matte_for(alpha))
    y, u, v = planes(shown.data)
    assert (y == alpha).all()
    assert (u == 128).all()
    assert (v == 128).all()
    assert shown.color.full_range


@pytest.mark.parametrize("color", [ColorSpec(), ColorSpec(full_range=True)])
def test_a_cutout_holds_nothing_of_the_room(color: ColorSpec) -> None:
    frame, alpha = noise_frame(2, color=color), random_alpha(3)
    shown = cutout(frame, matte_for(alpha))
    y, u, _ = planes(shown.data)
    assert shown.alpha is not None
    assert (shown.alpha == alpha).all()
    assert set(y[alpha == 0].tolist()) == {0 if color.full_range else 16}
    assert (y[alpha > 0] == frame.y[alpha > 0]).all()
    blocks = alpha.reshape(24, 2, 32, 2).max(axis=(1, 3))
    assert (u[blocks == 0] == 128).all()
    assert (u[blocks == 255] == frame.planes[1][blocks == 255]).all()


def test_the_room_as_it_is_takes_consent() -> None:
    frame = noise_frame(4)
    assert passthrough(frame, Consent("a test")).data is frame.data
    with pytest.raises(TypeError, match="own word"):
        passthrough(frame, None)  # type: ignore[arg-type]
