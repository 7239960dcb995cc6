"""What the preview's window shows, as a picture: no window in here."""

import functools
from collections.abc import Mapping, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.daemon.status import Status
from livebg.preview.client import Picture

Canvas = NDArray[np.uint8]
"""BGR, uint8, (height, width, 3)."""

BAR: Final = 26
"""Height of the line below the pictures, in pixels."""
_TEXT: Final = 15
_SMALL: Final = 13
_MARGIN: Final = 10
_GROUND: Final = 27
_BRIGHT: Final = (240, 240, 240)
_DIM: Final = (165, 160, 155)
_DOT: Final = {"live": (100, 200, 90), "camera lost": (70, 70, 230), "stalled": (70, 70, 230)}
_WAITING: Final = (80, 190, 240)
_REGULAR: Final = 400
_STAGES: Final = ("camera", "geometry", "network", "smoothing", "carrying", "upsampling", "compositing", "output")


def line(status: Status) -> str:
    """State, rates, delay, and the CPU milliseconds of each stage."""
    parts = [status.state, status.mode, f"{status.fps_out:.0f} fps"]
    if status.latency is not None:
        parts.append(f"{status.latency.p50_ms:.0f} ms late")
    if status.cpu_ms is not None:
        stages = status.cpu_ms.stages
        known = [name for name in _STAGES if name in stages]
        parts.append("CPU ms: " + ", ".join(f"{name} {stages[name]:.1f}" for name in known))
    return "  ·  ".join(parts)


def window_size(pictures: Mapping[str, Picture], views: Sequence[str], longest: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a window for ``views`` beside each other, within ``longest``; the pictures keep their aspect."""
    width, height = next((picture.size for picture in pictures.values()), (16, 9))
    scale = min(longest[0] / (width * len(views)), (longest[1] - BAR) / height)
    return max(round(width * len(views) * scale), 1), max(round(height * scale), 1) + BAR


def paint(
    pictures: Mapping[str, Picture],
    views: Sequence[str],
    size: tuple[int, int],
    *,
    status: Status | None,
    mirrored: bool = False,
    told: bool = True,
) -> Canvas:
    """The ``views`` beside each other, as large as ``size`` (width, height) lets them be, each in its own aspect.

    ``told``: with the line of text below. A view that is not among ``pictures`` is told to be missing.
    """
    canvas = _empty(size)
    room = size[1] - (BAR if told else 0)
    for number, view in enumerate(views):
        left, right = (size[0] * edge // len(views) for edge in (number, number + 1))
        pane = canvas[:room, left:right]
        if not pane.size:
            continue
        if view in pictures:
            _hang(pane, pictures[view], mirrored=mirrored)
        else:
            _write_centred(pane, f"no {view} at the moment")
        if len(views) > 1:
            _label(pane, view)
    if told and status is not None:
        _bar(canvas[room:], status)
    return canvas


def notice(text: str, size: tuple[int, int]) -> Canvas:
    """A sentence, and nothing else."""
    canvas = _empty(size)
    _write_centred(canvas, text)
    return canvas


def _empty(size: tuple[int, int]) -> Canvas:
    return np.full((size[1], size[0], 3), _GROUND, np.uint8)


def _hang(pane: Canvas, picture: Picture, *, mirrored: bool) -> None:
    width, height = picture.size
    scale = min(pane.shape[1] / width, pane.shape[0] / height)
    inner = max(round(width * scale), 1), max(round(height * scale), 1)
    shown = picture.bgr(inner)
    left, top = (pane.shape[1] - inner[0]) // 2, (pane.shape[0] - inner[1]) // 2
    pane[top : top + inner[1], left : left + inner[0]] = shown[:, ::-1] if mirrored else shown


def _label(pane: Canvas, text: str) -> None:
    corner = pane[: BAR - 2, : 14 + 8 * len(text)]
    corner[:] = corner // 3
    _write(corner, text, (7, 16), _SMALL, _BRIGHT)


def _bar(bar: Canvas, status: Status) -> None:
    if not bar.size:
        return
    cv2.circle(bar, (_MARGIN + 4, BAR // 2), 5, _DOT.get(status.state, _WAITING), cv2.FILLED, cv2.LINE_AA)
    reason = f"  ·  {status.reason}" if status.reason else ""
    head, separator, rest = line(status).partition("  ·  ")
    _write(bar, head + reason + separator + rest, (_MARGIN + 16, 18), _SMALL, _DIM)


def _write_centred(pane: Canvas, text: str) -> None:
    """In lines of as many words as fit, in the middle."""
    lines = _wrapped(text, pane.shape[1] - 2 * _MARGIN)
    top = (pane.shape[0] - len(lines) * (_TEXT + 7)) // 2 + _TEXT
    for number, each in enumerate(lines):
        left = (pane.shape[1] - _width(each, _TEXT)) // 2
        _write(pane, each, (max(left, _MARGIN), top + number * (_TEXT + 7)), _TEXT, _BRIGHT)


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, _TEXT) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _width(text: str, size: int) -> int:
    left, _, width, _ = cv2.getTextSize((1, 1), text, (0, 0), _face(), size, _REGULAR)
    return int(left + width)


def _write(pane: Canvas, text: str, at: tuple[int, int], size: int, color: tuple[int, int, int]) -> None:
    part = np.ascontiguousarray(pane)  # of a row's part OpenCV would draw into a copy
    cv2.putText(part, text, at, color, _face(), size, _REGULAR)
    pane[:] = part


@functools.cache
def _face() -> cv2.FontFace:
    """Made once: that takes milliseconds."""
    return cv2.FontFace("sans")
