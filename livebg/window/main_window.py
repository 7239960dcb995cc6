"""The main window: connects the columns and pages to the threads, and performs the actions of buttons, menu and keys."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gi.repository import Adw, Gio, GLib, Gtk

from livebg.platform.user_paths import home_folder
from livebg.window.call_panel import CallPanel
from livebg.window.feed import Feed
from livebg.window.fixes import Fixes
from livebg.window.groups import ProblemsGroup
from livebg.window.i18n import translate
from livebg.window.link import Link
from livebg.window.picture import AdaptiveLayout
from livebg.window.services import SETUP_COMMAND, Services, recording_path
from livebg.window.settings_panel import SettingsPanel
from livebg.window.shell import Toasts, header_bar
from livebg.window.start_page import StartPage
from livebg.window.state import Snapshot, StateView, notices, state_view
from livebg.window.visibility import Visibility

_SIZE_PX: Final = (1000, 700)
_MIN_SIZE_PX: Final = (340, 480)


class MainWindow:
    """The window of ``application``. ``services`` starts livebg and runs the doctor; :meth:`close` ends the threads."""

    def __init__(self, application: Any, services: Services) -> None:
        self._services = services
        self._link = Link(services.post, self._show, self.show_error)
        self._view = StateView(state_view(Snapshot()).level, "")
        self._busy: str | None = None
        self._actions: dict[str, Any] = {}
        self.window = Adw.ApplicationWindow(
            application=application, title="livebg", default_width=_SIZE_PX[0], default_height=_SIZE_PX[1]
        )
        self.window.set_size_request(*_MIN_SIZE_PX)
        self._toasts = Toasts()
        self._visibility = Visibility(self.window, self._watch)
        self._call = CallPanel(self._visibility.note_drawn)
        self._feed = Feed(services.post, self._call.show_picture)
        self._fixes = Fixes(services, self.window, self._toasts, lambda name: self._actions[name].activate(None))
        folded, unfolded = (ProblemsGroup(self._fixes.fix, self._fixes.check, folded=folded) for folded in (True, False))
        self._fixes.on_problems = (folded.show, unfolded.show)
        self._settings = SettingsPanel(self._link, folded, services.in_background)
        self._start = StartPage(unfolded)
        self._build()
        self._add_actions()
        self._show(Snapshot())
        self._link.start()
        self._feed.start()
        self._fixes.check()

    def close(self) -> None:
        """Stop the threads."""
        self._visibility.close()
        self._feed.close()
        self._link.close()

    def set_locked(self, locked: bool) -> None:
        """Note that the screen was locked or unlocked."""
        self._visibility.set_locked(locked)

    def show_error(self, text: str) -> None:
        """Show an error message above the content."""
        self._settings.forget()
        self._toasts.show(text)

    def _build(self) -> None:
        content = Gtk.Box(layout_manager=AdaptiveLayout())
        content.append(self._call.widget)
        content.append(self._settings.widget)
        self._stack = Gtk.Stack(vexpand=True, hhomogeneous=False)
        self._stack.add_named(self._start.widget, "start")
        self._stack.add_named(content, "call")
        overlay = Gtk.Overlay(child=self._stack)
        overlay.add_overlay(self._visibility.heartbeat)
        self._toasts.widget.set_child(overlay)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        box.append(header_bar())
        box.append(self._toasts.widget)
        self.window.set_content(box)

    def _add_actions(self) -> None:
        for name, run in {"hide-room": self._set_hidden, "pause": self._set_paused, "record": self._set_recording}.items():
            action = Gio.SimpleAction.new_stateful(name, None, GLib.Variant.new_boolean(False))
            action.connect("change-state", lambda _, value, run=run: run(value.get_boolean()))
            self._add_action(action)
        matte = Gio.SimpleAction.new_stateful("matte", None, GLib.Variant.new_boolean(False))
        matte.connect("change-state", self._set_matte)
        self._add_action(matte)
        plain = {
            "start": lambda: self._launch(translate("Starting livebg…"), self._services.launcher.start),
            "restart": lambda: self._launch(translate("Restarting livebg…"), self._services.launcher.restart),
            "stop": lambda: self._link.command("stop"),
            "setup": lambda: self._fixes.run(SETUP_COMMAND),
            "check": self._fixes.check,
            "show-room": self._show_room,
            "keep-hidden": lambda: self._call.ask_about_room(False),
        }
        for name, job in plain.items():
            action = Gio.SimpleAction.new(name, None)
            action.connect("activate", lambda _action, _value, job=job: job())
            self._add_action(action)

    def _add_action(self, action: Any) -> None:
        self._actions[action.get_name()] = action
        self.window.add_action(action)

    def _show(self, snapshot: Snapshot) -> None:
        """Show the result of a poll."""
        before, self._view = self._view, state_view(snapshot)
        view = self._view
        if view.running and not before.running:
            self._settings.forget()
            self._settings.refresh_cameras()
            self._fixes.check()
        connected = snapshot.status is not None
        self._stack.set_visible_child_name("call" if connected else "start")
        self._start.set_spinning(not connected and (view.running or self._busy is not None))
        if connected:
            self._call.show_state(view, notices(snapshot), snapshot.can_record)
            self._settings.show(snapshot)
        else:
            self._start.show(view, self._busy or (view.title if view.running else None), self._fixes.needs_setup)
        states = {"hide-room": not view.room_visible, "pause": view.paused, "record": view.recording}
        for name, state in states.items():
            self._actions[name].set_state(GLib.Variant.new_boolean(state))
        for name in (*states, "matte", "stop"):
            self._actions[name].set_enabled(connected)
        self._visibility.update()

    def _set_hidden(self, hidden: bool) -> None:
        self._call.ask_about_room(not hidden)
        if hidden:
            self._link.command("on")

    def _show_room(self) -> None:
        self._call.ask_about_room(False)
        self._link.command("off")

    def _set_paused(self, paused: bool) -> None:
        self._link.command("pause" if paused else "resume")

    def _set_recording(self, recording: bool) -> None:
        if not recording:
            self._link.command("stop_recording")
            return
        videos = GLib.get_user_special_dir(GLib.UserDirectory.DIRECTORY_VIDEOS)
        path = recording_path(Path(videos) if videos else home_folder() or Path("/tmp"), datetime.now())
        self._link.command("record", {"path": str(path), "overwrite": False, "seconds": None, "audio": None})
        self._toasts.show(translate("Recording to {path}").format(path=path))

    def _set_matte(self, action: Any, value: Any) -> None:
        action.set_state(value)
        self._feed.view = "alpha" if value.get_boolean() else "composite"

    def _launch(self, text: str, job: Any) -> None:
        self._busy = text
        self._start.show(self._view, text, False)

        def run() -> str | None:
            try:
                job()
            finally:
                self._busy = None
            return None

        self._link.run(run, lambda _: self._fixes.check())

    def _watch(self, drawn: bool, may_be_visible: bool) -> None:
        """Watch only while the window is drawn. Polling the status costs little and continues while it may be visible."""
        self._feed.box = self._call.box
        self._feed.set_watching(drawn and self._stack.get_visible_child_name() == "call")
        self._link.set_active(may_be_visible)
