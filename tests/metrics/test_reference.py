"""Reference metrics: values calculated by hand, and invariants."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Alpha8
from livebg.metrics.reference import (
    ReferenceScore,
    boundary_f_measure,
    connectivity_error,
    foreground_iou,
    gradient_error,
    mean_absolute_difference,
    mean_squared_error,
    temporal_difference,
)
from tests.support.moving_person import true_alpha

FEW = settings(max_examples=30, deadline=None)
ERRORS = [mean_absolute_difference, mean_squared_error, gradient_error, connectivity_error]
LIKENESSES = [foreground_iou, boundary_f_measure]
ALPHAS = arrays(np.uint8, (9, 12), elements=st.integers(0, 255)).map(lambda alpha: alpha.astype(np.float32) / np.float32(255))


def alpha_of(*rows: str) -> Alpha:
    """One digit per pixel: tenths, # for 1."""
    return np.array([[1 if sign == "#" else int(sign) / 10 for sign in row] for row in rows], np.float32)


class TestPixels:
    def test_mad_is_mean_in_thousandths(self) -> None:
        assert mean_absolute_difference(alpha_of("#0", "05"), alpha_of("00", "0#")) == pytest.approx(375)

    def test_mse_is_mean_square_in_thousandths(self) -> None:
        assert mean_squared_error(alpha_of("#0", "05"), alpha_of("00", "0#")) == pytest.approx(312.5)

    def test_dtssd_is_root_in_hundredths(self) -> None:
        one_of_nine = alpha_of("000", "060", "000")
        nothing = np.zeros((3, 3), np.float32)
        assert temporal_difference(one_of_nine, nothing, nothing, nothing) == pytest.approx(20)

    def test_dtssd_ignores_change_in_reference(self) -> None:
        before, after = alpha_of("00", "##"), alpha_of("##", "##")
        assert temporal_difference(after, before, after, before) == 0

    def test_dtssd_ignores_constant_error(self) -> None:
        before, after = alpha_of("22", "66"), alpha_of("33", "77")
        assert temporal_difference(after + np.float32(0.25), before + np.float32(0.25), after, before) == pytest.approx(
            0, abs=1e-4
        )


class TestForeground:
    def test_iou_of_half_overlap(self) -> None:
        assert foreground_iou(alpha_of("###0"), alpha_of("0###")) == 0.5

    def test_half_alpha_is_foreground(self) -> None:
        assert foreground_iou(alpha_of("5400"), alpha_of("#000")) == 1

    def test_iou_of_empty_masks(self) -> None:
        nobody, somebody = alpha_of("000"), alpha_of("0#0")
        assert foreground_iou(nobody, nobody) == 1
        assert foreground_iou(nobody, somebody) == foreground_iou(somebody, nobody) == 0

    @staticmethod
    def left(columns: int) -> Alpha:
        alpha = np.zeros((100, 100), np.float32)
        alpha[:, :columns] = 1
        return alpha

    @pytest.mark.parametrize(("columns", "found"), [(50, 1), (52, 1), (48, 1), (53, 0), (47, 0)])
    def test_boundary_within_tolerance_is_found(self, columns: int, found: float) -> None:
        assert boundary_f_measure(self.left(columns), self.left(50)) == found

    def test_extra_region_lowers_precision(self) -> None:
        too_much = self.left(50)
        too_much[20:30, 70:80] = 1
        # The outline has 100 pixels, the square's 40: 19 inside at the right and bottom, 21 outside at the left and top.
        precision = 100 / 140
        assert boundary_f_measure(too_much, self.left(50)) == pytest.approx(2 * precision / (precision + 1))
        assert boundary_f_measure(self.left(50), too_much) == pytest.approx(2 * precision / (precision + 1))

    def test_boundary_f_without_outline(self) -> None:
        nobody, everything = np.zeros((100, 100), np.float32), np.ones((100, 100), np.float32)
        assert boundary_f_measure(nobody, nobody) == boundary_f_measure(everything, nobody) == 1
        assert boundary_f_measure(nobody, self.left(50)) == boundary_f_measure(self.left(50), nobody) == 0


class TestGradient:
    def test_gradient_error_ignores_height(self) -> None:
        step = np.zeros((30, 30), np.float32)
        step[:, 15:] = 1
        assert gradient_error(step * np.float32(0.5), step) == pytest.approx(0, abs=1e-9)
        assert gradient_error(np.asarray(cv2.blur(step, (9, 9)), np.float32), step) > 0.1

    def test_gradient_error_ignores_changes_below_8_bit(self) -> None:
        barely = np.zeros((20, 20), np.float32)
        barely[5:9, 5:9] = 0.001
        assert gradient_error(barely, np.zeros_like(barely)) == 0
        assert gradient_error(barely * 10, np.zeros_like(barely)) > 0.1


class TestConnectivity:
    def test_extra_detached_region_counts_fully(self) -> None:
        assert connectivity_error(alpha_of("##00#", "##000"), alpha_of("##000", "##000")) == pytest.approx(0.001)

    def test_missing_connection_counts_once(self) -> None:
        assert connectivity_error(alpha_of("##0##", "##000"), alpha_of("#####", "##000")) == pytest.approx(0.001)

    def test_corners_do_not_connect(self) -> None:
        # If connected, they would differ too little to count; detached, with level 0, each counts fully.
        assert connectivity_error(alpha_of("##0", "##0", "006"), alpha_of("##0", "##0", "007")) == pytest.approx(0.0001)

    def test_small_level_differences_are_ignored(self) -> None:
        assert connectivity_error(alpha_of("##5"), alpha_of("##6")) == 0
        assert connectivity_error(alpha_of("##5"), alpha_of("##7")) == pytest.approx(0.0002)

    def test_connectivity_of_empty_alpha(self) -> None:
        assert connectivity_error(alpha_of("000"), alpha_of("000")) == 0
        assert connectivity_error(alpha_of("010"), alpha_of("000")) == 0
        assert connectivity_error(alpha_of("040"), alpha_of("000")) == pytest.approx(0.0004)


def test_values_match_robust_video_matting_evaluation() -> None:
    """The results of its ``evaluate_lr.py`` for this pair, recorded once."""
    rows, columns = np.mgrid[:24, :32]
    truth = np.clip(255 * (10 - np.hypot(rows - 12, columns - 14)) / 4, 0, 255).astype(np.uint8)
    alpha = np.clip(230 * (9 - np.hypot(rows - 11, columns - 17)) / 3, 0, 255).astype(np.uint8)
    alpha[2:5, 1:6] = 140
    alpha[11, :] //= 2
    found = ReferenceScore().add(alpha, truth)
    assert found["mad"] == pytest.approx(144.30145, rel=1e-5)
    assert found["mse"] == pytest.approx(76.275955, rel=1e-5)
    assert found["grad"] == pytest.approx(0.44365442, rel=1e-5)
    assert found["conn"] == pytest.approx(0.11407648, rel=1e-5)


class TestInvariants:
    @FEW
    @given(ALPHAS)
    def test_reference_itself_has_no_error(self, alpha: Alpha) -> None:
        assert [formula(alpha, alpha) for formula in ERRORS] == [0, 0, 0, 0]
        assert [formula(alpha, alpha) for formula in LIKENESSES] == [1, 1]

    @FEW
    @given(ALPHAS, ALPHAS)
    def test_metrics_are_symmetric(self, alpha: Alpha, truth: Alpha) -> None:
        for formula in [*ERRORS, *LIKENESSES]:
            assert formula(alpha, truth) == pytest.approx(formula(truth, alpha), rel=1e-5, abs=1e-9)

    @FEW
    @given(ALPHAS, ALPHAS)
    def test_half_turn_changes_no_error(self, alpha: Alpha, truth: Alpha) -> None:
        # (Of two equal regions the first in reading order is used, hence no connectivity.)
        for formula in [*ERRORS[:3], foreground_iou]:
            turned = formula(np.ascontiguousarray(alpha[::-1, ::-1]), np.ascontiguousarray(truth[::-1, ::-1]))
            assert turned == pytest.approx(formula(alpha, truth), rel=1e-4, abs=1e-6)

    @FEW
    @given(ALPHAS, ALPHAS)
    def test_halfway_to_reference_halves_difference(self, alpha: Alpha, truth: Alpha) -> None:
        middle = (alpha + truth) * np.float32(0.5)
        mad, mse = mean_absolute_difference(alpha, truth), mean_squared_error(alpha, truth)
        assert mean_absolute_difference(middle, truth) == pytest.approx(mad / 2, abs=1e-3)
        assert mean_squared_error(middle, truth) == pytest.approx(mse / 4, abs=1e-3)

    @FEW
    @given(ALPHAS, ALPHAS)
    def test_similarities_are_between_0_and_1(self, alpha: Alpha, truth: Alpha) -> None:
        assert all(0 <= formula(alpha, truth) <= 1 for formula in LIKENESSES)

    def test_larger_shift_is_worse(self) -> None:
        truth = true_alpha(0)
        shifted = [np.roll(truth, by, axis=1) for by in (0, 2, 5, 9)]
        for formula in ERRORS[:2]:
            found = [formula(alpha, truth) for alpha in shifted]
            assert found == sorted(found)
            assert len(set(found)) == 4
        assert [foreground_iou(alpha, truth) for alpha in shifted] == sorted(
            (foreground_iou(alpha, truth) for alpha in shifted), reverse=True
        )


def byte(alpha: Alpha) -> Alpha8:
    return np.asarray(np.rint(alpha * 255), np.uint8)


class TestReferenceScore:
    def test_frame_values_and_summaries(self) -> None:
        score = ReferenceScore()
        nothing = np.zeros((2, 2), np.uint8)
        first = score.add(nothing, nothing)
        second = score.add(byte(alpha_of("#0", "00")), nothing)
        assert math.isnan(first["dtssd"])
        assert (second["mad"], second["dtssd"]) == (250, 50)
        summaries = score.result().summaries
        assert list(summaries) == ["mad", "mse", "grad", "conn", "iou", "boundary_f", "dtssd", "edge_lag"]
        mad, dtssd = summaries["mad"], summaries["dtssd"]
        assert mad is not None
        assert dtssd is not None
        assert (mad.mean, mad.count, dtssd.mean, dtssd.count) == (125, 2, 50, 1)
        assert summaries["edge_lag"] is None

    def test_uint8_and_float_are_equal(self) -> None:
        alpha, truth = byte(true_alpha(1)), byte(true_alpha(0))
        floats = ReferenceScore().add(alpha.astype(np.float32) / np.float32(255), truth.astype(np.float32) / np.float32(255))
        assert ReferenceScore().add(alpha, truth) == pytest.approx(floats, nan_ok=True)

    def test_single_pictures_have_no_temporal_metrics(self) -> None:
        score = ReferenceScore(moving=False)
        for alpha in (alpha_of("00"), alpha_of("#0"), alpha_of("###", "###")):
            assert math.isnan(score.add(alpha, alpha)["dtssd"])
        assert list(score.result().facts()) == ["mad", "mse", "grad", "conn", "iou", "boundary_f"]
        assert score.result().block == 1

    def test_callers_arrays_can_be_reused(self) -> None:
        score, alpha, truth = ReferenceScore(), alpha_of("##"), alpha_of("00")
        score.add(alpha, truth)
        alpha[:], truth[:] = 0, 0
        assert score.add(alpha, truth)["dtssd"] == pytest.approx(100)

    def test_late_alpha_has_lag(self) -> None:
        score = ReferenceScore()
        for time in range(60):
            score.add(true_alpha(time - 1.5), true_alpha(time))
        lag = score.result().summaries["edge_lag"]
        assert lag is not None
        assert lag.mean == pytest.approx(1.5, abs=0.1)

    def test_empty_score_is_null(self) -> None:
        assert set(ReferenceScore().result().facts().values()) == {None}

    @pytest.mark.parametrize(
        "alpha", [np.zeros((2, 2), np.float64), np.zeros((2, 2, 1), np.uint8), np.zeros((0, 2), np.uint8), np.zeros((2, 2), bool)]
    )
    def test_invalid_alpha_is_rejected(self, alpha: NDArray[np.uint8]) -> None:
        with pytest.raises(ValueError, match="An alpha must be uint8 or float32"):
            ReferenceScore().add(alpha, alpha)

    def test_sizes_must_match(self) -> None:
        score = ReferenceScore()
        with pytest.raises(ValueError, match="the true one"):
            score.add(alpha_of("00"), alpha_of("000"))
        score.add(alpha_of("00"), alpha_of("00"))
        with pytest.raises(ValueError, match="must not change"):
            score.add(alpha_of("000"), alpha_of("000"))
