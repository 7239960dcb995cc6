"""Recordings of a soak's session, and what their files show."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np

from livebg.imaging.frame import planes
from livebg.live.recorder import NO_PICTURE
from tests.soak.faults import Violations
from tests.soak.room import RoomDetector

Say = Callable[[str, dict[str, Any] | None], dict[str, Any]]
"""Sends a command with its arguments and returns the answer."""


class SoakRecordings:
    """Starts and ends recordings in ``folder``, and looks for the room in each file: only a consent for it lets it be there."""

    def __init__(self, folder: Path, violations: Violations) -> None:
        self._folder, self._violations, self._detector = folder, violations, RoomDetector()
        self._running: tuple[Path, bool] | None = None
        self._count = 0
        self.rooms = 0
        """The number of recordings that show the room, with consent."""

    def act(self, chance: random.Random, say: Say) -> None:
        if self._running is not None and chance.random() < 0.5:
            self.finish(say)
            return
        self._count += 1
        path = self._folder / f"{self._count}{chance.choice(('.mkv', '.mkv', '.mp4', '.avi'))}"
        command = chance.choice(("record", "record_original"))
        seconds = chance.choice((None, None, 0.7, 5, -1))
        if say(command, {"path": str(path), "seconds": seconds, "overwrite": chance.random() < 0.3}).get("ok"):
            self._check()  # the one before has ended by itself
            self._running = path, command == "record_original"

    def finish(self, say: Say) -> None:
        """End the running recording and look at its file."""
        if self._running is not None:
            problem = say("stop_recording", None).get("result", {}).get("problem")
            if problem and problem != NO_PICTURE:
                self._violations.note(f"a recording ended: {problem}")
            self._check()

    def _check(self) -> None:
        if self._running is None:
            return
        (path, consented), self._running = self._running, None
        if not path.exists():  # it ended before the first picture
            return
        with av.open(str(path)) as file:
            shown = [np.asarray(frame.to_ndarray(), np.uint8) for frame in file.decode(video=0)]
        path.unlink()
        if any(self._detector.shows(planes(picture)[0]) for picture in shown):
            self.rooms += consented
            if not consented:
                self._violations.note(f"the recording {path.name} shows the room")
