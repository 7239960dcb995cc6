"""A GNOME session in a booted Debian, and the user who looks at its screen and works with it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bare.machine import HOME, USER
from tests.desktops.machine import BootedMachine, until, until_state

PASSWORD: Final = "secret"
ENTER, ESCAPE, TAB, CONTROL, SUPER, F9, F10 = 0xFF0D, 0xFF1B, 0xFF09, 0xFFE3, 0xFFEB, 0xFFC6, 0xFFC7
"""X11 symbols of keys."""
EXTENSION: Final = "ubuntu-appindicators@ubuntu.com"
_SESSION: Final = {
    "XDG_SESSION_TYPE": "wayland",
    "XDG_SESSION_CLASS": "user",
    "XDG_SESSION_DESKTOP": "gnome",
    "XDG_CURRENT_DESKTOP": "GNOME",
    "DESKTOP_SESSION": "gnome",
    "LANG": "C.UTF-8",
}


class GnomeUser:
    """Sees the screen of the session, and uses pointer and keyboard."""

    module = "gnome_user"

    def __init__(self, machine: BootedMachine) -> None:
        self._machine = machine
        for name in ("gnome_user", self.module):
            machine.write(f"tests/desktops/{name}.py", Path(__file__).with_name(f"{name}.py").read_text())
        self._program = machine.start(f"python3 -m tests.desktops.{self.module}")

    def close(self) -> None:
        self._program.communicate()

    def ask(self, do: str, *arguments: Any) -> Any:
        """The answer of a function of gnome_user.py."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps({"do": do, "arguments": arguments}) + "\n")
        self._program.stdin.flush()
        lines = list[str]()
        while not (line := self._program.stdout.readline()).startswith("{"):  # warnings of libraries
            assert line, "".join(lines)
            lines.append(line)
        answer = json.loads(line)
        assert "error" not in answer, answer
        return answer["result"]

    def labels(self, program: str = "gnome-shell") -> dict[str, tuple[float, float]]:
        """The center of what the shell, or another program, shows by its name."""
        found: dict[str, tuple[float, float]] = self.ask("labels", program)
        return found

    def place(self, name: str) -> tuple[float, float]:
        """Wait until the shell shows something whose name begins with ``name``, and return its center."""
        return until(
            lambda: next((at for each, at in self.labels().items() if each.startswith(name)), None), f"'{name}' on the screen"
        )

    def click(self, name: str) -> None:
        self.ask("click", *self.place(name))

    def choose(self, label: str) -> None:
        """Click on livebg's icon in the panel, and on a line of its menu."""
        self.click("livebg: ")
        self.click(label)

    def keys(self, *symbols: int) -> None:
        """Press keys together."""
        self.ask("keys", *symbols)

    def screenshot(self, path: Path) -> None:
        """Save the screen in a file of this computer."""
        self.ask("screenshot", f"{HOME}/screen.png")
        shutil.copy(self._machine.home / "screen.png", path)


def use_hot_keys(machine: BootedMachine, user: GnomeUser) -> None:
    """Pause livebg, resume it and change the preset with its global shortcuts."""
    user.keys(SUPER, F9)
    until_state(machine, "paused")
    user.keys(SUPER, F9)
    until_state(machine, "asleep")
    user.keys(SUPER, F10)
    until(lambda: "dark room (built in, current)" in machine.must("livebg preset list"), "the next preset")


def log_in(machine: BootedMachine) -> None:
    """Open a GNOME session, as GDM does after the password."""
    machine.log_in("gnome-session", "graphical-session.target", **_SESSION)


def prepare(machine: BootedMachine) -> None:
    """What a user of GNOME has done before: a password, and the extension for icons of apps switched on.

    The screen is not locked automatically, and programs can be read through AT-SPI.
    """
    machine.must(f"echo {USER}:{PASSWORD} | chpasswd", user="root")
    settings = {
        "org.gnome.shell enabled-extensions": f"['{EXTENSION}']",
        "org.gnome.shell welcome-dialog-last-shown-version": "99",
        "org.gnome.desktop.session idle-delay": "0",
        "org.gnome.desktop.interface toolkit-accessibility": "true",
    }
    machine.must("\n".join(f'gsettings set {key} "{value}"' for key, value in settings.items()))


@contextmanager
def gnome_user(machine: BootedMachine) -> Iterator[GnomeUser]:
    """The user, who has left the overview that GNOME shows after the login."""
    user = GnomeUser(machine)
    try:
        user.place("Activities")
        user.keys(ESCAPE)
        yield user
    finally:
        user.close()
