"""Which pictures may leave livebg, and their contents."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.compositing.auto_framing import CropWindow
from livebg.compositing.blending import alpha_planes
from livebg.compositing.composite import (
    MAX_MATTE_AGE_S,
    Consent,
    composite,
    crop,
    cutout,
    passthrough,
    plate,
    render_matte,
    tighten,
    with_pts,
)
from livebg.imaging.frame import Alpha8, ColorSpec, Frame, Matte, empty_i420, planes
from livebg.imaging.pyramid import Pyramid
from tests.support.pipeline_fakes import gray_frame, noise_frame


def matte_for(alpha: Alpha8, number: int = 0, age: float = 0.0) -> Matte:
    time = float(number * Fraction(1, 30))
    return Matte(alpha, time, time - age)


def random_alpha(seed: int) -> Alpha8:
    """Soft alpha with whole blocks of 0 and of 255."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([0, 255, 100, 254, 1], np.uint8), (12, 16)).repeat(4, 0).repeat(4, 1)


def split_room(size: tuple[int, int] = (320, 180)) -> tuple[Frame, Frame, Alpha8]:
    """A bright person in front of a dark room of another color, with a soft edge: the mixture, the person alone, the alpha."""
    width, height = size
    ramp = np.clip((np.arange(width) - width // 2) / 6, 0, 1)
    alpha = np.rint(np.broadcast_to(ramp * 255, (height, width))).astype(np.uint8)
    mixed, person = empty_i420(width, height), empty_i420(width, height)
    for out, alone, share, levels in zip(
        planes(mixed), planes(person), alpha_planes(Pyramid(alpha)), ((200, 40), (90, 150), (170, 100)), strict=True
    ):
        weight = share / 255
        out[:] = np.rint(levels[0] * weight + levels[1] * (1 - weight))
        alone[:] = levels[0]
    return Frame(mixed, 0, Fraction(1, 30)), Frame(person, 0, Fraction(1, 30)), alpha


def test_room_color_is_removed_from_edge() -> None:
    frame, person, alpha = split_room()
    background = np.full_like(frame.data, 16)
    shown = composite(frame, background, matte_for(alpha))
    for got, own, share in zip(planes(shown.data), person.planes, alpha_planes(Pyramid(alpha)), strict=True):
        weight = share / 255
        expected = own * weight + 16 * (1 - weight)
        assert np.abs(got - expected).max() <= 6  # a plain blend differs by up to 40 levels here


@pytest.mark.parametrize("size", [(64, 48), (50, 38), (12, 6), (2, 2)])
def test_in_place_composite_equals_copy(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(3)
    frame, background = noise_frame(1, size), noise_frame(2, size).data.copy()
    matte = matte_for(rng.choice(np.array([0, 0, 255, 255, 90, 254, 1], np.uint8), (height, width)))
    before = background.copy()
    shown = composite(frame, background, matte)
    assert (background == before).all()
    own = background.copy()
    assert composite(frame, own, matte, in_place=True).data is own
    assert (own == shown.data).all()


def test_light_wrap_affects_only_edge() -> None:
    frame, person, alpha = split_room()
    bright = np.full_like(frame.data, 240)
    plain, half, full = (
        composite(frame, bright, matte_for(alpha), light_wrap=wrap).data[: frame.height].astype(float) for wrap in (0.0, 0.5, 1.0)
    )
    sure = (alpha == 255) | (alpha == 0)
    assert (plain[sure] == full[sure]).all()
    assert (plain[alpha == 255] == frame.y[alpha == 255]).all()
    weight = alpha / 255
    for shown, wrap in ((half, 0.5), (full, 1.0)):
        kept = weight * (1 - wrap * (1 - weight))
        assert np.abs(shown - (person.y * kept + 240 * (1 - kept))).max() <= 7
    edge = ~sure
    assert (full[edge] >= half[edge]).all()
    assert (full - plain)[edge].mean() > 3


def test_picture_over_itself_is_nearly_unchanged() -> None:
    frame, _, alpha = split_room()
    shown = composite(frame, gray_frame(luma=40, size=(320, 180)).data, matte_for(alpha))
    assert np.abs(planes(shown.data)[0].astype(int) - frame.y).max() <= 6


@given(st.integers(2, 40).map(lambda n: 2 * n), st.integers(2, 40).map(lambda n: 2 * n), st.integers(0, 2**32 - 1))
def test_composite_is_exact_where_alpha_is_0_or_255(width: int, height: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha = rng.choice(np.array([0, 255, 90], np.uint8), (height // 2, width // 2)).repeat(2, 0).repeat(2, 1)
    frame, background = noise_frame(seed, (width, height)), noise_frame(seed + 1, (width, height)).data
    shown = composite(frame, background, matte_for(alpha))
    for got, own, behind, share in zip(
        planes(shown.data), frame.planes, planes(background), alpha_planes(Pyramid(alpha)), strict=True
    ):
        assert (got[share == 255] == own[share == 255]).all()
        assert (got[share == 0] == behind[share == 0]).all()


@given(st.integers(0, 2**32 - 1))
def test_foreground_is_input_and_room_is_background(seed: int) -> None:
    frame, background, alpha = noise_frame(seed), noise_frame(seed + 1).data, random_alpha(seed)
    shown = composite(frame, background, matte_for(alpha))
    weight = np.concatenate([plane.ravel() for plane in alpha_planes(Pyramid(alpha))]).reshape(72, 64)
    assert (shown.data[weight == 255] == frame.data[weight == 255]).all()
    assert (shown.data[weight == 0] == background[weight == 0]).all()
    assert (shown.pts, shown.time_base, shown.color) == (frame.pts, frame.time_base, frame.color)


def test_chroma_uses_mean_alpha_of_block() -> None:
    alpha = np.zeros((4, 4), np.uint8)
    alpha[0, :2] = 255
    _, u, v = alpha_planes(Pyramid(alpha))
    assert u.tolist() == v.tolist() == [[128, 0], [0, 0]]


@pytest.mark.parametrize("make", [lambda f, m: composite(f, f.data, m), render_matte, cutout])
def test_only_current_frames_fresh_matte_is_accepted(make: object) -> None:
    assert callable(make)
    frame, alpha = noise_frame(1), np.full((48, 64), 255, np.uint8)
    make(frame, matte_for(alpha, age=MAX_MATTE_AGE_S))
    with pytest.raises(ValueError, match="old"):
        make(frame, matte_for(alpha, age=MAX_MATTE_AGE_S + 0.01))
    with pytest.raises(ValueError, match="old"):
        make(frame, matte_for(alpha, age=-0.01))
    with pytest.raises(ValueError, match="matte is for"):
        make(frame, matte_for(alpha, number=1))
    with pytest.raises(ValueError, match="The matte has shape"):
        make(frame, matte_for(alpha[:24]))


def test_background_of_other_size_is_rejected() -> None:
    with pytest.raises(ValueError, match="background has shape"):
        composite(noise_frame(1), noise_frame(1, (32, 24)).data, matte_for(np.zeros((48, 64), np.uint8)))


def test_rendered_matte_is_full_range_alpha() -> None:
    alpha = random_alpha(3)
    shown = render_matte(noise_frame(2), matte_for(alpha))
    y, u, v = planes(shown.data)
    assert (y == alpha).all()
    assert (u == 128).all()
    assert (v == 128).all()
    assert shown.color.full_range


@pytest.mark.parametrize("color", [ColorSpec(), ColorSpec(full_range=True)])
def test_cutout_contains_nothing_of_the_room(color: ColorSpec) -> None:
    frame, alpha = noise_frame(2, color=color), random_alpha(3)
    shown = cutout(frame, matte_for(alpha))
    y, u, _ = planes(shown.data)
    assert shown.alpha is not None
    assert (shown.alpha == alpha).all()
    assert set(y[alpha == 0].tolist()) == {0 if color.full_range else 16}
    assert (y[alpha == 255] == frame.y[alpha == 255]).all()
    blocks = alpha.reshape(24, 2, 32, 2).max(axis=(1, 3))
    assert (u[blocks == 0] == 128).all()
    assert (u[blocks == 255] == frame.planes[1][blocks == 255]).all()


def test_cutout_edge_has_persons_color() -> None:
    frame, person, alpha = split_room()
    shown = cutout(frame, matte_for(alpha))
    y, u, v = planes(shown.data)
    seen, chroma = alpha > 60, alpha_planes(Pyramid(alpha))[1] > 60
    assert np.abs(y[seen].astype(int) - person.y[seen]).max() <= 12  # the mixture differs by 120 levels here
    for plane, own in zip((u, v), person.planes[1:], strict=True):
        assert np.abs(plane[chroma].astype(int) - own[chroma]).max() <= 12


def test_cropped_cutout_keeps_the_persons_color_at_a_hard_edge() -> None:
    _, person, soft = split_room()
    hard = np.where(soft > 127, np.uint8(255), np.uint8(0))
    shown = crop(cutout(person, matte_for(hard)), CropWindow(0.5, 0.5, 0.6))
    assert shown.alpha is not None
    assert ((shown.alpha > 0) & (shown.alpha < 255)).any()
    for plane, share, level, black in zip(
        shown.planes, alpha_planes(Pyramid(shown.alpha)), (200, 90, 170), (16, 128, 128), strict=True
    ):
        assert np.abs(plane[share > 0].astype(int) - level).max() <= 1
        assert (plane[share == 0] == black).all()


@pytest.mark.parametrize("color", [ColorSpec(), ColorSpec(full_range=True)])
def test_plate_contains_nothing_of_the_person(color: ColorSpec) -> None:
    frame, alpha = noise_frame(2, color=color), random_alpha(3)
    shown = plate(frame, matte_for(alpha), Consent("a test"))
    y, u, _ = planes(shown.data)
    assert shown.alpha is not None
    assert (shown.alpha == 255 - alpha).all()
    assert set(y[alpha == 255].tolist()) == {0 if color.full_range else 16}
    assert (y[alpha == 0] == frame.y[alpha == 0]).all()
    blocks = alpha.reshape(24, 2, 32, 2)
    assert (u[blocks.min(axis=(1, 3)) == 255] == 128).all()
    room = blocks.max(axis=(1, 3)) == 0
    assert (u[room] == frame.planes[1][room]).all()


def test_plate_requires_consent() -> None:
    frame, matte = noise_frame(4), matte_for(random_alpha(3))
    for consent in (None, "livebg render", True):
        with pytest.raises(TypeError, match="only with the user's consent"):
            plate(frame, matte, consent)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="The matte is for 0"):
        plate(noise_frame(4, number=3), matte, Consent("a test"))


def test_tightened_matte_is_narrower_and_harder() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tight = tighten(matte_for(levels)).alpha.ravel().astype(int)
    assert (tight <= np.arange(256)).sum() > 180
    assert (tight[:90] == 0).all()
    assert (tight[240:] == 255).all()
    assert (np.diff(tight) >= 0).all()


def test_passthrough_requires_consent() -> None:
    frame = noise_frame(4)
    assert passthrough(frame, Consent("a test")).data is frame.data
    with pytest.raises(TypeError, match="only with the user's consent"):
        passthrough(frame, None)  # type: ignore[arg-type]


def test_only_composites_are_given_another_time() -> None:
    frame = noise_frame(4)
    shown = with_pts(passthrough(frame, Consent("a test")), 7, Fraction(1, 10))
    assert (shown.pts, shown.time_base, shown.data is frame.data) == (7, Fraction(1, 10), True)
    with pytest.raises(TypeError, match=r"Only a composite can be given another time, got Frame\."):
        with_pts(frame, 7, Fraction(1, 10))  # type: ignore[arg-type]
