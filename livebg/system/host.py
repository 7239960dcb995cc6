"""Access to the machine: files, command-line tools and video devices. Tests pass a simulated host."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from livebg.v4l2.syscalls import SYSCALLS, Syscalls

_TIMEOUT_S: Final = 5.0
_SBIN_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Folders of modinfo and dkms, which any user can run. Debian does not include them in a user's PATH."""
_FAMILIES: Final = {
    "debian": ("sudo apt install {}", "v4l2loopback-dkms", "linux-headers-{release}"),
    "fedora": ("sudo dnf install {}", "akmod-v4l2loopback", "kernel-devel-{release}"),
    "arch": ("sudo pacman -S {}", "v4l2loopback-dkms", "linux-headers"),
    "suse": ("sudo zypper install {}", "v4l2loopback-kmp-default", "kernel-default-devel"),
}
"""Install command, package of the v4l2loopback module, and package of the kernel headers needed to build it."""
_ALIASES: Final = {"ubuntu": "debian", "rhel": "fedora", "opensuse": "suse", "sles": "suse"}


class ToolMissing(Exception):
    """A command-line tool is not installed."""


class ToolTimeout(Exception):
    """A command-line tool did not finish in time."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str = ""


class Commands:
    """Runs command-line tools in the C locale, because their output is parsed."""

    def find(self, tool: str) -> str | None:
        """Return the path of a tool, or None if it is not installed."""
        return shutil.which(tool, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SBIN_FOLDERS]))

    def run(self, *command: str, timeout: float | None = _TIMEOUT_S) -> ToolResult:
        """Run a command without a shell and without input. ``timeout`` is in seconds; None: no limit.

        Raises :class:`ToolMissing`, :class:`ToolTimeout` and OSError.
        """
        tool = self.find(command[0])
        if tool is None:
            raise ToolMissing(f"{command[0]} is not installed")
        try:
            done = subprocess.run(
                [tool, *command[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                env=os.environ | {"LC_ALL": "C"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ToolTimeout(f"{command[0]} timed out after {timeout:g} s") from None
        return ToolResult(done.returncode, done.stdout, done.stderr)

    def try_run(self, *command: str, timeout: float = _TIMEOUT_S) -> ToolResult:
        """Run a command like :meth:`run`. A missing tool or a timeout counts as a failure, with the reason in ``err``."""
        try:
            return self.run(*command, timeout=timeout)
        except (ToolMissing, ToolTimeout) as error:
            return ToolResult(1, "", str(error))


def last_line(text: str) -> str:
    """Return the last line of a text without surrounding spaces."""
    return (text.strip().splitlines() or [""])[-1].strip()


def _groups() -> frozenset[int]:
    return frozenset((*os.getgroups(), os.getegid())) if hasattr(os, "getgroups") else frozenset()


@dataclass(frozen=True)
class Host:
    """A machine.

    ``root`` is the root of its file system, ``system`` the value of sys.platform, ``release`` the version of the running
    kernel. ``groups`` are the group ids of this process and ``environment`` its environment variables.
    """

    root: Path = Path("/")
    system: str = sys.platform
    release: str = field(default_factory=platform.release)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    groups: frozenset[int] = field(default_factory=_groups)
    commands: Commands = field(default_factory=Commands)
    kernel: Syscalls = SYSCALLS

    def path(self, absolute: str | Path) -> Path:
        """Return an absolute path of the machine, resolved below ``root``."""
        return self.root / str(absolute).lstrip("/")

    def read(self, absolute: str | Path) -> str | None:
        """Return a text file's content, stripped, or None if there is no file. Raises OSError if it cannot be read."""
        try:
            return self.path(absolute).read_text(errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None


def install_module(host: Host) -> str:
    """Return the command that installs v4l2loopback and the kernel headers."""
    family = _family(host)
    if family is None:
        return "Install your distribution's v4l2loopback package and the headers of the running kernel"
    command, module, headers = family
    return command.format(f"{module} {headers.format(release=host.release)}")


def install_headers(host: Host) -> str:
    """Return the command that installs the headers of the running kernel."""
    family = _family(host)
    if family is None:
        return f"Install the headers of kernel {host.release}"
    command, _, headers = family
    return command.format(headers.format(release=host.release))


def install_package(host: Host, package: str) -> str:
    """Return the command that installs ``package``."""
    family = _family(host)
    return family[0].format(package) if family else f"Install {package}"


def _family(host: Host) -> tuple[str, str, str] | None:
    names = (_ALIASES.get(name, name) for name in _names(host))
    return next((_FAMILIES[name] for name in names if name in _FAMILIES), None)


def _names(host: Host) -> list[str]:
    """Return the distribution's ID, then those in ID_LIKE, from /etc/os-release."""
    lines = (host.read("/etc/os-release") or host.read("/usr/lib/os-release") or "").splitlines()
    fields = {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
    names = (fields.get("ID", ""), *fields.get("ID_LIKE", "").split())
    return [part for name in names for part in (name, name.partition("-")[0])]
