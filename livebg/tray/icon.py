"""Thin layer over pystray."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from livebg.errors import DisplayError
from livebg.system.session_bus import APP_ID
from livebg.tray.desktop import Backend
from livebg.tray.menu import SEPARATOR, Action, Entry
from livebg.tray.status import TrayState

if TYPE_CHECKING:
    import pystray

_LOG: Final = logging.getLogger(__name__)
Chosen = Callable[[Action], None]
"""Callback for a click, called in the main thread. Must return immediately."""


def load_image(state: TrayState) -> Image.Image:
    """Return the icon of a state: RGBA, 64 x 64 pixels, transparent around its shape. The desktop scales it, usually to 22 to 48.

    The icons are distinguishable in grayscale and at 16 pixels, and have enough contrast for light and dark panels. The PNG files
    are rendered from the SVG files beside them, with ``rsvg-convert --width 64``.
    """
    return Image.open(_icon_file(state)).convert("RGBA")


def _icon_file(state: TrayState) -> Path:
    return Path(__file__).parent / "icons" / f"{state.name.lower()}.png"


class PystrayIcon:
    """A tray icon with a menu, shown by pystray. All methods but :meth:`run` are thread-safe.

    Raises :class:`~livebg.errors.DisplayError` if pystray cannot be loaded or has no way to show an icon.
    """

    def __init__(self, backend: Backend, chosen: Chosen) -> None:
        if backend != "own":
            os.environ.setdefault("PYSTRAY_BACKEND", backend)
        try:
            import pystray
        except (ImportError, ValueError) as error:
            raise DisplayError(
                f"Cannot show the tray icon ({' '.join(str(error).split())}).", "Use `livebg status --watch` instead."
            ) from error
        if pystray.Icon is pystray._base.Icon:  # its thread would wait forever for the icon, and keep the process alive
            raise DisplayError("PYSTRAY_BACKEND=dummy shows no icon.", "Unset it.")
        _silence_deprecation_warning()
        self._pystray, self._chosen = pystray, chosen
        self._entries: Sequence[Entry] = ()
        self._state: TrayState | None = None
        self._icon = _icon_class(pystray)(APP_ID, menu=pystray.Menu(self._items))

    def run(self, on_ready: Callable[[], None]) -> None:
        """Show the icon in the main thread until :meth:`stop`. ``on_ready`` is called once, from another thread."""

        def begin(icon: "pystray._base.Icon") -> None:
            self._stop_on_signals()
            icon.visible = True
            on_ready()

        try:
            self._icon.run(begin)
        except RuntimeError as error:
            # GLib.Error: on exit pystray removes its notification, which fails without a notification service.
            if not _is_glib(error):
                raise
            _LOG.debug("Cannot remove the notification: %s", error)

    def show(self, state: TrayState, title: str, entries: Sequence[Entry]) -> None:
        """Update icon, tooltip and menu."""
        if state is not self._state:
            self._state = state
            self._icon.file = _icon_file(state)
            self._icon.icon = load_image(state)
        self._icon.title = title if title.startswith("livebg ") else f"livebg: {title}"
        if entries != self._entries:  # rebuilding it closes an open menu
            self._entries = entries
            if self._icon.visible:
                self._icon.update_menu()

    def stop(self) -> None:
        """End :meth:`run`."""
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
        action = entry.action
        checked = None if entry.checked is None else lambda _item: bool(entry.checked)
        click = None if action is None else lambda: self._chosen(action)
        return kit.MenuItem(entry.label, click, checked=checked, radio=entry.radio, default=entry.default, enabled=entry.enabled)

    def _stop_on_signals(self) -> None:
        """Install GLib signal handlers: GTK's loop runs no Python handlers, and pystray has reset SIGINT by now."""
        if not sys.platform.startswith("linux"):
            return
        from gi.repository import GLib

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self._on_signal)

    def _on_signal(self) -> bool:
        self._icon.stop()
        return False


def _icon_class(kit: Any) -> Any:
    """Return pystray's class, with icon files that stay.

    Backends that pass a file to the panel write a temporary one and remove it with the next change. A panel that reads it later
    shows no icon.
    """
    if not hasattr(kit.Icon, "_update_fs_icon"):
        return kit.Icon

    class FileIcon(kit.Icon):  # type: ignore[misc]
        file: Path | None = None

        def _remove_fs_icon(self) -> None:
            self._icon_valid = False

        def _update_fs_icon(self) -> None:
            self._icon_path = str(self.file)
            self._icon_valid = True

    return FileIcon


def _silence_deprecation_warning() -> None:
    """Silence the deprecation warning of libayatana-appindicator on standard error, which is of no use to users."""
    if "gi" in sys.modules:
        from gi.repository import GLib

        GLib.log_set_handler("libayatana-appindicator", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)


def _is_glib(error: RuntimeError) -> bool:
    return type(error).__module__.startswith("gi") or type(error).__name__ == "Error"
