"""The only access to the system: paths and commands. Tests pass a folder tree and simulated commands."""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from livebg.errors import SetupError
from livebg.platform.user_paths import user_folder
from livebg.system import host

_MAX_OUTPUT_CHARS = 300
"""Maximum characters of a failed command's output in the error message."""


class Commands(Protocol):
    """Runs commands."""

    def find(self, name: str) -> bool:
        """Whether a program with this name is installed."""

    def run(self, *command: str) -> None:
        """Run a command and wait for it. Raises :class:`~livebg.errors.SetupError` if it cannot be run or fails."""


class SystemCommands:
    """Runs real commands. Their output is captured for the error message."""

    def find(self, name: str) -> bool:
        return host.Commands().find(name) is not None

    def run(self, *command: str) -> None:
        line = command_line(command)
        try:
            done = host.Commands().run(*command, timeout=None)
        except (OSError, host.ToolMissing) as error:
            raise SetupError(f"Cannot run `{line}` ({error}).", "Run it yourself, then run livebg setup again.") from error
        if done.code:
            output = " ".join(f"{done.out} {done.err}".split())[-_MAX_OUTPUT_CHARS:] or f"exit code {done.code}"
            raise SetupError(f"`{line}` failed ({output}).", "Fix that, then run livebg setup again.")


@dataclass(frozen=True, slots=True)
class Machine:
    """Paths and commands of a machine. ``root`` is the root of the file system, ``/`` except in tests."""

    commands: Commands
    root: Path
    config: Path
    """The user's configuration folder, such as ``~/.config``."""
    data: Path
    """The user's data folder, such as ``~/.local/share``."""
    state: Path
    """livebg's state folder."""
    command: tuple[str, ...]
    """Command line that starts livebg."""
    release: str
    """Version of the running kernel."""
    is_root: bool

    @classmethod
    def own(cls) -> "Machine":
        """Return this machine and user. Raises :class:`~livebg.errors.SetupError` if livebg cannot be set up here."""
        if sys.platform != "linux":
            raise SetupError(
                f"livebg setup supports only Linux, not {sys.platform}.", "Use OBS's virtual camera instead (--output obs)."
            )
        if os.geteuid() == 0 and (os.environ.get("SUDO_UID") or os.environ.get("PKEXEC_UID")):
            raise SetupError("livebg setup was started with sudo.", "Run it as yourself; it requests the password when needed.")
        config, data, state = user_folder("config", None), user_folder("data", None), user_folder("state")
        if config is None or data is None or state is None:
            raise SetupError("livebg setup writes to your home directory, and there is none.", "Set HOME.")
        return cls(
            commands=SystemCommands(),
            root=Path("/"),
            config=config,
            data=data,
            state=state,
            command=own_command(),
            release=os.uname().release,
            is_root=os.geteuid() == 0,
        )

    def path(self, absolute: str) -> Path:
        """Return an absolute system path, such as ``/etc/modprobe.d``, below ``root``."""
        return self.root / absolute.lstrip("/")

    @property
    def has_systemd(self) -> bool:
        """Whether systemd is running, which the user service needs."""
        return self.path("/run/systemd/system").is_dir() and self.commands.find("systemctl")

    @property
    def units(self) -> Path:
        """Folder of the user's systemd units."""
        return self.config / "systemd" / "user"

    @property
    def way_to_root(self) -> tuple[str, ...] | None:
        """Command prefix to run a command as root; None if neither sudo nor pkexec is installed."""
        if self.is_root:
            return ()
        return next(((way,) for way in ("sudo", "pkexec") if self.commands.find(way)), None)

    def run_as_root(self, script: str) -> None:
        """Run a shell script as root, with at most one password prompt. Raises :class:`~livebg.errors.SetupError`."""
        way = self.way_to_root
        if way is None:
            raise SetupError(
                "Neither sudo nor pkexec is installed, so livebg cannot write to /etc.",
                "As root, do the steps that `livebg setup --dry-run` lists for root, then run livebg setup again.",
            )
        self.commands.run(*way, "/bin/sh", "-ec", script)


def command_line(command: tuple[str, ...]) -> str:
    """Format a command for display. Scripts are shortened to ``...``."""
    shown = ["..." if "\n" in word else word for word in command]
    return " ".join(shown)


def own_command() -> tuple[str, ...]:
    """Return the command line of livebg: the script next to this Python, since services have no PATH, or ``python -m livebg``."""
    script = Path(sysconfig.get_path("scripts")) / "livebg"
    return (str(script),) if script.is_file() else (sys.executable, "-m", "livebg")
