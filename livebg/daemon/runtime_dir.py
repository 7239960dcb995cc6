"""The runtime folder: a private folder with the lock and the sockets of the running livebg.

The process that holds the lock is the only daemon. The system releases the lock however the process ends, so a socket without a
lock holder is stale, and the next start removes it.
"""

import logging
import os
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from platformdirs import RuntimeDirWarning, user_runtime_path

from livebg.errors import ConfigError
from livebg.platform.file_lock import lock_within, try_lock
from livebg.platform.user_paths import user_folder

SOCKET_NAME: Final = "livebg.sock"
PREVIEW_NAME: Final = "preview.sock"
LOCK_NAME: Final = "livebg.lock"
PAUSED_NAME: Final = "paused"
"""A file that exists while the user has paused: after a crash and an upgrade, livebg starts paused."""
HIDDEN_NAME: Final = "hidden"
"""A file that exists once the user has hidden the room again: after a crash and an upgrade, `--mode none` does not show it."""
_LOG: Final = logging.getLogger(__name__)
_LOCK_TIMEOUT_S: Final = 0.5
"""Timeout for acquiring the lock: processes that check it hold it for an instant."""


def runtime_dir() -> Path:
    """Return the folder of the lock and the sockets: livebg's runtime folder, or a cache folder if that cannot be created.

    Creates it if missing, for clients too: its location depends on whether it can be created, and both sides must agree.
    Raises :class:`~livebg.errors.ConfigError` if neither is possible.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeDirWarning)
        try:
            folder = user_runtime_path("livebg", ensure_exists=True)
        except (OSError, RuntimeError) as error:
            _LOG.debug("No runtime folder: %s", error)
            cache = user_folder("cache")
            if cache is None:
                raise ConfigError("There is no private folder for livebg's sockets.", "Set XDG_RUNTIME_DIR.") from error
            folder = cache / "run"
    for warning in caught:
        _LOG.debug("%s", warning.message)
    return folder


@contextmanager
def hold_lock(folder: Path | None = None) -> Iterator[Path]:
    """Hold the daemon lock of ``folder`` (default: :func:`runtime_dir`; created if missing) for the ``with`` block.

    Yields the folder: private (0700) and without sockets. Raises :class:`~livebg.errors.ConfigError` if another livebg holds
    the lock (with its pid), or if the folder belongs to another user or is not writable.
    """
    folder = runtime_dir() if folder is None else folder
    with ExitStack() as held:
        try:
            _make_private(folder)
            descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
            # Closing releases the lock. The file stays, because removing it could remove the lock of the next process.
            held.callback(os.close, descriptor)
            _acquire(descriptor)
            for name in (SOCKET_NAME, PREVIEW_NAME):
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise _runtime_dir_error(folder, error) from error
        yield folder


def running_pid(folder: Path | None = None) -> int | None:
    """Return the process id of the livebg that holds the lock of ``folder`` (default: :func:`runtime_dir`).

    None if it is not held, 0 if the holder has not written its id yet. Raises :class:`~livebg.errors.ConfigError` if the lock
    cannot be read.
    """
    folder = runtime_dir() if folder is None else folder
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _runtime_dir_error(folder, error) from error
    try:
        return None if try_lock(descriptor, shared=True) else _read_pid(descriptor)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int) -> None:
    """Acquire the lock and write this process's id. Raises ConfigError if another livebg holds it, and OSError."""
    if not lock_within(descriptor, _LOCK_TIMEOUT_S):
        pid = _read_pid(descriptor)
        which = f" (pid {pid})" if pid else ""
        raise ConfigError(f"livebg is already running{which}.", "Use it, or stop it with `livebg stop`.")
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def _read_pid(descriptor: int) -> int:
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = os.read(descriptor, 32).strip()
    return int(text) if text.isdigit() else 0


def _make_private(folder: Path) -> None:
    """Raise OSError, or ConfigError for a folder that another user could create or change."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform == "win32":
        return
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigError(f"{folder} is not a folder owned by you.", "Remove it, or set XDG_RUNTIME_DIR.")
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _runtime_dir_error(folder: Path, error: OSError) -> ConfigError:
    reason = error.strerror or str(error)
    return ConfigError(f"Cannot lock {folder} ({reason}).", "Make it writable, or set XDG_RUNTIME_DIR to another folder.")
