"""Packages of Debian's archive, by its package manager's own commands, kept in a cache folder."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

TOOLS: Final = (
    "qemu-system-x86_64", "busybox", "modprobe", "depmod", "zstd", "cpio", "strip", "make", "gcc", "v4l2-ctl", "ffmpeg",
    "apt-get", "dpkg-deb",
)  # fmt: skip
INSTALL: Final = (
    "sudo apt install qemu-system-x86 busybox-static kmod zstd cpio gcc make linux-headers-amd64 v4l-utils ffmpeg "
    "sudo chromium-headless-shell firefox-esr gstreamer1.0-tools gstreamer1.0-plugins-good xvfb debootstrap pipewire"
)
"""The command that installs all of them."""
BROWSER: Final = Path("/usr/lib/chromium/chromium-headless-shell")
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
_PATIENCE: Final = 600.0
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Unavailable(Exception):
    """Why the parts cannot be had here, as a clause for people."""


def require_machine() -> str:
    """The release of the kernel whose headers are installed. Raises :class:`Unavailable` if a guest is impossible."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise Unavailable("the guest is a Linux for x86-64, emulated on the same")
    if os.geteuid():
        raise Unavailable("only root may hand its files to the guest as they are")
    absent = [tool for tool in TOOLS if shutil.which(tool, path=_PATH) is None]
    releases = sorted((path.parent.name for path in Path("/lib/modules").glob("*/build") if path.is_dir()), key=_numbers)
    missing = [*absent, *([] if releases else ["a kernel's headers"]), *([] if BROWSER.exists() else [BROWSER.name])]
    if missing:
        raise Unavailable(f"not installed: {', '.join(missing)}; run `{INSTALL}`")
    return releases[-1]


def cache() -> Path:
    """The cache folder: ``$LIVEBG_SYSTEM_CACHE``, or one in the user's cache folder."""
    own = os.environ.get("LIVEBG_SYSTEM_CACHE")
    folder = Path(own).resolve() if own else user_cache_path("livebg-system-tests")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(*command: str | Path, folder: Path | None = None, patience: float = _PATIENCE) -> str:
    """The output of a command. Raises :class:`Unavailable` with the end of its output if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, cwd=folder, env={**os.environ, "PATH": _PATH, "LC_ALL": "C"},
            timeout=patience, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"`{words[0]}` could not be run: {error}") from error
    if done.returncode:
        raise Unavailable(f"`{' '.join(words)[:120]}` failed: {' '.join(done.stderr.split())[-300:]}")
    return done.stdout


def unpacked(package: str, folder: Path, *options: str, refresh: bool = True) -> Path:
    """``folder`` with a package's files, downloaded if necessary. Raises :class:`Unavailable`."""
    if folder.is_dir():
        return folder
    with made_whole(folder) as fresh:
        try:
            run("apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *options, package, folder=fresh)
        except Unavailable:
            if not refresh:
                raise
            run("apt-get", "update", "-qq")  # the lists may be as old as the machine's image
            run("apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package, folder=fresh)
        (archive,) = fresh.glob("*.deb")
        run("dpkg-deb", "-x", archive, fresh)
        archive.unlink()
    return folder


def mirror() -> str:
    """The address of the Debian archive that this machine is set up for. Raises :class:`Unavailable`."""
    columns = run(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(CODENAME)", "Identifier: Packages"
    )
    rows = [row.split() for row in columns.splitlines()]
    servers = [
        row[0] for row in rows if len(row) == 4 and row[2] == "main" and not re.search("-(security|updates|backports)$", row[1])
    ]
    if not servers or not _KEYRING.exists():
        raise Unavailable("apt has no Debian archive among its sources")
    return servers[0]


def stable_options(folder: Path) -> tuple[str, ...]:
    """apt's options for the archive of the present stable release, on the server that this machine is set up for."""
    server = mirror()
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    sources = folder / "stable.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {server} stable main\n")
    options = ("Dir::Etc::SourceList=" + str(sources), "Dir::Etc::SourceParts=/dev/null", "Dir::State::Lists=" + str(lists))
    flags = tuple(
        word for option in (*options, "APT::Sandbox::User=root", "Dir::Cache=" + str(folder)) for word in ("-o", option)
    )
    run("apt-get", "update", "-qq", *flags)
    return flags


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A folder that appears under its name only when it is whole."""
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _numbers(release: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", release)]
