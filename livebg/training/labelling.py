"""Soft alpha from hard masks: a matting network's opinion, taken where it agrees with what a person drew.

The labeller is Robust Video Matting (Lin et al. 2021, arXiv:2108.11515) as an ONNX file with the inputs `src`, `r1i` to `r4i`.
It is used to label training material only; nothing of it goes into the network that is shipped.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.runtime import onnxruntime
from livebg.training.store import Picture

STATES = (16, 20, 40, 64)
LABEL_PIXELS = 448 * 336
"""The labeller sees pictures of about this many pixels."""
AGREEMENT = 0.03
"""How far from the drawn mask's edge, as a share of the picture's shorter side, the labeller's alpha may replace the mask."""


class Labeller:
    """Alpha mattes of pictures, or of the frames of one clip after another (then it remembers)."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._state: list[NDArray[np.float32]] | None = None

    def forget(self) -> None:
        """The next picture has nothing to do with the last one."""
        self._state = None

    def alpha(self, rgb: Picture, *, looks: int = 1) -> Picture:
        """Alpha (h, w) uint8 of `rgb` (h, w, 3); a still is looked at `looks` times, since the network settles with time."""
        height, width = rgb.shape[:2]
        scale = min(1.0, (LABEL_PIXELS / (height * width)) ** 0.5)
        size = (max(round(width * scale / 16), 2) * 16, max(round(height * scale / 16), 2) * 16)
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        source = np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        for _ in range(looks):
            result = self._step(source, size)
        alpha = np.rint(result * 255).astype(np.uint8)
        return np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

    def _step(self, source: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        width, height = size
        if self._state is None or self._state[0].shape[2:] != (height // 2, width // 2):
            self._state = [
                np.zeros((1, channels, height >> level, width >> level), np.float32)
                for level, channels in enumerate(STATES, start=1)
            ]
        feed = {"src": source} | {f"r{level}i": state for level, state in enumerate(self._state, start=1)}
        answer = dict(zip(self._outputs, self._session.run(None, feed), strict=True))
        self._state = [answer[f"r{level}o"] for level in range(1, len(STATES) + 1)]
        return np.asarray(answer["pha"][0, 0], np.float32)


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
