"""Autostart of the tray icon at login, by the XDG autostart entry that `livebg setup` also writes."""

from dataclasses import dataclass
from pathlib import Path

import platformdirs

from livebg.setup.resources import AUTOSTART, tray_entry
from livebg.system import files


@dataclass(frozen=True, slots=True)
class Autostart:
    """The autostart entry in the configuration folder ``config``. ``command`` is the command line that starts livebg."""

    config: Path
    command: tuple[str, ...]

    @classmethod
    def own(cls, command: tuple[str, ...]) -> "Autostart":
        """Return the current user's entry."""
        return cls(platformdirs.user_config_path(), command)

    @property
    def path(self) -> Path:
        """Path of the autostart entry."""
        return self.config / AUTOSTART

    @property
    def is_on(self) -> bool:
        """Whether the entry exists and is not marked as hidden, which is how desktops disable an entry in their settings."""
        try:
            lines = self.path.read_text("utf-8", "replace").splitlines()
        except OSError:
            return False
        settings = {line.replace(" ", "").casefold() for line in lines}
        return not settings & {"hidden=true", "x-gnome-autostart-enabled=false"}

    def switch(self, on: bool) -> None:
        """Write or remove the entry. Raises :class:`~livebg.errors.SetupError` if the folder is not writable."""
        if on:
            files.write(self.path, tray_entry(self.command).encode("utf-8", "surrogateescape"))
        else:
            files.remove(self.path)
