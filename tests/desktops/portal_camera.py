"""An app that uses cameras through the portal: asks for access, then shows what PipeWire offers it.

It prints a line of JSON for each step, and ends when its standard input is closed. Runs with the system's Python and PyGObject.
"""

import json
import subprocess
import sys
from typing import Any

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402 - the version comes first

_PORTAL = ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop")
_CAMERA = "org.freedesktop.portal.Camera"


def say(**fields: Any) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def call(bus: Any, interface: str, method: str, body: Any) -> tuple[Any, Any]:
    """The result and the file descriptors of a method of the portal."""
    flags = Gio.DBusCallFlags.NONE
    result, files = bus.call_with_unix_fd_list_sync(*_PORTAL, interface, method, body, None, flags, 60_000, None, None)
    return result.unpack(), files


def request_access(bus: Any) -> int:
    """The answer of the user: 0 allows, 1 denies."""
    loop, answers = GLib.MainLoop(), list[int]()
    token = "livebg_test"
    sender = bus.get_unique_name()[1:].replace(".", "_")
    path = f"/org/freedesktop/portal/desktop/request/{sender}/{token}"

    def received(_bus: Any, _name: str, _path: str, _interface: str, _signal: str, body: Any) -> None:
        answers.append(body.unpack()[0])
        loop.quit()

    signal = ("org.freedesktop.portal.Request", "Response", path, None)
    bus.signal_subscribe(_PORTAL[0], *signal, Gio.DBusSignalFlags.NONE, received)
    call(bus, _CAMERA, "AccessCamera", GLib.Variant("(a{sv})", ({"handle_token": GLib.Variant("s", token)},)))
    say(step="requested")
    loop.run()
    return answers[0]


def main() -> None:
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    answer = request_access(bus)
    say(step="answered", answer=answer)
    if answer:
        return
    (index,), files = call(bus, _CAMERA, "OpenPipeWireRemote", GLib.Variant("(a{sv})", ({},)))
    remote = files.get(index)
    say(step="opened")
    sink = "! video/x-raw,format=I420 ! filesink location=read.yuv buffer-mode=unbuffered"
    command = f"gst-launch-1.0 -q pipewiresrc fd={remote} target-object={sys.argv[1]} {sink}"
    viewer = subprocess.Popen(command.split(), pass_fds=[remote])
    sys.stdin.read()
    viewer.terminate()
    viewer.wait()


if __name__ == "__main__":
    main()
