"""What the tray asks of the session's D-Bus: is there a place for icons, show a message, let a file be chosen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from livebg.errors import DisplayError

if TYPE_CHECKING:
    from jeepney.io.blocking import DBusConnection

WATCHER: Final = "org.kde.StatusNotifierWatcher"
_PATIENCE: Final = 3.0
_CHOOSING: Final = 600.0
"""Seconds that people may look for a picture."""


class BusError(DisplayError):
    """The session's D-Bus is not there, or says no."""


@contextmanager
def session_bus() -> "Iterator[DBusConnection]":
    """A connection of one's own. Raises :class:`BusError`, also for what is raised inside the block by the bus."""
    try:
        from jeepney.auth import AuthenticationError
        from jeepney.io.blocking import open_dbus_connection
        from jeepney.wrappers import DBusErrorResponse
    except ImportError:
        raise BusError("there is no D-Bus on this system: it is Linux's") from None

    try:
        with open_dbus_connection(_address()) as connection:
            yield connection
    except (OSError, AuthenticationError, DBusErrorResponse, RuntimeError, ValueError) as error:
        raise BusError(f"the session's D-Bus does not answer ({error}): start livebg tray in a desktop session") from error


def has_bus() -> bool:
    """Whether there is a session whose bus answers."""
    try:
        with session_bus():
            return True
    except BusError:
        return False


def shows_icons() -> bool:
    """Whether somebody on the session's bus shows the icons of programs. Starts nothing."""
    try:
        with session_bus() as bus:
            from jeepney.bus_messages import message_bus

            return bool(_answer(bus, message_bus.NameHasOwner(WATCHER))[0])
    except BusError:
        return False


def notify(text: str) -> None:
    """A message on the desktop. Raises :class:`BusError` where nobody shows them."""
    name = "org.freedesktop.Notifications"
    with session_bus() as bus:
        from jeepney import DBusAddress, new_method_call

        place = DBusAddress("/org/freedesktop/Notifications", name, name)
        _answer(bus, new_method_call(place, "Notify", "susssasa{sv}i", ("livebg", 0, "livebg", "livebg", text, [], {}, -1)))


def choose_file(title: str) -> Path | None:
    """A picture that the user chooses in the desktop's own dialog, by its portal; None when he thinks better of it.

    Raises :class:`BusError` where there is no portal with such a dialog.
    """
    with session_bus() as bus:
        from jeepney import DBusAddress, HeaderFields, MatchRule, new_method_call
        from jeepney.bus_messages import message_bus

        portal = "org.freedesktop.portal"
        place = DBusAddress("/org/freedesktop/portal/desktop", f"{portal}.Desktop", f"{portal}.FileChooser")
        pictures = ("Pictures", [(1, "image/*")])
        rule = MatchRule(type="signal", interface="org.freedesktop.portal.Request", member="Response")
        _answer(bus, message_bus.AddMatch(rule))
        with bus.filter(rule, bufsize=16) as responses:
            options = {"filters": ("a(sa(us))", [pictures])}
            (handle,) = _answer(bus, new_method_call(place, "OpenFile", "ssa{sv}", ("", title, options)))
            while True:
                response = bus.recv_until_filtered(responses, timeout=_CHOOSING)
                if response.header.fields.get(HeaderFields.path) == handle:
                    code, results = response.body
                    return _path(results["uris"][1]) if code == 0 else None


def _path(uris: list[str]) -> Path | None:
    return Path(unquote(urlsplit(uris[0]).path)) if uris else None


def _answer(bus: "DBusConnection", message: Any) -> tuple[Any, ...]:
    """Raises DBusErrorResponse, and TimeoutError."""
    from jeepney.wrappers import unwrap_msg

    body: tuple[Any, ...] = unwrap_msg(bus.send_and_get_reply(message, timeout=_PATIENCE))
    return body


def _address() -> str:
    """The bus's address; where nobody says it, that of the user's own."""
    told = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not told and not runtime:
        raise ValueError("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
    return told or f"unix:path={runtime}/bus"
