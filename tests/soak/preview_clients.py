"""Clients of the session's preview socket, each in a thread, in real time."""

import random
import threading
from pathlib import Path
from typing import Final

from livebg.errors import LivebgError
from livebg.preview.client import PreviewClient
from tests.soak.faults import Violations
from tests.soak.room import SIZE

_PAUSE: Final = 0.05
"""Real seconds between two requests."""
_LEAVE: Final = 30.0
_VIEWS: Final = (("composite",), ("composite", "alpha"), ("alpha",), ("original",), ())


class PreviewClients:
    """Opens and closes them; ``path`` is the preview socket."""

    def __init__(self, path: Path, violations: Violations) -> None:
        self._path, self._violations = path, violations
        self._open: list[tuple[threading.Event, threading.Thread]] = []

    def open(self, chance: random.Random) -> None:
        if len(self._open) >= 3:
            return
        end, views, with_status = threading.Event(), chance.choice(_VIEWS), chance.random() < 0.3
        thread = threading.Thread(target=self._look, args=(end, views, with_status), name="looker", daemon=True)
        self._open.append((end, thread))
        thread.start()

    def close_one(self) -> None:
        if self._open:
            end, _ = self._open.pop(0)
            end.set()

    def close(self) -> None:
        """All of them, and wait until they have gone."""
        while self._open:
            end, thread = self._open.pop(0)
            end.set()
            thread.join(_LEAVE)

    def _look(self, end: threading.Event, views: tuple[str, ...], with_status: bool) -> None:
        try:
            with PreviewClient(self._path, timeout=_LEAVE) as channel:
                while not end.wait(_PAUSE):
                    seen = channel.next_frame(views, status=with_status)
                    if any(picture.size != SIZE for picture in seen.pictures.values()):
                        self._violations.note("a preview shows pictures of another size")
        except LivebgError as error:
            self._violations.note(f"a preview was refused: {error}")
