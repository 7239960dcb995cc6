"""Create, run and observe presences in tests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from livebg.clock import Clock
from livebg.live.presence.device import DevicePresence
from livebg.v4l2.syscalls import SYSCALLS, Syscalls
from tests.support.fake_client_usage import NODE, ScriptedUsage
from tests.support.live_session import PATIENCE, wait_for

GRACE, RESYNC = 4.0, 30.0


def open_resources() -> tuple[int, int]:
    """How many descriptors and threads this process has."""
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


class _KernelClock(Clock):
    """The time of the scripted kernel."""

    def __init__(self, kernel: ScriptedUsage) -> None:
        self._kernel = kernel

    def monotonic(self) -> float:
        return self._kernel.time


class ScriptedPresence:
    """A presence in scripted time, with its changes and their times.

    ``device`` may be set by the script; ``verdicts`` are (time, watched) after each change.
    """

    def __init__(self, kernel: ScriptedUsage, root: Path, device: str | None = str(NODE)) -> None:
        self.kernel, self.device = kernel, device
        self.verdicts: list[tuple[float, bool | None]] = []
        self.methods: list[str] = []
        self.presence = DevicePresence(
            lambda: self.device,
            self._changed,
            grace=GRACE,
            resync=RESYNC,
            kernel=kernel,
            root=root,
            clock=_KernelClock(kernel),
        )

    def until(self, end: float, *script: tuple[float, Callable[[], object]]) -> list[tuple[float, bool | None]]:
        """Runs with this script up to a time; the verdicts, their times to a tenth of a second."""
        self.kernel.script = sorted([*script, (end, self.presence.stop)], key=lambda entry: entry[0])
        self.presence.run()
        assert not self.kernel.subscribed, "a descriptor was left open"
        return [(round(time, 1), watched) for time, watched in self.verdicts]

    def watched_at(self, time: float) -> bool | None:
        """The verdict that held at a time."""
        return next((watched for when, watched in reversed(self.verdicts) if when <= time), None)

    def _changed(self) -> None:
        self.verdicts.append((self.kernel.time, self.presence.watched))
        self.methods.append(self.presence.method)


class ThreadedPresence:
    """A presence in a thread and in real time, with short times; ``changes`` counts the calls of ``changed``."""

    def __init__(self, kernel: Syscalls = SYSCALLS, root: Path = Path("/"), device: Path = NODE, *, grace: float = 0.2) -> None:
        self.changes = 0
        self.presence = DevicePresence(lambda: str(device), self._changed, grace=grace, resync=RESYNC, kernel=kernel, root=root)

    def sees(self, watched: bool) -> None:
        """Wait until it finds that an app, or no app, watches."""
        wait_for(lambda: self.presence.watched is watched, f"watched: {watched}")

    def _changed(self) -> None:
        self.changes += 1


@contextmanager
def running_presence(parts: ThreadedPresence) -> Iterator[ThreadedPresence]:
    """``parts`` at work."""
    thread = threading.Thread(target=parts.presence.run)
    thread.start()
    try:
        yield parts
    finally:
        parts.presence.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the presence does not end"
