"""A user before GNOME's screen: sees screenshots, moves the pointer and types, in a process inside the session.

It answers requests on standard input, each a line of JSON, and runs with the system's Python and PyGObject, without livebg.
Input takes the way of a remote desktop: through org.gnome.Mutter.RemoteDesktop into the compositor, as from a real device. What
the shell shows, and where, is read through AT-SPI, as a screen reader does.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib  # noqa: E402 - the version comes first

_BUS = Gio.bus_get_sync(Gio.BusType.SESSION)
_MUTTER = "org.gnome.Mutter"
_SHELL = "org.gnome.Shell"


def call(name: str, path: str, interface: str, method: str, signature: str, *arguments: Any) -> Any:
    """The result of a method on the session bus."""
    body = GLib.Variant(signature, arguments)
    return _BUS.call_sync(name, path, interface, method, body, None, Gio.DBusCallFlags.NONE, 60_000, None).unpack()


class Hands:
    """A pointer and a keyboard on the first monitor."""

    def __init__(self) -> None:
        remote, cast = f"{_MUTTER}.RemoteDesktop", f"{_MUTTER}.ScreenCast"
        (self._path,) = call(remote, f"/{remote.replace('.', '/')}", remote, "CreateSession", "()")
        self._interface = f"{remote}.Session"
        (number,) = call(remote, self._path, "org.freedesktop.DBus.Properties", "Get", "(ss)", self._interface, "SessionId")
        options = {"remote-desktop-session-id": GLib.Variant("s", number)}
        (casting,) = call(cast, f"/{cast.replace('.', '/')}", cast, "CreateSession", "(a{sv})", options)
        connector = self._connector()
        (self._stream,) = call(cast, casting, f"{cast}.Session", "RecordMonitor", "(sa{sv})", connector, {})
        self._call("Start", "()")

    @staticmethod
    def _connector() -> str:
        config = f"{_MUTTER}.DisplayConfig"
        state = call(config, f"/{config.replace('.', '/')}", config, "GetCurrentState", "()")
        return str(state[1][0][0][0])

    def _call(self, method: str, signature: str, *arguments: Any) -> None:
        call(f"{_MUTTER}.RemoteDesktop", self._path, self._interface, method, signature, *arguments)

    def click(self, x: float, y: float, button: int = 0x110) -> None:
        """Move the pointer to a pixel and press a button there, the left one by default."""
        self._call("NotifyPointerMotionAbsolute", "(sdd)", self._stream, x, y)
        time.sleep(0.3)
        for pressed in (True, False):
            self._call("NotifyPointerButton", "(ib)", button, pressed)
            time.sleep(0.1)

    def keys(self, *symbols: int) -> None:
        """Press keys together, by their X11 symbols, and release them in the opposite order."""
        for symbol in symbols:
            self._call("NotifyKeyboardKeysym", "(ub)", symbol, True)
            time.sleep(0.05)
        for symbol in reversed(symbols):
            self._call("NotifyKeyboardKeysym", "(ub)", symbol, False)
            time.sleep(0.05)

    def type(self, text: str) -> None:
        for character in text:
            self.keys(ord(character))


def labels(program: str) -> dict[str, tuple[float, float]]:
    """The center of what a program shows, by its name. Only those of the shell are pixels of the screen."""
    found = {}
    with suppress(GLib.Error):  # a program that is too busy to answer, or changes meanwhile: the test asks again
        for each in shown_by(program):
            place = each.get_component_iface().get_extents(Atspi.CoordType.SCREEN)
            found[each.get_name()] = (place.x + place.width / 2, place.y + place.height / 2)
    return found


def shown_by(program: str) -> Iterator[Any]:
    """What a program shows; nothing if it does not run."""
    desktop = Atspi.get_desktop(0)
    nodes = [desktop.get_child_at_index(index) for index in range(desktop.get_child_count())]
    for node in nodes:
        if node is not None and node.get_name() == program:
            node.clear_cache()  # events that would update it need a main loop
            yield from shown(node)


def shown(node: Any) -> Iterator[Any]:
    """What has a name, is showing and has an extent, in and below ``node``."""
    if node.get_name() and node.get_state_set().contains(Atspi.StateType.SHOWING) and node.get_component_iface():
        yield node
    for index in range(node.get_child_count()):
        child = node.get_child_at_index(index)
        if child is not None:
            yield from shown(child)


def activate(program: str, name: str) -> bool:
    """Press a button of a program by its name; returns whether there is one."""
    with suppress(GLib.Error):
        for each in shown_by(program):
            if each.get_name() == name and each.get_role_name() == "button":
                return bool(each.get_action_iface().do_action(0))
    return False


def screenshot(path: str) -> None:
    """Save the screen as PNG. The shell allows it to the owner of the name of GNOME's former screenshot program."""
    name = "org.gnome.Screenshot"
    call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "(su)", name, 4)
    service = f"{_SHELL}.Screenshot"
    call(service, f"/{service.replace('.', '/')}", service, "Screenshot", "(bbs)", False, False, path)


def answer_requests(hands_class: Callable[[], Any], without_hands: dict[str, Callable[..., Any]]) -> None:
    """Answer requests on standard input until it is closed: with these functions, or methods of hands, made by the first use."""
    Atspi.init()
    hands = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            do, arguments = request["do"], request["arguments"]
            if do in without_hands:
                result = without_hands[do](*arguments)
            else:
                hands = hands or hands_class()
                result = getattr(hands, do)(*arguments)
            answer = {"result": result}
        except GLib.Error as error:
            answer = {"error": error.message}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer_requests(Hands, {"activate": activate, "call": call, "labels": labels, "screenshot": screenshot})
