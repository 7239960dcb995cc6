"""JSON files that contain their own hash, so that a damaged or edited one is noticed. Reading never follows a symbolic link."""

import errno
import hashlib
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from livebg.platform.atomic_write import sync_folder, write_atomically

_FLAGS: Final = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
"""Of os.open; not every system has all of them. Without O_NONBLOCK, opening a named pipe would wait for a writer."""


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading. Raises OSError, also for a symbolic link and for anything else than a regular file."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in _FLAGS))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def canonical(content: Any) -> str:
    """Return JSON data as text that is equal for equal data. Raises ValueError for infinite numbers and NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(content: Any) -> str:
    """Return the SHA-256 of JSON data, hexadecimal."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def write_sealed(path: Path, content: Any) -> None:
    """Write JSON data atomically and durably; replaces a symbolic link instead of following it. Raises OSError."""
    if path.is_symlink():
        path.unlink()
    write_atomically(path, f'{{"sha256":"{digest(content)}","content":{canonical(content)}}}\n'.encode())
    sync_folder(path.parent)


def read_sealed(path: Path) -> Any:
    """Return the data that :func:`write_sealed` wrote. Raises OSError, and ValueError if the file is damaged or was edited."""
    with open_regular(path) as file:
        data = file.read()
    try:
        found = json.loads(data)
        sealed = isinstance(found, dict) and found["sha256"] == digest(found["content"])
    except (KeyError, RecursionError) as error:
        raise ValueError(f"{path} is damaged") from error
    if not sealed:
        raise ValueError(f"{path} was modified")
    return found["content"]
