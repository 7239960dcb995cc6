"""Loads GTK 4 and libadwaita, which are packages of the system."""

import sys
from typing import Final

from livebg.errors import DisplayError
from livebg.tray.desktop import import_system_gi

_INSTALL: Final = (
    "Run `sudo apt install python3-gi gir1.2-gtk-4.0 gir1.2-adw-1` (Fedora: python3-gobject gtk4 libadwaita), with livebg on the"
    " system's Python, or use `livebg preview`."
)


def load_toolkit() -> None:
    """Make ``from gi.repository import Adw, Gtk`` work. Raises :class:`~livebg.errors.DisplayError` if something is missing."""
    if not sys.platform.startswith("linux"):
        raise DisplayError("The window needs Linux.", "Use `livebg preview` and the command line.")
    if not import_system_gi():
        raise DisplayError("The window needs PyGObject, GTK 4 and libadwaita, and PyGObject is missing.", _INSTALL)
    import gi

    try:
        gi.require_version("Gtk", "4.0")
        gi.require_version("Adw", "1")
        from gi.repository import Adw, Gdk
    except (ImportError, ValueError):
        raise DisplayError("The window needs GTK 4 and libadwaita, which are not installed.", _INSTALL) from None
    if not hasattr(Adw, "AboutWindow"):
        raise DisplayError("The window needs libadwaita 1.2 or later.", "Use `livebg preview` and `livebg tray`.")
    if Gdk.Display.get_default() is None:
        raise DisplayError("No display found for the window.", "Run it in a desktop session.")
