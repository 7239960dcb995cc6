"""Replaces small files atomically and makes files durable, for packages on several layers.

Video files use :mod:`livebg.sinks.atomic_file`.
"""

import errno
import os
import secrets
import shutil
import sys
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers find the old or the new content, never a part, even after a power failure.

    Keeps the mode of an existing file, follows a symbolic link and creates missing folders. Raises OSError if it fails, also for
    a FIFO or a device, and then leaves the old file unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()
    if target.exists() and not target.is_file():  # a rename would replace what other programs have opened
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    part = target.with_name(f".livebg-{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Make the content of a written file durable. Raises OSError: some file systems report a full disk only here."""
    descriptor = os.open(path, os.O_RDWR)  # Windows cannot sync a file that is open for reading only
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable, so that a file that was renamed or created survives a power failure.

    Does nothing on Windows and on file systems that cannot do that. Raises OSError.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
