"""The files that setup installs, as livebg carries them: the service, the application entry, the icons."""

from pathlib import Path
from typing import Final

import livebg
from livebg.errors import SetupError

AUTOSTART: Final = Path("autostart") / "livebg-tray.desktop"
"""Where in the user's configuration folder the entry lies that shows the tray's icon at login."""
_MARK: Final = "@livebg@"


def carried(name: str) -> str:
    """The text of a carried file. Raises :class:`~livebg.errors.SetupError` when the installation lacks it."""
    package = Path(livebg.__file__).parent
    for folder in (package / "systemd", package.parent / "systemd"):  # installed, or in a checkout
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8")
    raise SetupError(f"this installation of livebg lacks systemd/{name}: install livebg anew")


def service_unit(command: tuple[str, ...]) -> str:
    """``livebg.service`` that starts livebg by ``command``."""
    return carried("livebg.service").replace(_MARK, " ".join(map(_unit_word, command)))


def desktop_entry(command: tuple[str, ...]) -> str:
    """``livebg.desktop`` that starts livebg by ``command``."""
    return carried("livebg.desktop").replace(_MARK, " ".join(map(_entry_word, command)))


def tray_entry(command: tuple[str, ...]) -> str:
    """``livebg-tray.desktop`` that shows the tray's icon at login, by ``command``."""
    return carried("livebg-tray.desktop").replace(_MARK, " ".join(map(_entry_word, command)))


def _unit_word(word: str) -> str:
    """As systemd.service(5) wants it: percent signs doubled, and quotes where white space needs them."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(word) & set(" \t'\"\\;") else escaped


def _entry_word(word: str) -> str:
    r"""As the Desktop Entry Specification wants it: in quotes ``"``, `````, ``$`` and ``\`` are escaped, then all ``\`` again."""
    if not set(word) & set(" \t\"'\\><~|&;$*?#()`%"):
        return word
    quoted = "".join(f"\\{letter}" if letter in '"`$\\' else letter for letter in word)
    return f'"{quoted}"'.replace("\\", "\\\\").replace("%", "%%")
