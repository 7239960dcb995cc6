"""A running session with its preview socket, and clients that behave well or badly."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from livebg.cli.consent import room_views
from livebg.daemon.preview_server import PreviewServer, View, views
from livebg.interfaces import LiveSource
from livebg.live.presence.device import Presence
from livebg.live.quality.adaptive_pipeline import AdaptivePipeline
from livebg.live.quality.governor import Governor
from livebg.live.quality.levels import QualityLevel
from livebg.pipeline import Processor
from livebg.preview.client import PreviewClient
from tests.support.fake_daemon import LIVE
from tests.support.live_session import (
    FakePresence,
    PersonSegmenter,
    RecordingSink,
    ToyCamera,
    green_pipeline,
    make_session,
    running,
)

DEADLINE = 20.0
ALL = ("composite", "alpha", "original")


def adaptive_processor() -> Processor:
    """The person on green, by the daemon's pipeline."""
    return AdaptivePipeline(green_pipeline(PersonSegmenter()), Governor((QualityLevel(),)), 1 / 50)


class PreviewSession:
    """A session that nobody watches at first, and its preview socket at ``path``; ``with`` runs both."""

    def __init__(
        self,
        folder: Path,
        *,
        build: Callable[[], Processor] = adaptive_processor,
        shows: Mapping[str, View] | None = None,
        timeout: float = DEADLINE,
        most: int = 8,
        name: str = "p",
    ) -> None:
        self.path = folder / name
        self.sink = RecordingSink()
        self.cameras: list[ToyCamera] = []
        self.status = LIVE
        """The configured answer, whatever the state."""
        self.watchers: FakePresence
        self.live = make_session(self._open, self.sink, build, presence=self._presence)
        shown = views() | room_views() if shows is None else shows
        self._server = PreviewServer(self.path, self.live.audience, shown, self._tell, timeout=timeout, max_clients=most)

    def _tell(self) -> dict[str, Any]:
        return self.status.as_dict()

    def _open(self) -> LiveSource:
        self.cameras.append(ToyCamera())
        return self.cameras[-1]

    def _presence(self, device: Callable[[], str | None], changed: Callable[[], object]) -> Presence:
        self.watchers = FakePresence(device, changed)
        return self.watchers

    @property
    def camera_open(self) -> bool:
        return any(not camera.closed for camera in self.cameras)

    def channel(self) -> PreviewClient:
        return PreviewClient(self.path, timeout=DEADLINE)

    @contextmanager
    def on(self) -> Iterator[Self]:
        with running(self.live):
            self._server.start()
            try:
                yield self
            finally:
                self._server.close()


class RawClient:
    """A client that sends bytes and reads them when the test wants."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))  # without a deadline, since with one a full queue is an error
        self.socket.settimeout(DEADLINE)

    def ask(self, *names: str, **more: Any) -> None:
        request = {"version": 2, "command": "look", "arguments": {"views": list(names), **more}}
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def line(self) -> bytes:
        """The next line, without any byte after it; empty after the server has disconnected."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self.socket.recv(1)
            if not byte:
                return line
            line += byte
        return line

    def is_hung_up_on(self) -> bool:
        """Reads to the end, which has to come."""
        try:
            while self.socket.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()
