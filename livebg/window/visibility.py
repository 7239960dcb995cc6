"""Observes whether anyone can see a window, from what the desktop reports and draws."""

import time
from collections.abc import Callable
from typing import Any, Final

from gi.repository import Gdk, GLib, Graphene, Gtk

from livebg.window.attention import CHECK_INTERVAL_S, Attention

_FAINT: Final = 0.004
"""Opacity of the drawn pixel, which alternates so that there is something to draw."""


class Heartbeat(Gtk.Widget):  # type: ignore[misc]  # GTK has no types
    """An invisible pixel. ``on_drawn`` is called whenever the desktop draws it, which ``queue_draw`` asks for."""

    __gtype_name__ = "LivebgHeartbeat"

    def __init__(self, on_drawn: Callable[[], object]) -> None:
        super().__init__(can_target=False, halign=Gtk.Align.START, valign=Gtk.Align.START, width_request=1, height_request=1)
        self._on_drawn = on_drawn
        self._on = False

    def do_snapshot(self, snapshot: Any) -> None:
        self._on_drawn()
        self._on = not self._on
        color = Gdk.RGBA()
        color.red = color.green = color.blue = 0.5
        color.alpha = _FAINT if self._on else 0.0
        snapshot.append_color(color, Graphene.Rect().init(0, 0, 1, 1))


class Visibility:
    """Observes ``window``, which must contain the widget :attr:`heartbeat`.

    ``changed`` is called several times a second until :meth:`close`, with whether the window is drawn, and whether it may be
    visible: the desktop reports nothing that hides it.
    """

    def __init__(self, window: Any, changed: Callable[[bool, bool], object]) -> None:
        self._attention, self._changed = Attention(), changed
        self.heartbeat = Heartbeat(self.note_drawn)
        window.connect("map", self._on_map)
        window.connect("unmap", lambda _: self._set_mapped(False))
        self._timer = GLib.timeout_add(round(CHECK_INTERVAL_S * 1000), self.update)

    def close(self) -> None:
        """Stop observing."""
        GLib.source_remove(self._timer)

    def set_locked(self, locked: bool) -> None:
        """Note that the screen was locked or unlocked."""
        self._attention.locked = locked
        self.update()

    def note_drawn(self) -> None:
        """Note that the desktop draws the window."""
        self._attention.drawn(time.monotonic())

    def update(self) -> bool:
        """Report the current state. Returns True, so that the timer continues."""
        now = time.monotonic()
        if self._attention.needs_drawing(now):
            self.heartbeat.queue_draw()
        self._changed(self._attention.watching(now), self._attention.may_be_visible)
        return True

    def _on_map(self, window: Any) -> None:
        self._set_mapped(True)
        window.get_surface().connect("notify::state", self._on_surface_state)

    def _set_mapped(self, mapped: bool) -> None:
        self._attention.mapped = mapped
        self.update()

    def _on_surface_state(self, surface: Any, _: object) -> None:
        hidden = Gdk.ToplevelState.MINIMIZED | getattr(Gdk.ToplevelState, "SUSPENDED", 0)
        self._attention.minimized = bool(surface.get_state() & hidden)
        self.update()
