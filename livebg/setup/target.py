"""The only access to the system: paths and commands. Tests pass a folder tree and simulated commands."""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.errors import SetupError
from livebg.platform.user_paths import user_folder
from livebg.system.host import Host, ToolMissing

COMMAND: Final = "/usr/bin/livebg"
"""The command of a livebg that a distribution's package installed."""
_MAX_OUTPUT_CHARS: Final = 300
"""Maximum characters of a failed command's output in the error message."""


@dataclass(frozen=True, kw_only=True)
class Machine(Host):
    """The machine to set up, and its user."""

    config: Path
    """The user's configuration folder, such as ``~/.config``."""
    data: Path
    """The user's data folder, such as ``~/.local/share``."""
    state: Path
    """livebg's state folder."""
    command: tuple[str, ...]
    """Command line that starts livebg."""
    is_root: bool
    settings: Path | None = None
    """Configuration file that the service reads; None for the default one."""

    @classmethod
    def own(cls, settings: Path | None = None) -> "Machine":
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
            config=config,
            data=data,
            state=state,
            command=own_command(),
            is_root=os.geteuid() == 0,
            settings=settings,
        )

    @property
    def has_systemd(self) -> bool:
        """Whether systemd is running, which the user service needs."""
        return self.path("/run/systemd/system").is_dir() and self.commands.find("systemctl") is not None

    @property
    def has_wireplumber(self) -> bool:
        """Whether WirePlumber is installed."""
        return self.commands.find("wireplumber") is not None

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

    def run(self, *command: str) -> None:
        """Run a command and wait for it. Raises :class:`~livebg.errors.SetupError` if it cannot be run or fails."""
        line = " ".join("..." if "\n" in word else word for word in command)  # a script is too long to show
        try:
            done = self.commands.run(*command, timeout=None)
        except (OSError, ToolMissing) as error:
            raise SetupError(f"Cannot run `{line}` ({error}).", "Run it yourself, then run livebg setup again.") from error
        if done.code:
            output = " ".join(f"{done.out} {done.err}".split())[-_MAX_OUTPUT_CHARS:] or f"exit code {done.code}"
            raise SetupError(f"`{line}` failed ({output}).", "Fix that, then run livebg setup again.")

    def run_as_root(self, script: str) -> None:
        """Run a shell script as root, with at most one password prompt. Raises :class:`~livebg.errors.SetupError`."""
        way = self.way_to_root
        if way is None:
            raise SetupError(
                "Neither sudo nor pkexec is installed, so livebg cannot write to /etc.",
                "As root, do the steps that `livebg setup --dry-run` lists for root, then run livebg setup again.",
            )
        self.run(*way, "/bin/sh", "-ec", script)


def own_command() -> tuple[str, ...]:
    """Return the command line of livebg: the script next to this Python, since services have no PATH, or ``python -m livebg``.

    A package's script is :data:`COMMAND`, wherever its environment is.
    """
    script = Path(sysconfig.get_path("scripts")) / "livebg"
    if not script.is_file():
        return (sys.executable, "-m", "livebg")
    return (COMMAND if Path(COMMAND).resolve() == script.resolve() else str(script),)
