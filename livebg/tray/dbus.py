"""Session D-Bus calls of the tray: detect a tray host, show a notification, open a file dialog."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from livebg.errors import DisplayError
from livebg.setup.resources import APP_ID

if TYPE_CHECKING:
    from jeepney.io.blocking import DBusConnection

WATCHER: Final = "org.kde.StatusNotifierWatcher"
_REPLY_TIMEOUT_S: Final = 3.0
_DIALOG_TIMEOUT_S: Final = 600.0
"""Maximum time the file dialog may stay open."""


class BusError(DisplayError):
    """The session D-Bus is unavailable or returned an error."""


@contextmanager
def session_bus() -> "Iterator[DBusConnection]":
    """Open a private connection to the session bus. Converts D-Bus errors, also those in the block, to :class:`BusError`."""
    try:
        from jeepney.auth import AuthenticationError
        from jeepney.io.blocking import open_dbus_connection
        from jeepney.wrappers import DBusErrorResponse
    except ImportError:
        raise BusError("This system has no D-Bus.", "Use Linux, where desktops provide it.") from None

    try:
        with open_dbus_connection(_address()) as connection:
            yield connection
    except (OSError, AuthenticationError, DBusErrorResponse, RuntimeError, ValueError) as error:
        raise BusError(f"The session D-Bus does not respond ({error}).", "Start livebg tray in a desktop session.") from error


def has_bus() -> bool:
    """Whether the session bus responds."""
    try:
        with session_bus():
            return True
    except BusError:
        return False


def shows_icons() -> bool:
    """Whether a tray host (StatusNotifierWatcher) is on the session bus. Starts no service."""
    try:
        with session_bus() as bus:
            from jeepney.bus_messages import message_bus

            return bool(_call(bus, message_bus.NameHasOwner(WATCHER))[0])
    except BusError:
        return False


def notify(text: str) -> None:
    """Show a desktop notification. Raises :class:`BusError` if there is no notification service."""
    name = "org.freedesktop.Notifications"
    with session_bus() as bus:
        from jeepney import DBusAddress, new_method_call

        place = DBusAddress("/org/freedesktop/Notifications", name, name)
        hints = {"desktop-entry": ("s", APP_ID)}
        _call(bus, new_method_call(place, "Notify", "susssasa{sv}i", ("livebg", 0, APP_ID, "livebg", text, [], hints, -1)))


def choose_file(title: str) -> Path | None:
    """Let the user choose an image in the desktop portal's file dialog. Return None if the user cancels.

    Raises :class:`BusError` if there is no portal with a file dialog.
    """
    with session_bus() as bus:
        from jeepney import DBusAddress, HeaderFields, MatchRule, new_method_call
        from jeepney.bus_messages import message_bus

        portal = "org.freedesktop.portal"
        place = DBusAddress("/org/freedesktop/portal/desktop", f"{portal}.Desktop", f"{portal}.FileChooser")
        pictures = ("Pictures", [(1, "image/*")])
        rule = MatchRule(type="signal", interface="org.freedesktop.portal.Request", member="Response")
        _call(bus, message_bus.AddMatch(rule))
        with bus.filter(rule, bufsize=16) as responses:
            options = {"filters": ("a(sa(us))", [pictures])}
            (handle,) = _call(bus, new_method_call(place, "OpenFile", "ssa{sv}", ("", title, options)))
            while True:
                response = bus.recv_until_filtered(responses, timeout=_DIALOG_TIMEOUT_S)
                if response.header.fields.get(HeaderFields.path) == handle:
                    code, results = response.body
                    uris = results["uris"][1] if code == 0 else []
                    return Path(unquote(urlsplit(uris[0]).path)) if uris else None


def _call(bus: "DBusConnection", message: Any) -> tuple[Any, ...]:
    """Send a message and return the reply's body. Raises DBusErrorResponse and TimeoutError."""
    from jeepney.wrappers import unwrap_msg

    body: tuple[Any, ...] = unwrap_msg(bus.send_and_get_reply(message, timeout=_REPLY_TIMEOUT_S))
    return body


def _address() -> str:
    """Return the address of the session bus, by default the user bus."""
    configured = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not configured and not runtime:
        raise ValueError("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
    return configured or f"unix:path={runtime}/bus"
