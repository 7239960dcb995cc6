"""What the desktop offers the tray: a backend for its icon, and the session bus for notifications and the file dialog.

The backend is checked before importing pystray, whose own errors are unhelpful.
"""

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
from urllib.parse import unquote_to_bytes, urlsplit

from livebg.errors import DisplayError
from livebg.system.session_bus import APP_ID, BusError, call, portal_request, session_bus

Backend = Literal["appindicator", "gtk", "own"]
"""``own`` is pystray's default backend on systems other than Linux."""
_POLL_INTERVAL_S: Final = 0.5
_INSTALL: Final = (
    "Install python3-gi and gir1.2-ayatanaappindicator3-0.1 (Fedora: python3-gobject libayatana-appindicator-gtk3), and install"
    " livebg with the system's Python."
)
WATCHER: Final = "org.kde.StatusNotifierWatcher"
_DIALOG_TIMEOUT_S: Final = 600.0
"""Maximum time the file dialog may stay open."""


def has_bus() -> bool:
    """Return whether the session bus responds."""
    try:
        with session_bus():
            return True
    except BusError:
        return False


def shows_icons() -> bool:
    """Return whether a tray host (StatusNotifierWatcher) is on the session bus. Starts no service."""
    try:
        with session_bus() as bus:
            from jeepney.bus_messages import message_bus

            return bool(call(bus, message_bus.NameHasOwner(WATCHER))[0])
    except BusError:
        return False


def notify(text: str) -> None:
    """Show a desktop notification. Raises :class:`BusError` if there is no notification service."""
    name = "org.freedesktop.Notifications"
    with session_bus() as bus:
        from jeepney import DBusAddress, new_method_call

        place = DBusAddress("/org/freedesktop/Notifications", name, name)
        hints = {"desktop-entry": ("s", APP_ID)}
        call(bus, new_method_call(place, "Notify", "susssasa{sv}i", ("livebg", 0, APP_ID, "livebg", text, [], hints, -1)))


def choose_file(title: str) -> Path | None:
    """Let the user choose an image in the desktop portal's file dialog. Return None if the user cancels.

    Raises :class:`BusError` if there is no portal with a file dialog.
    """
    options = {"filters": ("a(sa(us))", [("Pictures", [(1, "image/*")])])}
    with session_bus() as bus:
        results = portal_request(
            bus, "org.freedesktop.portal.FileChooser", "OpenFile", "ssa{sv}", ("", title, options), _DIALOG_TIMEOUT_S
        )
    uris = results["uris"] if results else []
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(uris[0]).path))) if uris else None


def import_system_gi() -> bool:
    """Make ``import gi`` work, and return whether it does.

    PyGObject is hard to build, so a virtual environment of the system's Python uses the package installed by the distribution,
    and no other package from there.
    """
    if importlib.util.find_spec("gi"):
        return True
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    library = f"_gi{sysconfig.get_config_var('EXT_SUFFIX')}"
    folders = (
        "/usr/lib/python3/dist-packages/gi",
        f"/usr/lib64/python{version}/site-packages/gi",
        f"/usr/lib/python{version}/site-packages/gi",
    )
    found = next((Path(folder) for folder in folders if (Path(folder) / library).is_file()), None)
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


def has_xembed_tray() -> bool:
    """Return whether the X server has a system tray of the older XEmbed protocol."""
    from Xlib.display import Display
    from Xlib.error import DisplayError as XDisplayError

    try:
        with closing(Display()) as display:
            owner = display.get_selection_owner(display.intern_atom(f"_NET_SYSTEM_TRAY_S{display.get_default_screen()}"))
            return bool(owner)
    except (XDisplayError, OSError):
        return False


@dataclass(frozen=True, slots=True)
class DesktopProbe:
    """Probes of the desktop environment. Tests replace them."""

    system: str = sys.platform
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    has_bus: Callable[[], bool] = has_bus
    shows_icons: Callable[[], bool] = shows_icons
    shows_x_icons: Callable[[], bool] = has_xembed_tray
    introspection: Callable[[], bool] = import_system_gi


def find_backend(desktop: DesktopProbe, timeout: float = 0.0) -> Backend:
    """Return the backend that can show an icon, waiting up to ``timeout`` seconds for a desktop panel to start.

    Raises :class:`~livebg.errors.DisplayError`, which names what is missing.
    """
    if not desktop.system.startswith("linux"):
        return "own"
    variables = desktop.variables
    if not (variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY")):
        raise DisplayError(
            "No display found for the tray icon.", "Start it in a desktop session, or use `livebg status --watch`."
        )
    if not desktop.introspection():
        raise DisplayError("The tray icon needs the system's PyGObject, which this Python cannot import.", _INSTALL)
    if not desktop.has_bus():
        raise DisplayError("The tray icon needs the session D-Bus, which does not respond.", "Start it in a desktop session.")
    # On Wayland GTK cannot show an XEmbed icon. Xwayland may have such a tray before the panel has its StatusNotifierWatcher.
    draws_on_x = bool(variables.get("DISPLAY")) and not variables.get("WAYLAND_DISPLAY")
    deadline = time.monotonic() + timeout
    while True:
        if desktop.shows_icons():
            return "appindicator"
        if draws_on_x and desktop.shows_x_icons():
            return "gtk"
        if time.monotonic() >= deadline:
            raise _no_tray(variables.get("XDG_CURRENT_DESKTOP", ""))
        time.sleep(_POLL_INTERVAL_S)


def _no_tray(desktop: str) -> DisplayError:
    if "GNOME" in desktop.upper():
        return DisplayError(
            "GNOME shows tray icons only with an extension.",
            "Install gnome-shell-extension-appindicator, log in again and enable it in Extensions.",
        )
    return DisplayError(
        "This desktop shows no tray icons.",
        "Add a system tray (StatusNotifier) to your panel, or use `livebg status --watch`.",
    )
