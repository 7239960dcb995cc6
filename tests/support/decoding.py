"""The pictures, stamps and samples that a decoder reads from a file."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.support.media import read_stamp


def pictures_of(path: str | Path) -> list[av.VideoFrame]:
    """Every picture of the first video."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def rgb_of(path: str | Path) -> list[NDArray[np.uint8]]:
    """The same as RGB."""
    return [np.asarray(picture.to_ndarray(format="rgb24"), np.uint8) for picture in pictures_of(path)]


def luma_of(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """The first plane, which must be 8-bit luma."""
    plane = picture.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width]


def stamps_of(path: str | Path) -> list[int]:
    """The numbers that the pictures carry."""
    return [read_stamp(luma_of(picture)) for picture in pictures_of(path)]


def samples_of(path: Path) -> NDArray[np.float64]:
    """All samples of the first sound, interleaved or not as the codec has them."""
    with av.open(str(path)) as container:
        return np.concatenate([np.asarray(frame.to_ndarray(), np.float64) for frame in container.decode(audio=0)], axis=1)
