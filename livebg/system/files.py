"""Writing files so that they can be brought back, as the user in Python, as root in a shell script that shows all it does."""

import base64
import os
import secrets
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from livebg.errors import SetupError

_END: Final = "END-OF-FILE"


def write(path: Path, content: bytes) -> None:
    """Give a file its content at once or not at all; its mode stays, and a link stays a link. The folder is made if need be.

    Raises :class:`~livebg.errors.SetupError`.
    """
    with _spoken(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.resolve()
        part = target.with_name(f".livebg-{secrets.token_hex(6)}.part")
        try:
            part.write_bytes(content)
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Raises :class:`~livebg.errors.SetupError`."""
    with _spoken(path):
        path.unlink(missing_ok=True)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those that are empty, in this order; others stay."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def read(path: Path) -> bytes | None:
    """What a file holds; None where there is none. Raises :class:`~livebg.errors.SetupError`."""
    with _spoken(path):
        return path.read_bytes() if path.is_file() else None


def script_to_write(path: Path, text: str) -> Iterator[str]:
    """Lines of a shell script that write a text of whole lines; the file's mode stays, a new one is for all to read."""
    if not path.parent.is_dir():
        yield f"mkdir -p {_quoted(path.parent)}"
    yield f"cat > {_quoted(path)} <<'{_END}'\n{text}{_END}"


def script_to_restore(path: Path, content: bytes | None) -> str:
    """A line of a shell script that gives a file back what it held; None: it is removed."""
    if content is None:
        return f"rm -f {_quoted(path)}"
    return f"echo {base64.b64encode(content).decode()} | base64 -d > {_quoted(path)}"


def script_to_remove_empty(folder: Path) -> str:
    """A line of a shell script that removes a folder if it is empty."""
    return f"rmdir {_quoted(folder)} 2>/dev/null || true"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


@contextmanager
def _spoken(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename if error.filename and os.fspath(error.filename) != os.fspath(path) else path
        raise SetupError(f"{where} cannot be read or written ({error.strerror}): mend that, then run it again") from error
