"""Tests that the tray icons are distinguishable by shape and visible on light and dark panels."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from livebg.tray.icons import draw
from livebg.tray.status_view import TrayState

PANELS = ("#ffffff", "#f2f1f0", "#2b2b2b", "#000000")


def on(panel: str, state: TrayState, size: int) -> NDArray[np.float64]:
    """Return the luma (0 to 1) of the icon on a panel, shape (size, size)."""
    ground = Image.new("RGBA", (size, size), panel)
    ground.alpha_composite(draw(state, size))
    return np.asarray(ground.convert("L"), np.float64) / 255


@pytest.mark.parametrize("size", [16, 22, 24, 32, 64])
@pytest.mark.parametrize("state", TrayState)
def test_it_has_the_size_and_leaves_the_corners_to_the_panel(state: TrayState, size: int) -> None:
    picture = draw(state, size)
    assert (picture.mode, picture.size) == ("RGBA", (size, size))
    alpha = np.asarray(picture.getchannel("A"))
    assert [alpha[0, 0], alpha[-1, -1]] == [0, 0] or state in (TrayState.EFFECT_OFF, TrayState.ERROR)
    assert 0.1 < (alpha > 128).mean() < 0.95


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("state", TrayState)
def test_it_is_seen_on_every_panel(state: TrayState, panel: str) -> None:
    for size in (16, 22):
        shown = on(panel, state, size)
        ground = np.asarray(Image.new("L", (1, 1), panel), np.float64)[0, 0] / 255
        assert (np.abs(shown - ground) > 0.25).mean() > 0.08, size


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("pair", list(combinations(TrayState, 2)))
def test_no_two_look_alike_to_whoever_sees_no_colours(pair: tuple[TrayState, TrayState], panel: str) -> None:
    """At 16 pixels, a tenth of the pixels differ clearly in lightness."""
    one, other = (on(panel, state, 16) for state in pair)
    assert (np.abs(one - other) > 0.2).mean() > 0.1


def test_that_the_room_is_seen_has_the_most_glaring_icon() -> None:
    def glare(state: TrayState) -> float:
        rgba = np.asarray(draw(state, 32), np.float64)
        solid = rgba[rgba[..., 3] > 128][:, :3]
        return float((solid.max(1) - solid.min(1)).mean())

    assert max(TrayState, key=glare) is TrayState.EFFECT_OFF
