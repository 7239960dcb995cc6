"""A looping video behind the person, at its own rate: exactly timed in files, and never blocking a call."""

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.compositing.background_fit import Fit, fit_to_size
from livebg.compositing.looped_video import PositionReader, PrefetchReader
from livebg.compositing.room_tone import UNCHANGED, RoomTone
from livebg.errors import ConfigError, SourceError
from livebg.imaging.color_profile import srgb_to_i420
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import ColorSpec, Frame, Matte
from livebg.sources.file import FileSource

_MAX_STEP_S: Final = 1.0
"""Maximum step between two frames of a call: after a longer pause the video continues where it was."""


class VideoBackground:
    """The frames of a video file, in a loop.

    The first frame of the video is shown with the frame at ``start`` seconds, by default the first requested one; from then on
    both advance by the frames' times. ``live`` is for calls: another thread decodes, and if it falls behind, the previous picture
    is shown longer. Otherwise each frame gets exactly the picture that is due at its time, in any order. ``fit`` is how it is
    fitted to the frame's size. Colors are converted to the frame's. ``tone`` darkens them.

    Raises :class:`~livebg.errors.ConfigError` if the file cannot be read. A later failure raises
    :class:`~livebg.errors.SourceError` for files; in a call the last picture stays. Not thread-safe.
    """

    returns_new_array = False

    def __init__(
        self,
        path: Path,
        *,
        live: bool = False,
        fit: Fit = "fill",
        tone: RoomTone = UNCHANGED,
        start: float | None = None,
    ) -> None:
        try:
            source = FileSource(path, threads=1)
        except SourceError as error:
            raise ConfigError(f"The background cannot be used: {error}") from error
        self._aspect = source.format.sample_aspect_ratio
        self._fit: Fit = fit
        self._tone = tone
        self._live = live
        self._frames = (PrefetchReader if live else PositionReader)(path, source)
        self.close = weakref.finalize(self, self._frames.close)
        """Release the file. Runs at the latest when the background is garbage-collected."""
        self._start = start
        self._last_time: float | None = None
        self._position = 0.0
        self._cache: tuple[Frame, tuple[int, int, ColorSpec], NDArray[np.uint8]] | None = None

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:  # noqa: ARG002
        shown = self._frames.at(self._live_position(frame.time) if self._live else self._exact_position(frame.time))
        key = (frame.width, frame.height, frame.color)
        if self._cache is None or self._cache[0] is not shown or self._cache[1] != key:
            self._cache = shown, key, self._fit_to_frame(shown, *key)
        return self._cache[2]

    def _live_position(self, time: float) -> float:
        if self._last_time is not None:
            self._position += min(max(time - self._last_time, 0.0), _MAX_STEP_S)
        self._last_time = time
        return self._position

    def _exact_position(self, time: float) -> float:
        if self._start is None:
            self._start = time
        return max(time - self._start, 0.0)

    def _fit_to_frame(self, shown: Frame, width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
        given, target = shown.color.with_default_matrix(shown.height), color.with_default_matrix(height)
        if (given.matrix, given.full_range) != (target.matrix, target.full_range):
            shown = replace(shown, data=convert_i420(shown.data, given, target), color=target)
        if target.icc:
            rgb = shown.rgb((shown.width, shown.height))
            shown = replace(shown, data=srgb_to_i420(rgb, target), color=target)
        return self._tone.i420(fit_to_size(shown, (width, height), self._fit, self._aspect), color)
