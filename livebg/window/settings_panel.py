"""The column beside the picture: problems, presets, one group per section, and the controls of the camera."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gi.repository import Adw

from livebg.window.backgrounds import BackgroundWidget
from livebg.window.cameras import CameraModes, read_camera_modes
from livebg.window.groups import ControlsGroup, PresetsGroup, ProblemsGroup
from livebg.window.i18n import translate
from livebg.window.link import Link
from livebg.window.rows import Choice, Control, Group, Row, frame_rates, groups
from livebg.window.state import Snapshot
from livebg.window.widgets import Changed, ChoiceWidget, SettingWidget, setting_widget

_HOLD_S: Final = 1.5
"""Time after a change of the user in which polled values of that setting are ignored: they may be older."""
_NOTHING: Final = object()
InBackground = Callable[[Callable[[], Any], Callable[[Any], object]], object]
"""Runs a job in a thread, then passes its result to a function in the main thread."""


class SettingsPanel:
    """A scrolled column. ``widget`` is the page; ``problems`` is its first group."""

    def __init__(self, link: Link, problems: ProblemsGroup, in_background: InBackground) -> None:
        self._link, self._in_background = link, in_background
        self._presets, self._controls = PresetsGroup(link), ControlsGroup(link)
        self._rows: dict[str, tuple[Row, SettingWidget]] = {}
        self._groups: dict[str, Any] = {}
        self._changed_at: dict[str, float] = {}
        self._settable: tuple[str, ...] = ()
        self._values: dict[str, Any] = {}
        self._shown: dict[str, Any] = {}
        """The polled values that the widgets show, except those of which the user changed the widget since."""
        self._camera: str | None = None
        self.widget = Adw.PreferencesPage()
        for group in (problems.widget, self._presets.widget):
            self.widget.add(group)

    def show(self, snapshot: Snapshot) -> None:
        """Show the settings of a running livebg."""
        self._presets.show(snapshot.presets, snapshot.preset)
        self._controls.show(snapshot.controls)
        if snapshot.settable != self._settable:
            self._build(snapshot.settable)
        now = time.monotonic()
        for key, value in snapshot.values.items():
            held = now - self._changed_at.get(key, float("-inf")) <= _HOLD_S
            if key in self._rows and not held and value != self._shown.get(key, _NOTHING):
                self._values[key] = self._shown[key] = value
                self._rows[key][1].show(value)
        self._show_modes()
        device = self._values.get("camera.device")
        if device is not None and device != self._camera:
            self._read_cameras(device)

    def forget(self) -> None:
        """Show all values of the next poll, because a change was refused or livebg was restarted."""
        self._changed_at.clear()
        self._shown.clear()

    def refresh_cameras(self) -> None:
        """List the cameras again when the settings are shown next."""
        self._camera = None

    def _build(self, settable: tuple[str, ...]) -> None:
        for group in self._groups.values():
            self.widget.remove(group)
        self._groups, self._rows, self._settable, self._camera = {}, {}, settable, None
        self._shown.clear()
        for group in groups(settable):
            self._add(group)
            if group.name == "camera":
                self._groups["camera controls"] = self._controls.widget
                self.widget.add(self._controls.widget)

    def _add(self, group: Group) -> None:
        heading = Adw.PreferencesGroup(title=group.title)
        for row in group.rows:
            changed = self._on_change(row.key)
            if row.control is Control.BACKGROUND:
                widget: SettingWidget = BackgroundWidget(row, changed, self._in_background)
            else:
                widget = setting_widget(row, changed)
            heading.add(widget.widget)
            self._rows[row.key] = (row, widget)
        self._groups[group.name] = heading
        self.widget.add(heading)

    def _on_change(self, key: str) -> Changed:
        def change(value: Any) -> None:
            self._changed_at[key] = time.monotonic()
            self._values[key] = value
            self._shown.pop(key, None)
            if key == "effect.mode":
                self._link.command("mode", {"mode": value})  # unlike `set`, it also turns the effect on
                self._show_modes()
            elif key == "effect.background":
                self._link.command("background", {"background": value})
            else:
                self._link.edit(key, value)

        return change

    def _show_modes(self) -> None:
        """Hide the rows that have no effect in the current mode."""
        mode = self._values.get("effect.mode")
        for row, widget in self._rows.values():
            widget.widget.set_visible(mode in row.modes)

    def _read_cameras(self, device: str) -> None:
        self._camera = device
        self._in_background(lambda: read_camera_modes(device), self._show_cameras)

    def _show_cameras(self, found: CameraModes) -> None:
        cameras = [Choice("auto", translate("First camera")), *(Choice(each.value, each.name) for each in found.cameras)]
        device = str(self._values.get("camera.device", "auto"))
        if device not in [camera.value for camera in cameras]:
            cameras.append(Choice(device, Path(device).name or device))
        self._set_choices("camera.device", cameras)
        current = self._values.get("camera.size", "")
        sizes = dict.fromkeys([*found.sizes, *([] if current in found.sizes or not current else [current])])
        self._set_choices("camera.size", [Choice(size, size.replace("x", "×")) for size in sizes])
        rates = frame_rates(found.rates, float(self._values.get("camera.frame_rate", 30.0)))
        self._set_choices("camera.frame_rate", [Choice(rate, f"{rate:g} fps") for rate in rates])

    def _set_choices(self, key: str, choices: list[Choice]) -> None:
        if key in self._rows:
            widget = self._rows[key][1]
            assert isinstance(widget, ChoiceWidget)
            widget.set_choices(choices)
            widget.show(self._values[key])
