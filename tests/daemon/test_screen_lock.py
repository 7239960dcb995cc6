"""Pausing while the screen is locked: what desktops and logind say on real buses, and what the session makes of it."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from livebg.live.demand import Demand

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="D-Bus is Linux's")
if sys.platform == "linux":
    from jeepney import DBusAddress, HeaderFields, MessageType, new_method_return, new_signal
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import DBusConnection, open_dbus_connection

    from livebg.daemon.screen_lock import watch_screen_lock
    from tests.support.tray_desktop import session_bus

PATIENCE = 20.0
needs_bus = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def buses(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """The session's and the system's, both of their own."""
    with session_bus({}) as session, session_bus({}) as system:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", system)
        yield session, system


class Logind:
    """Owns logind's name and tells of two sessions: /own, this user's, and /other."""

    def __init__(self, address: str) -> None:
        self._connection = open_dbus_connection(address)
        self._connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.login1"))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                message = self._connection.receive(timeout=0.05)
            except TimeoutError:
                continue
            except ConnectionResetError:  # a test that failed has ended the bus
                return
            if message.header.message_type is MessageType.method_call:
                own = message.header.fields[HeaderFields.path] == "/own"
                uid = os.getuid() if own else os.getuid() + 1
                self._connection.send(new_method_return(message, "v", (("(uo)", (uid, "/user")),)))

    def say(self, session: str, locked: bool) -> None:
        place = DBusAddress(session, interface="org.freedesktop.DBus.Properties")
        told: tuple[object, ...] = ("org.freedesktop.login1.Session", {"LockedHint": ("b", locked)}, [])
        self._connection.send(new_signal(place, "PropertiesChanged", "sa{sv}as", told))

    def close(self) -> None:
        self._ending.set()
        self._thread.join(PATIENCE)
        self._connection.close()


class Saver:
    """A desktop's screen savers, one after the other on one connection."""

    def __init__(self, address: str, *names: str) -> None:
        self._connection: DBusConnection = open_dbus_connection(address)
        self._names = names

    def say(self, locked: bool, which: int = 0) -> None:
        name = self._names[which]
        place = DBusAddress(f"/{name.replace('.', '/')}", interface=name)
        self._connection.send(new_signal(place, "ActiveChanged", "b", (locked,)))

    def close(self) -> None:
        self._connection.close()


def settled(say: Callable[[bool], None], told: list[bool]) -> None:
    """Say locked until it is heard, since listening begins in its own time, and unlocked after that."""

    def again() -> bool:
        say(True)
        return bool(told)

    until(again)
    say(False)
    until(lambda: told[-1] is False)
    told.clear()


@needs_bus
@pytest.mark.parametrize("name", ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver", "org.mate.ScreenSaver"])
def test_what_the_desktop_says_is_heard(buses: tuple[str, str], name: str) -> None:
    told: list[bool] = []
    saver = Saver(buses[0], name)
    with watch_screen_lock(True, told.append):
        settled(saver.say, told)
        saver.say(True)
        saver.say(True)
        until(lambda: told == [True])
        saver.say(False)
        until(lambda: told == [True, False])
    saver.close()


@needs_bus
def test_logind_is_heard_of_ones_own_session_alone(buses: tuple[str, str]) -> None:
    told: list[bool] = []
    logind = Logind(buses[1])
    with watch_screen_lock(True, told.append):
        settled(lambda locked: logind.say("/own", locked), told)
        logind.say("/other", True)
        logind.say("/other", False)
        logind.say("/own", True)
        until(lambda: told == [True])
    logind.close()


@needs_bus
def test_two_that_tell_the_same_are_one_lock(buses: tuple[str, str]) -> None:
    told: list[bool] = []
    saver = Saver(buses[0], "org.gnome.ScreenSaver", "org.freedesktop.ScreenSaver")
    with watch_screen_lock(True, told.append):
        settled(saver.say, told)
        for locked in (True, False):
            saver.say(locked, 0)
            saver.say(locked, 1)
        saver.say(True)
        until(lambda: told == [True, False, True])
    saver.close()


def test_without_any_bus_all_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
    before = threading.active_count()
    with watch_screen_lock(True, lambda _locked: pytest.fail("nobody said so")):
        pass
    assert threading.active_count() == before


def test_who_does_not_want_it_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    before = threading.active_count()
    with watch_screen_lock(False, lambda _locked: pytest.fail("nobody listens")):
        assert threading.active_count() == before


def test_unlocking_ends_the_locks_own_pause_and_no_other() -> None:
    demand = Demand()
    demand.update(watched=True)
    assert demand.update(locked=True)
    assert (demand.paused, demand.locked, demand.wanted) == (True, True, False)
    assert demand.update(locked=False)
    assert (demand.paused, demand.wanted) == (False, True)

    demand.update(locked=True)
    assert not demand.update(paused=True)  # the user's own pause, said while it was locked
    assert not demand.locked
    assert not demand.update(locked=False)
    assert (demand.paused, demand.wanted) == (True, False)
