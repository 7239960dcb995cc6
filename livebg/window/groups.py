"""Groups of rows that are not settings: problems, presets and the controls of the camera."""

from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Adw, Gtk

from livebg.daemon.presets import is_own_name
from livebg.daemon.status import PresetEntry
from livebg.window.i18n import translate
from livebg.window.link import Link
from livebg.window.problems import FixKind, Problem
from livebg.window.rows import Choice, Control, Row
from livebg.window.state import CameraControl
from livebg.window.widgets import ChoiceWidget, SettingWidget, escaped, name_widget, setting_widget


class ProblemsGroup:
    """The problems that the doctor found, each with a button. ``fix`` is called with the problem whose button is clicked.

    A ``folded`` group is a single row until the user opens it.
    """

    def __init__(self, fix: Callable[[Problem], object], check: Callable[[], object], *, folded: bool) -> None:
        self._fix = fix
        self._rows: list[Any] = []
        again = icon_button("view-refresh-symbolic", translate("Check again"))
        again.connect("clicked", lambda _: check())
        self._fold = Adw.ExpanderRow(title=translate("Problems")) if folded else None
        self.widget = Adw.PreferencesGroup(visible=False)
        if self._fold is None:
            self.widget.set_title(translate("Problems"))
            self.widget.set_header_suffix(again)
        else:
            self._icon = Gtk.Image(icon_name="dialog-warning-symbolic")
            self._fold.add_prefix(self._icon)
            self._fold.add_action(again)
            self.widget.add(self._fold)

    def show(self, problems: Sequence[Problem]) -> None:
        """Replace the problems. Without any, the group is hidden."""
        list_of_rows = self._fold or self.widget
        for row in self._rows:
            list_of_rows.remove(row)
        self._rows = [self._row(problem) for problem in problems]
        for row in self._rows:
            self._fold.add_row(row) if self._fold else self.widget.add(row)
        self.widget.set_visible(bool(problems))
        if self._fold is not None:
            self._fold.set_title(translate("Problems: {count}").format(count=len(problems)))
            style_problem(self._icon, any(problem.serious for problem in problems))

    def _row(self, problem: Problem) -> Any:
        subtitle = problem.command or problem.fix
        row = Adw.ActionRow(title=escaped(problem.message), subtitle=escaped(subtitle), title_lines=4, subtitle_lines=3)
        icon = Gtk.Image()
        style_problem(icon, problem.serious)
        row.add_prefix(icon)
        if problem.fix:
            label, tooltip = _fix_label(problem)
            button = Gtk.Button(label=label, valign=Gtk.Align.CENTER, tooltip_text=tooltip)
            name_widget(button, f"{label}: {problem.check}", subtitle)
            button.connect("clicked", lambda _: self._fix(problem))
            row.add_suffix(button)
        return row


def _fix_label(problem: Problem) -> tuple[str, str]:
    match problem.kind:
        case FixKind.START:
            return translate("Start"), translate("Start livebg")
        case FixKind.RESTART:
            return translate("Restart"), translate("Restart livebg")
        case FixKind.RUN:
            return translate("Fix…"), translate("Show this command in a terminal and run it there")
    return translate("Copy"), translate("Copy this step")


class PresetsGroup:
    """Choose, save and delete presets. Hidden if the running livebg has no presets."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._current: str | None = None
        save = icon_button("document-save-symbolic", translate("Save as a preset…"))
        save.connect("clicked", self._ask_name)
        self._delete = icon_button("user-trash-symbolic", translate("Delete this preset"))
        self._delete.connect("clicked", lambda _: link.command("delete_preset", {"name": self._current}))
        self._choice = ChoiceWidget(translate("Preset"), "", (), self._use)
        self._choice.widget.add_suffix(self._delete)
        self._choice.widget.add_suffix(save)
        self.widget = Adw.PreferencesGroup(visible=False)
        self.widget.add(self._choice.widget)

    def show(self, presets: Sequence[PresetEntry] | None, current: str | None) -> None:
        """Show the presets; None hides the group."""
        self.widget.set_visible(presets is not None)
        if presets is None:
            return
        self._current = current
        custom = [Choice(None, translate("Own settings"))] if current is None else []
        self._choice.set_choices([*custom, *(Choice(preset.name, preset.name) for preset in presets)])
        self._choice.show(current)
        self._delete.set_sensitive(any(each.name == current and not each.builtin for each in presets))

    def _use(self, name: str | None) -> None:
        if name is not None:
            self._link.command("use_preset", {"name": name})

    def _ask_name(self, button: Any) -> None:
        entry = Gtk.Entry(max_length=40, activates_default=True, placeholder_text=translate("Name"))
        name_widget(entry, translate("Name of the preset"))
        dialog = Adw.MessageDialog(
            transient_for=button.get_root(),
            modal=True,
            heading=translate("Save as a preset"),
            body=translate("Letters, digits, spaces, hyphens and underscores."),
            extra_child=entry,
        )
        dialog.add_response("cancel", translate("Cancel"))
        dialog.add_response("save", translate("Save"))
        dialog.set_response_appearance("save", Adw.ResponseAppearance.SUGGESTED)
        dialog.set_default_response("save")
        dialog.set_response_enabled("save", False)
        entry.connect("changed", lambda _: dialog.set_response_enabled("save", is_own_name(entry.get_text().strip())))
        dialog.connect("response", lambda _, response: self._save(response, entry.get_text().strip()))
        dialog.present()

    def _save(self, response: str, name: str) -> None:
        if response == "save" and name:
            self._link.command("save_preset", {"name": name})


class ControlsGroup:
    """The controls of the real camera. Hidden if there are none."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._rows: dict[str, SettingWidget] = {}
        self._shown: tuple[CameraControl, ...] = ()
        save = icon_button("document-save-symbolic", translate("Save for this camera"))
        save.connect("clicked", lambda _: link.command("save_camera_controls"))
        self.widget = Adw.PreferencesGroup(title=translate("Camera controls"), header_suffix=save, visible=False)

    def show(self, controls: Sequence[CameraControl] | None) -> None:
        """Show the controls; None hides the group."""
        self.widget.set_visible(bool(controls))
        controls = tuple(controls or ())
        if _shape(controls) != _shape(self._shown):
            for widget in self._rows.values():
                self.widget.remove(widget.widget)
            self._rows = {control.key: self._widget(control) for control in controls}
            for widget in self._rows.values():
                self.widget.add(widget.widget)
        before = {control.key: control for control in self._shown}
        for control in controls:
            if control != before.get(control.key):
                self._rows[control.key].show(control.value)
                self._rows[control.key].widget.set_sensitive(control.active)
        self._shown = controls

    def _widget(self, control: CameraControl) -> SettingWidget:
        def change(value: Any) -> None:
            self._link.command("set_camera_control", {"key": control.key, "value": int(value)})

        row = Row(control.key, control.name, control.key, Control.SLIDER, control.minimum, control.maximum, control.step or 1)
        if control.type == "boolean":
            row = Row(control.key, control.name, control.key, Control.SWITCH)
        elif control.type == "menu":
            choices = tuple(Choice(number, label) for number, label in control.menu.items())
            row = Row(control.key, control.name, control.key, Control.CHOICE, choices=choices)
        return setting_widget(row, change)


def _shape(controls: Sequence[CameraControl]) -> list[object]:
    """Return what the rows are made of, without values."""
    return [(each.key, each.name, each.type, each.minimum, each.maximum, each.step, dict(each.menu)) for each in controls]


def style_problem(icon: Any, serious: bool) -> None:
    """Make ``icon`` that of an error or of a warning."""
    icon.set_from_icon_name("dialog-error-symbolic" if serious else "dialog-warning-symbolic")
    icon.set_css_classes(["error" if serious else "warning"])


def icon_button(icon: str, tooltip: str) -> Any:
    """Return a flat button with an icon, whose tooltip is also its accessible name."""
    button = Gtk.Button(icon_name=icon, tooltip_text=tooltip, valign=Gtk.Align.CENTER, css_classes=["flat"])
    name_widget(button, tooltip)
    return button
