"""Detects a locked screen over D-Bus, to hide the user's desk while they are away.

Desktops report it on the session bus (``ActiveChanged`` of the screen saver), logind on the system bus (``LockedHint`` of the
user's session, also read at the start). A source that reports locked must also report unlocked, or end: a screen saver that
leaves the bus has ended. logind's ``Lock``
signal is not used: it only requests a lock, and no signal marks its end.
"""

import logging
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

if sys.platform == "linux":
    from jeepney import DBusAddress, HeaderFields, MatchRule, new_method_call
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import DBusConnection, open_dbus_connection
    from jeepney.low_level import Message
    from jeepney.wrappers import DBusErrorResponse, unwrap_msg

_LOG: Final = logging.getLogger(__name__)
_SCREENSAVER_NAMES: Final = tuple(
    f"org.{desktop}.ScreenSaver" for desktop in ("freedesktop", "gnome", "cinnamon", "mate", "xfce")
)
_BUS: Final = "org.freedesktop.DBus"
_LOGIND: Final = "org.freedesktop.login1"
_SESSION: Final = f"{_LOGIND}.Session"
_MANAGER: Final = f"{_LOGIND}.Manager"
_PROPERTIES: Final = f"{_BUS}.Properties"
_RECONNECT_DELAY_S: Final = 30.0
_TIMEOUT_S: Final = 5.0
Heard = Callable[[str, bool], None]
"""Called with the name of the source and whether it reports the screen as locked."""


@contextmanager
def watch_screen_lock(enabled: bool, on_change: Callable[[bool], None]) -> Iterator[None]:
    """If ``enabled``, call ``on_change`` from a thread when the screen is locked or unlocked, for the ``with`` block.

    A lock is reported again by each source: the user may have ended an earlier one whose end was missed.
    """
    if enabled and sys.platform != "linux":
        _LOG.warning("output.pause_on_lock has no effect on this system. It requires a Linux desktop.")
        enabled = False
    if not enabled:
        yield
        return
    locked_by: set[str] = set()
    lock = threading.Lock()

    def update(source: str, locked: bool) -> None:
        """The screen is locked while any source reports it as locked, because they report at different times."""
        with lock:
            before = bool(locked_by)
            (locked_by.add if locked else locked_by.discard)(source)
            if locked or (before and not locked_by):
                on_change(locked)

    listeners = [_Listener("SESSION", _listen_to_savers, update), _Listener("SYSTEM", _listen_to_logind, update)]
    try:
        yield
    finally:
        for listener in listeners:
            listener.close()


class _Listener:
    """Listens to one bus in its own thread until it is closed, and reconnects after an error, such as a lost connection."""

    def __init__(self, bus: str, listen: "Callable[[DBusConnection, Heard], None]", heard: Heard) -> None:
        self._bus, self._listen, self._heard = bus, listen, heard
        self._ending = threading.Event()
        self._connection: DBusConnection | None = None
        self._thread = threading.Thread(target=self._run, name=f"livebg lock {bus.lower()}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(_TIMEOUT_S)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with open_dbus_connection(self._bus) as self._connection:
                    if not self._ending.is_set():
                        self._listen(self._connection, self._heard)
            except Exception as error:  # noqa: BLE001 - whatever a service sends, later locks are detected
                if not self._ending.is_set():
                    _LOG.info("Cannot detect the screen lock on the %s bus: %r", self._bus.lower(), error)
            self._ending.wait(_RECONNECT_DELAY_S)


def _listen_to_savers(bus: "DBusConnection", heard: Heard) -> None:
    """Run until the connection is lost, which raises OSError.

    A lock also ends if the screen saver that reported it leaves the bus: it crashed, and nothing else would report the end.
    """
    reporters: dict[str, str] = {}
    for name in _SCREENSAVER_NAMES:
        _request(bus, message_bus.AddMatch(MatchRule(type="signal", interface=name, member="ActiveChanged")))
        change = MatchRule(type="signal", sender=_BUS, interface=_BUS, member="NameOwnerChanged")
        change.add_arg_condition(0, name)
        _request(bus, message_bus.AddMatch(change))
    for message in _signals(bus, MatchRule(type="signal")):
        fields = message.header.fields
        interface, sender, signature = (
            fields.get(field) for field in (HeaderFields.interface, HeaderFields.sender, HeaderFields.signature)
        )
        if interface in _SCREENSAVER_NAMES and fields[HeaderFields.member] == "ActiveChanged" and signature == "b":
            reporters[interface] = sender
            heard(interface, bool(message.body[0]))
        elif sender == _BUS and fields[HeaderFields.member] == "NameOwnerChanged":
            name, before, after = message.body
            if not after and before == reporters.get(name):  # a tool that reports a lock and exits owns no such name
                heard(name, False)


def _listen_to_logind(bus: "DBusConnection", heard: Heard) -> None:
    """Run until the connection is lost, which raises OSError."""
    rule = MatchRule(type="signal", sender=_LOGIND, interface=_PROPERTIES, member="PropertiesChanged")
    rule.add_arg_condition(0, _SESSION)
    _request(bus, message_bus.AddMatch(rule))
    _request(bus, message_bus.AddMatch(MatchRule(type="signal", sender=_LOGIND, interface=_MANAGER, member="SessionRemoved")))
    with bus.filter(MatchRule(type="signal"), queue=deque()) as waiting:
        with suppress(DBusErrorResponse):  # there is no logind
            for path in _locked_sessions(bus):
                heard(path, True)
        while True:
            _handle_logind(bus, bus.recv_until_filtered(waiting), heard)


def _handle_logind(bus: "DBusConnection", message: "Message", heard: Heard) -> None:
    member, path = (message.header.fields.get(field) for field in (HeaderFields.member, HeaderFields.path))
    if member not in ("SessionRemoved", "PropertiesChanged") or not _is_from_logind(bus, message):
        return
    if member == "SessionRemoved":
        heard(message.body[1], False)
        return
    hint = dict(message.body[1]).get("LockedHint")
    if hint is not None and _is_own(bus, path):
        heard(path, bool(hint[1]))


def _is_from_logind(bus: "DBusConnection", message: "Message") -> bool:
    """Return whether logind sent a signal: match rules do not apply to those that others send to this connection alone."""
    with suppress(DBusErrorResponse):
        (owner,) = _request(bus, message_bus.GetNameOwner(_LOGIND))
        return bool(message.header.fields.get(HeaderFields.sender) == owner)
    return False


def _locked_sessions(bus: "DBusConnection") -> list[str]:
    """Return the object paths of this user's locked sessions."""
    place = DBusAddress("/org/freedesktop/login1", _LOGIND, _MANAGER)
    (sessions,) = _request(bus, new_method_call(place, "ListSessions"))
    return [path for _, uid, _, _, path in sessions if uid == os.getuid() and _session_property(bus, path, "LockedHint")]


def _signals(bus: "DBusConnection", rule: "MatchRule") -> "Iterator[Message]":
    """Yield all messages that match the rule, including those that arrive while a reply is awaited."""
    with bus.filter(rule, queue=deque()) as waiting:
        while True:
            yield bus.recv_until_filtered(waiting)


def _is_own(bus: "DBusConnection", session: str) -> bool:
    """Return whether the session belongs to this user and still exists."""
    with suppress(DBusErrorResponse):
        uid, _ = _session_property(bus, session, "User")
        return bool(uid == os.getuid())
    return False


def _session_property(bus: "DBusConnection", session: str, name: str) -> Any:
    """Return the value of a session's property."""
    place = DBusAddress(session, _LOGIND, _PROPERTIES)
    ((_, value),) = _request(bus, new_method_call(place, "Get", "ss", (_SESSION, name)))
    return value


def _request(bus: "DBusConnection", message: "Message") -> tuple[Any, ...]:
    body: tuple[Any, ...] = unwrap_msg(bus.send_and_get_reply(message, timeout=_TIMEOUT_S))
    return body
