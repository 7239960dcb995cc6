"""From settings to a live session."""

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Final

from livebg.clock import StageClock
from livebg.compositing.composite import Consent
from livebg.config.parsing import parse_size
from livebg.config.settings import Settings
from livebg.daemon.saved_choices import KEPT
from livebg.daemon.settings_layers import Layers, check_mode
from livebg.errors import LivebgError, SourceError
from livebg.factory import build_look
from livebg.imaging.frame import BT601, ColorSpec, VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource, Sink
from livebg.live.effect_builder import LookBuilder
from livebg.live.output_loop import INTERVAL
from livebg.live.presence.device import AlwaysWatched, DevicePresence
from livebg.live.presence.pipewire import StreamPresence
from livebg.live.session import PresenceMaker, Session
from livebg.models import find
from livebg.sinks.backend import resolved
from livebg.sinks.pipewire.streaming import Streaming
from livebg.sources.media_types import VIDEO_SUFFIXES

_LOG: Final = logging.getLogger(__name__)
READERS_COLOR: Final = ColorSpec(BT601, BT601, BT601)
"""What the readers of a virtual camera take I420 for."""

_LEAST_RATE: Final = Fraction(round(1 / INTERVAL))


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
        from livebg.sources.looping_file import LoopedFile

        return lambda: LoopedFile(file)
    from livebg.sources.camera import open_camera

    size = parse_size(camera.size) or (0, 0)
    return lambda: open_camera(camera.device, size, camera.frame_rate, output=settings.output.label)


def check_camera(settings: Settings) -> str | None:
    """Why the camera that the settings name cannot be seen now, which may change; None when it can, or nobody knows.

    Raises :class:`~livebg.errors.SourceError` for what will not change: a file in its place that cannot be read.
    """
    device = settings.camera.device
    file = stand_in(device)
    if file is not None:
        from livebg.sources.looping_file import LoopedFile

        LoopedFile(file).close()
        return None
    if not sys.platform.startswith("linux") or "://" in device:
        return None
    from livebg.v4l2.find_camera import find_camera

    try:
        find_camera(device)
    except SourceError as error:
        return str(error)
    return None


def check_startable(settings: Settings) -> None:
    """Raises the :class:`~livebg.errors.LivebgError` of whatever would end a session at its start, before anything is opened."""
    check_mode(settings.effect.mode)
    find(settings.model.name, settings.model.folders)
    build_look(settings)
    check_camera(settings)


def startable(layers: Layers) -> Layers:
    """``layers`` without the choices of earlier runs that can no longer be, such as a picture that was removed; that is logged.

    No more of them are left out than must be. Raises as :func:`check_startable` does when it is not they that are to blame.
    """
    try:
        check_startable(layers.settings())
    except LivebgError as error:
        keys = [key for key in reversed(KEPT) if key in layers.choices]
        for dropped in chain.from_iterable(combinations(keys, count) for count in range(1, len(keys) + 1)):
            fewer = layers.without(dropped)
            with suppress(LivebgError):
                check_startable(fewer.settings())
                _LOG.warning("what was chosen of %s is left out: %s", " and ".join(dropped), error)
                return fewer
        raise
    return layers


def camera_arranger(settings: Settings, shape: VideoFormat) -> Callable[[VideoFormat], Geometry]:
    """What brings the frames of the camera that the settings describe, by its format, to the output's ``shape``."""
    camera = settings.camera

    def arrange(given: VideoFormat) -> Geometry:
        return Geometry((shape.width, shape.height), camera.mirror, camera.rotate, given.sample_aspect_ratio)

    return arrange


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


def presence_of(settings: Settings, streaming: Streaming) -> PresenceMaker:
    """What sees whether anybody watches the output: only Linux's virtual cameras tell. PipeWire's does by ``streaming``."""
    backend = resolved(settings.output.backend)
    if settings.output.on_demand and backend == "v4l2loopback":
        return DevicePresence
    if settings.output.on_demand and backend == "pipewire":
        return partial(StreamPresence, streaming)
    return AlwaysWatched


def build_session(
    settings: Settings, consent: Consent | None, on_alive: Callable[[], None] = lambda: None
) -> tuple[Session, LookBuilder]:
    """A session that has not begun, and what builds its look; the output thread calls ``on_alive`` as it goes round.

    Raises as :func:`output_format` does.
    """
    from livebg.sinks.virtual_camera import open_virtual_camera

    shape, streaming = output_format(settings), Streaming()
    stages = StageClock(time.thread_time)  # each stage runs in one thread
    builder = LookBuilder(settings, consent, stages, shape)

    def open_output() -> Sink:
        return open_virtual_camera(settings.output.backend, settings.output.label, shape, streaming=streaming)

    arrange = camera_arranger(settings, shape)
    session = Session(
        camera_opener(settings),
        open_output,
        builder,
        shape,
        arrange,
        presence=presence_of(settings, streaming),
        forget=builder.forget,
        on_alive=on_alive,
        stages=stages,
    )
    return session, builder


def _expected(settings: Settings) -> VideoFormat:
    camera = settings.camera
    file = stand_in(camera.device)
    if file is not None:
        from livebg.sources.looping_file import LoopedFile

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
