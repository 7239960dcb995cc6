"""The placeholder, and composites with another time."""

from fractions import Fraction

import numpy as np
import pytest

from livebg.compositing.composite import Consent, Placeholder, passthrough, with_pts
from livebg.imaging.frame import BT601, ColorSpec, planes
from tests.support.pipeline_fakes import noise_frame

LIMITED = ColorSpec(BT601)
MS = Fraction(1, 1000)


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (360, 640), (64, 48), (2, 2)])
def test_placeholder_has_requested_size_time_and_color(size: tuple[int, int]) -> None:
    shown = Placeholder(*size, LIMITED).at(40, MS)
    assert (shown.width, shown.height, shown.pts, shown.time_base, shown.color) == (*size, 40, MS, LIMITED)


def test_placeholder_is_drawn_once() -> None:
    placeholder = Placeholder(64, 48, LIMITED)
    assert placeholder.at(0, MS).data is placeholder.at(40, MS).data
    assert not placeholder.at(0, MS).data.flags.writeable


def test_placeholder_is_deterministic() -> None:
    assert np.array_equal(Placeholder(320, 180, LIMITED).at(0, MS).data, Placeholder(320, 180, LIMITED).at(0, MS).data)


@pytest.mark.parametrize("color", [LIMITED, ColorSpec(BT601, full_range=True), ColorSpec(1)])
def test_placeholder_shows_light_figure_on_dark_background(color: ColorSpec) -> None:
    y, u, v = planes(Placeholder(320, 180, color).at(0, MS).data)
    head, body, corners = y[70:80, 155:165], y[165:175, 155:165], (y[:10, :10], y[:10, -10:], y[-10:, :10], y[-10:, -10:])
    for corner in corners:
        assert 20 < corner.mean() < 70
        assert head.mean() > corner.mean() + 40
        assert body.mean() > corner.mean() + 25
    assert y.max() < 150
    assert np.abs(y[:, :160].astype(int) - y[:, :159:-1]).max() <= 2  # symmetric except for noise
    for plane in (u, v):
        assert plane.min() == plane.max()
        assert 120 <= int(plane.min()) <= 140


def test_gradients_show_no_bands() -> None:
    luma = Placeholder(640, 360, LIMITED).at(0, MS).data[:40]
    along = luma.astype(int)
    # In a banded picture most rows of a band are constant; noise mixes two neighboring levels everywhere.
    assert (np.abs(np.diff(along, axis=1)) > 0).mean() > 0.2
    assert np.abs(np.diff(along, axis=1)).max() <= 2


def test_composite_can_get_another_time() -> None:
    shown = passthrough(noise_frame(1, color=LIMITED), Consent("a test"))
    again = with_pts(shown, 7, MS)
    assert again.data is shown.data
    assert (again.pts, again.time_base, again.color, again.time) == (7, MS, LIMITED, 0.007)
    assert shown.pts == 0


def test_raw_frame_cannot_become_composite_with_new_time() -> None:
    with pytest.raises(TypeError, match="Only a composite"):
        with_pts(noise_frame(1), 7, MS)  # type: ignore[arg-type]
