"""A user before KDE Plasma's screen: reads it, moves the pointer and types, in a process inside the session.

It answers requests as gnome_user.py does. Input takes the way of a remote desktop, through the portal into KWin's fake input
device; the user has allowed that for all apps outside of sandboxes.
"""

import time
from collections.abc import Iterator
from typing import Any

from gi.repository import Gio, GLib

from tests.desktops.gnome_user import activate, answer_requests, call, labels

_BUS = Gio.bus_get_sync(Gio.BusType.SESSION)
_PORTAL = ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop")
_REMOTE = "org.freedesktop.portal.RemoteDesktop"
_KEYBOARD_AND_POINTER = 3
_MENU = "com.canonical.dbusmenu"
_FAR = 10_000.0


class Hands:
    """A pointer and a keyboard."""

    def __init__(self) -> None:
        sessions = {"session_handle_token": GLib.Variant("s", "hands")}
        self._session = self._request("CreateSession", "(a{sv})", sessions)["session_handle"]
        self._request("SelectDevices", "(oa{sv})", {"types": GLib.Variant("u", _KEYBOARD_AND_POINTER)}, self._session)
        self._request("Start", "(osa{sv})", {}, self._session, "")

    @staticmethod
    def _request(method: str, signature: str, options: dict[str, Any], *arguments: Any) -> dict[str, Any]:
        """The results of a request to the portal."""
        loop, responses = GLib.MainLoop(), list[tuple[int, dict[str, Any]]]()

        def received(_bus: Any, _name: str, _path: str, _interface: str, _signal: str, body: Any) -> None:
            responses.append(body.unpack())
            loop.quit()

        token = f"hands_{method}"
        sender = _BUS.get_unique_name()[1:].replace(".", "_")
        path = f"/org/freedesktop/portal/desktop/request/{sender}/{token}"
        signal = ("org.freedesktop.portal.Request", "Response", path, None)
        _BUS.signal_subscribe(_PORTAL[0], *signal, Gio.DBusSignalFlags.NONE, received)
        call(*_PORTAL, _REMOTE, method, signature, *arguments, {**options, "handle_token": GLib.Variant("s", token)})
        loop.run()
        code, results = responses[0]
        assert code == 0, f"{method}: {code}"
        return results

    def _notify(self, method: str, signature: str, *arguments: Any) -> None:
        call(*_PORTAL, _REMOTE, method, signature, self._session, {}, *arguments)

    def click(self, x: float, y: float, button: int = 0x110) -> None:
        """Move the pointer to a pixel, by way of the upper left corner, and press a button there, the left one by default."""
        self._notify("NotifyPointerMotion", "(oa{sv}dd)", -_FAR, -_FAR)
        self._notify("NotifyPointerMotion", "(oa{sv}dd)", x, y)
        time.sleep(0.3)
        for pressed in (1, 0):
            self._notify("NotifyPointerButton", "(oa{sv}iu)", button, pressed)
            time.sleep(0.1)

    def keys(self, *symbols: int) -> None:
        """Press keys together, by their X11 symbols, and release them in the opposite order."""
        for pressed, each in ((1, symbols), (0, tuple(reversed(symbols)))):
            for symbol in each:
                self._notify("NotifyKeyboardKeysym", "(oa{sv}iu)", symbol, pressed)
                time.sleep(0.05)

    def type(self, text: str) -> None:
        for character in text:
            self.keys(ord(character))


def icon(name: str) -> tuple[str, str] | None:
    """Bus name and object path of the tray icon that Plasma knows with this name in its path; None if there is none."""
    watcher = "org.kde.StatusNotifierWatcher"
    place = (watcher, "/StatusNotifierWatcher", "org.freedesktop.DBus.Properties", "Get")
    (items,) = call(*place, "(ss)", watcher, "RegisteredStatusNotifierItems")
    found = next((each for each in items if name in each), None)
    if found is None:
        return None
    owner, _, path = found.partition("/")
    return owner, f"/{path}"


def menu(name: str) -> dict[str, int]:
    """The lines of that icon's menu, as Plasma reads them: number by label."""
    owner, path = _menu_place(name)
    _, layout = call(owner, path, _MENU, "GetLayout", "(iias)", 0, -1, [])
    return {properties["label"].replace("_", ""): number for number, properties in _lines(layout) if properties.get("label")}


def choose(name: str, label: str) -> None:
    """Click on the line of that icon's menu that begins with ``label``, with the message that Plasma sends."""
    owner, path = _menu_place(name)
    number = next(number for each, number in menu(name).items() if each.startswith(label))
    call(owner, path, _MENU, "Event", "(isvu)", number, "clicked", GLib.Variant("i", 0), 0)


def _menu_place(name: str) -> tuple[str, str]:
    found = icon(name)
    assert found is not None, f"no icon of {name}"
    item = "org.kde.StatusNotifierItem"
    (path,) = call(*found, "org.freedesktop.DBus.Properties", "Get", "(ss)", item, "Menu")
    return found[0], path


def _lines(layout: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    number, properties, children = layout
    yield number, properties
    for child in children:
        yield from _lines(child)


if __name__ == "__main__":
    answer_requests(Hands, {"activate": activate, "call": call, "labels": labels, "icon": icon, "choose": choose})
