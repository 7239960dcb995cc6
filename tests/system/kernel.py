"""The guest's kernel, the modules it loads, and the first file system that finds the rest."""

import lzma
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.system.debian import Unavailable, cache, require_machine, run, stable_options, unpacked
from tests.system.stable import KERNEL, build_module, kernel_release, stable_root

Version = Literal["release", "newer", "stable"]
"""This Debian release's kernel with its own v4l2loopback, or with that of the present stable release; or both of the latter."""
VERSIONS: Final[tuple[Version, ...]] = ("stable",) if os.environ.get("LIVEBG_SYSTEM_KERNEL") == "stable" else ("release", "newer")
_EARLY: Final = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console", "virtio-rng")
"""Modules that the guest needs for files and for the connection to the host."""
_KEPT: Final = (
    "virtio", "block/virtio_blk.ko", "net/9p", "fs/9p", "fs/netfs", "fs/fscache", "fs/overlayfs", "drivers/virtio",
    "drivers/char/hw_random/virtio-rng.ko", "drivers/char/virtio_console.ko", "drivers/media", "lib", "crypto",
)  # fmt: skip
"""The subset of the kernel's modules that is copied: a tenth."""
_INIT: Final = """#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module || echo "cannot load $module"; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose host /host || poweroff -f
mount -t tmpfs -o size=60% tmpfs /own; mkdir -p /own/upper /own/work
mount -t overlay -o lowerdir=/host,upperdir=/own/upper,workdir=/own/work overlay /root || poweroff -f
for folder in dev proc sys; do mount --move /$folder /root/$folder; done
mkdir -p /root/dev/shm /root/dev/pts
mount -t tmpfs tmpfs /root/dev/shm; mount -t devpts devpts /root/dev/pts; mount -t tmpfs tmpfs /root/run
mkdir -p /root/run/share
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=none share /root/run/share || poweroff -f
exec switch_root /root PYTHON /run/share/tests/system/inside/agent.py
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of a guest."""

    release: str
    """The kernel's."""
    image: Path
    bare: Path
    """A folder for ``/lib/modules/RELEASE`` without v4l2loopback."""
    modules: Path
    """The same with it."""
    root: Path | None
    """The Debian of another release that the kernel is from, None for this machine's."""


def parts(version: Version) -> Parts:
    """The parts with that version of v4l2loopback, made unless they are in the cache. Raises :class:`Unavailable`."""
    own = require_machine()
    root = stable_root("root", KERNEL) if version == "stable" else None
    release = kernel_release(root) if root else own
    folder = cache() / release
    tree = root or unpacked(f"linux-image-{release}", folder / "kernel")
    bare = folder / "bare"
    if not bare.is_dir():
        _bare(tree / "lib/modules" / release, bare, release)
    sources = _sources(version, folder)
    modules = folder / f"with-{sources.name.removeprefix('v4l2loopback-')}"
    if not modules.is_dir():
        _with_loopback(bare, sources, modules, release, root)
    return Parts(release, next((tree / "boot").glob("vmlinuz-*")), bare, modules, root)


def initramfs(parts: Parts, target: Path, python: str) -> None:
    """Write the first file system: busybox, and what finds the host's files."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("bin", "proc", "sys", "dev", "modules", "host", "own", "root"):
            (root / folder).mkdir()
        shutil.copy("/bin/busybox", root / "bin/busybox")
        for tool in ("sh", "mount", "insmod", "mkdir", "switch_root", "echo", "poweroff"):
            (root / "bin" / tool).symlink_to("busybox")
        listed = [run("modprobe", "-d", _as_root(parts), "-S", parts.release, "--show-depends", each) for each in _EARLY]
        files = dict.fromkeys(line.split()[1] for text in listed for line in text.splitlines() if line.startswith("insmod"))
        for number, file in enumerate(files):
            run("strip", "--strip-debug", "-o", root / "modules" / f"{number:02}-{Path(file).name}", file)
        init = root / "init"
        init.write_text(_INIT.replace("PYTHON", python))
        init.chmod(0o755)
        run("sh", "-c", f"find . | cpio -o -H newc --quiet | zstd -q -1 -f -o '{target}'", folder=root)


def _as_root(parts: Parts) -> Path:
    """A folder that holds the bare modules below ``lib/modules``, as the tools want it."""
    root = parts.bare.parent / "root"
    place = root / "lib/modules" / parts.release
    if not place.is_symlink():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(parts.bare)
    return root


def _bare(whole: Path, bare: Path, release: str) -> None:
    fresh = bare.with_name(f"bare.{os.getpid()}")
    place = fresh / "lib/modules" / release
    place.mkdir(parents=True)
    for index in whole.glob("modules.*"):
        shutil.copy(index, place)
    for kept in _KEPT:
        for origin in (whole / "kernel").glob(f"{kept}*"):  # some kernels' modules are compressed
            target = place / "kernel" / origin.relative_to(whole / "kernel")
            if origin.is_dir():
                shutil.copytree(origin, target)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, target)
    for file in place.rglob("*.ko.xz"):  # busybox and strip read only plain ones
        file.with_suffix("").write_bytes(lzma.decompress(file.read_bytes()))
        file.unlink()
    run("depmod", "-b", fresh, release)
    place.rename(bare)
    shutil.rmtree(fresh)


def _sources(version: Version, folder: Path) -> Path:
    """The folder of v4l2loopback's sources, ``v4l2loopback-0.12.7`` for example."""
    place = folder / f"loopback-{version}"
    if not place.is_dir():
        options = () if version == "release" else stable_options(cache() / "stable")
        unpacked("v4l2loopback-dkms", place, *options, refresh=version == "release")
    return next((place / "usr/src").glob("v4l2loopback-*"))


def _with_loopback(bare: Path, sources: Path, target: Path, release: str, root: Path | None) -> None:
    """Build v4l2loopback and add it to the modules in ``bare``; ``root`` has the compiler and headers if this machine has not."""
    with tempfile.TemporaryDirectory() as name:
        built = Path(name) / "sources"
        shutil.copytree(sources, built)
        if root is None:
            run("make", "-C", f"/lib/modules/{release}/build", f"M={built}", "modules", folder=built)
        else:
            build_module(root, release, built)
        place = Path(name) / "lib/modules" / release
        shutil.copytree(bare, place)
        (place / "updates").mkdir()
        run("strip", "--strip-debug", "-o", place / "updates/v4l2loopback.ko", built / "v4l2loopback.ko")
        run("depmod", "-b", name, release)
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(place, fresh)
        fresh.rename(target)


def loopback_version(parts: Parts) -> tuple[int, ...]:
    """Of v4l2loopback, such as (0, 12, 7)."""
    digits = parts.modules.name.removeprefix("with-").split(".")
    if not all(digit.isdecimal() for digit in digits):
        raise Unavailable(f"{parts.modules.name} is no version")
    return tuple(int(digit) for digit in digits)
