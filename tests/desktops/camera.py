"""A clip that stands in for the webcam of a container, and a reader of livebg's camera."""

import json
import time
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tests.bare.machine import HOME
from tests.bare.material import FACE, ROOM, SIZE, difference, fineness, talk
from tests.desktops.machine import BootedMachine, until
from tests.support.decoding import luma_of, pictures_of

Pixels = NDArray[np.uint8]
_CLIP: Final = "webcam.mp4"
_FRAME: Final = SIZE * SIZE * 3 // 2
SETTINGS: Final = f'[camera]\ndevice = "{HOME}/{_CLIP}"\n\n[output]\npause_on_lock = true\n'
"""The configuration file with which livebg reads the clip."""


class Webcam:
    """A clip of 50 frames of a person who sways before a room, 256x256, in the user's home."""

    def __init__(self, folder: Path) -> None:
        self.clip = talk(50, Fraction(25)).write(folder / _CLIP)

    def plug_into(self, machine: BootedMachine) -> None:
        """Copy the clip into the user's home, and the settings that name it."""
        machine.copy_in(self.clip, _CLIP)
        machine.write(".config/livebg/config.toml", SETTINGS)

    @cached_property
    def _originals(self) -> list[Pixels]:
        return [luma_of(picture) for picture in pictures_of(self.clip)]

    def is_composite(self, luma: Pixels) -> bool:
        """Whether the picture shows the person sharp and the room blurred."""
        nearest = min(self._originals, key=lambda original: difference(luma[FACE], original[FACE]))
        return difference(luma[FACE], nearest[FACE]) < 8 and fineness(luma[ROOM]) < 0.5 * fineness(nearest[ROOM])


class CameraReader:
    """A program in the container that shows livebg's camera, until it is closed."""

    command = (
        "gst-launch-1.0 -q pipewiresrc target-object=livebg ! video/x-raw,format=I420 "
        "! filesink location=read.yuv buffer-mode=unbuffered"
    )
    """It writes the frames to read.yuv in the user's home."""

    def __init__(self, machine: BootedMachine) -> None:
        self._machine = machine
        self._file = machine.home / "read.yuv"
        self._file.unlink(missing_ok=True)
        self._program = machine.start(self.command)

    @property
    def frames(self) -> int:
        """The number of frames read."""
        try:
            return self._file.stat().st_size // _FRAME
        except FileNotFoundError:
            return 0

    def latest(self) -> Pixels | None:
        """The luma of the newest frame; None before the first."""
        count = self.frames
        if not count:
            return None
        with self._file.open("rb") as file:
            file.seek((count - 1) * _FRAME)
            return np.frombuffer(file.read(SIZE * SIZE), np.uint8).reshape(SIZE, SIZE)

    def until_composite(self, webcam: Webcam) -> None:
        """Wait for a composite of the clip."""

        def found() -> bool:
            assert self._program.poll() is None, self._output()
            luma = self.latest()
            return luma is not None and webcam.is_composite(luma)

        until(found, "a composite in the camera")

    def until_placeholder(self, webcam: Webcam) -> None:
        """Wait for a new frame without the person."""
        before = self.frames

        def found() -> bool:
            luma = self.latest()
            return self.frames > before and luma is not None and not webcam.is_composite(luma)

        until(found, "a placeholder in the camera")

    def is_moving(self, seconds: float = 3.0) -> bool:
        """Whether the picture changes within that time."""
        first, deadline = self.latest(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            now = self.latest()
            if first is not None and now is not None and difference(first, now) > 0.5:
                return True
            time.sleep(0.1)
        return False

    def _output(self) -> str:
        return self._program.communicate()[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._machine.run("kill -TERM $(pgrep -f '^gst-launch-1.0 -q pipewiresrc')")
        self._program.communicate(timeout=30)
        self._file.unlink(missing_ok=True)


class PortalReader(CameraReader):
    """A reader that gets the camera from the portal, after the user has allowed it."""

    command = "python3 portal_camera.py livebg"

    def __init__(self, machine: BootedMachine) -> None:
        machine.copy_in(Path(__file__).with_name("portal_camera.py"), "portal_camera.py")
        super().__init__(machine)
        assert self.step() == {"step": "requested"}

    def step(self) -> dict[str, Any]:
        """The next step of portal_camera.py; waits for it."""
        assert self._program.stdout is not None
        line = self._program.stdout.readline()
        assert line.startswith("{"), line + self._output()
        step: dict[str, Any] = json.loads(line)
        return step
