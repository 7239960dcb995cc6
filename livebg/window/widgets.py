"""Rows of the settings: one widget per kind of control. Each shows a value without reporting it as a change of the user."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from gi.repository import Adw, Gdk, GLib, Gtk, Pango

from livebg.window.rows import Choice, Control, Row, format_value

Changed = Callable[[Any], object]
"""Called with the new value when the user changes it."""
_COLOR_PARTS: Final = 255


class SettingWidget(Protocol):
    """A control in a list. ``widget`` is the row."""

    widget: Any

    def show(self, value: Any) -> None:
        """Show a value."""


class SliderWidget:
    """A slider below its title and value."""

    def __init__(self, row: Row, changed: Changed) -> None:
        self._row, self._changed, self._value = row, changed, 0.0
        self._adjustment = Gtk.Adjustment(
            lower=row.minimum, upper=row.maximum, step_increment=row.step, page_increment=max(row.step, row.step * 10)
        )
        scale = Gtk.Scale(adjustment=self._adjustment, draw_value=False, hexpand=True)
        self._whole = row.step == 1.0
        scale.set_digits(0 if self._whole else 4)
        name_widget(scale, row.title, row.description)
        self._label = Gtk.Label(css_classes=["dim-label", "numeric"])
        head = Gtk.Box(spacing=6)
        head.append(Gtk.Label(label=row.title, xalign=0, hexpand=True, ellipsize=Pango.EllipsizeMode.END))
        head.append(self._label)
        self.widget = boxed_row(head, scale, tooltip=row.description)
        self._handler = self._adjustment.connect("value-changed", self._on_change)

    def show(self, value: Any) -> None:
        self._value = float(value)
        minimum, maximum = self._row.range_for(self._value)
        with self._adjustment.handler_block(self._handler):
            self._adjustment.configure(self._value, minimum, maximum, self._row.step, self._adjustment.get_page_increment(), 0)
        self._label.set_label(format_value(self._row, self._value))

    def _on_change(self, adjustment: Any) -> None:
        value = round(adjustment.get_value()) if self._whole else round(adjustment.get_value(), 4)
        if value != self._value:
            self._value = value
            self._label.set_label(format_value(self._row, value))
            self._changed(value)


class SpinWidget:
    """A number field for integers with a large range."""

    def __init__(self, row: Row, changed: Changed) -> None:
        self._spin = Gtk.SpinButton.new_with_range(row.minimum, row.maximum, row.step)
        self._spin.set_valign(Gtk.Align.CENTER)
        describe_widget(self._spin, row.description)
        self.widget = action_row(row.title, row.description, self._spin)
        self._handler = self._spin.connect("value-changed", lambda spin: changed(spin.get_value_as_int()))

    def show(self, value: Any) -> None:
        with self._spin.handler_block(self._handler):
            self._spin.set_value(float(value))


class SwitchWidget:
    """An on/off switch."""

    def __init__(self, row: Row, changed: Changed) -> None:
        self._switch = Gtk.Switch(valign=Gtk.Align.CENTER)
        describe_widget(self._switch, row.description)
        self.widget = action_row(row.title, row.description, self._switch)
        self._handler = self._switch.connect("notify::active", lambda switch, _: changed(switch.get_active()))

    def show(self, value: Any) -> None:
        with self._switch.handler_block(self._handler):
            self._switch.set_active(bool(value))


class ChoiceWidget:
    """A drop-down list. Its choices may change."""

    def __init__(self, title: str, description: str, choices: Sequence[Choice], changed: Changed) -> None:
        self._choices: tuple[Choice, ...] = ()
        self._changed = changed
        self.widget = Adw.ComboRow(title=escaped(title), tooltip_text=description)
        self._handler = self.widget.connect("notify::selected", self._on_select)
        self.set_choices(choices)

    def set_choices(self, choices: Sequence[Choice]) -> None:
        """Replace the choices, if they differ."""
        if tuple(choices) != self._choices:
            self._choices = tuple(choices)
            with self.widget.handler_block(self._handler):
                self.widget.set_model(Gtk.StringList.new([choice.label for choice in self._choices]))

    def show(self, value: Any) -> None:
        index = next((index for index, choice in enumerate(self._choices) if choice.value == value), None)
        if index is None:  # a value from the configuration file that is not among the known ones
            index = len(self._choices)
            self.set_choices([*self._choices, Choice(value, str(value))])
        if self.widget.get_selected() != index:
            with self.widget.handler_block(self._handler):
                self.widget.set_selected(index)

    def _on_select(self, combo: Any, _: object) -> None:
        index = combo.get_selected()
        if index < len(self._choices):
            self._changed(self._choices[index].value)


class ButtonsWidget:
    """Buttons side by side, one of which is pressed; in several lines if there is no room."""

    def __init__(self, row: Row, changed: Changed) -> None:
        self._changed = changed
        self._buttons: dict[Any, tuple[Any, int]] = {}
        box = Gtk.FlowBox(
            selection_mode=Gtk.SelectionMode.NONE,
            homogeneous=True,
            min_children_per_line=2,
            max_children_per_line=4,
            column_spacing=6,
            row_spacing=6,
        )
        first = None
        for choice in row.choices:
            button = Gtk.ToggleButton(label=choice.label, group=first)
            first = first or button
            handler = button.connect("toggled", self._on_toggle, choice.value)
            self._buttons[choice.value] = (button, handler)
            append_unfocusable(box, button)
        name_widget(box, row.title, row.description)
        self.widget = boxed_row(box, tooltip=row.description)

    def show(self, value: Any) -> None:
        for choice, (button, handler) in self._buttons.items():
            with button.handler_block(handler):
                button.set_active(choice == value)

    def _on_toggle(self, button: Any, value: Any) -> None:
        if button.get_active():
            self._changed(value)


class ColorWidget:
    """A button that opens a color chooser."""

    def __init__(self, row: Row, changed: Changed) -> None:
        self._button = Gtk.ColorButton(valign=Gtk.Align.CENTER, title=row.title)
        describe_widget(self._button, row.description)
        self.widget = action_row(row.title, row.description, self._button)
        self._button.connect("color-set", lambda button: changed(hex_color(button.get_rgba())))

    def show(self, value: Any) -> None:
        color = Gdk.RGBA()
        if color.parse(str(value)):
            self._button.set_rgba(color)


class TextWidget:
    """A text field with a button that applies the text."""

    def __init__(self, row: Row, changed: Changed) -> None:
        self.widget = Adw.EntryRow(title=escaped(row.title), show_apply_button=True, tooltip_text=row.description)
        self.widget.connect("apply", lambda entry: changed(entry.get_text()))

    def show(self, value: Any) -> None:
        if not self.widget.has_focus() and self.widget.get_text() != str(value):
            self.widget.set_text(str(value))


def setting_widget(row: Row, changed: Changed) -> SettingWidget:
    """Return the widget for a row whose control needs nothing but the value."""
    match row.control:
        case Control.SLIDER:
            return SliderWidget(row, changed)
        case Control.SPIN:
            return SpinWidget(row, changed)
        case Control.SWITCH:
            return SwitchWidget(row, changed)
        case Control.BUTTONS:
            return ButtonsWidget(row, changed)
        case Control.COLOR:
            return ColorWidget(row, changed)
        case Control.CHOICE | Control.CAMERA:
            return ChoiceWidget(row.title, row.description, row.choices, changed)
    return TextWidget(row, changed)


def action_row(title: str, tooltip: str, *suffixes: Any) -> Any:
    """Return a row with a title and widgets at its end. Activating the row activates the first one."""
    row = Adw.ActionRow(title=escaped(title), tooltip_text=tooltip, title_lines=2)
    for widget in suffixes:
        row.add_suffix(widget)
    row.set_activatable_widget(suffixes[0] if suffixes else None)
    return row


def boxed_row(*children: Any, tooltip: str = "") -> Any:
    """Return a row with widgets below each other."""
    margins = {"margin_top": 10, "margin_bottom": 8, "margin_start": 12, "margin_end": 12}
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, css_classes=["livebg-row"], **margins)
    for child in children:
        box.append(child)
    return Adw.PreferencesRow(child=box, activatable=False, focusable=False, tooltip_text=tooltip)


def escaped(text: str) -> str:
    """Return ``text`` for a property that is markup."""
    return str(GLib.markup_escape_text(text))


def append_unfocusable(box: Any, child: Any) -> None:
    """Append to a flow box so that the keyboard focus goes to ``child`` itself."""
    box.append(child)
    child.get_parent().set_focusable(False)


def name_widget(widget: Any, name: str, description: str = "") -> None:
    """Set the name and description that screen readers announce."""
    widget.update_property([Gtk.AccessibleProperty.LABEL], [name])
    describe_widget(widget, description)


def describe_widget(widget: Any, description: str) -> None:
    """Set only the description that screen readers announce. The widget of an action row is named by the row."""
    if description:
        widget.update_property([Gtk.AccessibleProperty.DESCRIPTION], [description])


def hex_color(rgba: Any) -> str:
    """Return a color as ``#rrggbb``."""
    red, green, blue = (round(part * _COLOR_PARTS) for part in (rgba.red, rgba.green, rgba.blue))
    return f"#{red:02x}{green:02x}{blue:02x}"
