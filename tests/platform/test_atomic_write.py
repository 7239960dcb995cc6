"""Small files that are replaced atomically."""

import os
import stat
import sys
from pathlib import Path

import pytest

from livebg.platform.atomic_write import write_atomically


def test_write_creates_folders_and_replaces_content(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "file.json"
    for content in (b"one", b"two"):
        write_atomically(file, content)
        assert file.read_bytes() == content
        assert list(file.parent.iterdir()) == [file]


def test_write_keeps_mode_and_symbolic_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"one")
    file.chmod(0o640)
    link.symlink_to(file)
    write_atomically(link, b"two")
    assert (link.is_symlink(), file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (True, b"two", 0o640)


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.mkdir()
    with pytest.raises(OSError, match="file"):
        write_atomically(taken, b"one")
    assert list(tmp_path.iterdir()) == [taken]
    assert list(taken.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named FIFOs on Windows")
def test_fifo_is_not_replaced(tmp_path: Path) -> None:
    """Nor a device, which root could replace."""
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    for path in (fifo, link):
        with pytest.raises(OSError, match="Not a regular file"):
            write_atomically(path, b"one")
    assert fifo.is_fifo()
    assert sorted(tmp_path.iterdir()) == [fifo, link]
