"""The demo's layout: cells, captions, grid and contact sheet."""

import numpy as np
import pytest

from livebg.demo.render import CAPTIONS, CaptionedGrid, cell_size, contact_sheet, to_rgb
from livebg.imaging.frame import ColorSpec
from tests.support.demo_material import BLACK, WHITE, close_to
from tests.support.pipeline_fakes import gray_frame


class TestLayout:
    @pytest.mark.parametrize(("aspect", "size"), [(16 / 9, (639, 359)), (4 / 3, (479, 359)), (4.0, (639, 160))])
    def test_cell_is_largest_of_its_aspect_ratio(self, aspect: float, size: tuple[int, int]) -> None:
        assert cell_size(aspect, (639, 359)) == size

    @pytest.mark.parametrize("full_range", [True, False])
    def test_levels_follow_color_range(self, full_range: bool) -> None:
        white, black = (255, 0) if full_range else (235, 16)
        color = ColorSpec(full_range=full_range)
        assert close_to(to_rgb(gray_frame(luma=white, color=color), (20, 20)), WHITE, 1)
        assert close_to(to_rgb(gray_frame(luma=black, color=color), (100, 80)), BLACK, 1)

    def test_grid_has_cells_in_order_with_captions(self) -> None:
        grid = CaptionedGrid((640, 360), 16 / 9)
        width, height = grid.cell
        colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
        cells = [np.full((height, width, 3), color, np.uint8) for color in colors]
        picture = grid.picture(cells)
        assert picture.shape == (360, 640, 3)
        quarters = [picture[:180, :320], picture[:180, 320:], picture[180:, :320], picture[180:, 320:]]
        for quarter, color in zip(quarters, colors, strict=True):
            assert close_to(quarter[10:100, 10:-10], color, 0)
            assert (quarter[130:175, 5:160].min(axis=2) > 240).sum() > 30, "white letters"

    def test_narrow_clip_is_centered(self) -> None:
        grid = CaptionedGrid((640, 360), 1.0)
        picture = grid.picture([np.full((*grid.cell[::-1], 3), 255, np.uint8)] * 4)
        assert picture[:, :130].max() < 30
        assert picture[:, -130:].max() < 30
        assert np.array_equal(picture[20], picture[20, ::-1])

    def test_sheet_has_heading_and_every_row(self) -> None:
        rows = [[np.full((height, 200, 3), height, np.uint8)] * len(CAPTIONS) for height in (100, 150)]
        sheet = np.asarray(contact_sheet(rows, gap=10))
        heading = sheet.shape[0] - 100 - 150 - 2 * 10
        assert sheet.shape[1] == 4 * 210 + 10
        assert sheet[:heading].max() > 200, "captions"
        assert (sheet[heading : heading + 100, 10:210] == 100).all()
        assert (sheet[heading + 110 : heading + 260, -210:-10] == 150).all()
