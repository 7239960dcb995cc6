"""The thin layer over pystray."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from livebg.errors import DisplayError
from livebg.tray.backend import Backend
from livebg.tray.icons import draw
from livebg.tray.menu import SEPARATOR, Action, Entry
from livebg.tray.status_view import TrayState

if TYPE_CHECKING:
    import pystray

_LOG: Final = logging.getLogger(__name__)
Chosen = Callable[[Action], None]
"""Called in the main thread with what was clicked; it returns at once."""


class Icon(Protocol):
    """What shows the tray. All but :meth:`run` may be called from any thread."""

    def run(self, on_ready: Callable[[], None]) -> None:
        """Show what :meth:`show` said last, until :meth:`stop`. ``on_ready`` is called once, from another thread.

        Raises :class:`~livebg.errors.DisplayError`.
        """

    def show(self, state: TrayState, title: str, entries: Sequence[Entry]) -> None:
        """What is to be seen from now on."""

    def stop(self) -> None:
        """End :meth:`run`."""


class PystrayIcon:
    """By pystray, in the main thread. Raises :class:`~livebg.errors.DisplayError` when it finds no way to show an icon."""

    def __init__(self, backend: Backend, chosen: Chosen) -> None:
        if backend != "own":
            os.environ.setdefault("PYSTRAY_BACKEND", backend)
        try:
            import pystray
        except (ImportError, ValueError) as error:
            raise DisplayError(
                f"the tray icon cannot be shown ({_in_a_line(error)}): `livebg status --watch` tells the same"
            ) from error
        _quieten_indicator()
        self._pystray, self._chosen = pystray, chosen
        self._entries: Sequence[Entry] = ()
        self._state: TrayState | None = None
        self._icon = pystray.Icon("livebg", menu=pystray.Menu(self._items))

    def run(self, on_ready: Callable[[], None]) -> None:
        def begin(icon: "pystray._base.Icon") -> None:
            self._end_on_signals()
            icon.visible = True
            on_ready()

        try:
            self._icon.run(begin)
        except NotImplementedError:
            raise DisplayError("pystray's stand-in for a tray shows nothing: leave PYSTRAY_BACKEND unset") from None
        except RuntimeError as error:
            # GLib.Error: on its way out pystray takes back a message, which fails where nobody shows messages.
            if not _is_glib(error):
                raise
            _LOG.debug("the tray's message cannot be taken back: %s", error)

    def show(self, state: TrayState, title: str, entries: Sequence[Entry]) -> None:
        if state is not self._state:
            self._state = state
            self._icon.icon = draw(state)
        self._icon.title = title if title.startswith("livebg ") else f"livebg: {title}"
        if entries != self._entries:  # building it anew closes a menu that is open
            self._entries = entries
            if self._icon.visible:
                self._icon.update_menu()

    def stop(self) -> None:
        self._icon.stop()

    def _items(self) -> "Iterator[pystray.MenuItem]":
        return (self._item(entry) for entry in self._entries)

    def _item(self, entry: Entry) -> "pystray.MenuItem":
        kit = self._pystray
        if entry is SEPARATOR or entry == SEPARATOR:
            return kit.Menu.SEPARATOR
        if entry.entries:
            items = kit.Menu(*(self._item(each) for each in entry.entries))
            return kit.MenuItem(entry.label, items, enabled=entry.enabled)
        checked = None if entry.checked is None else _always(entry.checked)
        click = self._click(entry.action)
        return kit.MenuItem(entry.label, click, checked=checked, radio=entry.radio, default=entry.default, enabled=entry.enabled)

    def _click(self, action: Action | None) -> Callable[[Any, Any], None] | None:
        def clicked(_icon: Any, _item: Any) -> None:
            if action is not None:
                self._chosen(action)

        return clicked

    def _end_on_signals(self) -> None:
        """GTK's loop runs no Python handlers, and pystray has given SIGINT back to the system by now: its own loop is told."""
        if not sys.platform.startswith("linux"):
            return
        from gi.repository import GLib

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self._ended)

    def _ended(self) -> bool:
        self._icon.stop()
        return False


def _quieten_indicator() -> None:
    """The library behind pystray's icon tells programmers, on standard error, to use its successor: that helps nobody else."""
    if "gi" in sys.modules:
        from gi.repository import GLib

        GLib.log_set_handler("libayatana-appindicator", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)


def _always(checked: bool) -> Callable[[Any], bool]:
    return lambda _item: checked


def _is_glib(error: RuntimeError) -> bool:
    return type(error).__module__.startswith("gi") or type(error).__name__ == "Error"


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())
