"""No-reference metrics: temporal stability from the alpha and its picture only."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.metrics.no_reference import NoReferenceScore
from livebg.metrics.statistics import Score
from tests.support.moving_person import HEIGHT, WIDTH, picture, true_alpha

ROOM = picture(0, still=True)
PIXELS = WIDTH * HEIGHT


def block(value: float, background: float = 0.0) -> Alpha:
    """An alpha with 400 pixels of one value."""
    alpha = np.full((HEIGHT, WIDTH), background, np.float32)
    alpha[20:40, 30:50] = value
    return alpha


def score_of(alphas: list[Alpha], pictures: list[NDArray[np.uint8]] | None = None) -> Score:
    score = NoReferenceScore()
    for number, alpha in enumerate(alphas):
        score.add(ROOM if pictures is None else pictures[number], alpha, number / 30)
    return score.result()


class TestStillPicture:
    def test_constant_alpha_scores_zero(self) -> None:
        score = score_of([block(1)] * 4)
        assert [score.values[name][-1] for name in ("warp_error", "still_change", "flips", "dropouts")] == [0, 0, 0, 0]

    def test_first_frames_have_no_change(self) -> None:
        score = score_of([block(1)] * 3)
        assert np.isnan(score.values["still_change"]).tolist() == [True, False, False]
        assert np.isnan(score.values["flips"]).tolist() == [True, True, False]

    def test_change_in_still_area_is_measured(self) -> None:
        score = score_of([block(1), block(0.5)])
        assert score.values["still_change"][1] == pytest.approx(400 * 0.5 / PIXELS * 1e3)
        assert score.values["warp_error"][1] == pytest.approx(400 * 0.5 / PIXELS * 1e3, rel=0.01)

    def test_change_and_return_is_a_flip(self) -> None:
        score = score_of([block(1), block(0), block(1)])
        assert score.values["flips"][2] == pytest.approx(400 / PIXELS * 1e3)

    @pytest.mark.parametrize(
        ("first", "second", "third"),
        [(1, 0, 0), (0, 0.5, 1), (1, 0.85, 1), (1, 0.5, 0.75)],
        ids=["stays", "goes on", "too little", "comes half back"],
    )
    def test_other_changes_are_not_flips(self, first: float, second: float, third: float) -> None:
        assert score_of([block(first), block(second), block(third)]).values["flips"][2] == 0

    def test_camera_noise_counts_as_still(self) -> None:
        noisy = [picture(number, still=True, noise=4) for number in range(3)]
        score = score_of([block(1), block(0), block(1)], noisy)
        assert score.values["still_change"][1] == pytest.approx(400 / PIXELS * 1e3, rel=0.2)
        assert score.values["flips"][2] > 0


class TestMovingPicture:
    def moved(self, by: int) -> NDArray[np.uint8]:
        wide = cv2.resize(np.random.default_rng(5).integers(0, 256, (24, 60), np.uint8), (240, HEIGHT))
        return np.ascontiguousarray(wide[:, 40 - by : 40 - by + WIDTH])

    def stripe(self, by: int) -> Alpha:
        alpha = np.zeros((HEIGHT, WIDTH), np.float32)
        alpha[:, 60 + by : 100 + by] = 1
        return alpha

    def test_alpha_that_follows_motion_has_low_warp_error(self) -> None:
        pictures = [self.moved(0), self.moved(3)]
        along = score_of([self.stripe(0), self.stripe(3)], pictures).values["warp_error"][1]
        behind = score_of([self.stripe(0), self.stripe(0)], pictures).values["warp_error"][1]
        assert behind == pytest.approx(2 * 3 / WIDTH * 1e3, rel=0.15)
        assert along < behind / 10

    def test_moving_area_is_not_still(self) -> None:
        score = score_of([self.stripe(0), self.stripe(3)], [self.moved(0), self.moved(3)])
        assert math.isnan(score.values["still_change"][1])

    def test_only_still_areas_count(self) -> None:
        pictures = [ROOM.copy(), ROOM.copy(), ROOM.copy()]
        pictures[1][:, : WIDTH // 2] = 255 - ROOM[:, : WIDTH // 2]
        score = score_of([block(1), block(0), block(1)], pictures)
        assert score.values["still_change"][1] == 0
        assert score.values["flips"][2] == 0

    def test_flip_requires_still_picture_in_both_frames(self) -> None:
        score = score_of([block(1), block(0), block(1)], [255 - ROOM, ROOM, ROOM])
        assert score.values["flips"].tolist() == pytest.approx([math.nan] * 3, nan_ok=True)
        half = ROOM.copy()
        half[:, : WIDTH // 2] = 255 - half[:, : WIDTH // 2]
        assert score_of([block(1), block(0), block(1)], [half, ROOM, ROOM]).values["flips"][2] == 0

    def test_uncovered_area_is_ignored(self) -> None:
        pictures, alphas = [], []
        for left in (40, 50):
            alpha = np.zeros((HEIGHT, WIDTH), np.float32)
            alpha[20:70, left : left + 40] = 1
            seen = ROOM.copy()
            seen[20:70, left : left + 40] = self.moved(0)[:50, :40]
            pictures.append(seen)
            alphas.append(alpha)
        # Of 65 thousandths that change, all but thin seams are explained or excluded.
        assert score_of(alphas, pictures).values["warp_error"][1] < 6

    def test_cut_has_no_warp_error(self) -> None:
        rng = np.random.default_rng(9)
        pictures = [rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8) for _ in range(2)]
        assert math.isnan(score_of([block(1)] * 2, pictures).values["warp_error"][1])

    def test_edge_lag_is_included(self) -> None:
        score = NoReferenceScore()
        for number in range(50):
            score.add(picture(number), true_alpha(number - 2), number / 30)
        lag = score.result().summaries["edge_lag"]
        assert lag is not None
        assert lag.mean == pytest.approx(2, abs=0.12)


class TestDropouts:
    def share(self, areas: Sequence[float], rate: float = 30) -> float:
        score = NoReferenceScore()
        for number, area in enumerate(areas):
            alpha = np.zeros((20, 100), np.float32)
            alpha[:, : round(area)] = 1
            score.add(np.zeros((20, 100), np.uint8), alpha, number / rate)
        found = score.result().summaries["dropouts"]
        assert found is not None
        return found.mean

    def test_two_dropouts_in_twenty_frames_are_ten_percent(self) -> None:
        assert self.share([50] * 8 + [30] * 2 + [49] * 10) == pytest.approx(10)

    @pytest.mark.parametrize(
        "areas",
        [
            [50] * 10 + [42] * 2 + [50] * 8,
            [50] * 10 + [0] * 10,
            [50] * 10 + [20] * 2 + [42] * 8,
            [50 - number for number in range(20)],
            [0] * 10 + [50] * 10,
        ],
        ids=["too little", "gone for good", "comes back smaller", "slowly", "a person comes"],
    )
    def test_other_changes_are_not_dropouts(self, areas: list[float]) -> None:
        assert self.share(areas) == 0

    def test_dropout_length_is_measured_in_seconds(self) -> None:
        areas = [50.0] * 6 + [20] * 10 + [50] * 4
        assert self.share(areas, rate=30) == pytest.approx(50)
        assert self.share(areas, rate=15) == 0


class TestInput:
    def test_rgb_and_uint8_are_accepted(self) -> None:
        gray, color = NoReferenceScore(), NoReferenceScore()
        for number, value in enumerate((255, 0, 255)):
            alpha = np.asarray(block(1) * value, np.uint8)
            gray.add(ROOM, block(value / 255), number)
            found = color.add(np.dstack([ROOM] * 3), alpha, number)
        assert color.result().facts() == gray.result().facts()
        assert found["flips"] == pytest.approx(400 / PIXELS * 1e3)

    def test_score_does_not_depend_on_picture_size(self) -> None:
        small, large = NoReferenceScore(), NoReferenceScore()
        for number in range(2):
            seen = np.asarray(cv2.resize(ROOM, (512, 300)), np.uint8)
            alpha = np.asarray(cv2.resize(block(number), (512, 300)), np.float32)
            small.add(seen, alpha, number)
            large.add(seen.repeat(2, 0).repeat(2, 1), alpha.repeat(2, 0).repeat(2, 1), number)
        assert large.result().values["still_change"][1] == pytest.approx(small.result().values["still_change"][1], rel=1e-5)

    def test_callers_arrays_can_be_reused(self) -> None:
        score, alpha = NoReferenceScore(), block(1)
        score.add(ROOM, alpha, 0)
        alpha[:] = 0
        assert score.add(ROOM, alpha, 1)["still_change"] == pytest.approx(400 / PIXELS * 1e3)

    def test_empty_score_is_null(self) -> None:
        assert set(NoReferenceScore().result().facts().values()) == {None}

    def test_mismatched_input_is_rejected(self) -> None:
        score = NoReferenceScore()
        with pytest.raises(ValueError, match="its alpha"):
            score.add(ROOM, block(1)[1:], 0)
        with pytest.raises(ValueError, match="A picture must be uint8"):
            score.add(np.dstack([ROOM, ROOM]), block(1), 0)
        score.add(ROOM, block(1), 1)
        with pytest.raises(ValueError, match="Time must increase"):
            score.add(ROOM, block(1), 1)
        with pytest.raises(ValueError, match="must not change"):
            score.add(ROOM[:50], block(1)[:50], 2)
