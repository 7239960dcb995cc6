"""From settings to a live session."""

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final

from livebg.build import build_pipeline, build_segmenter
from livebg.compositing import Consent
from livebg.config import Settings
from livebg.errors import SourceError
from livebg.frame import BT601, ColorSpec, VideoFormat
from livebg.geometry import Geometry
from livebg.interfaces import LiveSource, Segmenter, Sink
from livebg.jobs import VIDEO_SUFFIXES
from livebg.live.output import INTERVAL
from livebg.live.session import Session
from livebg.live.worker import LiveProcessor
from livebg.notation import parse_size
from livebg.pipeline import Unprocessed
from livebg.timing import StageClock

READERS_COLOR: Final = ColorSpec(BT601, BT601, BT601)
"""What the readers of a virtual camera take I420 for."""

_LEAST_RATE: Final = Fraction(round(1 / INTERVAL))


class LookBuilder:
    """Builds what turns frames into composites; ``segmenter`` is the network once it is there, and None in mode ``none``.

    ``consent`` is the user's own word to show the room as it is.
    """

    def __init__(self, settings: Settings, consent: Consent | None, stages: StageClock) -> None:
        self._settings, self._consent, self._stages = settings, consent, stages
        self.segmenter: Segmenter | None = None

    def __call__(self) -> LiveProcessor:
        """Raises :class:`~livebg.errors.ModelError` and :class:`~livebg.errors.ConfigError`."""
        if self._consent is not None:
            return Unprocessed(self._consent)
        self.segmenter = build_segmenter(self._settings)
        return build_pipeline(self._settings, self.segmenter, self._stages)


def stand_in(device: str) -> Path | None:
    """The video file that is named in the camera's place, or None."""
    path = Path(device).expanduser()
    is_file = path.is_file() or ("://" not in device and path.suffix.lower() in VIDEO_SUFFIXES)
    return path if is_file else None


def camera_opener(settings: Settings) -> Callable[[], LiveSource]:
    """What opens the camera that the settings name, again and again. Raises SourceError when it is a file that cannot be read."""
    camera = settings.camera
    file = stand_in(camera.device)
    if file is not None:
        from livebg.sources.looped import LoopedFile

        return lambda: LoopedFile(file)
    from livebg.sources.camera import open_camera

    size = parse_size(camera.size) or (0, 0)
    return lambda: open_camera(camera.device, size, camera.frame_rate, output=settings.output.label)


def output_format(settings: Settings) -> VideoFormat:
    """The output's format for the whole session, fixed before the camera is opened, since the output comes first.

    In size ``auto`` it is the file's, or what the camera would give; where there is no camera yet, what it will be asked for.
    Raises :class:`~livebg.errors.SourceError` when a file that stands in for the camera cannot be read.
    """
    given = _expected(settings)
    size = parse_size(settings.output.size)
    if size is None:
        turned = settings.camera.rotate in (90, 270)
        size = (given.height, given.width) if turned else (given.width, given.height)
    # The output thread repeats itself when nothing new comes: readers that are told less would take that for a fault.
    return VideoFormat(*size, max(given.frame_rate, _LEAST_RATE), READERS_COLOR)


def build_session(settings: Settings, consent: Consent | None) -> tuple[Session, LookBuilder]:
    """A session that has not begun, and what builds its look. Raises as :func:`output_format` does."""
    from livebg.sinks.virtual_camera import open_virtual_camera

    shape = output_format(settings)
    stages = StageClock(time.thread_time)  # each stage runs in one thread
    builder = LookBuilder(settings, consent, stages)

    def open_output() -> Sink:
        return open_virtual_camera(settings.output.backend, settings.output.label, shape)

    def arrange(given: VideoFormat) -> Geometry:
        size = (shape.width, shape.height)
        return Geometry(size, settings.camera.mirror, settings.camera.rotate, given.sample_aspect_ratio)

    return Session(camera_opener(settings), open_output, builder, shape, arrange, stages=stages), builder


def _expected(settings: Settings) -> VideoFormat:
    camera = settings.camera
    file = stand_in(camera.device)
    if file is not None:
        from livebg.sources.looped import LoopedFile

        with LoopedFile(file) as source:
            return source.format
    from livebg.sources.camera import camera_format

    size = parse_size(camera.size) or (0, 0)
    rate = Fraction(camera.frame_rate).limit_denominator(1001)
    try:
        found = camera_format(camera.device, size, camera.frame_rate)
    except SourceError:
        found = None
    return found or VideoFormat(size[0] // 2 * 2, size[1] // 2 * 2, rate, READERS_COLOR)
