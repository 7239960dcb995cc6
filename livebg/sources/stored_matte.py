"""Reads the mattes of a video from a file, in place of the network."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import av
import numpy as np

from livebg.errors import SourceError
from livebg.imaging.frame import Alpha8, Frame, Matte
from livebg.sources.matte_index import MatteIndex, alpha_of
from livebg.sources.video_file import open_video

_MAX_SKIPPED: Final = 100
"""Frames. Farther ahead, a seek is faster than decoding what is skipped."""


class StoredMatte:
    """The mattes of the frames in ``index``, each for the frame at its own time. A context manager.

    Frames come in order, from anywhere in the index. Every picture is checked as :func:`~livebg.sources.matte_index.alpha_of`
    does; a frame that has no matte is an error and never fully visible. Not thread-safe. Raises
    :class:`~livebg.errors.SourceError` if the file cannot be read.
    """

    def __init__(self, index: MatteIndex) -> None:
        self._index = index
        self._container, self._stream = open_video(index.path, threads=1)
        self._pictures = self._decode()
        self._next: int | None = None
        """The number of the frame after the last one read; None before the first."""

    def mattes(self, frames: Iterable[Frame], wanted: Callable[[Frame], bool]) -> Iterator[tuple[Frame, Matte]]:
        """Yield the ``wanted`` frames with their mattes. Raises as :meth:`matte` does, and what ``frames`` raises."""
        for frame in frames:
            if wanted(frame):
                yield frame, self.matte(frame)

    def matte(self, frame: Frame) -> Matte:
        """Return the matte of ``frame``, before edge, framing and compositing.

        Raises :class:`~livebg.errors.SourceError` if there is none, or if the file has changed since it was indexed.
        """
        number = self._number(frame)
        follows = self._next is not None and 0 <= number - self._next <= _MAX_SKIPPED
        alpha = self._read(number) if follows else self._read_after_seek(number)
        if alpha is None:
            raise SourceError(f"The matte {self._index.path} has changed since it was checked.", "Run the same command again.")
        return Matte(alpha, frame.time, frame.time)

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._pictures.close()
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _number(self, frame: Frame) -> int:
        index = self._index
        ticks = frame.pts * frame.time_base / index.time_base
        number = int(np.searchsorted(index.pts, int(ticks)))
        if ticks.denominator != 1 or number == len(index.pts) or index.pts[number] != ticks:
            raise SourceError(
                f"The matte {index.path} has no picture for the frame at {frame.time:.3f} s.",
                "Render without --matte, or with a matte that has all frames of the video.",
            )
        if (frame.width, frame.height) != index.size:
            raise ValueError(f"The frame is {frame.width}x{frame.height}, the matte {index.size[0]}x{index.size[1]}.")
        return number

    def _read_after_seek(self, number: int) -> Alpha8 | None:
        """Return the alpha of frame ``number``: from a key frame before it, or from the start if the file cannot seek there."""
        with suppress(av.FFmpegError):
            self._pictures.close()
            self._container.seek(int(self._index.matte_pts[number]), stream=self._stream)
            self._pictures = self._decode()
            alpha = self._read(number)
            if alpha is not None:
                return alpha
        self.close()
        self._container, self._stream = open_video(self._index.path, threads=1)
        self._pictures = self._decode()
        return self._read(number)

    def _read(self, number: int) -> Alpha8 | None:
        """Decode up to frame ``number`` and return its alpha; None if the file has no such picture from here on."""
        target = int(self._index.matte_pts[number])
        for pts, picture in self._pictures:
            if pts == target:
                self._next = number + 1
                return alpha_of(self._index.path, picture, self._index.size)
            if pts > target:
                break
        return None

    def _decode(self) -> Generator[tuple[int, av.VideoFrame], None, None]:
        """Yield the pictures with their times, in order."""
        try:
            for picture in self._container.decode(self._stream):
                if picture.pts is not None:
                    yield picture.pts, picture
        except av.FFmpegError as error:
            path = self._index.path
            raise SourceError(f"The matte {path} cannot be decoded ({error.strerror}).", "Get an undamaged copy.") from error
