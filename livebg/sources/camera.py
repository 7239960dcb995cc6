"""A camera as a source, whichever way it is reached."""

import logging
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

from livebg.errors import SourceError
from livebg.imaging.frame import Frame, VideoFormat
from livebg.interfaces import LiveSource
from livebg.sources.camera_decoding import (
    BUILDS_ON_OTHERS,
    CAMERA_COLOR,
    MICROSECONDS,
    CameraConverter,
    DamagedPicture,
    Picture,
    picture_reader,
    size_changed,
)
from livebg.sources.camera_elsewhere import open_elsewhere
from livebg.sources.ffmpeg_camera import NetworkCamera, is_url
from livebg.v4l2 import abi
from livebg.v4l2.capture import Capture
from livebg.v4l2.device import Device
from livebg.v4l2.find_camera import camera_failure, find_camera, modes_of
from livebg.v4l2.modes import COSTS, Mode, choose_mode
from livebg.v4l2.syscalls import SYSTEM, Kernel

_log = logging.getLogger(__name__)
DEADLINE: Final = 2.0
"""Seconds without a frame after which a camera counts as stalled."""
_WIDEST: Final = 16_384
"""Pixels on a side; what has more is a mistake, and would ask for all memory."""
_WAKING: Final = 2.0
"""By which the wait for the very first frame is longer: cameras that were asleep take a second or two to begin."""


def open_camera(
    device: str | Path,
    size: tuple[int, int],
    frame_rate: float,
    *,
    output: str | None = None,
    deadline: float = DEADLINE,
    kernel: Kernel = SYSTEM,
) -> LiveSource:
    """Open what ``device`` names: a URL, or a camera of this machine as :func:`~livebg.v4l2.find_camera.find_camera` explains.

    ``size`` (width, height) and ``frame_rate`` are what to come near to. ``output`` is the label of the loopback device that the
    pictures go to: it is no camera for them. ``deadline`` in seconds. Raises :class:`~livebg.errors.SourceError`.
    """
    if is_url(str(device)):
        return NetworkCamera(str(device), deadline=deadline)
    if sys.platform != "linux":
        return open_elsewhere(str(device), size, frame_rate, deadline)
    found = find_camera(device, kernel)
    if found.is_loopback and found.card == output:
        raise SourceError(f"the camera {found} is what livebg writes to: choose a real camera with --camera")
    return CameraSource(found.path, size, frame_rate, deadline=deadline, kernel=kernel)


def camera_format(device: str | Path, size: tuple[int, int], frame_rate: float, *, kernel: Kernel = SYSTEM) -> VideoFormat | None:
    """The format that opening would most likely give, from what the camera lists: it is not opened to stream and stays dark.

    None where that cannot be known: URLs, other systems than Linux, no such camera, or one that may not be asked.
    """
    if is_url(str(device)) or sys.platform != "linux":
        return None
    try:
        _, mode, rate = _choose(device, size, frame_rate, kernel)
    except SourceError:
        return None
    return VideoFormat(mode.width, mode.height, mode.nearest_rate(rate), CAMERA_COLOR)


class CameraSource(LiveSource):
    """A camera of this Linux machine: frames with the kernel's timestamps, in microseconds of CLOCK_MONOTONIC.

    Frames are limited-range BT.601 I420, converted once where the camera delivers something else. ``damaged`` counts pictures
    that did not decode or that the driver marked, ``skipped`` those that waited so long that a newer one replaced them, and
    ``lost`` those that the driver numbered and did not deliver.

    Opening raises :class:`~livebg.errors.SourceError` for a camera that is absent, busy, forbidden or none; iterating does when
    no good picture came within ``deadline`` seconds (two more for the very first), when the camera has gone, or when a picture
    has another size than was negotiated.
    """

    def __init__(
        self, device: str | Path, size: tuple[int, int], frame_rate: float, *, deadline: float = DEADLINE, kernel: Kernel = SYSTEM
    ) -> None:
        self._kernel = kernel
        self._deadline = deadline
        self._last = -1
        self._undecodable = 0
        self._device, mode, rate = _choose(device, size, frame_rate, kernel)
        newest = mode.pixel_format not in BUILDS_ON_OTHERS
        try:
            self._capture = Capture(self._device.path, mode, rate, kernel, newest=newest)
        except OSError as error:
            raise camera_failure(self._device, error, kernel) from error
        try:
            self._format = self._negotiated(self._capture.pix)
        except SourceError:
            self._capture.close()
            raise
        self._reader, self._converter = picture_reader(self._capture.pix), CameraConverter()
        self._frames = self._iterate()

    @property
    def format(self) -> VideoFormat:
        return self._format

    @property
    def path(self) -> Path:
        """The device."""
        return self._device.path

    @property
    def mode_text(self) -> str:
        """Such as ``1280x720 MJPG 30 fps``."""
        pixel_format = abi.fourcc_text(self._capture.pix.pixelformat)
        return f"{self._format.width}x{self._format.height} {pixel_format} {float(self._format.frame_rate):.4g} fps"

    @property
    def about(self) -> str:
        return f"{self._device.card}, {self.mode_text}"

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
        """Drivers answer with what they can, which need not be what they listed."""
        pixel_format = abi.fourcc_text(pix.pixelformat)
        even = not (pix.width % 2 or pix.height % 2)
        if pixel_format not in COSTS or not even or not 0 < min(pix.width, pix.height) <= max(pix.width, pix.height) <= _WIDEST:
            raise SourceError(
                f"the camera {self._device} gives {pix.width}x{pix.height} {pixel_format}, which livebg cannot read: "
                "ask for another size, or choose another camera"
            )
        return VideoFormat(pix.width, pix.height, self._capture.frame_rate, CAMERA_COLOR)

    def _iterate(self) -> Iterator[Frame]:
        patience = self._deadline + _WAKING
        while (pictures := self._wait_for_pictures(patience)) is not None:
            patience = self._deadline
            for picture in pictures:
                yield self._frame(picture)

    def _wait_for_pictures(self, patience: float) -> list[Picture] | None:
        """At least one; None when the source was closed."""
        end = self._kernel.now() + patience
        damaged = self.damaged
        while True:
            try:
                captured = self._capture.read(end - self._kernel.now())
            except TimeoutError:
                raise self._stalled(patience, self.damaged - damaged) from None
            except OSError as error:
                raise camera_failure(self._device, error, self._kernel) from error
            if captured is None:
                return None
            try:
                pictures = self._reader.read(captured.data, captured.microseconds)
            except DamagedPicture as error:
                _log.debug("a picture of %s is damaged: %s", self._device, error)
                self._undecodable += 1
                continue
            if pictures:
                return pictures

    def _stalled(self, seconds: float, damaged: int) -> SourceError:
        what = f"only damaged pictures ({damaged} of them)" if damaged else "no picture"
        return SourceError(f"the camera {self._device} gave {what} for {seconds:.3g} s: unplug it and plug it in again")

    def _frame(self, picture: Picture) -> Frame:
        form = self._format
        if picture.size != (form.width, form.height):
            raise size_changed(str(self._device), picture, form)
        # Two pictures may bear one stamp, or the clock of the camera be read unevenly.
        self._last = max(picture.pts, self._last + 1)
        return Frame(self._converter.convert(picture), self._last, MICROSECONDS, form.color)


def _choose(device: str | Path, size: tuple[int, int], frame_rate: float, kernel: Kernel) -> tuple[Device, Mode, Fraction]:
    found = find_camera(device, kernel)
    rate = Fraction(frame_rate).limit_denominator(1001)
    return found, choose_mode(modes_of(found, kernel, size, rate), size, rate), rate
