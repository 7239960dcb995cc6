"""The camera portal in the guest, for programs that reach PipeWire's cameras through it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.system.desktop import BUS, Desktop, screen
from tests.system.guest import Guest
from tests.system.stable import entered

_STORE: Final = "org.freedesktop.impl.portal.PermissionStore"
PORTAL: Final = {
    "/usr/libexec/xdg-permission-store": _STORE,
    "/usr/libexec/xdg-desktop-portal-gtk": "org.freedesktop.impl.portal.desktop.gtk",
    "/usr/libexec/xdg-desktop-portal": "org.freedesktop.portal.Desktop",
}
"""The portal's programs in the order of their start, with their names on the session bus."""
_GRANT: Final = (f"/{_STORE.replace('.', '/')}", f"{_STORE}.SetPermission")
_ALLOWED: Final = ("string:devices", "boolean:true", "string:camera", "string:", "array:string:yes")
"""The user's answer for all programs that are no Flatpak apps."""


@contextmanager
def camera_portal(guest: Guest, desktop: Desktop, root: Path) -> Iterator[dict[str, str]]:
    """The portal of a root, which gives programs the camera without a question; the variables of these programs."""
    with ExitStack() as programs:
        display = programs.enter_context(screen(guest, 800, 600))
        variables = {"DISPLAY": display, "GDK_BACKEND": "x11", "XDG_CURRENT_DESKTOP": "GNOME"}
        portal = _Portal(guest, root, {**variables, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={BUS}"})
        for program, name in PORTAL.items():
            programs.enter_context(portal.running(program, name))
            if name == _STORE:
                portal.send(_STORE, *_GRANT, *_ALLOWED)
                desktop.restart_wireplumber()  # it reads the answer
        yield variables


class _Portal:
    """The portal's programs and messages."""

    def __init__(self, guest: Guest, root: Path, variables: dict[str, str]) -> None:
        self._guest = guest
        self._root = root
        self._variables = [f"{name}={value}" for name, value in variables.items()]

    @contextmanager
    def running(self, program: str, name: str) -> Iterator[None]:
        """A program that has its name on the bus."""
        bus = ("/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner", f"string:{name}")
        with self._guest.background(*self._command(program)) as started:
            self._guest.wait_for(name, lambda: "true" in self.send("org.freedesktop.DBus", *bus), alive=started)
            yield

    def send(self, name: str, path: str, method: str, *arguments: str) -> str:
        """The answer to a message."""
        done = self._guest.run(
            *self._command("dbus-send", "--session", "--print-reply", f"--dest={name}", path, method, *arguments)
        )
        assert done.code == 0, done
        return done.out

    def _command(self, *command: str) -> list[str]:
        return entered(self._root, "env", *self._variables, *command)
