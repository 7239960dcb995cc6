"""Soft alpha from binary masks: a matting network's alpha, used where it agrees with the hand-drawn mask.

The labeler was Robust Video Matting (Lin et al. 2021, arXiv:2108.11515). It labels training data only; none of its weights are in
the shipped network.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.pyramid import resize
from livebg.lab.evaluation.networks import candidate
from livebg.lab.training.pixel_store import Picture

LABEL_PIXELS = 448 * 336
"""Approximate input size of the labeler, in pixels."""
AGREEMENT = 0.03
"""Maximum distance from the mask's edge, as a share of the picture's shorter side, at which the labeler's alpha replaces it."""


class PseudoLabeler:
    """Computes alpha of pictures, or of the consecutive frames of a clip, between which it keeps state."""

    def __init__(self, path: Path) -> None:
        """Open any network that ``python -m livebg.lab eval`` supports. Raises ModelError for other files."""
        self._network = candidate(str(path)).open()

    def alpha(self, rgb: Picture, *, looks: int = 1, unrelated: bool = False) -> Picture:
        """Return alpha (h, w) uint8 of ``rgb`` (h, w, 3). Stills need several ``looks`` for a recurrent network to converge.

        ``unrelated`` discards the state: the picture has nothing to do with the last one.
        """
        if unrelated:
            self._network.reset()
        height, width = rgb.shape[:2]
        scale = min(1.0, (LABEL_PIXELS / (height * width)) ** 0.5)
        wanted = (max(round(width * scale / 16), 2) * 16, max(round(height * scale / 16), 2) * 16)
        small = resize(rgb, self._network.input_size(width, height, wanted))
        for _ in range(looks):
            result = self._network.alpha(small)
        alpha = np.rint(result * 255).astype(np.uint8)
        return np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def agreed(mask: Picture, opinion: Picture) -> Picture:
    """Combine ``mask`` (h, w; drawn by hand, 0 or 255) with the labeler's ``opinion`` in the band around its edge.

    Returns alpha (h, w) uint8. The mask is kept, slightly softened, outside the band and where both differ by a whole region (for
    example an arm that one of them omits).
    """
    reach = max(round(AGREEMENT * min(mask.shape)), 2)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    inside, outside = cv2.erode(mask, kernel), cv2.dilate(mask, kernel)
    band = (inside < 128) & (outside >= 128)
    disputed = ((mask >= 128) != (opinion >= 128)).astype(np.uint8)
    thick = cv2.dilate(cv2.erode(disputed, np.ones((reach, reach), np.uint8)), np.ones((2 * reach, 2 * reach), np.uint8))
    soft = cv2.GaussianBlur(mask, (0, 0), 0.8)
    return np.where(band & (thick == 0), opinion, soft).astype(np.uint8)


def foreground(rgb: Picture, alpha: Picture) -> Picture:
    """Return the foreground colors (h, w, 3), with the room's color removed where alpha is partial.

    One pass of blur fusion (Forte 2021, arXiv:2101.06840): F = B_f + a (I - a B_f - (1 - a) B_b), with B_f and B_b the local
    means of foreground and background, weighted by alpha.
    """
    picture, weight = rgb.astype(np.float32), alpha[..., None].astype(np.float32) / 255
    window = (max(min(rgb.shape[:2]) // 12, 5),) * 2

    def mean(weights: NDArray[np.floating]) -> NDArray[np.floating]:
        total = np.asarray(cv2.blur(picture * weights, window))
        return total / (np.asarray(cv2.blur(weights, window))[..., None] + 1e-5)

    front, back = mean(weight), mean(1 - weight)
    estimate = front + weight * (picture - weight * front - (1 - weight) * back)
    return np.where(weight > 0.98, rgb, np.clip(np.rint(estimate), 0, 255)).astype(np.uint8)
