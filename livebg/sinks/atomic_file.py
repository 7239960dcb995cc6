"""An output that appears under its name only when it is whole."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

import av

from livebg.errors import SinkError

_ADVICE: Final = MappingProxyType(
    {
        errno.ENOSPC: "make room or choose another folder",
        errno.EDQUOT: "make room or choose another folder",
        errno.EFBIG: "choose a folder or a limit that allows larger files",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
        errno.EROFS: "choose a folder that you may write to",
    }
)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system or libav says while ``path`` is written into a SinkError of one sentence."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        reason = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0)
        raise SinkError(f"cannot write {path}: {reason[:1].lower()}{reason[1:]}{f'; {advice}' if advice else ''}") from error


class PartFile:
    """A hidden file beside ``path`` that takes its name in :meth:`keep`, or goes in :meth:`discard`.

    The constructor makes it, empty, and raises :class:`~livebg.errors.SinkError` where that cannot be, where ``path`` exists
    and ``overwrite`` does not allow it, and where ``path`` is the file ``never``, also by way of links.
    """

    def __init__(self, path: Path, *, overwrite: bool = False, never: Path | None = None) -> None:
        self._path = path
        self._overwrite = overwrite
        self._refuse_folder()
        self._refuse_existing()
        if never is not None and path.exists() and never.exists() and path.samefile(never):
            raise SinkError(f"the output {path} is the input itself, which is never overwritten: choose another output")
        self.part = path.absolute().parent / f".livebg-{secrets.token_hex(6)}.part"
        with writing(path):
            os.close(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))

    def _refuse_folder(self) -> None:
        folder = self._path.parent
        if not folder.is_dir():
            found = "is not a folder" if folder.exists() else "does not exist"
            raise SinkError(f"cannot write {self._path}: {folder} {found}; make the folder first or choose another output")
        if self._path.is_dir():
            raise SinkError(f"cannot write {self._path}: it is a folder; name a file in it")

    def _refuse_existing(self) -> None:
        if not self._overwrite and (self._path.exists() or self._path.is_symlink()):
            raise SinkError(f"the output {self._path} exists already: choose another output or allow overwriting (--overwrite)")

    def keep(self) -> None:
        """Give the file its name; raises SinkError when that cannot be, and then leaves nothing behind."""
        try:
            with writing(self._path):
                # Some file systems notice only here that the disk is full.
                descriptor = os.open(self.part, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                self._refuse_existing()
                self.part.replace(self._path)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove the file, if it is still there."""
        with suppress(FileNotFoundError):
            self.part.unlink()
