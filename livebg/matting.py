"""From alpha at model resolution to a matte at the frame's, with its edges where the picture has them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.frame import Alpha, Alpha8, resized


class EdgeUpsampler:
    """Fast guided filter (He and Sun 2015, arXiv:1505.00996) with the frame's luma as the guide.

    Within each window alpha is a straight line over luma, a * Y + b. The lines are found at model resolution, where it is
    cheap, and only a and b are enlarged, so that the matte's edge comes from the full-resolution luma.

    ``radius`` is the window's, in pixels of the model's picture; ``softness`` is the luma contrast (standard deviation, levels
    of 255) under which the guide is not followed; ``low`` and ``high`` are the probabilities that become alpha 0 and 1: a
    probability is not an alpha, and used as one it makes hands transparent. One upsampler serves one thread.
    """

    def __init__(self, radius: int = 3, softness: float = 10.0, low: float = 0.2, high: float = 0.8) -> None:
        if not 0 <= low < high <= 1:
            raise ValueError(f"low and high are probabilities with low < high, got {low} and {high}")
        self._window = (2 * radius + 1, 2 * radius + 1)
        self._epsilon = softness**2
        self._low = low
        self._gain = 255.0 / (high - low)
        self._scratch: tuple[Alpha, Alpha] | None = None

    def upsample(self, alpha: Alpha, luma: NDArray[np.uint8]) -> Alpha8:
        """Enlarge ``alpha``, float32 (h, w), 0..1, to the size of ``luma``, uint8 (height, width). Returns a new uint8 array."""
        guide = resized(luma, (alpha.shape[1], alpha.shape[0])).astype(np.float32)
        slope, offset = self._lines(guide, alpha)
        # The steepening is linear, so it goes into the small coefficients and costs nothing at full size.
        slope *= self._gain
        offset = (offset - self._low) * self._gain
        size = (luma.shape[1], luma.shape[0])
        matte, enlarged = self._scratch_for(luma.shape)
        cv2.resize(slope, size, dst=matte, interpolation=cv2.INTER_LINEAR)
        cv2.multiply(matte, luma, dst=matte, dtype=cv2.CV_32F)
        cv2.resize(offset, size, dst=enlarged, interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.add(matte, enlarged, dtype=cv2.CV_8U), np.uint8)

    def _scratch_for(self, shape: tuple[int, ...]) -> tuple[Alpha, Alpha]:
        """Two float planes, kept: taking megabytes from the system for each frame costs more than the arithmetic on them."""
        if self._scratch is None or self._scratch[0].shape != shape:
            self._scratch = (np.empty(shape, np.float32), np.empty(shape, np.float32))
        return self._scratch

    def _lines(self, guide: Alpha, alpha: Alpha) -> tuple[Alpha, Alpha]:
        """Slope and offset of alpha over luma, averaged over all windows that a pixel lies in."""
        mean_guide, mean_alpha = cv2.blur(guide, self._window), cv2.blur(alpha, self._window)
        variance = cv2.blur(guide * guide, self._window) - mean_guide * mean_guide
        covariance = cv2.blur(guide * alpha, self._window) - mean_guide * mean_alpha
        slope = _float(covariance / (variance + self._epsilon))
        offset = _float(mean_alpha - slope * mean_guide)
        return _float(cv2.blur(slope, self._window)), _float(cv2.blur(offset, self._window))


def _float(values: NDArray[np.generic]) -> Alpha:
    return np.asarray(values, np.float32)
