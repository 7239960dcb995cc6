"""Whether the icon appears at login: an entry of the desktop's own kind, which `livebg setup` writes as well."""

from dataclasses import dataclass
from pathlib import Path

import platformdirs

from livebg.setup.resources import AUTOSTART, tray_entry
from livebg.system import files


@dataclass(frozen=True, slots=True)
class Autostart:
    """The entry in the configuration folder ``config``, which starts livebg by ``command``."""

    config: Path
    command: tuple[str, ...]

    @classmethod
    def own(cls, command: tuple[str, ...]) -> "Autostart":
        """This user's."""
        return cls(platformdirs.user_config_path(), command)

    @property
    def path(self) -> Path:
        return self.config / AUTOSTART

    @property
    def is_on(self) -> bool:
        """Whether it is there and not hidden, as desktops mark what was switched off in their own settings."""
        try:
            lines = self.path.read_text("utf-8", "replace").splitlines()
        except OSError:
            return False
        said = {line.replace(" ", "").casefold() for line in lines}
        return not said & {"hidden=true", "x-gnome-autostart-enabled=false"}

    def switch(self, on: bool) -> None:
        """Raises :class:`~livebg.errors.SetupError` when the folder cannot be written."""
        if on:
            files.write(self.path, tray_entry(self.command).encode("utf-8", "surrogateescape"))
        else:
            files.remove(self.path)
