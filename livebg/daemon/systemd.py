"""Notifies the service manager of the state of livebg (systemd's sd_notify protocol).

Implemented here because no package suits a thread that must never block or fail: ``systemd-watchdog`` uses the wall clock, so
that setting it back gets the service killed, and its socket calls raise and block without a timeout; ``sdnotify`` has had no
release since 2017; ``cysystemd`` is compiled against libsystemd.
"""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

_LOG: Final = logging.getLogger(__name__)
_SEND_TIMEOUT_S: Final = 0.1
"""Timeout if the service manager's queue is full; the output thread can wait for 0.25 s."""
_RETRY_SHARE: Final = 0.2
"""Time until a watchdog message that failed is sent again, as a share of the interval between messages: each try can block."""


class SystemdNotifier:
    """Sends notifications to the service manager. Does nothing without one, for example in a terminal.

    All methods are thread-safe and never raise. A missing service manager must never stop the camera.
    ``environment`` contains the service manager's address; ``clock`` returns monotonic seconds.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._clock = clock
        self._interval = _watchdog_seconds(environment) / 2
        self._next_ping = -float("inf")

    def ready(self) -> None:
        """Report that the camera is usable. Call it after the first picture."""
        self._send("READY=1")

    def alive(self) -> None:
        """Reset the watchdog. Call it after each picture; two calls per watchdog interval are sent, up to ten if they fail."""
        now = self._clock()
        if self._interval and now >= self._next_ping:
            sent = self._send("WATCHDOG=1")
            self._next_ping = now + (1.0 if sent else _RETRY_SHARE) * self._interval

    def stopping(self) -> None:
        """Report that livebg is stopping."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> bool:
        """Send a message. Returns whether it was accepted. Messages are rare, so each uses its own socket."""
        if sys.platform == "win32" or not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_SEND_TIMEOUT_S)
                sender.sendto(message.encode("utf-8", "replace"), self._address)
        except OSError as error:
            _LOG.debug("Cannot notify the service manager of %s: %s", message, error)
            return False
        return True


def _address(name: str) -> str:
    """Return the socket address; a leading ``@`` denotes the abstract namespace. Empty if invalid."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else ""


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Return the watchdog interval of this process in seconds, 0 if disabled."""
    wanted = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    return int(wanted) / 1e6 if meant and wanted.isascii() and wanted.isdigit() else 0.0
