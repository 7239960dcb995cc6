"""Tests that the tray icons are distinguishable by shape and visible on light and dark panels."""

import ctypes
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import livebg.tray
from livebg.tray.icon import load_image
from livebg.tray.status import TrayState

PANELS = ("#ffffff", "#f2f1f0", "#2b2b2b", "#000000")


def scaled(state: TrayState, size: int) -> Image.Image:
    """Return the icon as a panel of this size shows it."""
    return load_image(state).resize((size, size), Image.Resampling.BOX)


def luma_on_panel(panel: str, state: TrayState, size: int) -> NDArray[np.float64]:
    """Return the luma (0 to 1) of the icon on a panel, shape (size, size)."""
    ground = Image.new("RGBA", (size, size), panel)
    ground.alpha_composite(scaled(state, size))
    return np.asarray(ground.convert("L"), np.float64) / 255


@pytest.mark.parametrize("size", [16, 22, 24, 32, 64])
@pytest.mark.parametrize("state", TrayState)
def test_icon_has_size_and_transparent_corners(state: TrayState, size: int) -> None:
    picture = scaled(state, size)
    assert (picture.mode, picture.size) == ("RGBA", (size, size))
    assert load_image(state).size == (64, 64)
    alpha = np.asarray(picture.getchannel("A"))
    assert [alpha[0, 0], alpha[-1, -1]] == [0, 0] or state in (TrayState.EFFECT_OFF, TrayState.ERROR)
    assert 0.1 < (alpha > 128).mean() < 0.95


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("state", TrayState)
def test_icon_is_visible_on_every_panel(state: TrayState, panel: str) -> None:
    for size in (16, 22):
        shown = luma_on_panel(panel, state, size)
        ground = np.asarray(Image.new("L", (1, 1), panel), np.float64)[0, 0] / 255
        assert (np.abs(shown - ground) > 0.25).mean() > 0.08, size


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("pair", list(combinations(TrayState, 2)))
def test_icons_differ_without_color(pair: tuple[TrayState, TrayState], panel: str) -> None:
    """At 16 pixels, a tenth of the pixels differ clearly in lightness."""
    one, other = (luma_on_panel(panel, state, 16) for state in pair)
    assert (np.abs(one - other) > 0.2).mean() > 0.1


def test_room_visible_icon_is_most_saturated() -> None:
    def glare(state: TrayState) -> float:
        rgba = np.asarray(scaled(state, 32), np.float64)
        solid = rgba[rgba[..., 3] > 128][:, :3]
        return float((solid.max(1) - solid.min(1)).mean())

    assert max(TrayState, key=glare) is TrayState.EFFECT_OFF


class Rectangle(ctypes.Structure):
    """RsvgRectangle."""

    _fields_ = [(name, ctypes.c_double) for name in ("x", "y", "width", "height")]


def rendered(svg: Path, folder: Path) -> Image.Image:
    """Return the rendering of an SVG file by librsvg, RGBA, 64 x 64 pixels. Skips the test if librsvg is not installed."""
    try:
        rsvg, cairo = ctypes.CDLL("librsvg-2.so.2"), ctypes.CDLL("libcairo.so.2")
    except OSError:
        pytest.skip("librsvg is not installed")
    pointer = ctypes.c_void_p
    rsvg.rsvg_handle_new_from_data.restype = cairo.cairo_image_surface_create.restype = cairo.cairo_create.restype = pointer
    rsvg.rsvg_handle_new_from_data.argtypes = [ctypes.c_char_p, ctypes.c_size_t, pointer]
    rsvg.rsvg_handle_render_document.argtypes = [pointer, pointer, ctypes.POINTER(Rectangle), pointer]
    cairo.cairo_create.argtypes = [pointer]
    cairo.cairo_surface_write_to_png.argtypes = [pointer, ctypes.c_char_p]
    data = svg.read_bytes()
    surface = cairo.cairo_image_surface_create(0, 64, 64)
    document = rsvg.rsvg_handle_new_from_data(data, len(data), None)
    assert rsvg.rsvg_handle_render_document(document, cairo.cairo_create(surface), Rectangle(0, 0, 64, 64), None)
    assert cairo.cairo_surface_write_to_png(surface, bytes(folder / "icon.png")) == 0
    return Image.open(folder / "icon.png").convert("RGBA")


@pytest.mark.parametrize("state", TrayState)
def test_icon_is_the_rendering_of_its_svg_file(state: TrayState, tmp_path: Path) -> None:
    folder = Path(livebg.tray.__file__).parent / "icons"
    assert {path.name for path in folder.iterdir()} == {
        f"{each.name.lower()}.{suffix}" for each in TrayState for suffix in ("png", "svg")
    }
    one, other = (
        np.asarray(image.convert("RGBa"), np.float64)
        for image in (load_image(state), rendered(folder / f"{state.name.lower()}.svg", tmp_path))
    )
    assert np.abs(one - other).mean() < 1.0
