"""Where a video is cut into segments."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.errors import ConfigError
from livebg.rendering.segments import LOOKAHEAD_S, WARMUP_S, Segment, decoded_range, plan_segments
from livebg.sources.packet_index import PacketIndex

MILLISECOND = Fraction(1, 1000)


def index_of(
    pts: list[int], key_frames: list[int], time_base: Fraction = MILLISECOND, origin: Fraction = Fraction(0), exact: bool = True
) -> PacketIndex:
    return PacketIndex(time_base, np.array(pts, np.int64), np.array(key_frames, np.int64), origin, pts[0], exact)


def begins(segments: list[Segment]) -> list[int]:
    return [segment.begin for segment in segments[1:]]


@st.composite
def indexes(draw: st.DrawFn) -> PacketIndex:
    """Pictures at irregular times, some of them seconds apart, up to a minute."""
    steps = draw(st.lists(st.one_of(st.integers(1, 90), st.integers(1, 9000)), min_size=1, max_size=80))
    time_base = draw(st.sampled_from([MILLISECOND, Fraction(1, 600), Fraction(1001, 30_000)]))
    pts = (np.cumsum(steps) + draw(st.integers(-5000, 90_000))).tolist()
    keys = [pts[0]] + [time for time in pts[1:] if draw(st.integers(0, 4)) == 0]
    return index_of(pts, keys, time_base, pts[0] * time_base)


@given(
    indexes(),
    st.sampled_from([0.5, 2.0, 10.0]),
    st.one_of(st.none(), st.floats(0, 20)),
    st.one_of(st.none(), st.floats(20.1, 60)),
)
def test_segments_partition_the_range(index: PacketIndex, length: float, start: float | None, end: float | None) -> None:
    segments = plan_segments(index, start, end, length)
    times = [float(pts * index.time_base - index.origin) for pts in index.pts.tolist()]
    margin = 0.0005
    selected = [
        pts
        for pts, time in zip(index.pts.tolist(), times, strict=True)
        if time >= (start or 0) - margin and (end is None or time < end - margin)
    ]
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert all(before.end == after.begin for before, after in pairwise(segments))
    assert segments[-1].end is None
    counts = [sum(segment.contains(pts) for pts in selected) for segment in segments]
    assert sum(counts) == len(selected)
    assert all(counts) or not selected
    if len(segments) > 1:
        edges = [selected[0], *begins(segments), selected[-1]]
        assert all((after - before) * index.time_base >= Fraction(length) / 5 for before, after in pairwise(edges))


@given(indexes(), st.sampled_from([0.5, 2.0, 10.0]))
def test_boundaries_are_key_frames_near_the_grid_or_the_next_picture(index: PacketIndex, length: float) -> None:
    grid = Fraction(length) / index.time_base
    origin = index.origin / index.time_base
    keys = index.key_frames.tolist()
    for boundary in begins(plan_segments(index, None, None, length)):
        nearest = origin + round((boundary - origin) / grid) * grid
        moved = abs(boundary - nearest) == min(abs(key - nearest) for key in keys) <= grid / 4
        before = max(pts for pts in index.pts.tolist() if pts < boundary)
        passed = origin + (math.floor((before - origin) / grid) + 1) * grid  # the first grid time after the picture before
        assert boundary in keys if moved else passed <= boundary
        assert moved or all(abs(key - passed) > grid / 4 for key in keys)


def test_boundaries_without_key_frames_are_on_the_grid() -> None:
    index = index_of(list(range(0, 35_000, 40)), [0])
    assert begins(plan_segments(index, None, None)) == [10_000, 20_000, 30_000]


def test_boundaries_move_to_the_nearest_key_frame() -> None:
    index = index_of(list(range(0, 35_000, 40)), [0, 8000, 12_400, 17_480, 22_520])
    assert begins(plan_segments(index, None, None)) == [8000, 20_000, 30_000]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(7.9, []), (8.1, [4460]), (12.1, [6660]), (18.1, [9960]), (18.3, [10_000]), (24.0, [10_000, 20_000])],
)
def test_short_file_is_shared_by_two(seconds: float, expected: list[int]) -> None:
    """The first segment is longer, because the second one has a warm-up."""
    index = index_of(list(range(0, round(seconds * 1000), 20)), [0])
    assert begins(plan_segments(index, None, None)) == expected


@given(st.integers(400, 900), st.lists(st.integers(1, 899), max_size=9))
def test_short_file_never_has_three_segments(count: int, key_frames: list[int]) -> None:
    keys = sorted({0, *(20 * number for number in key_frames if number < count)})
    assert len(plan_segments(index_of(list(range(0, 20 * count, 20)), keys), None, None)) <= 2


def test_range_does_not_change_the_grid_of_a_short_file() -> None:
    index = index_of(list(range(0, 12_000, 20)), [0])
    assert begins(plan_segments(index, 3.0, 11.0)) == begins(plan_segments(index, None, None))


def test_grid_starts_with_the_file() -> None:
    index = index_of(list(range(90_000, 125_000, 40)), [90_000], origin=Fraction(90))
    assert begins(plan_segments(index, None, None)) == [100_000, 110_000, 120_000]
    assert begins(plan_segments(index, 7.0, 28.0)) == [100_000, 110_000]


@pytest.mark.parametrize(("seconds", "expected"), [(31.9, [10_000, 20_000]), (32.1, [10_000, 20_000, 30_000])])
def test_short_end_joins_the_segment_before(seconds: float, expected: list[int]) -> None:
    index = index_of(list(range(0, round(seconds * 1000), 20)), [0])
    assert begins(plan_segments(index, None, None)) == expected


def test_first_segment_starts_with_the_range() -> None:
    pts = list(range(500, 35_000, 40))
    index = PacketIndex(MILLISECOND, np.array(pts), np.array([500]), Fraction(0), -120, True)
    assert plan_segments(index, None, None)[0].begin == -120
    assert plan_segments(index, 5.0, None)[0].begin <= 5000
    assert plan_segments(index, 5.0, None)[0].begin > 4900


def test_far_key_frames_are_not_decoded_again_for_each_segment() -> None:
    index = index_of(list(range(0, 300_000, 40)), [0, 200_000])
    assert begins(plan_segments(index, None, None)) == [
        *range(10_000, 70_000, 10_000),
        *range(210_000, 270_000, 10_000),
    ]


def test_inexact_files_are_one_segment() -> None:
    index = index_of(list(range(0, 35_000, 40)), [0], exact=False)
    assert plan_segments(index, None, None) == [Segment(0, -0, None, MILLISECOND)]
    assert len(plan_segments(index, 3.0, 33.0)) == 1


@pytest.mark.parametrize("exact", [True, False])
def test_files_without_pictures_are_one_segment(exact: bool) -> None:
    empty = np.empty(0, np.int64)
    assert len(plan_segments(PacketIndex(MILLISECOND, empty, empty, Fraction(0), 0, exact), None, None)) == 1


def test_invalid_range_fails() -> None:
    with pytest.raises(ConfigError):
        plan_segments(index_of([0], [0]), 2.0, 1.0)


def test_decoded_range_has_warm_up_and_lookahead_within_the_range() -> None:
    first, middle, last = (
        Segment(0, 91_000, 100_000, MILLISECOND),
        Segment(1, 100_000, 110_000, MILLISECOND),
        Segment(2, 110_000, None, MILLISECOND),
    )
    origin = Fraction(90)
    assert decoded_range(first, origin, None, None, filtered=True) == (None, 10.0 + LOOKAHEAD_S)
    assert decoded_range(middle, origin, None, None, filtered=True) == (10.0 - WARMUP_S, 20.0 + LOOKAHEAD_S)
    assert decoded_range(last, origin, None, None, filtered=True) == (20.0 - WARMUP_S, None)
    assert decoded_range(middle, origin, 9.0, 20.2, filtered=True) == (9.0, 20.2)
    assert decoded_range(last, origin, 9.0, 25.0, filtered=True) == (20.0 - WARMUP_S, 25.0)
