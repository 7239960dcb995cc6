"""Reversible file writes: in Python as the user, as a reviewable shell script for root."""

import base64
import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from livebg.errors import SetupError
from livebg.platform.atomic_write import write_atomically

_HEREDOC_END: Final = "END-OF-FILE"


def write(path: Path, content: bytes) -> None:
    """Write a file atomically. Keeps its mode, follows a symbolic link and creates missing folders.

    Raises :class:`~livebg.errors.SetupError`.
    """
    with _readable_errors(path):
        write_atomically(path, content)


def remove(path: Path) -> None:
    """Remove a file if it exists. Raises :class:`~livebg.errors.SetupError`."""
    with _readable_errors(path):
        path.unlink(missing_ok=True)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the empty folders, in the given order. Keeps the others."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def read(path: Path) -> bytes | None:
    """Return the content of a file, or None if there is no file. Raises :class:`~livebg.errors.SetupError`."""
    with _readable_errors(path):
        return path.read_bytes() if path.is_file() else None


def script_to_write(path: Path, text: str) -> Iterator[str]:
    """Yield lines of a shell script that write ``text``, which must end with a newline.

    The script keeps the mode of an existing file; a new file gets the mode that the umask allows.
    """
    if not path.parent.is_dir():
        yield f"mkdir -p {_quoted(path.parent)}"
    yield f"cat > {_quoted(path)} <<'{_HEREDOC_END}'\n{text}{_HEREDOC_END}"


def script_to_restore(path: Path, content: bytes | None) -> str:
    """Return a line of a shell script that restores ``content``, or removes the file if ``content`` is None."""
    if content is None:
        return f"rm -f {_quoted(path)}"
    return f"echo {base64.b64encode(content).decode()} | base64 -d > {_quoted(path)}"


def script_to_remove_empty(folder: Path) -> str:
    """Return a line of a shell script that removes a folder if it is empty."""
    return f"rmdir {_quoted(folder)} 2>/dev/null || true"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


@contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        failed = error.filename if error.filename and os.fspath(error.filename) != os.fspath(path) else path
        raise SetupError(f"Cannot read or write {failed} ({error.strerror}).", "Fix that, then run livebg again.") from error
