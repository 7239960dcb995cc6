"""The picture with its state and the main buttons: hide the room, pause, record, show the matte."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from gi.repository import Adw, Gtk, Pango

from livebg.window.feed import Shown
from livebg.window.i18n import translate
from livebg.window.picture import PictureView
from livebg.window.state import Level, StateView
from livebg.window.widgets import name_widget

_LEVEL_ICONS: Final = {
    Level.GOOD: "object-select-symbolic",
    Level.IDLE: "media-playback-pause-symbolic",
    Level.WARNING: "dialog-warning-symbolic",
    Level.ERROR: "dialog-error-symbolic",
}


class CallPanel:
    """The column beside the settings. ``widget`` is the column, ``picture`` the picture.

    The buttons activate the actions ``win.hide-room``, ``win.pause``, ``win.record`` and ``win.matte``.
    """

    def __init__(self, on_drawn: Callable[[], object]) -> None:
        self.picture = PictureView(on_drawn)
        name_widget(self.picture, translate("What others see"))
        self._hint = Gtk.Label(css_classes=["dim-label"], wrap=True, justify=Gtk.Justification.CENTER)
        overlay = Gtk.Overlay(child=self.picture)
        overlay.add_overlay(self._hint)
        self._icon = Gtk.Image(valign=Gtk.Align.CENTER)
        self._title = Gtk.Label(xalign=0, css_classes=["heading"], wrap=True, lines=2, ellipsize=Pango.EllipsizeMode.END)
        self._detail = Gtk.Label(xalign=0, css_classes=["caption", "dim-label", "numeric"], wrap=True, lines=2)
        self._detail.set_ellipsize(Pango.EllipsizeMode.END)
        texts = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, hexpand=True, valign=Gtk.Align.CENTER)
        texts.append(self._title)
        texts.append(self._detail)
        state = Gtk.Box(spacing=12)
        state.append(self._icon)
        state.append(texts)
        self._notices = Gtk.Label(xalign=0, wrap=True, css_classes=["caption", "warning"], visible=False)
        self._record = _toggle("win.record", "media-record-symbolic", translate("Record"))
        buttons = Gtk.Box(spacing=6, halign=Gtk.Align.END, valign=Gtk.Align.CENTER)
        for button in (
            _toggle("win.hide-room", "avatar-default-symbolic", translate("Hide the room")),
            _toggle("win.pause", "media-playback-pause-symbolic", translate("Pause camera")),
            self._record,
            _toggle("win.matte", "view-reveal-symbolic", translate("Show the matte in this window")),
        ):
            buttons.append(button)
        state.append(buttons)
        margins = {"margin_top": 12, "margin_bottom": 12, "margin_start": 12, "margin_end": 12}
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, valign=Gtk.Align.CENTER, **margins)
        self._question = _room_question()
        for child in (overlay, state, self._question, self._notices):
            column.append(child)
        self.widget = Adw.Clamp(child=column, maximum_size=1280, tightening_threshold=900)
        self._level: Level | None = None

    def show_state(self, view: StateView, notices: Sequence[str], can_record: bool) -> None:
        """Show the state of livebg."""
        if view.level is not self._level:  # a change of style is animated
            self._level = view.level
            self._icon.set_css_classes([view.level.value])
            self._icon.set_from_icon_name(_LEVEL_ICONS[view.level])
        self._title.set_label(view.title)
        self._detail.set_label(view.detail)
        self._detail.set_visible(bool(view.detail))
        self._notices.set_label("\n".join(notices))
        self._notices.set_visible(bool(notices))
        self._record.set_visible(can_record)

    def ask_about_room(self, asking: bool) -> None:
        """Show or hide the question whether the room may become visible."""
        self._question.set_visible(asking)
        if asking:
            self._question.get_last_child().get_first_child().grab_focus()

    def show_picture(self, shown: Shown | None) -> None:
        """Show a picture; None if there is no connection."""
        self.picture.show_picture(shown.bgr if shown else None)
        self._hint.set_label("" if shown else translate("No picture"))

    @property
    def box(self) -> tuple[int, int]:
        """Width and height of the picture in device pixels."""
        scale = self.picture.get_scale_factor()
        return max(self.picture.get_width(), 160) * scale, max(self.picture.get_height(), 90) * scale


def _room_question() -> Any:
    """Return a question with two buttons. It is not a dialog: GTK 4.8 crashes if a screen reader asks for a closed one."""
    text = Gtk.Label(xalign=0, wrap=True)
    text.set_label(translate("Others will see your room without any effect until you hide it again."))
    buttons = Gtk.Box(spacing=6, halign=Gtk.Align.END)
    buttons.append(Gtk.Button(label=translate("Cancel"), action_name="win.keep-hidden"))
    show = Gtk.Button(label=translate("Show my room"), action_name="win.show-room", css_classes=["destructive-action"])
    buttons.append(show)
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, visible=False)
    for child in (Gtk.Label(label=translate("Show your room?"), xalign=0, css_classes=["heading"]), text, buttons):
        box.append(child)
    return box


def _toggle(action: str, icon: str, label: str) -> Any:
    button = Gtk.ToggleButton(icon_name=icon, tooltip_text=label, action_name=action, css_classes=["circular"])
    name_widget(button, label)
    return button
