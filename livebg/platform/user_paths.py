"""The user's folders and paths, for packages on several layers. A service or a container may have no home directory."""

import logging
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import platformdirs

_LOG: Final = logging.getLogger(__name__)
_LOCATE: Final = MappingProxyType(
    {
        "config": platformdirs.user_config_path,
        "cache": platformdirs.user_cache_path,
        "data": platformdirs.user_data_path,
        "state": platformdirs.user_state_path,
    }
)


def user_folder(kind: Literal["config", "cache", "data", "state"], app: str | None = "livebg") -> Path | None:
    """Return a folder of ``app`` for this user, which may not exist yet; with ``app`` None, the folder of all apps.

    Returns None without a usable home directory, and logs that once. An absolute ``XDG_*_HOME`` needs no home directory.
    """
    home = home_folder()
    try:
        folder = _LOCATE[kind](app)
    except RuntimeError:  # platformdirs found no home directory
        folder = None
    if folder is None or (home is None and not _is_xdg(kind)):
        _log_no_home()
        return None
    return folder


def home_folder() -> Path | None:
    """Return the home directory; None if it is unknown, does not exist or cannot be entered.

    A missing one is not created, because system users have names such as ``/nonexistent``.
    """
    home = Path(os.environ.get("HOME", ""))
    try:
        if os.name != "posix":
            home = Path.home()
        elif not home.is_absolute():
            import pwd  # missing on Windows

            home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    except (KeyError, RuntimeError):
        return None
    return home if os.access(f"{home}/.", os.X_OK) else None


def expand_user(path: Path | str) -> Path:
    """Return ``path`` with a leading ``~`` or ``~user`` replaced; unchanged if that home directory is unknown."""
    path = Path(path)
    if path.parts[:1] == ("~",):
        home = home_folder()
        return path if home is None else home.joinpath(*path.parts[1:])
    with suppress(RuntimeError):
        path = path.expanduser()
    return path


def exists(path: Path) -> bool:
    """Return whether ``path`` is a file or a folder.

    Raises OSError if a folder of it cannot be entered or the system has no such long names; :meth:`pathlib.Path.exists` returns
    False then from Python 3.14 on.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_file(path: Path) -> bool:
    """Return whether ``path`` is a file; unlike :meth:`pathlib.Path.is_file`, False also if a folder of it cannot be entered or
    the system has no such long names."""
    with suppress(OSError):
        return path.is_file()
    return False


def _is_xdg(kind: str) -> bool:
    return Path(os.environ.get(f"XDG_{kind.upper()}_HOME", "")).is_absolute()


@lru_cache(maxsize=1)
def _log_no_home() -> None:
    _LOG.warning("No home directory, so livebg uses its defaults and saves nothing.")
