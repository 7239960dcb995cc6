"""Whether this desktop has a place for the icon, found out before pystray is imported, which raises what no one can read."""

import importlib.util
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from livebg.errors import DisplayError
from livebg.tray.dbus import has_bus, shows_icons

Backend = Literal["appindicator", "gtk", "own"]
"""``own`` is pystray's for systems that are no Linux."""
_PAUSE: Final = 0.5
_PACKAGES: Final = (
    "install python3-gi and gir1.2-ayatanaappindicator3-0.1 (Fedora: python3-gobject libayatana-appindicator-gtk3), and livebg"
    " itself with the system's Python"
)


def borrow_introspection() -> bool:
    """Make ``import gi`` work; whether it does.

    PyGObject is the distribution's and is hard to build: in a virtual environment of the same Python its package is used from
    where it lies, and nothing else from there.
    """
    if importlib.util.find_spec("gi"):
        return True
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = f"_gi{sysconfig.get_config_var('EXT_SUFFIX')}"
    places = (
        "/usr/lib/python3/dist-packages/gi",
        f"/usr/lib64/python{version}/site-packages/gi",
        f"/usr/lib/python{version}/site-packages/gi",
    )
    found = next((Path(place) for place in places if (Path(place) / wanted).is_file()), None)
    if found is None:
        return False
    spec = importlib.util.spec_from_file_location("gi", found / "__init__.py", submodule_search_locations=[str(found)])
    if spec is None or spec.loader is None:
        return False
    module = importlib.util.module_from_spec(spec)
    sys.modules["gi"] = module
    try:
        spec.loader.exec_module(module)
    except ImportError:
        del sys.modules["gi"]
        return False
    return True


def x_tray() -> bool:
    """Whether the X server knows a tray of the older kind."""
    from Xlib.display import Display
    from Xlib.error import DisplayError as XDisplayError

    try:
        with closing(Display()) as display:
            owner = display.get_selection_owner(display.intern_atom(f"_NET_SYSTEM_TRAY_S{display.get_default_screen()}"))
            return bool(owner)
    except (XDisplayError, OSError):
        return False


@dataclass(frozen=True, slots=True)
class Desktop:
    """What is asked of the desktop; tests answer in its place."""

    system: str = sys.platform
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    has_bus: Callable[[], bool] = has_bus
    shows_icons: Callable[[], bool] = shows_icons
    shows_x_icons: Callable[[], bool] = x_tray
    introspection: Callable[[], bool] = borrow_introspection


def find_place(desktop: Desktop, patience: float = 0.0) -> Backend:
    """The way to show an icon here, waiting up to ``patience`` seconds for a panel that is just starting.

    Raises :class:`~livebg.errors.DisplayError` in a sentence that says what is missing.
    """
    if not desktop.system.startswith("linux"):
        return "own"
    variables = desktop.variables
    if not (variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY")):
        raise DisplayError(
            "there is no display for a tray icon here: start it in a desktop session, or use `livebg status --watch`"
        )
    if not desktop.introspection():
        raise DisplayError(f"the tray icon needs the system's PyGObject, which this Python does not find: {_PACKAGES}")
    if not desktop.has_bus():
        raise DisplayError("the session's D-Bus does not answer, by which tray icons are shown: start it in a desktop session")
    deadline = time.monotonic() + patience
    while True:
        if desktop.shows_icons():
            return "appindicator"
        if variables.get("DISPLAY") and desktop.shows_x_icons():
            return "gtk"
        if time.monotonic() >= deadline:
            raise DisplayError(_nowhere(variables.get("XDG_CURRENT_DESKTOP", "")))
        time.sleep(_PAUSE)


def _nowhere(desktop: str) -> str:
    if "GNOME" in desktop.upper():
        return (
            "GNOME shows tray icons only with its extension: install gnome-shell-extension-appindicator, log in again and switch "
            "it on in Extensions"
        )
    return "nothing on this desktop shows tray icons: add the tray (StatusNotifier) to your panel, or use `livebg status --watch`"
