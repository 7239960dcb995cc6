"""Cut-outs, compositing, chroma key, actors and procedural material."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.synthetic import (
    Actor,
    Cutout,
    Pose,
    blob_person,
    cut_green,
    over,
    place,
    procedural_room,
    similarity,
    standing,
)
from tests.support.synthetic_people import SIZE, centroid, recolored, uniform_picture


def test_cutout_requires_rgb_and_alpha_of_same_size() -> None:
    with pytest.raises(ValueError, match=r"needs uint8 RGB \(h, w, 3\).*\(4, 5, 3\).*\(4, 6\)"):
        Cutout(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6), np.uint8))


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_composite_is_alpha_weighted_mean(seed: int, layers: int) -> None:
    draw = np.random.default_rng(seed)
    picture = draw.integers(0, 256, (9, 7, 3), np.uint8)
    cutouts = [Cutout(draw.integers(0, 256, (9, 7, 3), np.uint8), draw.integers(0, 256, (9, 7), np.uint8)) for _ in range(layers)]
    expected, clear = picture.astype(float), np.ones((9, 7))
    for cutout in cutouts:
        alpha = cutout.alpha / 255
        expected = alpha[..., None] * cutout.rgb + (1 - alpha[..., None]) * expected
        clear *= 1 - alpha
    before = picture.copy()
    rgb, union = over(picture, *cutouts)
    assert np.abs(rgb - expected).max() <= 0.5 * layers
    assert np.abs(union - 255 * (1 - clear)).max() <= 0.5 * layers
    assert np.array_equal(picture, before)


def test_last_layer_is_on_top() -> None:
    full = np.full((2, 2), 255, np.uint8)
    red, blue = (Cutout(uniform_picture(color, (2, 2)), full) for color in ((255, 0, 0), (0, 0, 255)))
    assert over(uniform_picture((9, 9, 9), (2, 2)), red, blue)[0].tolist() == uniform_picture((0, 0, 255), (2, 2)).tolist()


def test_layer_of_other_size_is_rejected() -> None:
    with pytest.raises(ValueError, match="must have the picture's size"):
        over(uniform_picture((0, 0, 0), SIZE), blob_person(0))


def test_integer_translation_is_exact() -> None:
    person = blob_person(3)
    moved = place(person, similarity(1, 0, (0, 0), (5, -3)), (150, 140))
    assert np.array_equal(moved.alpha[:, 5:], person.alpha[3:143, :145])
    solid = moved.alpha == 255
    assert np.array_equal(moved.rgb[solid], np.roll(person.rgb, (-3, 5), (0, 1))[:140, :150][solid])
    assert moved.alpha[:, :5].max() == 0


@given(st.floats(0.2, 1.6), st.floats(-60, 60), st.floats(60, 200), st.floats(50, 120))
def test_placed_cutout_has_right_center_and_area(scale: float, degrees: float, x: float, y: float) -> None:
    alpha = np.zeros((60, 80), np.uint8)
    alpha[22:43, 30:53] = 255  # its center is (41, 32)
    placed = place(
        Cutout(uniform_picture((10, 20, 30), (80, 60)), alpha), similarity(scale, degrees, (41, 32), (x, y)), (260, 180)
    )
    assert centroid(placed.alpha) == pytest.approx([x, y], abs=0.1)
    assert placed.alpha.sum() / 255 == pytest.approx(21 * 23 * scale**2, rel=0.05)


@pytest.mark.parametrize("scale", [0.13, 0.37, 0.8, 1.7])
def test_edge_has_no_hidden_colors(scale: float) -> None:
    placed = place(recolored(blob_person(4), (200, 150, 100)), similarity(scale, 20, (144, 160), (128, 72)), SIZE)
    share = placed.alpha / 255
    assert ((share > 0.1) & (share < 0.8)).sum() > 10
    assert (np.abs(placed.rgb - np.array([200.0, 150, 100])) * share[..., None]).max() <= 2


@pytest.mark.parametrize("scale", [0.12, 0.25, 0.3, 0.5])
def test_fine_stripes_shrink_to_their_mean(scale: float) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (200, 100))
    placed = place(Cutout(uniform_picture((255, 255, 255), (200, 200)), stripes), similarity(scale, 0, (0, 0), (0, 0)), (20, 20))
    assert np.abs(placed.alpha[2:-2, 2:-2] - 127.5).max() <= 4


def test_cutout_outside_frame_is_empty() -> None:
    assert place(blob_person(0), similarity(1, 0, (0, 0), (999, 0)), SIZE).alpha.max() == 0


@pytest.mark.parametrize("size", [(256, 144), (144, 256), (200, 200)])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_person_reaches_lower_edge(size: tuple[int, int], share: float) -> None:
    actor = Actor([blob_person(5)], share=share)
    alpha = place(actor.at(0), standing(actor.box, Pose(), size, share), size).alpha
    assert alpha[-1].max() == 255
    assert alpha[: size[1] // 10].max() == 0
    assert alpha[:, [0, -1]].max() < 255


def test_chroma_key_recovers_person() -> None:
    person = blob_person(0)
    person = replace(person, rgb=np.flip(np.sort(person.rgb, axis=2), axis=2))  # red above green: no green on the person
    light = np.linspace(0.7, 1.1, 288)[None, :, None]
    screen = np.rint(uniform_picture((60, 150, 90), (288, 320)) * light).astype(np.uint8)
    keyed = cut_green(over(screen, person)[0])
    assert np.abs(keyed.alpha.astype(float) - person.alpha).mean() < 3
    assert keyed.alpha[:60, :60].max() == 0
    gray = uniform_picture((128, 128, 128), (288, 320))
    again, truth = over(gray, keyed)[0].astype(float), over(gray, person)[0]
    assert np.abs(again - truth).mean() < 2
    assert (again[..., 1] - again[..., [0, 2]].max(axis=2)).max() <= 2


def test_picture_without_green_is_rejected() -> None:
    with pytest.raises(ValueError, match="No green screen found"):
        cut_green(uniform_picture((90, 90, 90), (64, 64)))


def test_actor_plays_back_and_forth() -> None:
    cutouts = [blob_person(seed) for seed in range(3)]
    actor = Actor(cutouts, rate=10)
    played = [next(number for number, cutout in enumerate(cutouts) if cutout is actor.at(step / 10)) for step in range(-1, 8)]
    assert played == [1, 0, 1, 2, 1, 0, 1, 2, 1]


def test_actor_requires_visible_person_of_one_size() -> None:
    person = blob_person(0)
    with pytest.raises(ValueError, match="needs a visible person"):
        Actor([replace(person, alpha=np.zeros_like(person.alpha))])
    with pytest.raises(ValueError, match="one size"):
        Actor([person, Cutout(person.rgb[1:], person.alpha[1:])])
    with pytest.raises(ValueError, match="one size"):
        Actor([])
    with pytest.raises(ValueError, match="a share in 0"):
        Actor([person], share=1.5)


def test_procedural_material_is_deterministic() -> None:
    assert procedural_room(1, (96, 54)).shape == (54, 96, 3)
    assert np.array_equal(procedural_room(1, SIZE), procedural_room(1, SIZE))
    assert not np.array_equal(procedural_room(1, SIZE), procedural_room(2, SIZE))
    person = blob_person(6)
    assert np.array_equal(person.alpha, blob_person(6).alpha)
    assert not np.array_equal(person.alpha, blob_person(7).alpha)
    assert person.alpha[-1].max() == 255
    assert person.alpha[0].max() == 0
    assert ((person.alpha > 20) & (person.alpha < 235)).mean() > 0.02
