"""Telling the service manager how livebg is, if one started it (systemd's sd_notify protocol).

A few lines of our own, because none of the packages fits a thread that must never wait or fail: ``systemd-watchdog`` reckons with
the wall clock, so that a clock that is set back gets the service killed, it raises what a socket raises and waits for it without
a bound; ``sdnotify`` was last touched in 2017; ``cysystemd`` is compiled against libsystemd.
"""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

_LOG: Final = logging.getLogger(__name__)
_PATIENCE: Final = 0.1
"""Seconds to wait for a service manager whose queue is full; the output thread has a quarter of a second to spare."""


class ServiceManager:
    """What started livebg and watches over it; silent where that is a terminal, and on systems without systemd.

    Every method may be called from any thread and never raises: a camera must not go because nobody listens.
    ``environment`` is where the service manager says how it is reached; ``clock`` is in seconds and never goes back.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._clock = clock
        self._interval = _watchdog_seconds(environment) / 2
        self._beaten = -self._interval

    @property
    def listens(self) -> bool:
        """Whether there is a service manager that wants to be told."""
        return bool(self._address)

    def ready(self) -> None:
        """The camera can be used: call it when the first picture was written, and when a reload is over."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Pictures go out. Call it after each: only two calls in the watchdog's time are passed on."""
        now = self._clock()
        if self._interval and now - self._beaten >= self._interval and self._tell("WATCHDOG=1"):
            self._beaten = now

    def status(self, text: str) -> None:
        """A line for ``systemctl --user status livebg``; line ends in it become spaces."""
        self._tell(f"STATUS={' '.join(text.split())}")

    def reloading(self) -> None:
        """The configuration is being read again; :meth:`ready` ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> bool:
        """Whether the message was taken. A socket for each, as they are rare, leaves nothing to close in the end."""
        if sys.platform == "win32" or not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_PATIENCE)
                sender.sendto(message.encode("utf-8", "replace"), self._address)
        except OSError as error:
            _LOG.debug("the service manager was not told %s: %s", message.partition("\n")[0], error)
            return False
        return True


def _address(name: str) -> str:
    """A socket's address as the system wants it; ``@`` stands for the abstract namespace. Empty: there is none."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else ""


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """In how many seconds the watchdog wants to hear of this process; 0: never."""
    wanted = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    return int(wanted) / 1e6 if meant and wanted.isascii() and wanted.isdigit() else 0.0
