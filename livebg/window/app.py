"""The application: one window per user, which further starts of `livebg window` bring to the front."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from gi.repository import Adw, Gdk, Gio, GLib, Gtk

from livebg.daemon.screen_lock import watch_screen_lock
from livebg.setup.resources import APP_ID, packaged_path
from livebg.tray.launcher import DaemonLauncher
from livebg.window.main_window import MainWindow
from livebg.window.services import Services
from livebg.window.shell import add_shortcuts, show_about

_CSS: Final = b"""
.livebg-row flowboxchild { padding: 0; }
.livebg-row scale { padding: 6px 3px; }
.livebg-thumbnail { padding: 3px; }
.livebg-thumbnail picture { border-radius: 6px; }
.livebg-thumbnail:checked { background: alpha(@accent_bg_color, 0.25); box-shadow: inset 0 0 0 2px @accent_bg_color; }
"""


def run_window(command: Sequence[str], log: Path) -> None:
    """Show the window until the user closes it.

    ``command`` starts this livebg, ``log`` is the file for the output of a livebg that the window starts. Call
    :func:`~livebg.window.toolkit.load_toolkit` first.
    """
    GLib.set_prgname(APP_ID)  # X11 desktops find the desktop entry by it
    GLib.set_application_name("livebg")
    application = Adw.Application(application_id=APP_ID)
    shown: list[MainWindow] = []

    def show_error(text: str) -> None:
        for main in shown:
            main.show_error(text)

    def activate(_: Any) -> None:
        if not shown:
            _add_style()
            shown.append(MainWindow(application, Services(command, DaemonLauncher(tuple(command), log), _post, show_error)))
            add_shortcuts(application, shown[0].window)
        shown[0].window.present()

    application.connect("activate", activate)
    _add_action(application, "quit", application.quit)
    _add_action(application, "about", lambda: show_about(shown[0].window))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, application.quit)

    def locked(is_locked: bool) -> None:
        for main in shown:
            _post(main.set_locked, is_locked)

    with watch_screen_lock(True, locked):
        try:
            application.run(None)
        finally:
            for main in shown:
                main.close()


def _post(function: Callable[..., object], *arguments: Any) -> None:
    """Call ``function`` in the main loop."""

    def call() -> bool:
        function(*arguments)
        return False

    GLib.idle_add(call)


def _add_action(application: Any, name: str, run: Callable[[], object]) -> None:
    action = Gio.SimpleAction.new(name, None)
    action.connect("activate", lambda _action, _value: run())
    application.add_action(action)


def _add_style() -> None:
    display = Gdk.Display.get_default()
    provider = Gtk.CssProvider()
    provider.load_from_data(_CSS)
    Gtk.StyleContext.add_provider_for_display(display, provider, Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)
    icons = Gtk.IconTheme.get_for_display(display)
    icons.add_search_path(str(packaged_path(f"{APP_ID}.svg").parent))
