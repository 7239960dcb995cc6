"""The lock of a job folder, which belongs to the user alone (mode 0700): a part of a video is as private as the whole.

The system releases the lock however the process ends. Nothing here follows a symbolic link.
"""

import errno
import logging
import os
import secrets
import socket
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.errors import SinkError
from livebg.platform.atomic_write import sync_folder
from livebg.platform.file_lock import lock_within, try_lock
from livebg.rendering.job_files import LOCK, is_job_folder, remove_files, unknown_files

_LOCK_TIMEOUT_S: Final = 0.5
"""Timeout for acquiring the lock: processes that check it hold it for an instant."""
_LOCK_ATTEMPTS: Final = 20
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LockedFolder:
    """A job folder whose lock this process holds. ``suspect`` is True if other users could write to it."""

    path: Path
    descriptor: int
    suspect: bool = False

    def release(self) -> None:
        """Release the lock, and leave the folder."""
        os.close(self.descriptor)

    def remove(self) -> None:
        """Remove livebg's files and the folder, and release the lock.

        Raises :class:`~livebg.errors.SinkError` if other files are left, which are kept, and OSError.
        """
        try:
            sync_folder(self.path.parent)  # the finished output must survive a power failure before its segments go
            remove_files(self.path)
            others = unknown_files(self.path)
            if sys.platform != "win32" and not others:  # with the lock held: afterwards it can be that of the next run
                (self.path / LOCK).unlink(missing_ok=True)
        finally:
            self.release()
        if others:
            names = ", ".join(others)
            raise SinkError(f"{self.path} was not removed: livebg did not make {names} in it.", "Remove the folder yourself.")
        if sys.platform == "win32":  # which does not remove open files
            (self.path / LOCK).unlink(missing_ok=True)
        try:
            self.path.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):  # another run may be starting in it
                raise


def lock_folder(folder: Path, output: Path, *, create: bool = True) -> LockedFolder:
    """Lock a job folder, which is created if ``create`` and it is missing, with mode 0700.

    Raises :class:`~livebg.errors.SinkError` if another process holds the lock, or if the folder is a link or belongs to another
    user, and OSError.
    """
    suspect = False
    for _ in range(_LOCK_ATTEMPTS):
        try:
            if create:
                suspect |= _make_private(folder)
            elif not is_job_folder(folder):
                break
            descriptor = _open_lock(folder / LOCK)
        except FileNotFoundError:  # another process may have just removed the folder
            if not folder.parent.is_dir():
                raise
            continue
        try:
            if _acquire(descriptor, folder / LOCK, output):
                return LockedFolder(folder, descriptor, suspect)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))


def lock_holder(folder: Path) -> str | None:
    """Return who holds the lock of a job folder, such as ``pid 42``; ``pid unknown`` at its start. None if no process does.

    Raises OSError, also if the file system has no locks.
    """
    path = folder / LOCK
    if path.is_symlink():  # livebg did not make it
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    try:
        return None if try_lock(descriptor, shared=True) else _holder(descriptor)
    finally:
        os.close(descriptor)


def _make_private(folder: Path) -> bool:
    """Create the folder, or make it private. Returns whether other users could write to it until now."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        sync_folder(folder.parent)
        return False
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise SinkError(f"{folder} is not a folder.", "Remove it, or choose another output.")
    if sys.platform == "win32":
        return False
    if not _is_own_folder(folder, found):
        raise SinkError(f"{folder} belongs to another user.", "Remove it, or choose another output.")
    if stat.S_IMODE(found.st_mode) == 0o700:
        return False
    with suppress(OSError):  # file systems without permissions refuse, or show the same mode again
        folder.chmod(0o700)
    changed = stat.S_IMODE(folder.lstat().st_mode) == 0o700
    return changed and bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _is_own_folder(folder: Path, found: os.stat_result) -> bool:
    if found.st_uid == os.geteuid():
        return True
    # Some network file systems show another owner for all files of this user. Then a new file has this owner too.
    probe = folder / f"{secrets.token_hex(6)}.part"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except PermissionError:
        return False
    try:
        return os.fstat(descriptor).st_uid == found.st_uid
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


def _open_lock(path: Path) -> int:
    if path.is_symlink():
        path.unlink()
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _acquire(descriptor: int, path: Path, output: Path) -> bool:
    """Acquire the lock and write the holder. Returns False if the file was removed before it was locked."""
    try:
        locked = lock_within(descriptor, _LOCK_TIMEOUT_S)
    except OSError as error:
        _LOG.warning("Cannot lock %s (%s). Do not render %s twice at the same time.", path.parent, error.strerror, output)
        locked = True
    if not locked:
        raise SinkError(f"{output} is being rendered already ({_holder(descriptor)}).", "Wait for it, or choose another output.")
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
            return True
    return False


def _holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    pid, _, host = os.read(descriptor, 512).decode("utf-8", "replace").strip().partition(" ")
    if not pid.isdigit():
        return "pid unknown"
    return f"pid {pid}" if host in ("", socket.gethostname()) else f"pid {pid} on {host}"
