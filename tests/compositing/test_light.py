"""Light on the person: how much a face needs, how it is laid on, and what it leaves alone."""

from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.compositing.composite import composite, cutout
from livebg.compositing.light import Light, LitEffect
from livebg.compositing.tone_curve import MAX_STEPS, tone_curve
from livebg.imaging.frame import BT709, Alpha8, ColorSpec, Frame, Matte, empty_i420, planes, rgb_to_i420
from livebg.synthetic import MOTIONS, Actor, blob_person, clip, procedural_room

COLOR = ColorSpec(BT709)
SIZE = (320, 180)
BACKGROUND = np.full((SIZE[1] * 3 // 2, SIZE[0]), 100, np.uint8)


def two_stops_under(rgb: NDArray[np.uint8], noise: np.random.Generator) -> NDArray[np.uint8]:
    """A quarter of the light of an sRGB picture, and the noise of a camera that has no more of it."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4) / 4
    dark = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    return np.rint(dark[rgb] + noise.normal(0, 4, rgb.shape)).clip(0, 255).astype(np.uint8)


def well_lit_and_dark(seed: int, frames: int, motion: str = "still") -> Iterator[tuple[Frame, Frame, Matte]]:
    """A person in good light, the same two stops under with noise, and the matte of both."""
    noise = np.random.default_rng(seed)
    moments = clip(MOTIONS[motion], [Actor([blob_person(seed)])], procedural_room(seed, SIZE), SIZE, frames=frames, seed=seed)
    for number, moment in enumerate(moments):
        rgbs = moment.rgb, two_stops_under(moment.rgb, noise)
        well, dark = (Frame(rgb_to_i420(rgb, COLOR), number, Fraction(1, 30), COLOR) for rgb in rgbs)
        yield well, dark, Matte(moment.alpha, well.time, well.time)


def face_luma(luma: NDArray[np.uint8], alpha: Alpha8) -> float:
    """The mean over the person in the upper third of their bounding box."""
    _, top, _, height = cv2.boundingRect((alpha > 127).view(np.uint8))
    window = slice(top, top + height // 3)
    return float(luma[window][alpha[window] == 255].mean())


def plain_person(luma: int, number: int = 0, rate: int = 30, size: tuple[int, int] = SIZE) -> tuple[Frame, Matte]:
    """Someone of one luma and a reddish color, from head to foot, in a brighter room."""
    width, height = size
    alpha = np.zeros((height, width), np.uint8)
    alpha[height // 6 :, width // 3 : 2 * width // 3] = 255
    data = empty_i420(width, height)
    for plane, inside, outside in zip(planes(data), (luma, 118, 150), (180, 128, 128), strict=True):
        plane[:] = outside
        plane[plane.shape[0] // 6 :, plane.shape[1] // 3 : 2 * plane.shape[1] // 3] = inside
    frame = Frame(data, number, Fraction(1, rate), COLOR)
    return frame, Matte(alpha, frame.time, frame.time)


def strengths(light: Light, lumas: list[int], rate: int = 30) -> list[int]:
    """What the light makes of the person's luma, frame by frame."""
    shown = []
    for number, luma in enumerate(lumas):
        frame, matte = plain_person(luma, number, rate)
        curve = light.curve(frame, matte)
        shown.append(int(curve.luma[luma]) if curve else luma)
    return shown


@pytest.mark.parametrize("full_range", [False, True])
def test_curve_brightens_evenly_between_black_and_white(full_range: bool) -> None:
    black, white = (0, 255) if full_range else (16, 235)
    levels = np.arange(256)
    before = tone_curve(0, full_range)
    assert (before.luma == levels).all()
    assert (before.gain == 64).all()
    for step in range(1, MAX_STEPS + 1, 11):
        curve = tone_curve(step, full_range)
        assert (np.diff(curve.luma.astype(int)) >= 0).all()
        assert (curve.luma >= before.luma).all()
        assert (curve.luma[[*range(black + 1), *range(white, 256)]] == levels[[*range(black + 1), *range(white, 256)]]).all()
        before = curve
    highlights = slice(white - 25, white)
    assert before.luma[highlights].max() < white + 1
    assert (before.luma[highlights] - levels[highlights]).max() < 25
    assert before.luma[black + 55] > black + 2.3 * 55


def test_adjacent_curves_are_a_quarter_level_apart() -> None:
    lumas = np.stack([tone_curve(step, full_range=False).luma for step in range(MAX_STEPS + 1)]).astype(float)
    steps = np.diff(lumas, axis=0)
    assert steps.max() <= 1
    assert np.convolve(steps.mean(axis=1), np.ones(4) / 4, "valid").max() < 0.25


def test_skin_keeps_its_tone() -> None:
    frame, matte = plain_person(70)
    shown = composite(frame, BACKGROUND, matte, curve=Light(0.6).curve(frame, matte))
    y, u, v = (int(plane[plane.shape[0] // 2, plane.shape[1] // 2]) for plane in shown.planes)
    gain = (y - 16) / (70 - 16)
    assert gain > 1.7
    assert (u - 128) / (118 - 128) == pytest.approx(gain, abs=0.1)
    assert (v - 128) / (150 - 128) == pytest.approx(gain, abs=0.1)


def test_light_leaves_the_background_and_faint_edges_alone() -> None:
    well, dark, matte = next(well_lit_and_dark(3, 1))
    for frame in (well, dark):
        plain, lit = (composite(frame, BACKGROUND, matte, curve=tone_curve(step, False) if step else None) for step in (0, 700))
        changed = lit.planes[0] != plain.planes[0]
        assert changed[matte.alpha == 255].mean() > 0.9
        assert not changed[matte.alpha < 128].any()


def test_light_makes_no_halo() -> None:
    """A matte that takes a bit of the room for the person: no pixel of the seam is brighter than person and background."""
    frame, matte = plain_person(60, size=(640, 360))
    soft = np.asarray(cv2.GaussianBlur(matte.alpha, (0, 0), 4), np.uint8)
    room = np.full_like(frame.data, 128)
    room[:360] = 180  # the room's own luma
    shown = composite(frame, room, Matte(soft, 0.0, 0.0), curve=tone_curve(600, full_range=False)).planes[0]
    plain = composite(frame, room, Matte(soft, 0.0, 0.0)).planes[0]
    assert shown.max() <= 182
    assert np.abs(shown.astype(int) - plain)[soft < 160].max() < 25


def test_cutout_is_lit() -> None:
    frame, matte = plain_person(70)
    curve = tone_curve(500, full_range=False)
    shown = cutout(frame, matte, curve)
    assert (shown.planes[0][matte.alpha == 255] == curve.luma[70]).all()
    assert (shown.planes[0][matte.alpha == 0] == 16).all()


@pytest.mark.parametrize("seed", range(8))
def test_face_in_the_dark_becomes_as_bright_as_in_good_light(seed: int) -> None:
    light, ratios = Light(0.0, auto=True), []
    for well, dark, matte in well_lit_and_dark(seed, 12, "slow"):
        shown = composite(dark, BACKGROUND, matte, curve=light.curve(dark, matte))
        ratios.append(face_luma(shown.planes[0], matte.alpha) / face_luma(well.y, matte.alpha))
    assert np.abs(np.array(ratios) - 1).max() < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_light_is_steady_in_steady_light(seed: int) -> None:
    light, lumas = Light(0.0, auto=True), []
    for _, dark, matte in well_lit_and_dark(seed, 60):
        shown = composite(dark, BACKGROUND, matte, curve=light.curve(dark, matte))
        lumas.append(float(shown.planes[0][matte.alpha == 255].mean()))
    assert np.abs(np.diff(lumas)).max() < 0.5


def test_bright_face_needs_no_light() -> None:
    frame, matte = plain_person(190)
    assert Light(0.0, auto=True).curve(frame, matte) is None
    assert Light(0.0).curve(*plain_person(40)) is None


def test_manual_level_is_the_minimum_of_automatic_light() -> None:
    bright, dark = plain_person(190), plain_person(50)
    manual = Light(0.3).curve(*bright)
    both = Light(0.3, auto=True)
    assert both.curve(*bright) is manual
    both.reset()
    assert both.curve(*dark) is Light(0.0, auto=True).curve(*dark)


def test_light_follows_slowly_and_without_overshoot() -> None:
    shown = strengths(Light(0.0, auto=True), [110] * 30 + [60] * 240)
    assert max(shown[:30]) - min(shown[:30]) == 0
    after = np.array(shown[30:])
    assert (np.diff(after) >= 0).all()
    assert np.diff(after).max() <= 2
    target = strengths(Light(0.0, auto=True), [60])[0]
    assert after[0] < after[30] < target - 5
    assert abs(after[-1] - target) <= 2


def test_small_changes_are_not_followed() -> None:
    lumas = [70 + number % 3 for number in range(90)]
    light = Light(0.0, auto=True)
    curves = [light.curve(*plain_person(luma, number)) for number, luma in enumerate(lumas)]
    assert all(curve is curves[0] for curve in curves)


def test_frame_rate_does_not_matter() -> None:
    seconds = [110] * 1 + [60] * 3
    slow, fast = (strengths(Light(0.0, auto=True), [luma for luma in seconds for _ in range(rate)], rate) for rate in (15, 60))
    assert np.abs(np.array(slow[20:]) - np.array(fast[80::4])).max() <= 2


def test_reset_and_gap_jump_to_what_the_face_needs() -> None:
    target = strengths(Light(0.0, auto=True), [60])[0]
    light = Light(0.0, auto=True)
    before = strengths(light, [120] * 10)
    light.reset()
    assert strengths(light, [60])[0] == target
    assert before[-1] < target + 60
    late = plain_person(110, number=300)
    assert light.curve(*late) is Light(0.0, auto=True).curve(*late)


def test_light_waits_for_an_absent_person() -> None:
    light = Light(0.0, auto=True)
    first = light.curve(*plain_person(60))
    frame, matte = plain_person(200, number=1)
    assert light.curve(frame, Matte(np.zeros_like(matte.alpha), frame.time, frame.time)) is first
    assert light.curve(*plain_person(60, number=2)) is first


def test_lit_effect_resets_its_light() -> None:
    effect = LitEffect(lambda frame, matte, curve: composite(frame, BACKGROUND, matte, curve=curve), Light(0.0, auto=True))
    dark, bright = plain_person(60), plain_person(110, number=1)
    shown = effect(*dark)
    assert shown.planes[0][100, 160] > 100
    effect(*bright)
    effect.reset()
    assert (effect(*bright).data == LitEffect(effect.make, Light(0.0, auto=True))(*bright).data).all()


@pytest.mark.parametrize("level", [-0.1, 1.1])
def test_invalid_level_is_rejected(level: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        Light(level)
