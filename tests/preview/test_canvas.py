"""Tests of the preview canvas's pixels, of the window without a display, and of the display check."""

import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.errors import DisplayError
from livebg.imaging.frame import BT601, BT709, ColorSpec, rgb_to_i420
from livebg.preview.canvas import BAR, line, notice, paint, window_size
from livebg.preview.client import PreviewClient, PreviewPicture, Receiver
from livebg.preview.window import PreviewWindow, ViewOptions, check_display
from tests.support.fake_daemon import ASLEEP, LIVE

RED, BLUE = (200, 30, 30), (30, 30, 200)
VIDEO = ColorSpec(BT601, BT601, BT601)


def halves(left: tuple[int, int, int], right: tuple[int, int, int], color: ColorSpec = VIDEO) -> PreviewPicture:
    rgb = np.empty((90, 160, 3), np.uint8)
    rgb[:, :80], rgb[:, 80:] = left, right
    return PreviewPicture(rgb_to_i420(rgb, color), color)


def close_to(pixel: NDArray[np.uint8], rgb: tuple[int, int, int]) -> bool:
    """Compare a BGR pixel of the canvas with an RGB color."""
    return bool(np.abs(pixel[::-1].astype(int) - rgb).max() <= 3)


@pytest.mark.parametrize("color", [VIDEO, ColorSpec(BT709, BT709, BT709), ColorSpec(BT601, full_range=True)])
def test_colors_are_right_in_every_color_space(color: ColorSpec) -> None:
    canvas = paint({"composite": halves(RED, BLUE, color)}, ["composite"], (160, 90), status=None, show_status=False)
    assert close_to(canvas[45, 20], RED)
    assert close_to(canvas[45, 140], BLUE)


def test_mirrored_canvas_swaps_sides() -> None:
    canvas = paint({"composite": halves(RED, BLUE)}, ["composite"], (160, 90), status=None, show_status=False, mirrored=True)
    assert close_to(canvas[45, 20], BLUE)
    assert close_to(canvas[45, 140], RED)


@pytest.mark.parametrize("size", [(640, 360), (700, 360), (320, 700), (37, 11), (1, 1), (2, 40)])
def test_any_window_size_keeps_aspect_ratio(size: tuple[int, int]) -> None:
    canvas = paint({"composite": halves(RED, RED)}, ["composite"], size, status=LIVE, show_status=False)
    assert canvas.shape == (size[1], size[0], 3)
    red = np.abs(canvas[..., ::-1].astype(int) - RED).max(axis=2) <= 3
    rows, columns = red.any(axis=1).sum(), red.any(axis=0).sum()
    scale = min(size[0] / 160, size[1] / 90)
    assert abs(columns - 160 * scale) <= 1
    assert abs(rows - 90 * scale) <= 1


def test_views_are_side_by_side_with_text_for_missing_one() -> None:
    pictures = {"composite": halves(RED, RED), "alpha": halves(BLUE, BLUE)}
    canvas = paint(pictures, ["composite", "original", "alpha"], (480, 90), status=None, show_status=False)
    assert close_to(canvas[60, 20], RED)
    assert close_to(canvas[60, 460], BLUE)
    middle = canvas[30:60, 170:310]
    assert middle.max() > 200  # white text
    assert not any(close_to(pixel, RED) or close_to(pixel, BLUE) for pixel in middle.reshape(-1, 3)[::50])


def test_window_size_follows_pictures() -> None:
    pictures = {"composite": halves(RED, BLUE)}
    assert window_size(pictures, ["composite"], (1280, 746)) == (1280, 720 + BAR)
    assert window_size(pictures, ["composite", "alpha"], (1280, 746)) == (1280, 360 + BAR)
    assert window_size({}, ["composite"], (1280, 746)) == (1280, 720 + BAR)


def test_status_line_shows_state_and_stages() -> None:
    assert line(LIVE) == "live  ·  portrait  ·  30 fps  ·  41 ms latency  ·  CPU ms: network 3.1, compositing 2.0"
    assert line(ASLEEP) == "asleep  ·  portrait  ·  10 fps"


def test_status_line_is_below_picture_unless_hidden() -> None:
    pictures = {"composite": halves(RED, RED)}
    reported = paint(pictures, ["composite"], (160, 90 + BAR), status=LIVE)
    assert close_to(reported[89, 80], RED)
    assert not close_to(reported[-1, 80], RED)
    assert np.ptp(reported[90:]) > 100
    hidden = paint(pictures, ["composite"], (160, 90), status=LIVE, show_status=False)
    assert close_to(hidden[-1, 80], RED)


@pytest.mark.parametrize("size", [(640, 360), (120, 40), (1, 1)])
def test_notice_fits_any_window(size: tuple[int, int]) -> None:
    canvas = notice("livebg is not running. Start it with `livebg run`.", size)
    assert canvas.shape == (size[1], size[0], 3)
    if size[0] > 100:
        assert canvas.max() > 200


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="this system always has a display")
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "No display found"),
        ({"DISPLAY": ""}, "No display found"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "Install Xwayland"),
        ({"DISPLAY": ":987"}, "Cannot connect to the display :987|libxcb1"),
        ({"DISPLAY": "nonsense", "WAYLAND_DISPLAY": "wayland-0"}, "Cannot connect to the display nonsense|libxcb1"),
    ],
)
def test_missing_display_fails_with_clear_message(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(DisplayError, match=sentence) as reported:
        check_display(environment)
    assert reported.value.exit_code == 8


class Screen:
    """Replaces the screen of OpenCV. Its user presses q once ``awaited`` images were shown."""

    def __init__(self, awaited: int) -> None:
        self.shown: list[NDArray[np.uint8]] = []
        self._awaited = awaited
        self._polls = 0

    def show(self, _name: str, image: NDArray[np.uint8]) -> None:
        self.shown.append(image)

    def key(self) -> int:
        self._polls += 1
        return ord("q") if len(self.shown) >= self._awaited or self._polls > 1000 else -1


def test_window_shows_notice_while_no_frame_has_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(awaited=1)
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")  # set by the window, and restored after the test
    monkeypatch.setattr(cv2, "namedWindow", lambda _name, _flags: None)
    monkeypatch.setattr(cv2, "resizeWindow", lambda _name, _width, _height: None)
    monkeypatch.setattr(cv2, "getWindowImageRect", lambda _name: (0, 0, 640, 360))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda _name, _property: 1.0)
    monkeypatch.setattr(cv2, "imshow", screen.show)
    monkeypatch.setattr(cv2, "pollKey", screen.key)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    PreviewWindow(Receiver(PreviewClient, ("composite",)), ViewOptions()).run()
    assert [image.shape for image in screen.shown] == [(360, 640, 3)]
    assert (screen.shown[0] == notice("Connecting to livebg...", (640, 360))).all()
