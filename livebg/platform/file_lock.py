"""Locks on open files. The system releases them however the process ends. On POSIX they are those of flock(2)."""

import os
import sys
import time
from typing import Final

_POLL_S: Final = 0.02

if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE: Final = 1 << 20
    """Far behind the content, because Windows also prevents reading locked bytes."""

    def try_lock(descriptor: int, shared: bool = False) -> bool:  # noqa: ARG001
        """Lock an open file, or return False if another process holds the lock. Raises OSError."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def try_lock(descriptor: int, shared: bool = False) -> bool:
        """Lock an open file, or return False if another process holds the lock. Raises OSError."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def lock_within(descriptor: int, timeout: float) -> bool:
    """Lock an open file exclusively, and return whether that succeeded within ``timeout`` seconds. Raises OSError.

    Processes that only check a lock hold it for an instant, so one failed attempt does not mean that a file is in use.
    """
    deadline = time.monotonic() + timeout
    while not try_lock(descriptor):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True
