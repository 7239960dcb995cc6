"""How a network is shown a picture, or the frames of a clip, by the ruler."""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from livebg.evaluation.baselines import Network, Rgb
from livebg.imaging.frame import Alpha
from livebg.segmentation.onnx_model import Size


def fed(picture: Rgb, size: Size) -> Rgb:
    """A picture at ``size`` (width, height): by area averages where it shrinks, linear where it grows."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    shrinks = size[0] <= width and size[1] <= height
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8)


def at_size(alpha: Alpha, size: Size) -> Alpha:
    """An alpha at ``size`` (width, height), linear."""
    if alpha.shape[::-1] == size:
        return alpha
    return np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR), np.float32)


def look(network: Network, picture: Rgb, wanted: Size | None = None) -> Alpha:
    """Alpha at the picture's full size, by one look without a past; ``wanted`` is the size to feed, if there is a choice."""
    network.forget()
    height, width = picture.shape[:2]
    image = fed(picture, network.input_size(width, height, wanted))
    return at_size(network.alpha(image), (width, height))


class Watcher:
    """A network on the frames of a clip: its alpha of the frame before is its prior, unless ``with_past`` is False."""

    def __init__(self, network: Network, *, with_past: bool = True) -> None:
        self._network = network
        self._with_past = with_past
        self._prior: Alpha | None = None

    def begin(self) -> None:
        """Another clip begins."""
        self._prior = None
        self._network.forget()

    def alpha(self, frame: Rgb) -> Alpha:
        """Alpha of the next frame, at its full size."""
        if not self._with_past:
            self.begin()
        height, width = frame.shape[:2]
        alpha = self._network.alpha(fed(frame, self._network.input_size(width, height)), self._prior)
        self._prior = alpha
        return at_size(alpha, (width, height))


WITHOUT_PAST: Final = ", empty prior"
"""Behind the name of a network that takes a prior, where it was given none."""


def watchers(networks: Mapping[str, Network]) -> dict[str, Watcher]:
    """Each network as it runs on video; those that take a prior a second time without."""
    found = {}
    for name, network in networks.items():
        found[name] = Watcher(network)
        if network.takes_prior:
            found[name + WITHOUT_PAST] = Watcher(network, with_past=False)
    return found
