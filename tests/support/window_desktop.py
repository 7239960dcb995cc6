"""A desktop for the window: a Wayland compositor or X server without a screen, a session bus and the accessibility bus."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, new_method_call, new_signal
from jeepney.io.blocking import open_dbus_connection
from jeepney.wrappers import unwrap_msg

from tests.support.waiting import wait_until

PATIENCE = 60.0
"""Seconds after which a test takes something for hung."""
APP = "io.github.livebg_project.livebg"
_CONFIG = """
output HEADLESS-1 resolution 1400x900
default_border none
xwayland disable
for_window [app_id=".*"] floating enable
"""


def missing_tools() -> str | None:
    """Why the tests of the window cannot run here; None if they can."""
    tools = [tool for tool in ("dbus-daemon", "sway") if shutil.which(tool) is None]
    if tools:
        return f"{' and '.join(tools)} is not installed"
    if not any(Path(folder, "at-spi-bus-launcher").exists() for folder in ("/usr/libexec", "/usr/lib/at-spi2-core")):
        return "at-spi2-core is not installed"
    probe = "from livebg.window.toolkit import *; from livebg.tray.desktop import *; import_system_gi(); import gi; "
    probe += "[gi.require_version(*each) for each in (('Gtk', '4.0'), ('Adw', '1'), ('Atspi', '2.0'))]"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"GTK 4, libadwaita or AT-SPI is missing: {done.stderr.strip().splitlines()[-1]}"


@dataclass(frozen=True)
class Sway:
    """A running compositor. ``display`` is the value of WAYLAND_DISPLAY."""

    display: str
    ipc: str

    def msg(self, *words: str) -> Any:
        """Send a command with ``swaymsg`` and return its answer."""
        done = subprocess.run(["swaymsg", "-r", "-s", self.ipc, *words], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def window_size(self) -> tuple[int, int] | None:
        """Width and height of livebg's window; None if it is not open."""
        for node in self._windows():
            return node["rect"]["width"], node["rect"]["height"]
        return None

    def windows(self) -> int:
        """The number of livebg's windows, dialogs included."""
        return len(list(self._windows()))

    def _windows(self) -> Iterator[Any]:
        waiting = [self.msg("-t", "get_tree")]
        while waiting:
            node = waiting.pop()
            if node.get("app_id") == APP:
                yield node
            waiting += [*node["nodes"], *node["floating_nodes"]]


@contextmanager
def sway() -> Iterator[Sway]:
    """A compositor without a screen. It refuses to run as root, so root runs it as nobody."""
    with tempfile.TemporaryDirectory(prefix="livebg-sway-") as name:
        folder = Path(name)
        (folder / "config").write_text(_CONFIG)
        command = ["sway", "-c", str(folder / "config")]
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            command = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", *command]
        left_out = ("SWAYSOCK", "DISPLAY", "WAYLAND_DISPLAY")
        variables = {key: value for key, value in os.environ.items() if key not in left_out}
        variables |= {"XDG_RUNTIME_DIR": name, "HOME": name, "WLR_BACKENDS": "headless", "WLR_RENDERER": "pixman"}
        variables |= {"WLR_LIBINPUT_NO_DEVICES": "1"}
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: bool(list(folder.glob("sway-ipc*"))), "sway to start")
            display = next(path for path in folder.glob("wayland-*") if path.suffix != ".lock")
            yield Sway(str(display), str(next(folder.glob("sway-ipc*"))))
        finally:
            process.terminate()
            process.wait(PATIENCE)


def accessibility_bus(session: str) -> str:
    """The address of the accessibility bus, which the session bus starts."""
    with open_dbus_connection(session) as connection:
        call = new_method_call(DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus"), "GetAddress")
        return str(unwrap_msg(connection.send_and_get_reply(call, timeout=PATIENCE))[0])


def report_lock(session: str, locked: bool) -> None:
    """Send the signal with which screen savers report a locked screen."""
    place = DBusAddress("/org/freedesktop/ScreenSaver", interface="org.freedesktop.ScreenSaver")
    with open_dbus_connection(session) as connection:
        connection.send(new_signal(place, "ActiveChanged", "b", (locked,)))


class Reader:
    """Uses the window as a screen reader does, in a separate process: AT-SPI belongs to a whole process."""

    def __init__(self, address: str) -> None:
        command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("window_reader.py"))]
        variables = {**os.environ, "AT_SPI_BUS_ADDRESS": address}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def widgets(self, role: str) -> dict[str, dict[str, Any]]:
        """The widgets of a role that are showing, by name, with ``value``, ``checked``, ``enabled`` and ``focusable``."""
        found: dict[str, dict[str, Any]] = self._ask({"do": "list", "role": role})
        return found

    def click(self, role: str, name: str) -> None:
        wait_until(lambda: self._ask({"do": "click", "role": role, "name": name}), f"{role} {name}")

    def set_value(self, name: str, value: float) -> None:
        wait_until(lambda: self._ask({"do": "set", "role": "slider", "name": name, "value": value}), f"slider {name}")

    def until_shown(self, role: str, name: str) -> dict[str, Any]:
        wait_until(lambda: name in self.widgets(role), f"{role} {name}")
        return self.widgets(role)[name]

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
