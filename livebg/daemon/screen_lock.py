"""Hearing that the screen is locked, over D-Bus, so that nobody is shown who has left the desk.

Desktops tell it on the session's bus (``ActiveChanged`` of their screen saver), logind on the system's (``LockedHint`` of a
session of the user's). Whoever says locked has to say unlocked again. logind's ``Lock`` signal is no such word: it only asks for
a lock, and nothing says when that has ended.
"""

import logging
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jeepney import MatchRule
    from jeepney.io.blocking import DBusConnection
    from jeepney.low_level import Message

_LOG: Final = logging.getLogger(__name__)
_SAVERS: Final = tuple(f"org.{desktop}.ScreenSaver" for desktop in ("freedesktop", "gnome", "cinnamon", "mate", "xfce"))
_LOGIND: Final = "org.freedesktop.login1"
_SESSION: Final = f"{_LOGIND}.Session"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_RETRY: Final = 30.0
"""Seconds until a bus that is not there is looked for again."""
_PATIENCE: Final = 5.0
Heard = Callable[[str, bool], None]
"""Called with who says so, and whether it is locked."""


@contextmanager
def heeding_the_lock(wanted: bool, tell: Callable[[bool], None]) -> Iterator[None]:
    """Where ``wanted``, call ``tell`` from a thread whenever the screen is locked or unlocked, as long as the block lasts."""
    if not wanted:
        yield
        return
    if not sys.platform.startswith("linux"):
        _LOG.warning("output.pause_on_lock has no effect here: only Linux desktops are listened to")
        yield
        return
    judge = _Judge(tell)
    listeners = [_Listener("SESSION", _listen_to_savers, judge.hear), _Listener("SYSTEM", _listen_to_logind, judge.hear)]
    for listener in listeners:
        listener.start()
    try:
        yield
    finally:
        for listener in listeners:
            listener.close()


class _Judge:
    """Locked is what anybody says is locked: two who tell the same do not tell it at the same time."""

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self._tell = tell
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def hear(self, who: str, locked: bool) -> None:
        with self._lock:
            before = bool(self._said)
            (self._said.add if locked else self._said.discard)(who)
            if bool(self._said) != before:
                self._tell(locked)


class _Listener:
    """One bus, heard in a thread of its own, which looks for it again whenever it is lost."""

    def __init__(self, bus: str, listen: "Callable[[DBusConnection, Heard], None]", heard: Heard) -> None:
        self._bus, self._listen, self._heard = bus, listen, heard
        self._ending = threading.Event()
        self._connection: DBusConnection | None = None
        self._thread = threading.Thread(target=self._run, name=f"livebg lock {bus.lower()}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        from jeepney.auth import AuthenticationError
        from jeepney.io.blocking import open_dbus_connection
        from jeepney.wrappers import DBusErrorResponse

        while not self._ending.is_set():
            try:
                with open_dbus_connection(self._bus) as self._connection:
                    if not self._ending.is_set():
                        self._listen(self._connection, self._heard)
            except (OSError, AuthenticationError, DBusErrorResponse, RuntimeError, KeyError) as error:
                if not self._ending.is_set():
                    _LOG.info("the %s bus does not tell whether the screen is locked: %r", self._bus.lower(), error)
            self._ending.wait(_RETRY)


def _listen_to_savers(bus: "DBusConnection", heard: Heard) -> None:
    """Until the connection is lost, which raises OSError."""
    from jeepney import HeaderFields, MatchRule
    from jeepney.bus_messages import message_bus

    for name in _SAVERS:
        _answer(bus, message_bus.AddMatch(MatchRule(type="signal", interface=name, member="ActiveChanged")))
    for message in _signals(bus, MatchRule(type="signal", member="ActiveChanged")):
        fields = message.header.fields
        if fields[HeaderFields.interface] in _SAVERS and fields.get(HeaderFields.signature) == "b":
            heard(fields[HeaderFields.interface], bool(message.body[0]))


def _listen_to_logind(bus: "DBusConnection", heard: Heard) -> None:
    """Until the connection is lost, which raises OSError."""
    from jeepney import HeaderFields, MatchRule
    from jeepney.bus_messages import message_bus

    rule = MatchRule(type="signal", sender=_LOGIND, interface=_PROPERTIES, member="PropertiesChanged")
    rule.add_arg_condition(0, _SESSION)
    _answer(bus, message_bus.AddMatch(rule))
    # What arrives has the sender's number and not its name: the bus itself sees to it that it is logind.
    for message in _signals(bus, MatchRule(type="signal", interface=_PROPERTIES, member="PropertiesChanged")):
        path = message.header.fields[HeaderFields.path]
        hint = dict(message.body[1]).get("LockedHint")
        if hint is not None and _is_own(bus, path):
            heard(path, bool(hint[1]))


def _signals(bus: "DBusConnection", rule: "MatchRule") -> "Iterator[Message]":
    """All that fit the rule, also those that come while an answer is waited for."""
    with bus.filter(rule, queue=deque()) as waiting:
        while True:
            yield bus.recv_until_filtered(waiting)


def _is_own(bus: "DBusConnection", session: str) -> bool:
    """Whether the session is one of this user's."""
    from jeepney import DBusAddress, new_method_call

    place = DBusAddress(session, _LOGIND, _PROPERTIES)
    (_, (uid, _)), *_ = _answer(bus, new_method_call(place, "Get", "ss", (_SESSION, "User")))
    return bool(uid == os.getuid())


def _answer(bus: "DBusConnection", message: "Message") -> tuple[Any, ...]:
    from jeepney.wrappers import unwrap_msg

    body: tuple[Any, ...] = unwrap_msg(bus.send_and_get_reply(message, timeout=_PATIENCE))
    return body
