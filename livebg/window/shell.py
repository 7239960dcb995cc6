"""Header bar with the main menu, short messages, keyboard shortcuts and the version."""

from typing import Any, Final
from xml.sax.saxutils import escape

from gi.repository import Adw, Gio, GLib, Gtk

from livebg import __version__
from livebg.setup.resources import APP_ID
from livebg.window.i18n import marked, translate
from livebg.window.widgets import name_widget

SHORTCUTS: Final = {
    "win.hide-room": ("<Control>e", marked("Hide the room")),
    "win.pause": ("<Control>p", marked("Pause camera")),
    "win.record": ("<Control>r", marked("Record")),
    "win.matte": ("<Control>m", marked("Show the matte in this window")),
    "win.check": ("F5", marked("Look for problems")),
    "win.show-help-overlay": ("<Control>question", marked("Keyboard shortcuts")),
    "window.close": ("<Control>w", marked("Close the window")),
    "app.quit": ("<Control>q", marked("Quit the window")),
}
"""Keys and their meanings by action."""
_TOAST_TIMEOUT_S: Final = 6


def header_bar() -> Any:
    """Return the header bar with the main menu."""
    menu = Gio.Menu()
    sections = (
        {"win.check": translate("Look for problems"), "win.setup": translate("Set up livebg…")},
        {"win.restart": translate("Restart livebg"), "win.stop": translate("Stop livebg")},
        {"win.show-help-overlay": translate("Keyboard shortcuts"), "app.about": translate("About livebg")},
    )
    for entries in sections:
        section = Gio.Menu()
        for action, label in entries.items():
            section.append(label, action)
        menu.append_section(None, section)
    button = Gtk.MenuButton(icon_name="open-menu-symbolic", menu_model=menu, primary=True, tooltip_text=translate("Main menu"))
    name_widget(button, translate("Main menu"))
    header = Adw.HeaderBar()
    header.pack_end(button)
    return header


def add_shortcuts(application: Any, window: Any) -> None:
    """Bind the keys, and set the window that lists them."""
    for action, (key, _) in SHORTCUTS.items():
        application.set_accels_for_action(action, [key])
    rows = "".join(
        f'<child><object class="GtkShortcutsShortcut"><property name="title">{escape(translate(title))}</property>'
        f'<property name="accelerator">{escape(key)}</property></object></child>'
        for key, title in SHORTCUTS.values()
    )
    xml = (
        '<interface><object class="GtkShortcutsWindow" id="help"><property name="modal">1</property>'
        '<child><object class="GtkShortcutsSection"><child><object class="GtkShortcutsGroup">'
        f"{rows}</object></child></object></child></object></interface>"
    )
    window.set_help_overlay(Gtk.Builder.new_from_string(xml, -1).get_object("help"))


def show_about(window: Any) -> None:
    """Show the version and the license."""
    about = Adw.AboutWindow(
        transient_for=window,
        application_name="livebg",
        application_icon=APP_ID,
        developer_name=translate("The livebg authors"),
        version=__version__,
        license_type=Gtk.License.MIT_X11,
        comments=translate("Blurs or replaces your background in video calls."),
    )
    about.present()


class Toasts:
    """Shows one message at a time above the child of ``widget``."""

    def __init__(self) -> None:
        self.widget = Adw.ToastOverlay()
        self._shown: tuple[Any, str] | None = None

    def show(self, text: str) -> None:
        """Show a message, once while it is visible. It replaces another one."""
        if self._shown is not None:
            if self._shown[1] == text:
                return
            self._shown[0].dismiss()
        toast = Adw.Toast(title=GLib.markup_escape_text(text), timeout=_TOAST_TIMEOUT_S)
        toast.connect("dismissed", self._on_dismissed)
        self._shown = (toast, text)
        self.widget.add_toast(toast)

    def _on_dismissed(self, toast: Any) -> None:
        if self._shown is not None and self._shown[0] is toast:
            self._shown = None
