"""Runs networks on pictures and on the frames of clips."""

import cv2
import numpy as np

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.networks import Network, Rgb
from livebg.segmentation.onnx_model import Size


def resize_input(picture: Rgb, size: Size) -> Rgb:
    """Resize a picture to ``size`` (width, height): area interpolation to shrink, linear to enlarge."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    shrinks = size[0] <= width and size[1] <= height
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8)


def at_size(alpha: Alpha, size: Size) -> Alpha:
    """Resize alpha to ``size`` (width, height), linear."""
    if alpha.shape[::-1] == size:
        return alpha
    return np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR), np.float32)


def look(network: Network, picture: Rgb, wanted: Size | None = None) -> Alpha:
    """Returns alpha at full picture size after one inference. ``wanted`` is the input size, if the network allows a choice."""
    network.reset()
    height, width = picture.shape[:2]
    image = resize_input(picture, network.input_size(width, height, wanted))
    return at_size(network.alpha(image), (width, height))


class VideoRunner:
    """Runs a network on the frames of a clip in order. State is reset between clips."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def begin(self) -> None:
        """Start a new clip."""
        self._network.reset()

    def alpha(self, frame: Rgb) -> Alpha:
        """Returns alpha of the next frame at its full size."""
        height, width = frame.shape[:2]
        return at_size(self._network.alpha(resize_input(frame, self._network.input_size(width, height))), (width, height))
