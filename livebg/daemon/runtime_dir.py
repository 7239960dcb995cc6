"""The running livebg's place on this machine: a private folder with its lock and its sockets.

Whoever holds the lock is the one daemon. The system lets go of the lock however the process ends, so a socket that lies there
while nobody holds it is stale, and the next start removes it.
"""

import logging
import os
import stat
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from platformdirs import RuntimeDirWarning, user_cache_path, user_runtime_path

from livebg.errors import ConfigError

SOCKET_NAME: Final = "livebg.sock"
PREVIEW_NAME: Final = "preview.sock"
LOCK_NAME: Final = "livebg.lock"
_LOG: Final = logging.getLogger(__name__)
_PROBE_PATIENCE: Final = 0.5
"""Seconds for which a start tries again: somebody who only looks holds the lock for an instant."""

if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE: Final = 1 << 20
    """Far behind the pid, which others may read: Windows locks what it locks against reading as well."""

    def _try_lock(descriptor: int, shared: bool = False) -> bool:  # noqa: ARG001
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

    def _try_lock(descriptor: int, shared: bool = False) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def runtime_folder() -> Path:
    """Where the daemon's lock and socket lie: the platform's runtime folder for livebg, or one in the cache where that cannot be.

    It is made if need be, also for those who only ask: whether it can be made decides where it is, and both sides have to agree.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", RuntimeDirWarning)
        try:
            folder = user_runtime_path("livebg", ensure_exists=True)
        except OSError as error:
            _LOG.debug("no runtime folder: %s", error)
            folder = user_cache_path("livebg") / "run"
    for warning in told:
        _LOG.debug("%s", warning.message)
    return folder


def socket_path() -> Path:
    """The control socket of the running livebg, if one runs."""
    return runtime_folder() / SOCKET_NAME


def preview_path() -> Path:
    """The preview socket of the running livebg, if one runs."""
    return runtime_folder() / PREVIEW_NAME


@contextmanager
def hold_lock(folder: Path | None = None) -> Iterator[Path]:
    """Be the one daemon of ``folder`` (by default :func:`runtime_folder`; made where it is missing) inside the ``with`` block.

    Yields the folder: it is private (0700) and holds no socket. Raises :class:`~livebg.errors.ConfigError` when another livebg
    holds the lock, naming its pid, or when the folder is not the user's own or cannot be written.
    """
    folder = runtime_folder() if folder is None else folder
    try:
        _make_private(folder)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        _take(descriptor, folder)
        yield folder
    finally:
        os.close(descriptor)  # which lets go; the file stays, because removing it could take away the next one's lock


def running_pid(folder: Path | None = None) -> int | None:
    """The process id of the livebg that holds the lock of ``folder`` (by default :func:`runtime_folder`).

    None when nobody does, 0 when somebody does who has not said its id yet. Raises :class:`~livebg.errors.ConfigError` when the
    lock may not be read.
    """
    folder = runtime_folder() if folder is None else folder
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        return None if _try_lock(descriptor, shared=True) else _read_pid(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    try:
        if not _locked_in_time(descriptor):
            pid = _read_pid(descriptor)
            which = f" (pid {pid})" if pid else ""
            raise ConfigError(f"livebg is already running{which}: use that one, or end it with `livebg stop`")
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        for name in (SOCKET_NAME, PREVIEW_NAME):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error


def _locked_in_time(descriptor: int) -> bool:
    deadline = time.monotonic() + _PROBE_PATIENCE
    while not _try_lock(descriptor):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def _read_pid(descriptor: int) -> int:
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = os.read(descriptor, 32).strip()
    return int(text) if text.isdigit() else 0


def _make_private(folder: Path) -> None:
    """Raises OSError, or ConfigError for a folder that somebody else could put there or change."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform == "win32":
        return
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigError(
            f"{folder} is not a folder of your own, as livebg's lock and socket need: remove it, or set XDG_RUNTIME_DIR"
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _unusable(folder: Path, error: OSError) -> ConfigError:
    reason = error.strerror or str(error)
    return ConfigError(
        f"livebg cannot keep its lock in {folder} ({reason}): make it writable, or set XDG_RUNTIME_DIR to another folder"
    )
