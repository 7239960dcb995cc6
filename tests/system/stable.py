"""Debian's present stable release beside this machine's, in folders from which its programs run."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.system.debian import Unavailable, cache, made_whole, mirror, run

KERNEL: Final = (
    "gcc", "make", "linux-image-amd64", "linux-headers-amd64", "udev", "dbus-user-session",
    "pipewire", "wireplumber", "gstreamer1.0-tools", "gstreamer1.0-pipewire",
)  # fmt: skip
"""The packages of the root for a guest: a kernel, and what builds its modules and lists its cameras."""
_ENCLOSED: Final = ("unshare", "--mount", "--propagation", "private")
"""A command whose mounts end with it."""


def stable_root(name: str, packages: Sequence[str]) -> Path:
    """A root of that release with some packages, made unless one of that name is in the cache. Raises :class:`Unavailable`."""
    root = cache() / "stable" / name
    if root.is_dir():
        return root
    if shutil.which("debootstrap") is None:
        raise Unavailable("debootstrap is not installed; run `sudo apt install debootstrap`")
    with made_whole(root) as fresh:
        run(*_ENCLOSED, "debootstrap", "--variant=minbase", "stable", fresh, mirror(), patience=3600)
        install = ("apt-get", "install", "-qq", "--no-install-recommends", *packages)
        run(*_ENCLOSED, "chroot", fresh, "env", "DEBIAN_FRONTEND=noninteractive", *install, patience=3600)
        run("chroot", fresh, "apt-get", "clean")
    return root


def kernel_release(root: Path) -> str:
    """The release of the kernel in a root."""
    return next(root.glob("usr/lib/modules/*/build")).parent.name


def build_module(root: Path, release: str, sources: Path) -> None:
    """Build a kernel module in a folder of this machine with the compiler and headers of a root."""
    inside = root / "build"
    shutil.copytree(sources, inside, dirs_exist_ok=True)
    try:
        run("chroot", root, "make", "-C", f"/lib/modules/{release}/build", "M=/build", "modules")
        shutil.copytree(inside, sources, dirs_exist_ok=True)
    finally:
        shutil.rmtree(inside)
