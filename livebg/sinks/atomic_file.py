"""Output files that appear under their final name only when complete."""

import errno
import os
import secrets
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import av

from livebg.errors import SinkError
from livebg.platform.atomic_write import sync_file
from livebg.platform.user_paths import exists

_FIXES: Final = MappingProxyType(
    {
        errno.ENOSPC: "Free some disk space, or choose another folder.",
        errno.EDQUOT: "Free some disk space, or choose another folder.",
        errno.EFBIG: "Choose a folder or a file size limit that allows larger files.",
        errno.EACCES: "Choose a folder that you can write to.",
        errno.EPERM: "Choose a folder that you can write to.",
        errno.EROFS: "Choose a folder that you can write to.",
        errno.ENAMETOOLONG: "Choose a shorter name.",
    }
)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Convert OS and libav errors raised while writing ``path`` to SinkError."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        reason = error.strerror or str(error)
        fix = _FIXES.get(error.errno or 0, "Choose another output.")
        raise SinkError(f"Cannot write {path}: {reason[:1].lower()}{reason[1:]}.", fix) from error


def part_path(path: Path, token: str) -> Path:
    """Return the hidden file for ``path`` with the unique ``token`` in its name."""
    return path.absolute().parent / f".livebg-{token}.part"


def check_overwrite(path: Path, overwrite: bool) -> None:
    """Raise :class:`~livebg.errors.SinkError` if ``path`` exists, and with ``overwrite`` if it is not a regular file."""
    if not overwrite and (exists(path) or path.is_symlink()):
        raise SinkError(f"The output {path} already exists.", "Choose another output, or use --overwrite.")
    if exists(path) and not path.is_file():
        # A rename would remove the FIFO or device that another program has opened.
        raise SinkError(f"The output {path} exists and is not a regular file.", "Choose another output.")


class AtomicFile:
    """A hidden file next to ``path``, or the given ``part``, renamed to it by :meth:`commit` or removed by :meth:`rollback`.

    The constructor creates it empty; a file that an interrupted run left at the given ``part`` is removed. It raises
    :class:`~livebg.errors.SinkError` if that fails, if ``path`` exists and ``overwrite`` is False, and if ``path`` is the file
    ``not_same_as``, directly or through links.
    """

    def __init__(self, path: Path, *, overwrite: bool = False, not_same_as: Path | None = None, part: Path | None = None) -> None:
        self._path = path
        self._overwrite = overwrite
        self.part = part.absolute() if part else part_path(path, secrets.token_hex(6))
        with writing(path):
            self._check_folder()
            check_overwrite(self._path, self._overwrite)
            if not_same_as is not None and exists(path) and not_same_as.exists() and path.samefile(not_same_as):
                raise SinkError(f"The output {path} is the input itself, which is never overwritten.", "Choose another output.")
            if part is not None:
                part.unlink(missing_ok=True)
            # Also runs at exit: an interrupt can arrive between the creation of the file and the caller's `try`.
            self._remove = weakref.finalize(self, self.part.unlink, missing_ok=True)
            try:
                os.close(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            except OSError:
                self._remove.detach()
                raise

    def _check_folder(self) -> None:
        folder = self._path.parent
        if not folder.is_dir():
            problem = "is not a folder" if exists(folder) else "does not exist"
            raise SinkError(
                f"Cannot write {self._path}: {folder} {problem}.", "Create the folder first, or choose another output."
            )
        if self._path.is_dir():
            raise SinkError(f"Cannot write {self._path}: it is a folder.", "Name a file in it.")

    def commit(self) -> None:
        """Rename the file to its final name. Raises SinkError if that fails, and then leaves nothing behind."""
        try:
            with writing(self._path):
                sync_file(self.part)
                check_overwrite(self._path, self._overwrite)
                self.part.replace(self._path)
        except BaseException:
            self.rollback()
            raise

    def rollback(self) -> None:
        """Remove the file if it exists."""
        self._remove()
