"""The only door to the system: where things lie, and how commands are run. Tests put a tree and commands of their own there."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import platformdirs

from livebg.errors import SetupError

_LAST_WORDS = 300
"""Characters of what a failed command said that are passed on."""


class Commands(Protocol):
    """Runs commands."""

    def find(self, name: str) -> bool:
        """Whether there is a program of this name to run."""

    def run(self, *command: str) -> None:
        """Run it to its end. Raises :class:`~livebg.errors.SetupError` in one sentence when it cannot be run or fails."""


class SystemCommands:
    """The machine's own. Whatever they print is kept for the sentence in which a failure is told."""

    def find(self, name: str) -> bool:
        return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin") is not None

    def run(self, *command: str) -> None:
        spoken = command_line(command)
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
            )
        except OSError as error:
            raise SetupError(f"`{spoken}` cannot be run ({error.strerror}): run it yourself, then livebg setup again") from error
        if done.returncode:
            said = " ".join(done.stdout.split())[-_LAST_WORDS:] or f"exit code {done.returncode}"
            raise SetupError(f"`{spoken}` failed ({said}): mend that, then run livebg setup again")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where things lie. ``root`` is what the system's own paths are below; ``/`` but in tests."""

    commands: Commands
    root: Path
    config: Path
    """The user's configuration folder, such as ``~/.config``."""
    data: Path
    """The user's data folder, such as ``~/.local/share``."""
    state: Path
    """livebg's own folder for what is to be remembered."""
    command: tuple[str, ...]
    """How livebg is started."""
    release: str
    """The running kernel's."""
    is_root: bool

    @classmethod
    def own(cls) -> "Machine":
        """This machine and this user. Raises :class:`~livebg.errors.SetupError` where livebg cannot be set up."""
        if sys.platform != "linux":
            raise SetupError(
                f"livebg setup is for Linux, and this is {sys.platform}: OBS's virtual camera is there (--output obs)"
            )
        if os.geteuid() == 0 and (os.environ.get("SUDO_UID") or os.environ.get("PKEXEC_UID")):
            raise SetupError("livebg setup was started with sudo: run it as yourself, it asks for the password when it needs to")
        return cls(
            commands=SystemCommands(),
            root=Path("/"),
            config=platformdirs.user_config_path(),
            data=platformdirs.user_data_path(),
            state=platformdirs.user_state_path("livebg"),
            command=own_command(),
            release=os.uname().release,
            is_root=os.geteuid() == 0,
        )

    def path(self, absolute: str) -> Path:
        """Where a path of the system lies, ``/etc/modprobe.d`` for example."""
        return self.root / absolute.lstrip("/")

    @property
    def has_systemd(self) -> bool:
        """Whether systemd runs here, so that there can be a user service."""
        return self.path("/run/systemd/system").is_dir() and self.commands.find("systemctl")

    @property
    def units(self) -> Path:
        """The folder of the user's own units."""
        return self.config / "systemd" / "user"

    @property
    def way_to_root(self) -> tuple[str, ...] | None:
        """What comes before a command to run it as root; None when there is no way."""
        if self.is_root:
            return ()
        return next(((way,) for way in ("sudo", "pkexec") if self.commands.find(way)), None)

    def run_as_root(self, script: str) -> None:
        """Run a shell script as root, which asks for the password once at most. Raises :class:`~livebg.errors.SetupError`."""
        way = self.way_to_root
        if way is None:
            raise SetupError(
                "neither sudo nor pkexec is here to write below /etc: do as root what `livebg setup --dry-run` lists as root's "
                "part, then run livebg setup again"
            )
        self.commands.run(*way, "/bin/sh", "-ec", script)


def command_line(command: tuple[str, ...]) -> str:
    """A command as people write it; of a script only that it is one."""
    shown = ["..." if "\n" in word else word for word in command]
    return " ".join(shown)


def own_command() -> tuple[str, ...]:
    """The installed ``livebg`` beside this Python, because a service knows no PATH; else this Python with the module."""
    script = Path(sysconfig.get_path("scripts")) / "livebg"
    return (str(script),) if script.is_file() else (sys.executable, "-m", "livebg")
