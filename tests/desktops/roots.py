"""Debian roots with a desktop and what livebg's package depends on, prepared once and kept in the cache folder."""

import hashlib
import os
import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pytest
from platformdirs import user_cache_path

from tests.bare.machine import BareMachine
from tests.bare.readme import CHECKOUT
from tests.bare.sources import sources_of_this_machine

SUITE: Final = "trixie"
BUILT: Final = os.environ.get("LIVEBG_PACKAGES")
"""A folder with a package to test, instead of building it."""
_PLACE: Final = os.environ.get("LIVEBG_DESKTOP_ROOTS")
_build: Final[Callable[[str, Path], Path]] = runpy.run_path(str(CHECKOUT / ".github/packaging/build_deb.py"))["build"]

SESSION: Final = (
    *("systemd-sysv", "dbus-user-session", "libpam-systemd", "polkitd", "procps", "sudo"),
    *("pipewire", "pipewire-pulse", "wireplumber", "xdg-desktop-portal"),
    *("gstreamer1.0-tools", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good", "gstreamer1.0-pipewire"),
)
"""What desktops of Debian 13 have in common, and a reader of cameras."""
GNOME: Final = (
    *("gdm3", "gnome-session", "gnome-shell", "gnome-shell-extension-appindicator", "gnome-settings-daemon"),
    *("gnome-control-center", "nautilus", "xdg-desktop-portal-gnome", "xdg-desktop-portal-gtk"),
    *("libgl1-mesa-dri", "fonts-cantarell", "adwaita-icon-theme", "libglib2.0-bin", "python3-gi", "firefox-esr"),
    *("at-spi2-core", "gir1.2-atspi-2.0"),
)
KDE: Final = (
    *("kwin-wayland", "plasma-workspace", "plasma-desktop", "xdg-desktop-portal-kde"),
    *("libgl1-mesa-dri", "fonts-noto-core", "libglib2.0-bin", "python3-gi", "at-spi2-core", "gir1.2-atspi-2.0"),
)

_HEADLESS: Final = """[Service]
ExecStart=
ExecStart=/usr/bin/gnome-shell --headless --virtual-monitor 1366x768
Environment=LIBGL_ALWAYS_SOFTWARE=1
"""
WITHOUT_SCREEN: Final = {
    "/etc/gdm3/daemon.conf": "[xdmcp]\nEnable=true\nShowLocalGreeter=false\n",
    "/etc/systemd/user/org.gnome.Shell@wayland.service.d/headless.conf": _HEADLESS,
}
"""Settings of GNOME for a computer without a screen: GDM runs, but shows no login screen, and the shell has a virtual monitor."""

_VIRTUAL: Final = """[Service]
ExecStart=
ExecStart=/usr/bin/kwin_wayland_wrapper --xwayland --virtual --width 1366 --height 768
"""
_SOFTWARE: Final = """export QT_QUICK_BACKEND=software LIBGL_ALWAYS_SOFTWARE=1
export QT_LINUX_ACCESSIBILITY_ALWAYS_ON=1
"""
KDE_WITHOUT_SCREEN: Final = {
    "/etc/systemd/user/plasma-kwin_wayland.service.d/virtual.conf": _VIRTUAL,
    "/etc/xdg/plasma-workspace/env/without-gpu.sh": _SOFTWARE,
    "/etc/xdg/kscreenlockerrc": "[Daemon]\nAutolock=false\n",
}
"""Settings of Plasma for a computer without a screen: KWin has a virtual monitor, and Qt draws without OpenGL."""


def package(folder: Path) -> Path:
    """The package of the suite: from the folder in ``LIVEBG_PACKAGES``, or built in ``folder``."""
    if BUILT:
        (found,) = Path(BUILT).glob("livebg_*~deb13_*.deb")
        return found
    return _build(SUITE, folder)


def prepared_root(name: str, packages: Iterable[str], livebg: Path) -> Path:
    """A root with these packages and those that the package ``livebg`` depends on, but without livebg itself.

    It is kept in the folder ``LIVEBG_DESKTOP_ROOTS``, by default ``livebg-tests`` in the user's cache: 3 GB for GNOME.
    """
    sources = sources_of_this_machine()
    if sources is None:
        pytest.skip("apt knows no archive of Debian")
    depends = subprocess.run(("dpkg-deb", "--field", str(livebg), "Depends"), capture_output=True, text=True, check=True).stdout
    wanted = " ".join(packages)
    key = hashlib.sha256(f"{wanted}\n{depends}".encode()).hexdigest()[:12]
    place = Path(_PLACE) if _PLACE else user_cache_path("livebg-tests")
    root, unfinished = place / f"{name}-{key}", place / f"{name}-{key}.unfinished"
    if not root.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        bare = BareMachine(unfinished, sources, SUITE)
        # The files of a test need not survive a power failure.
        (unfinished / "etc/dpkg/dpkg.cfg.d/no-sync").write_text("force-unsafe-io\n")
        bare.must(f"apt-get install --no-install-recommends {wanted}", user="root")
        bare.must(f"apt-get satisfy --no-install-recommends '{depends.strip()}' && apt-get clean", user="root")
        unfinished.rename(root)
    return root
