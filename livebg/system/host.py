"""The machine as the doctor sees it: its files, its tools, its video devices. Tests put a machine of their own in its place."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from livebg.v4l2.syscalls import SYSTEM, Kernel

_PATIENCE: Final = 5.0
_SUPERUSERS_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where modinfo and dkms lie, which anybody may run; Debian leaves them out of a user's PATH."""


class ToolMissing(Exception):
    """A tool that would know is not installed."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"{tool} is not installed")
        self.tool = tool


class ToolHung(Exception):
    """A tool did not answer in time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str = ""


class Commands:
    """Runs the machine's tools; they are told to speak English, since their words are read."""

    def run(self, *command: str, patience: float = _PATIENCE) -> Outcome:
        """Run a command without a shell and without input, for at most ``patience`` seconds.

        Raises :class:`ToolMissing` and :class:`ToolHung`.
        """
        places = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SUPERUSERS_FOLDERS])
        tool = shutil.which(command[0], path=places)
        if tool is None:
            raise ToolMissing(command[0])
        try:
            done = subprocess.run(
                [tool, *command[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=patience,
                env=os.environ | {"LC_ALL": "C"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ToolHung(f"{command[0]} did not answer within {patience:g} s") from None
        return Outcome(done.returncode, done.stdout, done.stderr)


def _groups() -> frozenset[int]:
    return frozenset((*os.getgroups(), os.getegid())) if hasattr(os, "getgroups") else frozenset()


@dataclass(frozen=True)
class Host:
    """A machine. ``root`` is where its files are; ``system`` is sys.platform's word; ``release`` the running kernel's.

    ``groups`` are the ids of the groups that this process is in, ``environment`` its variables.
    """

    root: Path = Path("/")
    system: str = sys.platform
    release: str = field(default_factory=platform.release)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    groups: frozenset[int] = field(default_factory=_groups)
    commands: Commands = field(default_factory=Commands)
    kernel: Kernel = SYSTEM

    def path(self, absolute: str | Path) -> Path:
        """Where an absolute path of the machine is."""
        return self.root / str(absolute).lstrip("/")

    def read(self, absolute: str | Path) -> str | None:
        """A small text file without the white space at its ends; None where there is none. Raises OSError as reading does."""
        try:
            return self.path(absolute).read_text(errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
