"""Soft alpha from hard masks: a matting network's opinion, taken where it agrees with what a person drew.

The labeller was Robust Video Matting (Lin et al. 2021, arXiv:2108.11515). It labels training material only; nothing of it goes
into the network that is shipped.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.pyramid import resize
from livebg.lab.evaluation.networks import candidate
from livebg.lab.training.pixel_store import Picture

LABEL_PIXELS = 448 * 336
"""The labeller sees pictures of about this many pixels."""
AGREEMENT = 0.03
"""How far from the drawn mask's edge, as a share of the picture's shorter side, the labeller's alpha may replace the mask."""


class PseudoLabeler:
    """Alpha mattes of pictures, or of the frames of one clip after another (then it remembers)."""

    def __init__(self, path: Path) -> None:
        """Takes any network that `python -m livebg.lab eval` can open; raises ModelError for anything else."""
        self._network = candidate(str(path)).open()

    def reset(self) -> None:
        """The next picture has nothing to do with the last one."""
        self._network.reset()

    def alpha(self, rgb: Picture, *, looks: int = 1) -> Picture:
        """Alpha (h, w) uint8 of `rgb` (h, w, 3); a still is looked at `looks` times, since the network settles with time."""
        height, width = rgb.shape[:2]
        scale = min(1.0, (LABEL_PIXELS / (height * width)) ** 0.5)
        wanted = (max(round(width * scale / 16), 2) * 16, max(round(height * scale / 16), 2) * 16)
        small = resize(rgb, self._network.input_size(width, height, wanted))
        for _ in range(looks):
            result = self._network.alpha(small)
        alpha = np.rint(result * 255).astype(np.uint8)
        return np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def agreed(mask: Picture, opinion: Picture) -> Picture:
    """Alpha (h, w) uint8: `mask` (h, w; drawn by hand, 0 or 255), with the labeller's `opinion` in the band around its edge.

    Away from the edge the drawn mask holds. In the band the opinion counts only if it is a refinement: where the two differ by a
    whole region (an arm that one of them left out), the mask stays, slightly softened.
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
    """The person's own colours (h, w, 3), the room's taken out of them where alpha is partial.

    Blur fusion, one pass (Forte 2021, arXiv:2101.06840): F = B_f + a (I - a B_f - (1 - a) B_b), with B_f and B_b the local means
    of foreground and background, weighted by alpha.
    """
    picture, weight = rgb.astype(np.float32), alpha[..., None].astype(np.float32) / 255
    window = (max(min(rgb.shape[:2]) // 12, 5),) * 2

    def mean(weights: NDArray[np.floating]) -> NDArray[np.floating]:
        total = np.asarray(cv2.blur(picture * weights, window))
        return total / (np.asarray(cv2.blur(weights, window))[..., None] + 1e-5)

    front, back = mean(weight), mean(1 - weight)
    estimate = front + weight * (picture - weight * front - (1 - weight) * back)
    return np.where(weight > 0.98, rgb, np.clip(np.rint(estimate), 0, 255)).astype(np.uint8)
