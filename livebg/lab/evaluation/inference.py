"""How a network is shown a picture, or the frames of a clip, by the ruler."""

import cv2
import numpy as np

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.networks import Network, Rgb
from livebg.segmentation.onnx_model import Size


def resize_input(picture: Rgb, size: Size) -> Rgb:
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
    """Alpha at the picture's full size, by one look; ``wanted`` is the size to feed, if there is a choice."""
    network.reset()
    height, width = picture.shape[:2]
    image = resize_input(picture, network.input_size(width, height, wanted))
    return at_size(network.alpha(image), (width, height))


class VideoRunner:
    """A network on the frames of a clip, one after another. What it remembers of a clip it forgets when another begins."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def begin(self) -> None:
        """Another clip begins."""
        self._network.reset()

    def alpha(self, frame: Rgb) -> Alpha:
        """Alpha of the next frame, at its full size."""
        height, width = frame.shape[:2]
        return at_size(self._network.alpha(resize_input(frame, self._network.input_size(width, height))), (width, height))
