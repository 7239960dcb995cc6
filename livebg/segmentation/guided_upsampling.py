"""Upsamples alpha from model resolution to frame resolution, aligned with the edges of the picture."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Alpha8
from livebg.imaging.pyramid import Pyramid, split_channels
from livebg.imaging.tiles import Grid, Tiles
from livebg.native import edges
from livebg.segmentation.despeckle import despeckle

Plane = NDArray[np.uint8]
LinearCoefficients = NDArray[np.float32]
"""Alpha as a linear function of the color: slopes for Y, U and V and an offset, shape (height, width, 4)."""

_RADIUS: Final = 2
"""Radius of a window, in pixels of half the model's picture."""
_WINDOW: Final = 2 * _RADIUS + 1
_REACH: Final = _RADIUS - 1
"""Windows farther away still contain the edge but hardly change the result."""
_EPSILONS: Final = (14.0**2, 5.0**2, 5.0**2)
"""Variances of Y, U and V, in levels of 255, below which the guide is ignored."""


class GuidedUpsampler:
    """Fast guided filter (He and Sun 2015, arXiv:1505.00996) with the frame's luma and chroma as the guide.

    Within each window alpha is a linear function of the color, a * Y + b * U + c * V + d. The coefficients are computed at half
    the model's resolution, where it is cheap, and only they are upsampled, so that the matte's edge follows the picture at full
    resolution, even if person and room differ only in hue. Only tiles in which alpha is neither all foreground nor all background
    are computed.

    ``low`` and ``high`` are the probabilities that become alpha 0 and 1: used directly as alpha, a probability makes hands
    transparent.

    On the network's alpha guidance by color reduces the gradient error by 38 % compared to plain interpolation, guidance by luma
    by 24 %.
    """

    def __init__(self, low: float = 0.2, high: float = 0.8) -> None:
        if not 0 <= low < high <= 1:
            raise ValueError(f"low and high must be probabilities with low < high, got {low} and {high}")
        self._levels = low, high

    def upsample(self, alpha: Alpha, luma: Pyramid, chroma: tuple[Pyramid, Pyramid] | None = None) -> Alpha8:
        """Upsample ``alpha``, float32 (h, w), 0..1, to the size of ``luma``, uint8 (height, width). Returns a new uint8 array.

        ``chroma`` is U and V, uint8, (height / 2, width / 2). Without it only luma guides, and height and width may be odd.
        """
        alpha = despeckle(alpha, self._levels[0])
        planes = [each.halved(0) for each in (luma, *(chroma or ()))]
        grid = Grid(planes[0].shape)
        content = self._classify(alpha, grid)
        if not (content == edges.EDGE).any():
            return grid.filled(content == edges.PERSON)
        size = max(alpha.shape[1] // 2, 1), max(alpha.shape[0] // 2, 1)
        guides = [
            np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.uint8)
            for plane in (luma.halved(1), *planes[1:])
        ]
        small = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)
        compiled = edges.edge_kernels(planes[0].shape) if chroma else None
        if compiled is None:
            return evaluate(fit(guides, small, _WINDOW, _EPSILONS, self._levels), planes, content)
        lines = edges.fit(compiled, guides, small, _WINDOW, _EPSILONS, self._levels)
        return edges.evaluate(compiled, lines, planes, content)

    def _classify(self, alpha: Alpha, grid: Grid) -> Plane:
        """Return for each tile whether its windows contain only room, only person, or an edge."""
        low, high = self._levels
        person, room = (cv2.inRange(alpha, *bounds) for bounds in ((high, 1.0), (0.0, low)))
        # From the center of a tile an edge counts within the window's reach plus half a tile.
        middles, halves = grid.middles(alpha.shape)
        window = np.ones([2 * (_REACH + half) + 1 for half in halves], np.uint8)
        only_person, only_room = (cv2.erode(side, window)[middles] > 0 for side in (person, room))
        return np.where(only_room, edges.ROOM, np.where(only_person, edges.PERSON, edges.EDGE)).astype(np.uint8)


def fit(
    guides: Sequence[Plane], alpha: Alpha, window: int, epsilons: tuple[float, ...], levels: tuple[float, float]
) -> LinearCoefficients:
    """Compute for each pixel the mean coefficients of all windows that contain it, with increased slope, in levels of 255.

    ``guides`` are Y or Y, U and V, uint8, and ``alpha``, float32, all (h, w). ``window`` is a window's side length in pixels;
    ``epsilons`` are the variances below which a guide is ignored, ``levels`` the probabilities that become alpha 0 and 1.
    """

    def mean_of(plane: Alpha) -> Alpha:
        return np.asarray(cv2.blur(plane, (window, window)), np.float32)

    # Center the values: otherwise small results are differences of large numbers.
    planes = [plane.astype(np.float32) - np.float32(128) for plane in guides]
    means, mean = [mean_of(plane) for plane in planes], mean_of(alpha)
    covariances = [
        [mean_of(one * other) - mean_one * means[column] for column, other in enumerate(planes[: row + 1])]
        for row, (one, mean_one) in enumerate(zip(planes, means, strict=True))
    ]
    for row, epsilon in zip(covariances, epsilons, strict=False):
        row[-1] = row[-1] + np.float32(epsilon)
    known = [mean_of(plane * alpha) - each * mean for plane, each in zip(planes, means, strict=True)]
    slopes = _solve(covariances, known)
    low, high = levels
    offset = mean - np.float32(low)
    for slope, each in zip(slopes, means, strict=True):
        offset = offset - slope * (each + np.float32(128))
    zeros = [np.zeros_like(alpha)] * (3 - len(slopes))
    gain = np.float32(255 / (high - low))
    return np.asarray(cv2.blur(cv2.merge([*slopes, *zeros, offset]), (window, window)) * gain, np.float32)


def _solve(rows: list[list[Alpha]], known: list[Alpha]) -> list[Alpha]:
    """Solve a symmetric, positive definite system of one or three equations at each pixel for the slopes.

    ``rows`` is its lower triangle. There are as many systems as pixels, so the elimination is written out.
    """
    (yy,), *rest = rows
    if not rest:
        return [known[0] / yy]
    (yu, uu), (yv, uv, vv) = rest
    ya, ua, va = known
    u_by_y, v_by_y = yu / yy, yv / yy
    uu, uv, ua = uu - u_by_y * yu, uv - u_by_y * yv, ua - u_by_y * ya
    v_by_u = uv / uu
    v = (va - v_by_y * ya - v_by_u * ua) / (vv - v_by_y * yv - v_by_u * uv)
    u = ua / uu - v_by_u * v
    return [ya / yy - u_by_y * u - v_by_y * v, u, v]


def evaluate(lines: LinearCoefficients, planes: Sequence[Plane], content: Plane) -> Alpha8:
    """Evaluate the coefficients in the tiles that ``content`` marks as EDGE, and fill the others. Returns alpha, a new array.

    ``planes`` are Y or Y, U and V, uint8, (height, width) and (height / 2, width / 2).
    """
    grid = Grid(planes[0].shape)
    matte = grid.filled(content == edges.PERSON)
    undecided = grid.where(content == edges.EDGE)
    if len(undecided):
        # One more pixel on each side, so that upsampling leaves no step between tiles.
        chroma = [np.asarray(cv2.copyMakeBorder(plane, 1, 1, 1, 1, cv2.BORDER_REPLICATE), np.uint8) for plane in planes[1:]]
        for tiles in undecided.chunks():
            tiles.write(matte, _evaluate(lines, planes[0], chroma, tiles))
    return matte


def _evaluate(lines: LinearCoefficients, luma: Plane, chroma: Sequence[Plane], tiles: Tiles) -> Plane:
    """Evaluate the coefficients for the picture in the given tiles. Returns alpha, uint8, (height, tiles * width).

    ``chroma`` is padded by one pixel.
    """
    padded = tiles.of_chroma().widened()
    maps = padded.maps((luma.shape[0] // 2, luma.shape[1] // 2), lines.shape, margin=1)
    enlarged = cv2.remap(lines, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    slope, *slopes, offset = split_channels(np.asarray(enlarged, np.float32))
    for each, plane in zip(slopes, chroma, strict=False):
        offset += each * padded.read(plane)
    size = 2 * offset.shape[1], 2 * offset.shape[0]
    slope, offset = (
        padded.trimmed(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.float32), 2)
        for part in (slope, offset)
    )
    slope *= tiles.read(luma)
    slope += offset
    levels: Plane = np.rint(np.clip(slope, 0, 255, out=slope), out=slope).astype(np.uint8)
    return levels
