"""The thread that receives pictures for the window while it is visible."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.errors import LivebgError
from livebg.preview.client import PreviewClient, PreviewFrame
from livebg.window.link import Post

MAX_RATE: Final = 15.0
MIN_RATE: Final = 5.0
"""Pictures per second. Without a GPU, GTK needs up to 50 ms of CPU time to draw one."""
_CPU_SHARE: Final = 0.2
"""CPU time per second that showing pictures may take, in this process."""
_PACE_INTERVAL_S: Final = 1.0
_RETRY_DELAY_S: Final = 0.5
_JOIN_TIMEOUT_S: Final = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A picture at the size of the window: BGR, uint8, shape (height, width, 3)."""

    bgr: NDArray[np.uint8]
    placeholder: bool


class Pace:
    """Chooses the rate of pictures so that this process uses little CPU time, however expensive drawing is."""

    def __init__(self, cpu_time: Callable[[], float] = time.process_time) -> None:
        self._cpu_time = cpu_time
        self._since: tuple[float, float] | None = None
        self.rate = MAX_RATE
        """Pictures per second."""

    def update(self, now: float) -> None:
        """Adapt the rate about once a second. ``now`` is the time in seconds."""
        cpu = self._cpu_time()
        if self._since is None:
            self._since = (now, cpu)
        elif now - self._since[0] >= _PACE_INTERVAL_S:
            share = (cpu - self._since[1]) / (now - self._since[0])
            self.rate = min(max(self.rate * min(_CPU_SHARE / max(share, 0.01), 1.5), MIN_RATE), MAX_RATE)
            self._since = (now, cpu)


class Feed:
    """Receives pictures while it is watching, and posts each one to ``on_picture``; None if others get none or the connection is
    lost.

    A feed that is not watching has no connection, so livebg does not count it as a viewer.
    """

    def __init__(
        self, post: Post, on_picture: Callable[[Shown | None], object], connect: Callable[[], PreviewClient] = PreviewClient
    ) -> None:
        self._post, self._on_picture, self._connect = post, on_picture, connect
        self._watching, self._closed = threading.Event(), threading.Event()
        self.view = "composite"
        """``composite`` or ``alpha``. May be changed at any time."""
        self.box = (640, 360)
        """Maximum (width, height) of pictures in pixels. May be changed at any time."""
        self._pace = Pace()
        self._thread = threading.Thread(target=self._run, name="livebg window pictures", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def set_watching(self, watching: bool) -> None:
        """Connect, or disconnect after the current request, which takes at most half a second."""
        (self._watching.set if watching else self._watching.clear)()

    def close(self) -> None:
        """Disconnect and stop the thread."""
        self._closed.set()
        self._watching.set()
        self._thread.join(_JOIN_TIMEOUT_S)

    def _run(self) -> None:
        while self._watching.wait() and not self._closed.is_set():
            try:
                with self._connect() as client:
                    self._receive(client)
            except LivebgError:
                self._post(self._on_picture, None)
                self._closed.wait(_RETRY_DELAY_S)

    def _receive(self, client: PreviewClient) -> None:
        while self._watching.is_set() and not self._closed.is_set():
            started = time.monotonic()
            shown = self._convert(client.next_frame([self.view]))
            if self._watching.is_set():
                self._post(self._on_picture, shown)
            self._pace.update(started)
            self._closed.wait(max(0.0, 1 / self._pace.rate - (time.monotonic() - started)))

    def _convert(self, frame: PreviewFrame) -> Shown | None:
        picture = next(iter(frame.pictures.values()), None)
        if picture is None:
            return None
        return Shown(picture.bgr(fit(picture.size, self.box)), frame.placeholder)


def fit(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Return the largest (width, height) in the aspect ratio of ``size`` within ``box``, not larger than ``size``."""
    scale = min(box[0] / size[0], box[1] / size[1], 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
