"""A control server for misbehaving clients, and checks for leaked resources."""

import threading
import time
from pathlib import Path

from livebg.daemon.server import ControlServer, no_arguments
from tests.support.fake_daemon import DEADLINE, LineClient

REQUEST = b'{"version": 2, "command": "word"}\n'
ANSWER = b'{"version": 2, "ok": true, "result": "well"}\n'
LARGE = "x" * 4_000_000
"""More bytes than a socket buffers for a client that does not read."""


class RunningServer:
    """A server on a separate socket path."""

    def __init__(self, folder: Path, timeout: float = DEADLINE, most: int = 32) -> None:
        self.path = folder / "s"
        self.hanging, self.release = threading.Event(), threading.Event()
        commands = {"word": lambda: "well", "large": lambda: LARGE, "hang": self._hang}
        self._server = ControlServer(
            self.path, {name: no_arguments(run) for name, run in commands.items()}, timeout=timeout, max_clients=most
        )
        self._server.start()

    def _hang(self) -> str:
        self.hanging.set()
        self.release.wait(DEADLINE)
        return "late"

    def close(self) -> None:
        """Close, which must come to its end though a command may hang on."""
        closing = threading.Thread(target=self._server.close)
        closing.start()
        closing.join(DEADLINE)
        assert not closing.is_alive()

    def answers(self) -> bool:
        with LineClient(self.path) as caller:
            caller.send(REQUEST)
            return caller.readline() == ANSWER


def clients_are_gone() -> bool:
    """Whether no thread of a connection is left, once those on their way out have gone."""
    deadline = time.monotonic() + DEADLINE
    while any(thread.name == "livebg control client" for thread in threading.enumerate()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def open_files() -> int:
    """The number of open file descriptors, where the system reports it."""
    return sum(1 for _ in Path("/dev/fd").iterdir()) if Path("/dev/fd").exists() else 0
