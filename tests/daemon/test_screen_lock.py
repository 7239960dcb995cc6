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
    from jeepney.io.blocking import open_dbus_connection
    from jeepney.low_level import Message

    from livebg.daemon.screen_lock import watch_screen_lock
    from tests.support.screen_saver import FakeScreenSaver
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
    """Owns logind's name and reports two sessions: /own, this user's, and /other. ``locked`` are those locked at the start."""

    def __init__(self, address: str, *locked: str) -> None:
        self._locked = locked
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
                self._answer(message)

    def _answer(self, message: Message) -> None:
        path, uids = message.header.fields[HeaderFields.path], {"/own": os.getuid(), "/other": os.getuid() + 1}
        if message.header.fields[HeaderFields.member] == "ListSessions":
            sessions = [(path[1:], uid, "user", "seat0", path) for path, uid in uids.items()]
            self._connection.send(new_method_return(message, "a(susso)", (sessions,)))
        elif message.body[1] == "LockedHint":
            self._connection.send(new_method_return(message, "v", (("b", path in self._locked),)))
        else:
            self._connection.send(new_method_return(message, "v", (("(uo)", (uids[path], "/user")),)))

    def remove(self, session: str) -> None:
        """The user's session ends, however it ends."""
        place = DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")
        self._connection.send(new_signal(place, "SessionRemoved", "so", (session[1:], session)))

    def send(self, session: str, locked: bool) -> None:
        place = DBusAddress(session, interface="org.freedesktop.DBus.Properties")
        reported: tuple[object, ...] = ("org.freedesktop.login1.Session", {"LockedHint": ("b", locked)}, [])
        self._connection.send(new_signal(place, "PropertiesChanged", "sa{sv}as", reported))

    def send_malformed(self) -> None:
        """Signals with fewer and with other values than logind's."""
        place = DBusAddress("/own", interface="org.freedesktop.DBus.Properties")
        for signature, values in (("s", ()), ("sas", (["LockedHint"],)), ("sa{ss}", ({"LockedHint": ""},))):
            reported = ("org.freedesktop.login1.Session", *values)
            self._connection.send(new_signal(place, "PropertiesChanged", signature, reported))

    def close(self) -> None:
        self._ending.set()
        self._thread.join(PATIENCE)
        self._connection.close()


def wait_for_listener(emit: Callable[[bool], None], states: list[bool]) -> None:
    """Repeat locked until it is received, since listening starts asynchronously, then send unlocked."""

    def again() -> bool:
        emit(True)
        return bool(states)

    wait_until(again)
    emit(False)
    wait_until(lambda: states[-1] is False)
    states.clear()


@needs_bus
@pytest.mark.parametrize("name", ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver", "org.mate.ScreenSaver"])
def test_screen_saver_signals_are_received(buses: tuple[str, str], name: str) -> None:
    received: list[bool] = []
    saver = FakeScreenSaver(buses[0], name)
    with watch_screen_lock(True, received.append):
        wait_for_listener(saver.send, received)
        saver.send(True)
        wait_until(lambda: received == [True])
        saver.send(False)
        saver.send(False)
        saver.send(True)
        wait_until(lambda: received == [True, False, True])
    saver.close()


@needs_bus
def test_screen_saver_that_crashes_ends_its_lock(buses: tuple[str, str]) -> None:
    received: list[bool] = []
    saver = FakeScreenSaver(buses[0], "org.mate.ScreenSaver")
    saver.own()
    with watch_screen_lock(True, received.append):
        wait_for_listener(saver.send, received)
        saver.send(True)
        saver.close()
        wait_until(lambda: received == [True, False])


@needs_bus
def test_tool_that_reports_a_lock_and_exits_does_not_end_it(buses: tuple[str, str]) -> None:
    received: list[bool] = []
    saver, tool = (FakeScreenSaver(buses[0], "org.gnome.ScreenSaver") for _ in range(2))
    with watch_screen_lock(True, received.append):
        wait_for_listener(saver.send, received)
        tool.send(True)
        tool.close()
        wait_until(lambda: received == [True])
        saver.own()
        saver.close()
        check_still_locked(buses[0], received)


@needs_bus
def test_crash_of_the_screen_saver_does_not_end_the_lock_of_logind(buses: tuple[str, str]) -> None:
    received: list[bool] = []
    logind = FakeLogind(buses[1], "/own")
    with watch_screen_lock(True, received.append):
        wait_until(lambda: received == [True])
        saver = FakeScreenSaver(buses[0], "org.xfce.ScreenSaver")
        saver.own()

        def is_heard() -> bool:
            saver.send(True)
            return len(received) > 1

        wait_until(is_heard)
        saver.close()
        check_still_locked(buses[0], received)
    logind.close()


def check_still_locked(bus: str, received: list[bool]) -> None:
    """Check that no unlock was received before a further lock, which another screen saver reports."""
    before, other = len(received), FakeScreenSaver(bus, "org.cinnamon.ScreenSaver")
    other.send(True)
    wait_until(lambda: len(received) > before)
    assert all(received)
    other.close()


@needs_bus
def test_lock_after_a_missed_unlock_pauses_again(buses: tuple[str, str]) -> None:
    """A screen saver that crashed never reported the end of the lock, and the user resumed by hand."""
    demand = Demand()
    demand.update(watched=True)
    saver = FakeScreenSaver(buses[0], "org.xfce.ScreenSaver")

    def update(locked: bool) -> None:
        demand.update(locked=locked)

    with watch_screen_lock(True, update):

        def is_locked() -> bool:
            saver.send(True)
            return demand.locked

        wait_until(is_locked)
        demand.update(paused=False, locked=False)
        wait_until(is_locked)
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
def test_session_that_is_locked_at_the_start_pauses(buses: tuple[str, str]) -> None:
    """livebg may start again while the user is away."""
    received: list[bool] = []
    logind = FakeLogind(buses[1], "/own", "/other")
    with watch_screen_lock(True, received.append):
        wait_until(lambda: received == [True])
        logind.send("/own", False)
        wait_until(lambda: received == [True, False])
    logind.close()


@needs_bus
def test_session_that_ends_while_locked_is_not_locked(buses: tuple[str, str]) -> None:
    """Its user has logged in again, and no signal will end that lock."""
    received: list[bool] = []
    logind = FakeLogind(buses[1], "/own")
    with watch_screen_lock(True, received.append):
        wait_until(lambda: received == [True])
        logind.remove("/other")
        logind.remove("/own")
        wait_until(lambda: received == [True, False])
    logind.close()


@needs_bus
def test_signals_of_others_do_not_end_the_lock(buses: tuple[str, str]) -> None:
    """Match rules do not apply to signals that another user of the system bus sends to livebg's connection alone."""
    received: list[bool] = []
    logind = FakeLogind(buses[1], "/own")
    with watch_screen_lock(True, received.append), open_dbus_connection(buses[1]) as other:
        wait_until(lambda: received == [True])
        (names,) = other.send_and_get_reply(message_bus.ListNames()).body
        unlocked: tuple[object, ...] = ("org.freedesktop.login1.Session", {"LockedHint": ("b", False)}, [])
        own = DBusAddress("/own", interface="org.freedesktop.DBus.Properties")
        manager = DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")
        for name in names:
            for signal in (
                new_signal(own, "PropertiesChanged", "sa{sv}as", unlocked),
                new_signal(own, "PropertiesChanged", "s", ("",)),
                new_signal(manager, "SessionRemoved", "so", ("own", "/own")),
            ):
                signal.header.fields[HeaderFields.destination] = name
                other.send(signal)
        other.send_and_get_reply(message_bus.ListNames())  # the bus has passed the signals on
        logind.send("/own", True)
        wait_until(lambda: len(received) > 1)
        assert received == [True, True]
        logind.send("/own", False)
        wait_until(lambda: received == [True, True, False])
    logind.close()


@needs_bus
def test_lock_after_malformed_signals_pauses(buses: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livebg.daemon.screen_lock._RECONNECT_DELAY_S", 0.01)
    received: list[bool] = []
    logind = FakeLogind(buses[1])
    with watch_screen_lock(True, received.append):
        wait_for_listener(lambda locked: logind.send("/own", locked), received)
        logind.send_malformed()

        def is_locked() -> bool:
            logind.send("/own", True)
            return received[-1:] == [True]

        wait_until(is_locked)
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
        wait_until(lambda: received == [True, True, False, True])
    saver.close()


def test_missing_buses_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
    before = threading.active_count()
    with watch_screen_lock(True, lambda _locked: pytest.fail("no listener should be called")):
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
