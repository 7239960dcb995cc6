"""Restarts the service after an upgrade of livebg, once no app uses the camera.

A package manager replaces the files below the running livebg, for any user. So livebg itself notices the other version. It then
ends its session and becomes the new program in the same process, which the service manager knows.
"""

import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import livebg
from livebg import __version__
from livebg.live.threads import WorkerThread

_LOG: Final = logging.getLogger(__name__)
_INTERVAL_S: Final = 30.0
"""The files of an upgrade are written in less time, so that a version seen twice has all its files."""
_JOIN_TIMEOUT_S: Final = 1.0
_VERSION: Final = re.compile(r'__version__: Final = "(.+)"')


class UpgradeWatch:
    """Compares the installed version with the running one.

    ``is_idle`` returns whether no app uses the camera, ``stop`` ends the session. ``file`` is the module that has the installed
    version.
    """

    def __init__(
        self,
        is_idle: Callable[[], bool],
        stop: Callable[[], object],
        file: Path | None = None,
        running: str = __version__,
    ) -> None:
        self._is_idle, self._stop, self._running = is_idle, stop, running
        self._file = file or Path(livebg.__file__).with_name("_version.py")
        self._seen = running
        self.stopped = False
        """Whether it stopped the session because of an upgrade."""

    def check(self) -> bool:
        """Stop an idle session if another version was installed before the last check, and return whether it did."""
        installed = self._installed()
        settled, self._seen = installed == self._seen, installed
        if not settled or installed in ("", self._running) or not self._is_idle():
            return False
        _LOG.warning("livebg %s is installed, restarting.", installed)
        self.stopped = True
        self._stop()
        return True

    def _installed(self) -> str:
        """Return the installed version, empty if there is none."""
        try:
            found = _VERSION.search(self._file.read_text("utf-8", "replace"))
        except OSError:  # removed, or being replaced
            return ""
        return found[1] if found else ""


@contextmanager
def restart_after_upgrade(
    watch: UpgradeWatch, environment: Mapping[str, str] = os.environ, interval: float = _INTERVAL_S
) -> Iterator[None]:
    """Check every ``interval`` seconds in a thread for the ``with`` block, if livebg runs as a service."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(interval) and not watch.check():
            pass

    if not environment.get("NOTIFY_SOCKET"):
        yield
        return
    thread = WorkerThread("livebg-upgrade", run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_JOIN_TIMEOUT_S)


def become_new_version() -> None:
    """Replace this process by the installed livebg, with the same arguments. Call it after the cleanup."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
