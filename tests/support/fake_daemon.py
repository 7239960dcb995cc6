"""A fake daemon: it holds the lock and answers on the socket, and has no camera."""

import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from livebg.daemon.runtime_dir import SOCKET_NAME, hold_lock
from livebg.daemon.server import Command, ControlServer, no_arguments
from livebg.daemon.status import (
    CameraStatus,
    CpuCost,
    DelayStatus,
    EffectStatus,
    ModelStatus,
    OutputStatus,
    Status,
)
from livebg.live.stats import Counts, LastError, Latency, RecordingStatus
from livebg.native import KernelStatus

DEADLINE = 20.0
"""Seconds after which a test takes something for hung."""

LIVE = Status(
    state="live",
    reason=None,
    mode="portrait",
    uptime=3725.4,
    camera=CameraStatus("auto", "HD Webcam [C920]", "1280x720 30 fps MJPEG", 2, (1280, 720)),
    output=OutputStatus("v4l2loopback", "/dev/video10", 1280, 720, 30.0),
    fps_in=29.97002997,
    fps_out=30.0,
    counts=Counts(captured=900, dropped=3, processed=897, sent=895, placeholders=10, repeated=4, failed=2),
    latency=Latency(41.23456, 60.5),
    cpu_ms=CpuCost(6.31, {"network": 3.14159, "compositing": 2.0}),
    model=ModelStatus("livebg-u2", "CPUExecutionProvider", (256, 144)),
    last_error=LastError("the camera [C920] was lost: plug it in", 75.0),
    version="0.1.0",
    pid=4242,
    watched_by="event",
    degraded=("mask every 2nd frame",),
    effect=EffectStatus("portrait", "#204060", 0.025, "#00ff00"),
    kernels=KernelStatus("NumPy", "The CPU lacks FMA.", "Use another."),
    recording=RecordingStatus("/home/ada/talk.mkv", 61.5, 1845, "default"),
    delay=DelayStatus(2, 66.7333, -4.5),
)
ASLEEP = Status(
    state="asleep",
    reason="nobody watches",
    mode="portrait",
    uptime=5.0,
    camera=CameraStatus("auto", None, None, 0, None),
    output=OutputStatus("null", None, 640, 480, 25.0),
    fps_in=0.0,
    fps_out=10.0,
    counts=Counts(0, 0, 0, 0, 50, 0),
    latency=None,
    cpu_ms=None,
    model=None,
    last_error=None,
    version="0.1.0",
    pid=4243,
    watched=False,
    watched_by="proc",
)


@contextmanager
def temporary_runtime_dir(patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """XDG_RUNTIME_DIR and XDG_CACHE_HOME: new folders with short paths, since a socket's path has a maximum length."""
    with tempfile.TemporaryDirectory(prefix="livebg-") as folder:
        for variable, name in (("XDG_RUNTIME_DIR", "run"), ("XDG_CACHE_HOME", "cache")):
            (Path(folder) / name).mkdir(mode=0o700)
            patch.setenv(variable, str(Path(folder) / name))
        yield Path(folder) / "run"


class FakeServer:
    """A server that sends ``answer``, any bytes, to every client and disconnects; None: it sends nothing until it is closed."""

    def __init__(self, path: Path, answer: bytes | None) -> None:
        self._path, self._answer = path, answer
        self.received = b""
        """The last request."""
        self._closing = threading.Event()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection:
                received = connection.recv(65536)
                if not received:
                    return
                self.received = received
                if self._answer is None:
                    self._closing.wait(DEADLINE)
                else:
                    connection.sendall(self._answer)

    def close(self) -> None:
        self._closing.set()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(str(self._path))
        self._thread.join(DEADLINE)
        self._listening.close()
        self._path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FakeDaemon:
    """A fake daemon in the user's runtime folder, running as soon as it exists; ``stop`` ends it, unless it is ``deaf``."""

    def __init__(self, status: Status = LIVE, more: Mapping[str, Command] | None = None, deaf: bool = False) -> None:
        self.status = status
        self._deaf = deaf
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._more = dict(more or {})
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(DEADLINE)

    def _run(self) -> None:
        commands = {"status": no_arguments(lambda: self.status.as_dict()), "stop": no_arguments(self._asked_to_stop)}
        with hold_lock() as folder:
            server = ControlServer(folder / SOCKET_NAME, commands | self._more)
            server.start()
            self._ready.set()
            self._stop.wait(DEADLINE)
            server.close()

    def _asked_to_stop(self) -> None:
        if not self._deaf:
            self._stop.set()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(DEADLINE)
        assert self.ended


class LineClient:
    """A client that sends bytes and reads lines."""

    def __init__(self, path: Path) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(DEADLINE)
        self._connection.connect(str(path))
        self._lines = self._connection.makefile("rb")

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def readline(self) -> bytes:
        """The next line; empty after the server has disconnected."""
        try:
            return self._lines.readline()
        except ConnectionResetError:
            return b""

    def finish(self) -> None:
        """Close the sending side and read on."""
        self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._lines.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
