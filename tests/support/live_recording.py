"""The pictures of a recording of a test session, and what they show."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import planes
from tests.support.live_session import SIZE, room_pattern


def recorded_pictures(path: Path) -> list[NDArray[np.uint8]]:
    """The I420 pictures of a recording."""
    with av.open(str(path)) as file:
        return [np.asarray(frame.to_ndarray(), np.uint8) for frame in file.decode(video=0)]


def shows_green(picture: NDArray[np.uint8]) -> bool:
    """Whether the picture is the person on the green of the test session."""
    luma, u, v = planes(picture)
    return bool(luma[40, 32] > 220 and u[0, 0] < 80 and v[0, 0] < 80)


def contains_room(picture: NDArray[np.uint8]) -> bool:
    """Whether the left eighth of the picture resembles the room, which the encoder changes a little."""
    width = SIZE[0] // 8
    difference = planes(picture)[0][:, :width].astype(int) - room_pattern()[:, :width]
    return bool(np.abs(difference).mean() < 12)
