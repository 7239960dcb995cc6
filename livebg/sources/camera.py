"""Camera sources, local or by URL."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

from livebg.errors import SourceError
from livebg.imaging.frame import Frame, VideoFormat
from livebg.interfaces import LiveSource
from livebg.sources.camera_controls import CameraControls, SavedControls
from livebg.sources.camera_decoding import (
    CAMERA_COLOR,
    INTER_CODED,
    CameraConverter,
    CameraPicture,
    CorruptPicture,
    picture_reader,
)
from livebg.sources.ffmpeg_camera import FFmpegCamera, is_url
from livebg.v4l2 import abi
from livebg.v4l2.capture import Capture
from livebg.v4l2.device import Device
from livebg.v4l2.find_camera import camera_failure, find_camera, modes_of
from livebg.v4l2.modes import DECODE_COST, Mode, choose_mode
from livebg.v4l2.syscalls import SYSCALLS, Syscalls

_LOG: Final = logging.getLogger(__name__)
OPEN_TIMEOUT_S: Final = 2.0
"""Seconds without a frame after which a camera counts as stalled."""
_MAX_SIDE: Final = 16_384
"""Pixels. Larger sizes are driver errors and would exhaust memory."""
_WAKE_TIME_S: Final = 2.0
"""Extra wait for the first frame: a suspended camera takes a second or two to start."""


def open_camera(
    device: str | Path,
    size: tuple[int, int],
    frame_rate: float,
    *,
    output: str | None = None,
    deadline: float = OPEN_TIMEOUT_S,
    saved: SavedControls | None = None,
    kernel: Syscalls = SYSCALLS,
) -> LiveSource:
    """Open ``device``: a URL, or a local camera (see :func:`~livebg.v4l2.find_camera.find_camera`).

    ``size`` (width, height) and ``frame_rate`` are the target; the nearest mode is used. ``output`` is the label of the loopback
    device that livebg writes to, which is rejected as a camera. ``deadline`` is in seconds. The controls in ``saved`` are
    restored. Raises :class:`~livebg.errors.SourceError`.
    """
    if is_url(str(device)):
        return FFmpegCamera(str(device), deadline=deadline)
    found = find_camera(device, kernel)
    if found.is_loopback and found.card == output:
        raise SourceError(f"The camera {found} is the device that livebg writes to.", "Choose a real camera with --camera.")
    source = CameraSource(found.path, size, frame_rate, deadline=deadline, kernel=kernel)
    if saved is not None:
        CameraControls(source.device, saved, kernel).restore()  # streaming: some cameras forget them when a stream starts
    return source


def camera_format(
    device: str | Path, size: tuple[int, int], frame_rate: float, *, kernel: Syscalls = SYSCALLS
) -> VideoFormat | None:
    """Return the format that opening the camera would most likely give, from the modes it lists. The camera does not stream.

    None if unknown: for URLs, on systems other than Linux, and for a camera that is absent or cannot be queried.
    """
    if is_url(str(device)):
        return None
    try:
        _, mode, rate = _choose(device, size, frame_rate, kernel)
    except SourceError:
        return None
    return VideoFormat(mode.width, mode.height, mode.nearest_rate(rate), CAMERA_COLOR)


class CameraSource(LiveSource):
    """A local Linux camera: frames with the kernel's timestamps, in microseconds of CLOCK_MONOTONIC.

    Frames are limited-range BT.601 I420; other formats are converted once. ``damaged`` counts pictures that did not decode or
    that the driver flagged as corrupt, ``skipped`` those replaced by a newer one before they were read, and ``lost`` gaps in the
    driver's sequence numbers. ``device`` is the camera's device.

    Opening raises :class:`~livebg.errors.SourceError` if the camera is absent, busy, forbidden or not a camera. Iterating raises
    it if no good picture arrives within ``deadline`` seconds (two more for the first), if the camera is unplugged, or if a
    picture has another size than negotiated.
    """

    def __init__(
        self,
        device: str | Path,
        size: tuple[int, int],
        frame_rate: float,
        *,
        deadline: float = OPEN_TIMEOUT_S,
        kernel: Syscalls = SYSCALLS,
    ) -> None:
        self._kernel = kernel
        self._deadline = deadline
        self._undecodable = 0
        self.device, mode, rate = _choose(device, size, frame_rate, kernel)
        self.can_wait = mode.pixel_format not in INTER_CODED
        try:
            self._capture = Capture(self.device.path, mode, rate, kernel, newest=self.can_wait)
        except OSError as error:
            raise camera_failure(self.device, error, kernel) from error
        try:
            self._format = self._negotiated(self._capture.pix)
        except SourceError:
            self._capture.close()
            raise
        self._reader, self._converter = picture_reader(self._capture.pix), CameraConverter(str(self.device), self._format)
        self._frames = self._iterate()

    @property
    def format(self) -> VideoFormat:
        return self._format

    @property
    def name(self) -> str:
        return self.device.card

    @property
    def mode(self) -> str:
        """The mode in use, such as ``1280x720 MJPG 30 fps``."""
        pixel_format = abi.fourcc_text(self._capture.pix.pixelformat)
        return f"{self._format.width}x{self._format.height} {pixel_format} {float(self._format.frame_rate):.4g} fps"

    @property
    def damaged(self) -> int:
        return self._undecodable + self._capture.broken

    @property
    def skipped(self) -> int:
        return self._capture.passed_over

    @property
    def lost(self) -> int:
        return self._capture.lost

    def now(self) -> float:
        return self._kernel.now()

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        self._capture.close()

    def _negotiated(self, pix: abi.PixFormat) -> VideoFormat:
        """Return the format that the driver chose, which can differ from what it listed."""
        pixel_format = abi.fourcc_text(pix.pixelformat)
        even = not (pix.width % 2 or pix.height % 2)
        if (
            pixel_format not in DECODE_COST
            or not even
            or not 0 < min(pix.width, pix.height) <= max(pix.width, pix.height) <= _MAX_SIDE
        ):
            raise SourceError(
                f"The camera {self.device} delivers {pix.width}x{pix.height} {pixel_format}, which livebg cannot read.",
                "Set another size, or choose another camera.",
            )
        return VideoFormat(pix.width, pix.height, self._capture.frame_rate, CAMERA_COLOR)

    def _iterate(self) -> Iterator[Frame]:
        timeout = self._deadline + _WAKE_TIME_S
        while (pictures := self._wait_for_pictures(timeout)) is not None:
            timeout = self._deadline
            for picture in pictures:
                yield self._converter.frame(picture)

    def _wait_for_pictures(self, timeout: float) -> list[CameraPicture] | None:
        """Return at least one picture; None if the source was closed."""
        end = self._kernel.now() + timeout
        damaged = self.damaged
        while True:
            try:
                captured = self._capture.read(end - self._kernel.now())
            except TimeoutError:
                damaged = self.damaged - damaged
                delivered = f"only damaged pictures ({damaged})" if damaged else "no picture"
                raise SourceError(
                    f"The camera {self.device} delivered {delivered} for {timeout:.3g} s.", "Unplug it and plug it in again."
                ) from None
            except OSError as error:
                raise camera_failure(self.device, error, self._kernel) from error
            if captured is None:
                return None
            try:
                pictures = self._reader.read(captured.data, captured.microseconds)
            except CorruptPicture as error:
                _LOG.debug("Damaged picture from %s: %s", self.device, error)
                self._undecodable += 1
                continue
            if pictures:
                return pictures


def _choose(device: str | Path, size: tuple[int, int], frame_rate: float, kernel: Syscalls) -> tuple[Device, Mode, Fraction]:
    found = find_camera(device, kernel)
    rate = Fraction(frame_rate).limit_denominator(1001)
    return found, choose_mode(modes_of(found, kernel, size, rate), size, rate), rate
