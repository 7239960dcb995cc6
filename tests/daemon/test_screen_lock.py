"""Pausing while the screen is locked: signals of desktops and logind on real buses, and the session's reaction."""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from livebg.live.demand import Demand
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="D-Bus is Linux's")
if sys.platform == "linux":
    from jeepney import DBusAddress, HeaderFields, MessageType, new_method_return, new_signal
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import DBusConnection, open_dbus_connection

    from livebg.daemon.screen_lock import watch_screen_lock
    from tests.support.tray_desktop import session_bus

PATIENCE = 20.0
needs_bus = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")


@pytest.fixture
def buses(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """A session bus and a system bus, both separate."""
    with session_bus({}) as session, session_bus({}) as system:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", system)
        yield session, system


class FakeLogind:
    """Owns logind's name and reports two sessions: /own, this user's, and /other."""

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

    def send(self, session: str, locked: bool) -> None:
        place = DBusAddress(session, interface="org.freedesktop.DBus.Properties")
        reported: tuple[object, ...] = ("org.freedesktop.login1.Session", {"LockedHint": ("b", locked)}, [])
        self._connection.send(new_signal(place, "PropertiesChanged", "sa{sv}as", reported))

    def close(self) -> None:
        self._ending.set()
        self._thread.join(PATIENCE)
        self._connection.close()


class FakeScreenSaver:
    """A desktop's screen savers, one after the other on one connection."""

    def __init__(self, address: str, *names: str) -> None:
        self._connection: DBusConnection = open_dbus_connection(address)
        self._names = names

    def send(self, locked: bool, which: int = 0) -> None:
        name = self._names[which]
        place = DBusAddress(f"/{name.replace('.', '/')}", interface=name)
        self._connection.send(new_signal(place, "ActiveChanged", "b", (locked,)))

    def close(self) -> None:
        self._connection.close()


def wait_for_listener(say: Callable[[bool], None], told: list[bool]) -> None:
    """Repeat locked until it is received, since listening starts asynchronously, then send unlocked."""

    def again() -> bool:
        say(True)
        return bool(told)

    wait_until(again)
    say(False)
    wait_until(lambda: told[-1] is False)
    told.clear()


@needs_bus
@pytest.mark.parametrize("name", ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver", "org.mate.ScreenSaver"])
def test_screen_saver_signals_are_received(buses: tuple[str, str], name: str) -> None:
    received: list[bool] = []
    saver = FakeScreenSaver(buses[0], name)
    with watch_screen_lock(True, received.append):
        wait_for_listener(saver.send, received)
        saver.send(True)
        saver.send(True)
        wait_until(lambda: received == [True])
        saver.send(False)
        wait_until(lambda: received == [True, False])
    saver.close()


@needs_bus
def test_logind_of_other_session_is_ignored(buses: tuple[str, str]) -> None:
    received: list[bool] = []
    logind = FakeLogind(buses[1])
    with watch_screen_lock(True, received.append):
        wait_for_listener(lambda locked: logind.send("/own", locked), received)
        logind.send("/other", True)
        logind.send("/other", False)
        logind.send("/own", True)
        wait_until(lambda: received == [True])
    logind.close()


@needs_bus
def test_two_sources_are_one_lock(buses: tuple[str, str]) -> None:
    received: list[bool] = []
    saver = FakeScreenSaver(buses[0], "org.gnome.ScreenSaver", "org.freedesktop.ScreenSaver")
    with watch_screen_lock(True, received.append):
        wait_for_listener(saver.send, received)
        for locked in (True, False):
            saver.send(locked, 0)
            saver.send(locked, 1)
        saver.send(True)
        wait_until(lambda: received == [True, False, True])
    saver.close()


def test_missing_buses_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
    before = threading.active_count()
    with watch_screen_lock(True, lambda _locked: pytest.fail("nobody said so")):
        pass
    assert threading.active_count() == before


def test_disabled_watch_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    before = threading.active_count()
    with watch_screen_lock(False, lambda _locked: pytest.fail("nobody listens")):
        assert threading.active_count() == before


def test_unlock_ends_only_its_own_pause() -> None:
    demand = Demand()
    demand.update(watched=True)
    assert demand.update(locked=True)
    assert (demand.paused, demand.locked, demand.wanted) == (True, True, False)
    assert demand.update(locked=False)
    assert (demand.paused, demand.wanted) == (False, True)

    demand.update(locked=True)
    assert not demand.update(paused=True)  # the user paused while it was locked
    assert not demand.locked
    assert not demand.update(locked=False)
    assert (demand.paused, demand.wanted) == (True, False)
