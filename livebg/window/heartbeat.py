"""A widget that finds out whether the desktop draws the window."""

from collections.abc import Callable
from typing import Any, Final

from gi.repository import Gdk, Graphene, Gtk

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
