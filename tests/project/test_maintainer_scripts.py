"""The maintainer scripts of the Debian package, run by dpkg below a folder, with stubs for commands that affect the system."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SOURCES: Final = Path(__file__).parents[2] / ".github" / "packaging" / "debian"
SCRIPTS: Final = ("preinst", "postinst", "prerm", "postrm")
CONFFILE: Final = "/etc/xdg/autostart/livebg.desktop"
START: Final = ["modprobe --quiet v4l2loopback", "deb-systemd-invoke --user start livebg.service"]
_STUB: Final = '#!/bin/sh\necho "$(basename "$0") $*" >> "$RECORD"\n'
_BUILDS_MODULE: Final = '#!/bin/sh\nif [ "$1" = configure ]; then echo "module is built" >> "$RECORD"; fi\n'

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("dpkg") is None or shutil.which("dpkg-deb") is None, reason="dpkg is not installed"
)


class DebianRoot:
    """A system with dpkg's database and nothing else, on which systemd runs. The scripts see its /run and /sys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "root"
        self._record = folder / "record"
        self._stubs = folder / "stubs"
        for name in ("updates", "info", "triggers"):
            (self.root / "var/lib/dpkg" / name).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        (self.root / "run/systemd/system").mkdir(parents=True)
        self._stubs.mkdir()
        for name in ("deb-systemd-invoke", "modprobe", "py3clean", "py3compile", "systemctl"):
            (self._stubs / name).write_text(_STUB)
            (self._stubs / name).chmod(0o755)

    def livebg(self, version: str) -> Path:
        """A package with the scripts and a configuration file, and without debhelper's additions."""
        control = {script: (SOURCES / f"livebg.{script}").read_text("utf-8") for script in SCRIPTS}
        control |= {"triggers": (SOURCES / "livebg.triggers").read_text("utf-8"), "conffiles": f"{CONFFILE}\n"}
        return self._package("livebg", version, control, CONFFILE)

    def module(self) -> Path:
        """A package that builds the kernel module while it is configured."""
        return self._package("v4l2loopback-dkms", "1", {"postinst": _BUILDS_MODULE})

    def dpkg(self, *arguments: str | Path) -> list[str]:
        """Run dpkg and return what the scripts did, without the care for compiled Python files and systemd's reload."""
        self._record.write_text("")
        options = (f"--root={self.root}", "--force-script-chrootless", "--force-not-root", "--log=/dev/null")
        path = f"{self._stubs}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
        environment = os.environ | {"PATH": path, "RECORD": str(self._record)}
        command = ("dpkg", *options, *map(str, arguments))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return [line for line in self._record.read_text().splitlines() if not line.startswith(("py3", "systemctl "))]

    def _package(self, name: str, version: str, control: dict[str, str], *files: str) -> Path:
        tree = self._folder / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        fields = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: test\n"
        for file, text in ({"control": fields} | control).items():
            (tree / "DEBIAN" / file).write_text(text.replace("/run/", f"{self.root}/run/").replace("/sys/", f"{self.root}/sys/"))
            (tree / "DEBIAN" / file).chmod(0o755 if file in SCRIPTS else 0o644)
        for each in files:
            (tree / each.lstrip("/")).parent.mkdir(parents=True)
            (tree / each.lstrip("/")).write_text("text\n")
        package = tree.with_suffix(f".{name}.deb")
        subprocess.run(("dpkg-deb", "--build", str(tree), str(package)), capture_output=True, check=True)
        return package


@pytest.fixture
def debian(tmp_path: Path) -> DebianRoot:
    return DebianRoot(tmp_path)


def test_installation_starts_service_and_upgrade_does_not(debian: DebianRoot) -> None:
    """A running livebg restarts by itself after an upgrade, and one that the user stopped stays so."""
    assert debian.dpkg("--install", debian.livebg("1")) == START
    assert debian.dpkg("--install", debian.livebg("2")) == []


def test_installation_after_removal_starts_service(debian: DebianRoot) -> None:
    """The configuration file remains, so dpkg names the earlier version as on an upgrade."""
    package = debian.livebg("1")
    debian.dpkg("--install", package)
    assert debian.dpkg("--remove", "livebg") == ["deb-systemd-invoke --user stop livebg.service"]
    assert (debian.root / CONFFILE.lstrip("/")).exists()
    assert debian.dpkg("--install", package) == START
    assert debian.dpkg("--install", debian.livebg("2")) == []


def test_service_starts_after_packages_configured_later(debian: DebianRoot) -> None:
    """dpkg may configure livebg before v4l2loopback-dkms, which is only recommended."""
    debian.dpkg("--unpack", debian.livebg("1"), debian.module())
    assert debian.dpkg("--configure", "livebg", "v4l2loopback-dkms") == ["module is built", *START]


def test_without_systemd_nothing_is_started_or_unloaded(debian: DebianRoot) -> None:
    """In a container, the modules are those of the host."""
    (debian.root / "run/systemd/system").rmdir()
    device = debian.root / "sys/devices/virtual/video4linux/video42"
    device.mkdir(parents=True)
    (device / "name").write_text("livebg\n")
    (debian.root / "sys/module/v4l2loopback").mkdir(parents=True)
    assert debian.dpkg("--install", debian.livebg("1")) == []
    assert debian.dpkg("--remove", "livebg") == []


@pytest.mark.parametrize("names", [("livebg",), ("livebg", "OBS Virtual Camera")])
def test_removal_unloads_module_with_no_other_device(debian: DebianRoot, names: tuple[str, ...]) -> None:
    debian.dpkg("--install", debian.livebg("1"))
    (debian.root / "sys/module/v4l2loopback").mkdir(parents=True)
    for number, name in enumerate(names):
        device = debian.root / f"sys/devices/virtual/video4linux/video{number}"
        device.mkdir(parents=True)
        (device / "name").write_text(f"{name}\n")
    unloaded = "modprobe --quiet --remove v4l2loopback" in debian.dpkg("--remove", "livebg")
    assert unloaded == (names == ("livebg",))
