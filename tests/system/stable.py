"""Releases of Debian in folders from which their programs run: the present stable one, and that with WirePlumber 0.4."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.system.debian import Unavailable, cache, made_whole, mirror, run

_CAMERAS: Final = ("udev", "dbus-user-session", "pipewire", "wireplumber", "gstreamer1.0-tools", "gstreamer1.0-pipewire")
"""The packages that list and read cameras."""
KERNEL: Final = ("gcc", "make", "linux-image-amd64", "linux-headers-amd64", *_CAMERAS)
"""The packages of the root for a guest: a kernel, and what builds its modules and lists its cameras."""
OBS: Final = (
    "obs-studio", "obs-plugins", "libgl1-mesa-dri", "pipewire", "wireplumber", "dbus-user-session",
    "xdg-desktop-portal", "xdg-desktop-portal-gtk",
)  # fmt: skip
"""The packages of a root with OBS, which reads PipeWire's camera through the portal, or the device."""
_ENCLOSED: Final = ("unshare", "--mount", "--propagation", "private")
"""A command whose mounts end with it."""
_ENTER: Final = """
for folder in proc sys dev tmp run; do mount --rbind /$folder "$0/$folder"; done
exec chroot "$0" "$@"
"""


def stable_root(name: str, packages: Sequence[str]) -> Path:
    """A root of the stable release, as :func:`_root` makes it."""
    return _root("stable", name, packages)


def obs_root() -> Path:
    """A root of the stable release with OBS and the camera portal, as :func:`_root` makes it."""
    return stable_root("obs", OBS)


def wireplumber_04_root() -> Path:
    """A root of Debian 12 with WirePlumber 0.4.13, made unless it is in the cache. Raises :class:`Unavailable`."""
    return _root("bookworm", "desktop", _CAMERAS)


def _root(suite: str, name: str, packages: Sequence[str]) -> Path:
    """A root of a release with some packages, made unless one of that name is in the cache. Raises :class:`Unavailable`."""
    root = cache() / suite / name
    if root.is_dir():
        return root
    if shutil.which("debootstrap") is None:
        raise Unavailable("debootstrap is not installed; run `sudo apt install debootstrap`")
    with made_whole(root) as fresh:
        run(*_ENCLOSED, "debootstrap", "--variant=minbase", suite, fresh, mirror(), patience=3600)
        install = ("apt-get", "install", "-qq", "--no-install-recommends", *packages)
        run(*_ENCLOSED, "chroot", fresh, "env", "DEBIAN_FRONTEND=noninteractive", *install, patience=3600)
        run("chroot", fresh, "apt-get", "clean")
    return root


def entered(root: Path, *command: str) -> list[str]:
    """The command that runs one in a root, where it sees this machine's devices, sockets and temporary files."""
    return [*_ENCLOSED, "sh", "-ec", _ENTER, str(root), *command]


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
