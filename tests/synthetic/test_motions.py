"""Motions of synthetic people: distance, speed and exact alpha."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.synthetic import MOTIONS, Actor, Moment, blob_person, clip, procedural_room
from tests.support.synthetic_people import SIZE, centroid, recolored, uniform_picture

WIDE = (512, 288)
EVERY_MOTION = pytest.mark.parametrize("name", MOTIONS)


def render(name: str, size: tuple[int, int] = SIZE, frames: int = 20, rate: float = 30, seed: int = 0) -> list[Moment]:
    return list(
        clip(MOTIONS[name], [Actor([blob_person(1)])], procedural_room(2, size), size, frames=frames, rate=rate, seed=seed)
    )


def speeds(moments: list[Moment]) -> NDArray[np.float64]:
    """Returns the horizontal movement of the centroid between frames, in pixels."""
    places = np.array([centroid(moment.alpha)[0] for moment in moments])
    return np.asarray(np.abs(places[1:] - places[:-1]), np.float64)


@EVERY_MOTION
def test_same_seed_gives_same_bytes(name: str) -> None:
    once, again, other = (render(name, frames=6, seed=seed) for seed in (7, 7, 8))
    for first, second in zip(once, again, strict=True):
        assert first.time == second.time
        assert np.array_equal(first.rgb, second.rgb)
        assert np.array_equal(first.alpha, second.alpha)
    assert any(not np.array_equal(first.alpha, second.alpha) for first, second in zip(once, other, strict=True))


@EVERY_MOTION
def test_alpha_is_share_of_person_in_every_pixel(name: str) -> None:
    """White people in a black room equal their alpha, with or without motion blur."""
    white = Actor([recolored(blob_person(1), (255, 255, 255))])
    for moment in clip(MOTIONS[name], [white], uniform_picture((0, 0, 0), SIZE), SIZE, frames=40, seed=3):
        if name != "blink":
            assert np.abs(moment.rgb.astype(int) - moment.alpha[..., None]).max() <= 1
        assert moment.alpha.shape == (144, 256)


@EVERY_MOTION
def test_room_border_is_never_visible(name: str) -> None:
    room = uniform_picture((200, 200, 200), WIDE)
    for edge in (room[:4], room[-4:], room[:, :4], room[:, -4:]):
        edge[:] = (255, 0, 0)
    for moment in clip(replace(MOTIONS[name], exposure=0), [], room, SIZE, frames=40, rate=10, seed=1):
        assert moment.alpha.max() == 0
        assert np.ptp(moment.rgb.reshape(-1, 3), axis=0).max() == 0
        assert moment.rgb.min() > 50


@EVERY_MOTION
def test_people_touch_lower_edge_and_keep_heads(name: str) -> None:
    for moment in render(name, frames=30, rate=30 if name == "in_out" else 5):
        if name != "in_out":
            assert moment.alpha[0].max() == 0
            rows = moment.alpha.sum(axis=1, dtype=float)
            assert rows[-1] >= 0.9 * rows.max()
        if moment.alpha.max():
            assert moment.alpha[-1].max() == 255


@pytest.mark.parametrize(("size", "rate", "pixels"), [(WIDE, 30, 12.0), (SIZE, 30, 6.0), (SIZE, 60, 3.0)])
def test_fast_motion_is_12_pixels_per_frame_at_512(size: tuple[int, int], rate: float, pixels: float) -> None:
    assert np.median(speeds(render("fast", size, 24, rate))) == pytest.approx(pixels, abs=0.05)


def test_fast_motion_has_motion_blur() -> None:
    fast, actors, room = MOTIONS["fast"], [Actor([blob_person(1)])], procedural_room(2, WIDE)
    assert fast.exposure == pytest.approx(1 / 60)
    blurred = next(clip(fast, actors, room, WIDE, frames=1, start=1.0))
    sharp = [
        next(clip(replace(fast, exposure=0), actors, room, WIDE, frames=1, start=1.0 + offset / 6 / 60))
        for offset in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)  # in pixels: six during an exposure of half a frame
    ]
    assert np.abs(blurred.alpha - np.mean([moment.alpha for moment in sharp], axis=0)).max() <= 1
    assert np.abs(blurred.rgb - np.mean([moment.rgb for moment in sharp], axis=0)).max() <= 1
    assert np.abs(blurred.alpha.astype(float) - sharp[2].alpha).max() > 50


def test_slow_motion_is_1_or_2_pixels_per_frame_at_512() -> None:
    steps = speeds(render("slow", WIDE, 150))
    assert 0.8 < steps.mean() < 2
    assert steps.max() < 3


def test_still_clip_does_not_move() -> None:
    moments = render("still", frames=5)
    assert all(np.array_equal(moment.rgb, moments[0].rgb) for moment in moments)


def test_shake_moves_person_and_room_together() -> None:
    shaken = render("shake", WIDE, 30)
    empty = list(clip(MOTIONS["shake"], [], procedural_room(2, WIDE), WIDE, frames=30))
    first = cv2.cvtColor(empty[0].rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    window = cv2.createHanningWindow(WIDE, cv2.CV_32F)
    shifts = []
    for person, room in zip(shaken[1:], empty[1:], strict=True):
        gray = cv2.cvtColor(room.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
        room_shift = cv2.phaseCorrelate(first, gray, window)[0]
        shifts.append((centroid(person.alpha)[0] - centroid(shaken[0].alpha)[0], room_shift[0]))
    assert max(abs(shift[1]) for shift in shifts) > 3
    assert all(abs(shift[0] - shift[1]) < 1.5 for shift in shifts)


def test_in_out_leaves_and_returns() -> None:
    shares = [float(moment.alpha.mean()) / 255 for moment in render("in_out", frames=51, rate=10)]
    assert shares[0] > 0.1
    assert shares[50] == pytest.approx(shares[0])
    away = [share == 0 for share in shares]
    assert sum(away) >= 5
    assert [is_away for is_away, _ in itertools.groupby(away)] == [False, True, False]


def test_two_people_cross() -> None:
    red, blue = (Actor([recolored(blob_person(seed), color)]) for seed, color in ((1, (255, 0, 0)), (2, (0, 0, 255))))
    sides, areas = set(), []
    for moment in clip(MOTIONS["two"], [red, blue], uniform_picture((0, 0, 0), SIZE), SIZE, frames=40, rate=10):
        sides.add(np.sign(centroid(moment.rgb[..., 0])[0] - centroid(moment.rgb[..., 2])[0]))
        areas.append(float(moment.alpha.mean()))
    assert {-1, 1} <= sides
    assert min(areas) < 0.75 * max(areas)


def test_blink_changes_light_but_not_alpha() -> None:
    blinking, slow = render("blink", frames=60), render("slow", frames=60)
    light = np.array(
        [moment.rgb.mean(axis=(0, 1)) / calm.rgb.mean(axis=(0, 1)) for moment, calm in zip(blinking, slow, strict=True)]
    )
    assert all(np.array_equal(moment.alpha, calm.alpha) for moment, calm in zip(blinking, slow, strict=True))
    changes = np.abs(light[2:] - light[:-2]).mean(axis=1)
    assert changes.max() > 0.3
    assert np.median(changes) < 0.01
    assert np.ptp(light[:, 0] / light[:, 2]) > 0.15


@EVERY_MOTION
def test_times_increase_evenly_except_for_vfr(name: str) -> None:
    steps = np.diff([moment.time for moment in render(name, frames=30)])
    assert steps.min() > 0.005
    if name == "vfr":
        assert np.std(np.sort(steps)[:-1]) > 0.2 / 30
        assert steps.max() > 0.4
    else:
        assert steps == pytest.approx(np.full(29, 1 / 30))


def test_clip_can_start_later() -> None:
    actors, room = [Actor([blob_person(1)])], procedural_room(2, SIZE)
    later = next(clip(MOTIONS["slow"], actors, room, SIZE, frames=1, seed=4, start=1.0))
    long = list(clip(MOTIONS["slow"], actors, room, SIZE, frames=31, seed=4))
    assert later.time == long[30].time == 1.0
    assert np.array_equal(later.rgb, long[30].rgb)
    assert not np.array_equal(later.rgb, long[0].rgb)
