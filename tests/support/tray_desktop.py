"""A desktop for the tray: an X server without a screen, a session bus, and a panel that shows icons and clicks their menus.

The last is a StatusNotifierWatcher, as panels have one: what it is shown over D-Bus people see, and where it clicks they do.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, MessageType, new_method_call, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.low_level import HeaderFields, Message
from PIL import Image

from livebg.tray.desktop import import_system_gi
from tests.support.bus_program import BusProgram
from tests.support.waiting import wait_until

PATIENCE = 30.0
"""Seconds after which a test takes something for hung."""
_ITEM = "org.kde.StatusNotifierItem"
_MENU = "com.canonical.dbusmenu"


def missing_tools() -> str | None:
    """Why such a desktop cannot run here; None if it can."""
    tools = [tool for tool in ("Xvfb", "dbus-daemon") if shutil.which(tool) is None]
    return f"{' and '.join(tools)} is not installed" if tools else None


def missing_indicator() -> str | None:
    """Why pystray cannot show an icon in such a panel here; None if it can."""
    if not import_system_gi():
        return "PyGObject (python3-gi) is not installed for this Python"
    import gi

    for name in ("AppIndicator3", "AyatanaAppIndicator3"):
        with suppress(ValueError):
            gi.require_version(name, "0.1")
            return None
    return "gir1.2-ayatanaappindicator3-0.1 is not installed"


@contextmanager
def x_server(size: str = "640x640x24") -> Iterator[str]:
    """A separate X server; yields its DISPLAY."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as reported:
            yield f":{reported.readline().strip()}"
    finally:
        server.terminate()
        server.wait(PATIENCE)


@contextmanager
def session_bus(variables: Mapping[str, str]) -> Iterator[str]:
    """A separate bus; yields its address. The services it starts on demand get ``variables``."""
    command = ["dbus-daemon", "--session", "--nofork", "--print-address=1"]
    bus = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **variables})
    assert bus.stdout is not None
    try:
        yield bus.stdout.readline().strip()
    finally:
        bus.terminate()
        bus.communicate(timeout=PATIENCE)


@dataclass(frozen=True)
class MenuItem:
    """A menu entry as a panel receives it."""

    number: int
    label: str
    checked: bool | None
    enabled: bool
    lines: tuple["MenuItem", ...] = ()


class FakePanel(BusProgram):
    """Shows the icons of programs on the bus."""

    name = "org.kde.StatusNotifierWatcher"

    def __init__(self, address: str) -> None:
        self.items: list[tuple[str, str]] = []
        """Each icon's place: a name on the bus and an object path."""
        super().__init__(address)

    def answer(self, message: Message) -> None:
        self._connection.send(self._reply(message))

    def _reply(self, message: Message) -> Message:
        fields = message.header.fields
        match fields[HeaderFields.member]:
            case "RegisterStatusNotifierItem":
                (output,) = message.body
                sender = fields[HeaderFields.sender]
                self.items.append((sender, output) if output.startswith("/") else (output, "/StatusNotifierItem"))
                return new_method_return(message)
            case "GetAll":
                return new_method_return(message, "a{sv}", ({name: self._property(name) for name in _PROPERTIES},))
            case "Get":
                return new_method_return(message, "v", (self._property(message.body[1]),))
        return new_method_return(message)

    def _property(self, name: str) -> tuple[str, Any]:
        return {
            "IsStatusNotifierHostRegistered": ("b", True),
            "ProtocolVersion": ("i", 0),
            "RegisteredStatusNotifierItems": ("as", ["".join(item) for item in self.items]),
        }[name]


_PROPERTIES = ("IsStatusNotifierHostRegistered", "ProtocolVersion", "RegisteredStatusNotifierItems")


class PanelUser:
    """Reads the only icon in a panel, and clicks in its menu."""

    def __init__(self, panel: FakePanel) -> None:
        self._panel = panel
        self._connection: DBusConnection = open_dbus_connection(panel.address)

    def close(self) -> None:
        self._connection.close()

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, (self.title(), self.labels())
            time.sleep(0.05)

    def await_icon(self) -> None:
        wait_until(lambda: self._panel.items)

    def sees_no_icon(self) -> bool:
        name, _ = self._panel.items[-1]
        return not self._call(message_bus.NameHasOwner(name))[0]

    def title(self) -> str:
        return str(self._properties().get("Title", ("s", ""))[1])

    def picture(self) -> Image.Image | None:
        """The icon; None before the first one."""
        path = self.icon_file()
        if not path.name:
            return None
        with Image.open(path) as picture:
            return picture.copy()

    def icon_file(self) -> Path:
        """The file that the panel shows."""
        return Path(self._properties()["IconName"][1])

    def menu(self) -> tuple[MenuItem, ...]:
        place = self._menu_place()
        self._call(new_method_call(place, "AboutToShow", "i", (0,)))
        _, layout = self._call(new_method_call(place, "GetLayout", "iias", (0, -1, [])))
        return _menu_item(layout).lines

    def labels(self) -> list[str]:
        return [line.label for line in self.menu() if line.label]

    def line(self, *path: str) -> MenuItem:
        """By the labels on the way to it."""
        lines = self.menu()
        for label in path:
            found = next((line for line in lines if line.label == label), None)
            assert found is not None, (label, lines)
            lines = found.lines
        assert found is not None
        return found

    def click(self, *path: str) -> None:
        line = self.line(*path)
        assert line.enabled, line
        place = self._menu_place()
        self._call(new_method_call(place, "Event", "isvu", (line.number, "clicked", ("i", 0), 0)))

    def _menu_place(self) -> DBusAddress:
        return DBusAddress(self._properties()["Menu"][1], self._panel.items[-1][0], _MENU)

    def _properties(self) -> Any:
        name, path = self._panel.items[-1]
        place = DBusAddress(path, name, "org.freedesktop.DBus.Properties")
        return self._call(new_method_call(place, "GetAll", "s", (_ITEM,)))[0]

    def _call(self, message: Message) -> Any:
        reply = self._connection.send_and_get_reply(message, timeout=PATIENCE)
        assert reply.header.message_type is MessageType.method_return, reply.body
        return reply.body


def _menu_item(layout: Any) -> MenuItem:
    number, reported, children = layout
    properties = {name: value for name, (_, value) in reported.items()}
    checkable = bool(properties.get("toggle-type"))
    return MenuItem(
        number,
        str(properties.get("label", "")).replace("__", "_"),
        properties.get("toggle-state") == 1 if checkable else None,
        bool(properties.get("enabled", True)),
        tuple(_menu_item(child) for _, child in children),
    )


class NotificationService(BusProgram):
    """Records the arguments of a notification."""

    name = "org.freedesktop.Notifications"

    def __init__(self, address: str) -> None:
        self.shown: list[tuple[Any, ...]] = []
        super().__init__(address)

    def answer(self, message: Message) -> None:
        self.shown.append(message.body)
        self._connection.send(new_method_return(message, "u", (1,)))


class Portal(BusProgram):
    """A fake desktop portal whose file dialog returns ``uris``, or is canceled if that is None."""

    name = "org.freedesktop.portal.Desktop"

    def __init__(self, address: str, uris: list[str] | None) -> None:
        self._uris = uris
        super().__init__(address)

    def answer(self, message: Message) -> None:
        self._connection.send(new_method_return(message, "o", ("/request/7",)))
        place = DBusAddress("/request/7", interface="org.freedesktop.portal.Request")
        results = {"uris": ("as", self._uris)} if self._uris else {}
        self._connection.send(new_signal(place, "Response", "ua{sv}", (0 if self._uris else 1, results)))
