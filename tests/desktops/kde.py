"""A KDE Plasma session in a booted Debian, and the user who looks at its screen and works with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.bare.machine import USER
from tests.desktops.gnome import CONTROL, ENTER, PASSWORD, GnomeUser
from tests.desktops.machine import BootedMachine, until

_LOCK_SCREEN: Final = "kscreenlocker_greet"
_SESSION: Final = {
    "XDG_SESSION_TYPE": "wayland",
    "XDG_SESSION_CLASS": "user",
    "XDG_SESSION_DESKTOP": "KDE",
    "XDG_CURRENT_DESKTOP": "KDE",
    "DESKTOP_SESSION": "plasma",
    "LANG": "C.UTF-8",
}


class KdeUser(GnomeUser):
    """The same with Plasma's ways to use pointer and keyboard, but without screenshots, which KWin takes only with OpenGL."""

    module = "kde_user"

    def choose(self, label: str) -> None:
        """Click on a line of the menu of livebg's icon."""
        self.ask("choose", "livebg", label)

    def unlock(self) -> None:
        """Type the password once the lock screen shows its field: on a busy computer it starts late, and loses earlier keys."""
        until(lambda: self.labels(_LOCK_SCREEN), "the lock screen")
        self.keys(CONTROL)  # any key shows the field
        until(lambda: "Unlock" in self.labels(_LOCK_SCREEN), "the field for the password")
        self.ask("type", PASSWORD)
        self.keys(ENTER)


def log_in(machine: BootedMachine) -> None:
    """Open a Plasma session, as SDDM does after the password."""
    machine.log_in("startplasma-wayland", "graphical-session.target", **_SESSION)


def prepare(machine: BootedMachine) -> None:
    """What a user of KDE has done before: a password, and a permission to control the desktop for apps outside of sandboxes."""
    machine.must(f"echo {USER}:{PASSWORD} | chpasswd", user="root")
    store = "org.freedesktop.impl.portal.PermissionStore"
    call = f"busctl --user call {store} /{store.replace('.', '/')} {store} SetPermission sbssas"
    machine.must(f"{call} kde-authorized true remote-desktop '' 1 yes")


@contextmanager
def kde_user(machine: BootedMachine) -> Iterator[KdeUser]:
    user = KdeUser(machine)
    try:
        yield user
    finally:
        user.close()
