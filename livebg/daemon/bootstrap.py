"""Builds a live session from settings."""

import logging
from contextlib import suppress
from fractions import Fraction
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Final

from livebg.clock import StageTimer
from livebg.compositing.composite import Consent
from livebg.config.choices import SinkBackend
from livebg.config.parsing import parse_size
from livebg.config.settings import Settings
from livebg.daemon.settings_layers import SettingsLayers, check_mode
from livebg.errors import LivebgError, SourceError
from livebg.factory import build_effect
from livebg.imaging.frame import BT601, ColorSpec, VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource, Sink
from livebg.live.capture_loop import Camera
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.output_loop import KEEPALIVE_INTERVAL_S, Output
from livebg.live.presence.device import AlwaysWatched, DevicePresence, PresenceFactory
from livebg.live.presence.pipewire import StreamPresence
from livebg.live.session import Session
from livebg.models import find
from livebg.platform.user_paths import expand_user, is_file
from livebg.sinks.pipewire.stream import StreamingFlag
from livebg.sinks.virtual_camera import open_virtual_camera
from livebg.sources.camera import camera_format, open_camera
from livebg.sources.camera_controls import SavedControls
from livebg.sources.ffmpeg_camera import is_url, public_url
from livebg.sources.looping_file import LoopingFile
from livebg.sources.media_types import VIDEO_SUFFIXES
from livebg.v4l2.find_camera import find_camera, require_linux

_LOG: Final = logging.getLogger(__name__)
READERS_COLOR: Final = ColorSpec(BT601, BT601, BT601)
"""The color space that readers of a virtual camera assume for I420."""

_PERISHABLE_KEYS: Final = ("camera.device", "effect.background", "effect.mode")
"""Saved choices that may become invalid: they name devices and files. The mode decides whether the background is read."""
_MIN_FRAME_RATE: Final = Fraction(round(1 / KEEPALIVE_INTERVAL_S))


def video_file_or_none(device: str) -> Path | None:
    """Return the video file given instead of a camera, or None."""
    path = expand_user(device)
    exists = is_file(path)
    return path if exists or ("://" not in device and path.suffix.lower() in VIDEO_SUFFIXES) else None


def build_camera(settings: Settings, shape: VideoFormat) -> Camera:
    """Return the configured camera, whose frames are converted to ``shape``. Opens nothing.

    Raises SourceError for a local camera on other systems than Linux.
    """
    camera = settings.camera

    def geometry_for(given: VideoFormat) -> Geometry:
        return Geometry((shape.width, shape.height), camera.mirror, camera.rotate, given.sample_aspect_ratio)

    file = video_file_or_none(camera.device)
    if file is not None:
        return Camera(lambda: LoopingFile(file), geometry_for)
    if "://" not in camera.device:
        require_linux()
    size = parse_size(camera.size) or (0, 0)
    saved = SavedControls()

    def open_local() -> LiveSource:
        return open_camera(camera.device, size, camera.frame_rate, output=settings.output.label, saved=saved)

    return Camera(open_local, geometry_for)


def check_camera(settings: Settings) -> str | None:
    """Return why the configured camera is currently unavailable, or None if it is available or unknown.

    Raises :class:`~livebg.errors.SourceError` for a permanent error: a video file that cannot be read, a malformed URL, or a
    local camera on another system than Linux.
    """
    device = settings.camera.device
    file = video_file_or_none(device)
    if file is not None:
        LoopingFile(file).close()
        return None
    if is_url(device):
        public_url(device)
    if "://" in device:
        return None
    require_linux()
    try:
        find_camera(device)
    except SourceError as error:
        return str(error)
    return None


def validate(settings: Settings, *, camera_chosen: bool = True) -> None:
    """Raise the :class:`~livebg.errors.LivebgError` that would end a session at startup, before opening anything.

    Only with ``camera_chosen`` does it try the camera: :func:`build_session` does so too.
    """
    check_mode(settings.effect.mode)
    find(settings.model.name, settings.model.folders)
    build_effect(settings)
    if camera_chosen:
        check_camera(settings)


def drop_stale_choices(layers: SettingsLayers) -> SettingsLayers:
    """Return ``layers`` without saved choices that are no longer valid, such as a deleted image, and log a warning.

    Drops as few choices as possible. Raises the error of :func:`validate` if dropping choices does not help.
    """
    try:
        validate(layers.settings(), camera_chosen="camera.device" in layers.choices)
    except LivebgError as error:
        keys = [key for key in _PERISHABLE_KEYS if key in layers.choices]
        for dropped in chain.from_iterable(combinations(keys, count) for count in range(1, len(keys) + 1)):
            fewer = layers.without(dropped)
            with suppress(LivebgError):
                validate(fewer.settings())
                _LOG.warning("Ignoring the saved %s: %s", " and ".join(dropped), error)
                return fewer
        raise
    return layers


def output_format(settings: Settings) -> VideoFormat:
    """Return the output format for the whole session. It is fixed before the camera is opened.

    With size ``auto`` it is the format of the file or the camera, or the requested format if there is no camera yet.
    Raises :class:`~livebg.errors.SourceError` if a video file given as the camera cannot be read.
    """
    given = _source_format(settings)
    size = parse_size(settings.output.size)
    if size is None:
        turned = settings.camera.rotate in (90, 270)
        size = (given.height, given.width) if turned else (given.width, given.height)
    # Announce at least the keep-alive rate, because readers treat a higher rate than announced as an error.
    return VideoFormat(*size, max(given.frame_rate, _MIN_FRAME_RATE), READERS_COLOR)


def presence_factory(settings: Settings, streaming: StreamingFlag, backend: SinkBackend) -> PresenceFactory:
    """Return the presence factory for one output. Only v4l2loopback and PipeWire (by ``streaming``) report viewers.

    A loopback device that is missing keeps the camera on only if no other output can report a viewer.
    """
    if not settings.output.on_demand:
        return AlwaysWatched
    alone = len(settings.output.sink_backends) == 1
    device = DevicePresence if alone else partial(DevicePresence, assume_watched=False)
    detecting: dict[str, PresenceFactory] = {"v4l2loopback": device, "pipewire": partial(StreamPresence, streaming)}
    return detecting.get(backend, AlwaysWatched)


def build_session(settings: Settings, consent: Consent | None) -> tuple[Session, ProcessorFactory]:
    """Return an unstarted session and its effect builder. Raises the errors of :func:`output_format`."""
    shape, streaming = output_format(settings), StreamingFlag()
    stages = StageTimer()
    builder = ProcessorFactory(settings, consent, stages, shape)

    def open_output(backend: SinkBackend) -> Sink:
        return open_virtual_camera(backend, settings.output.label, shape, streaming=streaming)

    output, *further = (
        Output(partial(open_output, backend), shape, presence_factory(settings, streaming, backend))
        for backend in settings.output.sink_backends
    )
    camera, forget = build_camera(settings, shape), builder.discard_network
    return Session(camera, output, builder, further_outputs=further, discard_network=forget, stages=stages), builder


def _source_format(settings: Settings) -> VideoFormat:
    camera = settings.camera
    file = video_file_or_none(camera.device)
    if file is not None:
        with LoopingFile(file) as source:
            return source.format
    size = parse_size(camera.size) or (0, 0)
    rate = Fraction(camera.frame_rate).limit_denominator(1001)
    try:
        found = camera_format(camera.device, size, camera.frame_rate)
    except SourceError:
        found = None
    return found or VideoFormat(size[0] // 2 * 2, size[1] // 2 * 2, rate, READERS_COLOR)
