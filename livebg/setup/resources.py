"""The packaged files that setup installs: service unit, desktop entries and icons."""

import re
from pathlib import Path
from typing import Final

import livebg
from livebg.errors import SetupError
from livebg.system.session_bus import APP_ID as APP_ID

APPLICATION: Final = Path(f"{APP_ID}.desktop")
"""Desktop entry of the application."""
AUTOSTART: Final = "autostart" / APPLICATION
"""Autostart entry of the tray: its path below the user's configuration folder, and here below ``systemd``."""
UNIT: Final = "livebg.service"
"""The systemd user unit."""
_PLACEHOLDER: Final = "@livebg@"
_REFUSED: Final = re.compile(r"""[\x00-\x1f\x7f"'\\]""")
"""Characters that systemd refuses in the path of a program."""
_BY_SHELL: Final = ("/bin/sh", "-c", 'exec "$0" "$@"')
"""Precedes a command line whose program systemd refuses."""


def former_path(path: Path) -> Path:
    """Return the path that a file had before livebg had an application ID. The same path if it has not changed."""
    return path.with_name(path.name.replace(APP_ID, "livebg-tray" if path.parent.name == "autostart" else "livebg"))


def packaged_path(name: str) -> Path:
    """Return the path of a packaged file. Raises :class:`~livebg.errors.SetupError` if it is missing."""
    package = Path(livebg.__file__).parent
    for folder in (package / "systemd", package.parent / "systemd"):  # installed, or in a checkout
        if (folder / name).is_file():
            return folder / name
    raise SetupError(f"This installation of livebg lacks systemd/{name}.", "Reinstall livebg.")


def packaged_text(name: str) -> str:
    """Return the text of a packaged file. Raises :class:`~livebg.errors.SetupError` if it is missing."""
    return packaged_path(name).read_text("utf-8")


def service_unit(command: tuple[str, ...], settings: Path | None = None) -> str:
    """Return ``livebg.service`` with ``command`` as the command line of livebg, and the configuration file ``settings``."""
    program, *arguments = (*_BY_SHELL, *command) if _REFUSED.search(command[0]) else command
    words = [_unit_word(program), *map(_unit_argument, arguments)]
    run = f"{_PLACEHOLDER} run"
    with_settings = f"{run} --config {_unit_argument(str(settings))}" if settings else run
    return packaged_text(UNIT).replace(run, with_settings).replace(_PLACEHOLDER, " ".join(words))


def desktop_entry(command: tuple[str, ...], entry: Path = APPLICATION) -> str:
    """Return the entry :data:`APPLICATION` or :data:`AUTOSTART` with ``command`` as the command line of livebg."""
    return packaged_text(str(entry)).replace(_PLACEHOLDER, " ".join(map(_entry_word, command)))


def _unit_word(word: str) -> str:
    """Quote a word according to systemd.service(5): double percent signs, and add quotes around white space."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(word) & set(" \t'\"\\;") else escaped


def _unit_argument(word: str) -> str:
    """Quote a word after the program: double dollar signs too, which begin variables there."""
    return _unit_word(word).replace("$", "$$")


def _entry_word(word: str) -> str:
    r"""Quote a word for a desktop entry: in quotes ``"``, `````, ``$`` and ``\`` are escaped, then all ``\`` again."""
    if not set(word) & set(" \t\"'\\><~|&;$*?#()`%"):
        return word
    quoted = "".join(f"\\{letter}" if letter in '"`$\\' else letter for letter in word)
    return f'"{quoted}"'.replace("\\", "\\\\").replace("%", "%%")
