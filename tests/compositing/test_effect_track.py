"""The track of framing and light: the same path as frame by frame, continuous, in any order, and stored exactly."""

import json
import math
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from livebg.compositing.auto_framing import FramingState, PersonBox, visible_window
from livebg.compositing.effect_track import Sample, Track
from livebg.compositing.light import LightState

TICKS = Fraction(1, 600)
COLUMNS, ROWS = 160, 90
Scene = Callable[[float], tuple[float, float, float] | None]
"""From a time to a person: the middle and the top, in shares of the frame, and the light that the face needs; or nobody."""


def box(x: float, top: float) -> PersonBox:
    """A person of a fifth of the frame's width."""
    left = round((x - 0.1) * COLUMNS)
    return PersonBox(left, left + COLUMNS // 5, round(top * ROWS), ROWS, COLUMNS, ROWS)


def sample(pts: int, seen: tuple[float, float, float] | None) -> Sample:
    return Sample.of(pts, *(None, None) if seen is None else (box(*seen[:2]), seen[2]))


def track_of(scene: Scene, seconds: float, rate: int = 5, zoom: float = 2.0) -> Track:
    step = 600 // rate
    return Track(TICKS, zoom, tuple(sample(pts, scene(pts / 600)) for pts in range(0, round(seconds * 600) + 1, step)))


def places_of(track: Track, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Windows and strengths, shape (times, 4)."""
    windows = [track.window(time) for time in times]
    return np.array([(each.x, each.y, each.size, track.strength(time)) for each, time in zip(windows, times, strict=True)])


def frame_by_frame(scene: Scene, times: NDArray[np.float64], zoom: float = 2.0) -> NDArray[np.float64]:
    """The same as the live path has them when it measures each frame."""
    framing, light, found = FramingState(), LightState(), []
    for time in times:
        seen = scene(time)
        framing = framing.advance(box(*seen[:2]).ideal(zoom) if seen else None, time)
        if not light.is_due(time):
            light = light.move(time)
        elif seen:
            light = light.advance(time, seen[2])
        window = visible_window(framing.position, zoom)
        found.append((window.x, window.y, window.size, light.strength))
    return np.array(found)


def walks(time: float) -> tuple[float, float, float]:
    """Sits, walks across the room, and sways there; the room turns dark meanwhile."""
    x = 0.3 + 0.4 * np.clip((time - 2) / 1.5, 0, 1) + 0.02 * math.sin(3 * time) * (time > 4)
    return float(x), 0.4, float(np.clip(0.2 + 0.1 * (time - 2), 0.2, 0.6))


def leaves(time: float) -> tuple[float, float, float] | None:
    return None if 2 < time < 5 else (0.3 if time < 4 else 0.6, 0.5, 0.3)


def jumps(time: float) -> tuple[float, float, float]:
    """A cut every two seconds."""
    return (0.3, 0.3, 0.1) if int(time) // 2 % 2 else (0.65, 0.5, 0.5)


SCENES = {"walks": walks, "leaves": leaves, "jumps": jumps, "still": lambda _time: (0.5, 0.4, 0.3), "empty": lambda _time: None}
SIXTY = np.arange(0, 9, 1 / 60)


@pytest.mark.parametrize(("name", "window", "strength"), [("walks", 0.02, 0.01), ("leaves", 0.06, 0.03), ("jumps", 0.08, 0.03)])
def test_path_is_that_of_measuring_every_frame(name: str, window: float, strength: float) -> None:
    difference = np.abs(places_of(track_of(SCENES[name], 9), SIXTY) - frame_by_frame(SCENES[name], SIXTY))
    assert difference[:, :3].max() < window
    assert difference[:, 3].max() < strength
    assert difference.mean() < 0.01


@pytest.mark.parametrize("name", SCENES)
def test_speed_and_acceleration_change_no_more_than_frame_by_frame(name: str) -> None:
    track, live = places_of(track_of(SCENES[name], 9), SIXTY), frame_by_frame(SCENES[name], SIXTY)
    for order in (1, 2, 3):
        allowed = np.abs(np.diff(live[:, :3], order, axis=0)).max(axis=0)
        assert (np.abs(np.diff(track[:, :3], order, axis=0)).max(axis=0) <= 1.1 * allowed + 1e-9).all(), order
    allowed = np.abs(np.diff(live[:, 3])).max()
    assert np.abs(np.diff(track[:, 3])).max() <= 1.1 * allowed + 1e-9


def test_motion_is_as_even_at_the_samples_as_in_between() -> None:
    """While a walk is followed, the acceleration changes at a sample by no more than at any other step of the path."""
    fine = 300
    times = np.arange(2.5 * fine, 3.5 * fine) / fine
    acceleration = np.diff(places_of(track_of(walks, 9), times)[:, 0], 2) * fine**2
    changes = np.abs(np.diff(acceleration))
    at_sample = np.abs((times[1:-2] * 5 + 0.5) % 1 - 0.5) < 0.02
    assert 4 <= at_sample.sum() <= 15
    assert changes[at_sample].max() <= 1.05 * changes[~at_sample].max()
    live = frame_by_frame(walks, SIXTY)[:, 0]
    assert changes.max() < np.abs(np.diff(live, 3)).max() * 60**2


def test_steps_of_the_path_are_reached_exactly() -> None:
    """A frame at a sample has the state after it, as frame by frame."""
    times = np.arange(0, 9.01, 1 / 30)
    scene = SCENES["still"]
    assert np.abs(places_of(track_of(scene, 9), times) - frame_by_frame(scene, times)).max() < 1e-3


def test_window_waits_for_a_person_who_enters_late() -> None:
    track = track_of(lambda time: (0.3, 0.4, 0.5) if time >= 3 else None, 9)
    assert all(track.window(time).is_full_frame for time in np.arange(0, 2.8, 0.1))
    assert all(track.strength(time) == 0 for time in np.arange(0, 2.8, 0.1))
    assert track.window(8).x == pytest.approx(box(0.3, 0.4).ideal(2.0)[0], abs=0.01)
    assert track.strength(3.0) == pytest.approx(0.5, abs=1e-3)


def test_gap_between_samples_jumps_as_live() -> None:
    samples = (*(sample(120 * number, (0.3, 0.4, 0.1)) for number in range(5)), sample(1800, (0.65, 0.4, 0.6)))
    track = Track(TICKS, 2.0, samples)
    assert track.window(0.8) == track.window(2.9)
    assert track.window(3.0).x == pytest.approx(0.65, abs=0.01)
    assert [track.strength(2.9), track.strength(3.0)] == pytest.approx([0.1, 0.6], abs=1e-3)


def test_times_outside_of_the_samples_continue_the_path() -> None:
    track = track_of(walks, 3)
    assert track.window(-1) == track.window(0)
    assert track.strength(-1) == track.strength(0)
    after = [track.window(3 + number / 60).x for number in range(30)]
    assert 0 < after[-1] - after[0] < 0.2
    assert np.abs(np.diff(after, 2)).max() < 1e-3


def test_one_sample_and_none() -> None:
    one = Track(TICKS, 2.0, (sample(7, (0.3, 0.4, 0.5)),))
    assert one.window(0) == one.window(7 / 600) == one.window(9)
    assert one.strength(7 / 600) == pytest.approx(0.5, abs=1e-3)
    nothing = Track(TICKS, 2.0, ())
    assert nothing.window(1).is_full_frame
    assert nothing.strength(1) == 0


people = st.none() | st.tuples(st.floats(0.1, 0.9), st.floats(0, 0.95), st.floats(0, 1))


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    """Any people, at any distances: up to 1.5 s, some at the limits."""
    steps = draw(st.lists(st.tuples(st.integers(1, 900) | st.just(120), people), max_size=60))
    pts, samples = draw(st.integers(-1000, 1000)), []
    for step, seen in steps:
        pts += step
        samples.append(sample(pts, seen))
    return Track(TICKS, draw(st.floats(1, 3)), tuple(samples))


def places(track: Track) -> NDArray[np.float64]:
    """Times in and around a track."""
    ends = [float(each.pts * TICKS) for each in track.samples[:1] + track.samples[-1:]] or [0.0]
    return np.linspace(ends[0] - 0.1, ends[-1] + 0.1, 80)


@settings(deadline=None, max_examples=25)
@given(tracks())
def test_window_stays_within_the_frame(track: Track) -> None:
    for x, y, size, strength in places_of(track, places(track)):
        assert 1 / track.zoom - 1e-9 <= size <= 1
        assert size / 2 - 1e-9 <= min(x, y) <= max(x, y) <= 1 - size / 2 + 1e-9
        assert 0 <= strength <= 1


@settings(deadline=None, max_examples=25)
@given(tracks(), st.randoms(use_true_random=False))
def test_order_does_not_matter(track: Track, chance: random.Random) -> None:
    times = list(places(track))
    expected = dict(zip(times, places_of(track, np.array(times)).tolist(), strict=True))
    chance.shuffle(times)
    fresh = replace(track)
    assert {time: [*places_of(fresh, np.array([time]))[0]] for time in times} == expected


@settings(deadline=None, max_examples=25)
@given(tracks(), st.floats(0, 1), st.floats(0, 1))
def test_part_has_the_same_path(track: Track, one: float, other: float) -> None:
    times = places(track)
    begin, end = (times[0] + share * (times[-1] - times[0]) for share in sorted((one, other)))
    part = pickle.loads(pickle.dumps(track.part(begin, end)))
    inside = times[(times >= begin) & (times <= end)]
    inside = np.array([begin, *inside, end])
    assert (places_of(part, inside) == places_of(track, inside)).all()
    assert len(part.samples) <= len([each for each in track.samples if begin <= each.pts * TICKS <= end]) + 2


@settings(deadline=None, max_examples=50)
@given(tracks())
def test_round_trip_is_exact(track: Track) -> None:
    for each in (track, track.part(0.2, 0.8)):
        text = json.dumps(each.to_json())
        assert Track.from_json(json.loads(text)) == each
        assert json.dumps(Track.from_json(json.loads(text)).to_json()) == text
        assert pickle.loads(pickle.dumps(each)) == each


def test_half_an_hour_is_compact() -> None:
    chance = np.random.default_rng(3)
    seen = zip(*(chance.uniform(least, most, 9_000) for least, most in ((0.3, 0.7), (0.2, 0.6), (0.0, 1.0))), strict=True)
    track = Track(TICKS, 1.5, tuple(sample(120 * number, each) for number, each in enumerate(seen)))
    assert len(json.dumps(track.to_json(), separators=(",", ":"))) < 250_000
    assert len(pickle.dumps(track.part(1000, 1010))) < 5_000


def test_pickle_leaves_the_computed_path_out() -> None:
    track = track_of(walks, 9)
    before = pickle.dumps(track)
    track.window(5)
    assert pickle.dumps(track) == before


@pytest.mark.parametrize(
    "values", [None, [], {}, {"samples": 3}, {"time_base": "1/0", "zoom": 1.0, "grid": None, "samples": [], "origin": None}]
)
def test_foreign_json_is_refused(values: object) -> None:
    with pytest.raises(ValueError, match="not the values of a track"):
        Track.from_json(values)


def test_invalid_tracks_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Track(TICKS, 0.5, ())
    with pytest.raises(ValueError, match="rise"):
        Track(TICKS, 2.0, (sample(5, None), sample(5, None)))
    with pytest.raises(ValueError, match="one grid"):
        Track(TICKS, 2.0, (sample(5, (0.5, 0.5, 0)), sample(6, None)._replace(person=PersonBox(1, 2, 1, 2, 64, 48))))
