"""A widget that finds out whether the desktop draws the window."""

import time
from typing import Any, Final

from gi.repository import Gdk, Graphene, Gtk

from livebg.window.attention import Attention

_FAINT: Final = 0.004
"""Opacity of the drawn pixel, which alternates so that there is something to draw."""


class Heartbeat(Gtk.Widget):  # type: ignore[misc]  # GTK has no types
    """An invisible pixel that tells ``attention`` when it is drawn. Call ``queue_draw`` regularly."""

    __gtype_name__ = "LivebgHeartbeat"

    def __init__(self, attention: Attention) -> None:
        super().__init__(can_target=False, halign=Gtk.Align.START, valign=Gtk.Align.START, width_request=1, height_request=1)
        self._attention = attention
        self._on = False

    def do_snapshot(self, snapshot: Any) -> None:
        self._attention.drawn(time.monotonic())
        self._on = not self._on
        color = Gdk.RGBA()
        color.red = color.green = color.blue = 0.5
        color.alpha = _FAINT if self._on else 0.0
        snapshot.append_color(color, Graphene.Rect().init(0, 0, 1, 1))
