"""The page that is shown while livebg does not run: what is missing, and a button that starts it."""

from typing import Any

from gi.repository import Adw, Gtk

from livebg.setup.resources import APP_ID
from livebg.window.groups import ProblemsGroup
from livebg.window.i18n import translate
from livebg.window.state import StateView


class StartPage:
    """``widget`` is the page. Its buttons activate ``win.start``, ``win.restart`` and ``win.setup``."""

    def __init__(self, problems: ProblemsGroup) -> None:
        self._spinner = Gtk.Spinner(width_request=24, height_request=24, halign=Gtk.Align.CENTER)
        self._start = _pill(translate("Start livebg"), "win.start", "suggested-action")
        self._restart = _pill(translate("Restart livebg"), "win.restart", "suggested-action")
        self._setup = _pill(translate("Set up livebg…"), "win.setup")
        buttons = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, halign=Gtk.Align.CENTER)
        self._buttons = (self._start, self._restart, self._setup)
        for button in self._buttons:
            buttons.append(button)
        content = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=24)
        for child in (self._spinner, buttons, problems.widget):
            content.append(child)
        clamp = Adw.Clamp(child=content, maximum_size=560, margin_start=6, margin_end=6)
        self.widget = Adw.StatusPage(icon_name=APP_ID, child=clamp)

    def show(self, view: StateView, busy: str | None, needs_setup: bool) -> None:
        """Show why livebg does not run. ``busy`` describes the action in progress."""
        self.widget.set_title(busy or view.title)
        self.widget.set_description(view.detail or _explanation())
        self.set_spinning(busy is not None)
        shown = (not view.restart_advised, view.restart_advised, needs_setup and not view.restart_advised)
        for button, visible in zip(self._buttons, shown, strict=True):
            button.set_visible(visible and busy is None)

    def set_spinning(self, spinning: bool) -> None:
        """Show a spinner. It must not spin on a hidden page, where it would keep the window drawing."""
        self._spinner.set_visible(spinning)
        self._spinner.set_spinning(spinning)


def _explanation() -> str:
    return translate(
        "livebg provides a virtual camera that blurs or replaces your background. Start it, then select the camera livebg in your"
        " video call app."
    )


def _pill(label: str, action: str, *styles: str) -> Any:
    return Gtk.Button(label=label, action_name=action, css_classes=["pill", *styles], halign=Gtk.Align.CENTER)
