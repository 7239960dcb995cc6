"""Renders the content of the preview window as an image. Opens no window."""

import functools
from collections.abc import Mapping, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.daemon.status import Status
from livebg.preview.client import PreviewPicture

Canvas = NDArray[np.uint8]
"""BGR, uint8, (height, width, 3)."""

BAR: Final = 26
"""Height of the status bar below the pictures, in pixels."""
_TEXT_SIZE_PX: Final = 15
_SMALL_TEXT_SIZE_PX: Final = 13
_MARGIN_PX: Final = 10
_BACKGROUND_GRAY: Final = 27
_TEXT_COLOR: Final = (240, 240, 240)
_DIM_TEXT_COLOR: Final = (165, 160, 155)
_STATE_COLORS: Final = {"live": (100, 200, 90), "camera lost": (70, 70, 230), "stalled": (70, 70, 230)}
_DEFAULT_STATE_COLOR: Final = (80, 190, 240)
_FONT_WEIGHT: Final = 400
_STAGES: Final = ("camera", "geometry", "network", "smoothing", "flow", "upsampling", "compositing", "output")


def line(status: Status) -> str:
    """Return the status bar's text: state, mode, frame rate, latency and CPU milliseconds of each stage."""
    parts = [status.state, status.mode, f"{status.fps_out:.0f} fps"]
    if status.latency is not None:
        parts.append(f"{status.latency.p50_ms:.0f} ms latency")
    if status.cpu_ms is not None:
        stages = status.cpu_ms.stages
        known = [name for name in _STAGES if name in stages]
        parts.append("CPU ms: " + ", ".join(f"{name} {stages[name]:.1f}" for name in known))
    return "  ·  ".join(parts)


def window_size(pictures: Mapping[str, PreviewPicture], views: Sequence[str], longest: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) of a window that shows ``views`` side by side within ``longest``, keeping the aspect ratio."""
    width, height = next((picture.size for picture in pictures.values()), (16, 9))
    scale = min(longest[0] / (width * len(views)), (longest[1] - BAR) / height)
    return max(round(width * len(views) * scale), 1), max(round(height * scale), 1) + BAR


def paint(
    pictures: Mapping[str, PreviewPicture],
    views: Sequence[str],
    size: tuple[int, int],
    *,
    status: Status | None,
    mirrored: bool = False,
    show_status: bool = True,
) -> Canvas:
    """Render the ``views`` side by side, as large as ``size`` (width, height) allows, each in its own aspect ratio.

    ``show_status``: show the status bar. A view that is missing in ``pictures`` is replaced by a notice.
    """
    canvas = _blank_canvas(size)
    pane_height = size[1] - (BAR if show_status else 0)
    for number, view in enumerate(views):
        left, right = (size[0] * edge // len(views) for edge in (number, number + 1))
        pane = canvas[:pane_height, left:right]
        if not pane.size:
            continue
        if view in pictures:
            _draw_picture(pane, pictures[view], mirrored=mirrored)
        else:
            _write_centered(pane, f"No {view} available")
        if len(views) > 1:
            _draw_label(pane, view)
    if show_status and status is not None:
        _draw_status_bar(canvas[pane_height:], status)
    return canvas


def notice(text: str, size: tuple[int, int]) -> Canvas:
    """Render only a centered message."""
    canvas = _blank_canvas(size)
    _write_centered(canvas, text)
    return canvas


def _blank_canvas(size: tuple[int, int]) -> Canvas:
    return np.full((size[1], size[0], 3), _BACKGROUND_GRAY, np.uint8)


def _draw_picture(pane: Canvas, picture: PreviewPicture, *, mirrored: bool) -> None:
    width, height = picture.size
    scale = min(pane.shape[1] / width, pane.shape[0] / height)
    inner = max(round(width * scale), 1), max(round(height * scale), 1)
    shown = picture.bgr(inner)
    left, top = (pane.shape[1] - inner[0]) // 2, (pane.shape[0] - inner[1]) // 2
    pane[top : top + inner[1], left : left + inner[0]] = shown[:, ::-1] if mirrored else shown


def _draw_label(pane: Canvas, text: str) -> None:
    corner = pane[: BAR - 2, : 14 + 8 * len(text)]
    corner[:] = corner // 3
    _write(corner, text, (7, 16), _SMALL_TEXT_SIZE_PX, _TEXT_COLOR)


def _draw_status_bar(bar: Canvas, status: Status) -> None:
    if not bar.size:
        return
    cv2.circle(bar, (_MARGIN_PX + 4, BAR // 2), 5, _STATE_COLORS.get(status.state, _DEFAULT_STATE_COLOR), cv2.FILLED, cv2.LINE_AA)
    reason = f"  ·  {status.reason}" if status.reason else ""
    head, separator, rest = line(status).partition("  ·  ")
    _write(bar, head + reason + separator + rest, (_MARGIN_PX + 16, 18), _SMALL_TEXT_SIZE_PX, _DIM_TEXT_COLOR)


def _write_centered(pane: Canvas, text: str) -> None:
    """Draw ``text`` centered and wrapped at word boundaries."""
    lines = _wrap(text, pane.shape[1] - 2 * _MARGIN_PX)
    top = (pane.shape[0] - len(lines) * (_TEXT_SIZE_PX + 7)) // 2 + _TEXT_SIZE_PX
    for number, each in enumerate(lines):
        left = (pane.shape[1] - _text_width(each, _TEXT_SIZE_PX)) // 2
        _write(pane, each, (max(left, _MARGIN_PX), top + number * (_TEXT_SIZE_PX + 7)), _TEXT_SIZE_PX, _TEXT_COLOR)


def _wrap(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_width(longer, _TEXT_SIZE_PX) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _text_width(text: str, size: int) -> int:
    left, _, width, _ = cv2.getTextSize((1, 1), text, (0, 0), _font(), size, _FONT_WEIGHT)
    return int(left + width)


def _write(pane: Canvas, text: str, at: tuple[int, int], size: int, color: tuple[int, int, int]) -> None:
    part = np.ascontiguousarray(pane)  # OpenCV would draw into a copy of a non-contiguous array
    cv2.putText(part, text, at, color, _font(), size, _FONT_WEIGHT)
    pane[:] = part


@functools.cache
def _font() -> cv2.FontFace:
    """Load the font once: that takes milliseconds."""
    return cv2.FontFace("sans")
