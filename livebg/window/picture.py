"""The widget that shows the picture, and the layout beside or above the settings."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from gi.repository import Gdk, GLib, Graphene, Gsk, Gtk
from numpy.typing import NDArray

_CORNER_RADIUS_PX: Final = 12.0
_MIN_WIDTH_PX: Final = 160
_ASPECT: Final = 9 / 16
"""Height by width of the widget before the first picture."""
SETTINGS_WIDTH_PX: Final = 400
"""Width of the settings beside the picture."""
NARROW_PX: Final = 720
"""Width of the window below which the settings are below the picture."""
_MAX_TOP_SHARE: Final = 0.55
"""Maximum share of the height of the picture and its buttons if the settings are below them."""


class PictureView(Gtk.Widget):  # type: ignore[misc]  # GTK has no types
    """Shows the newest picture as large as possible. ``on_drawn`` is called whenever the desktop draws it."""

    __gtype_name__ = "LivebgPictureView"

    def __init__(self, on_drawn: Callable[[], object]) -> None:
        super().__init__(hexpand=True, vexpand=False, accessible_role=Gtk.AccessibleRole.IMG)
        self._on_drawn = on_drawn
        self._texture: Any = None
        self._aspect = _ASPECT

    def show_picture(self, bgr: NDArray[np.uint8] | None) -> None:
        """Show a picture, uint8, shape (height, width, 3), in BGR; None shows an empty area."""
        if bgr is None:
            self._texture = None
        else:
            height, width = bgr.shape[:2]
            data = GLib.Bytes.new(bgr.tobytes())
            self._texture = Gdk.MemoryTexture.new(width, height, Gdk.MemoryFormat.B8G8R8, data, width * 3)
            if abs(self._aspect - height / width) > 0.01:
                self._aspect = height / width
                self.queue_resize()
        self.queue_draw()

    def do_get_request_mode(self) -> Any:
        return Gtk.SizeRequestMode.HEIGHT_FOR_WIDTH

    def do_measure(self, orientation: Any, for_size: int) -> tuple[int, int, int, int]:
        if orientation == Gtk.Orientation.HORIZONTAL:
            return _MIN_WIDTH_PX, _MIN_WIDTH_PX * 4, -1, -1
        natural = round((for_size if for_size > 0 else _MIN_WIDTH_PX * 4) * self._aspect)
        return min(round(_MIN_WIDTH_PX * self._aspect), natural), natural, -1, -1

    def do_snapshot(self, snapshot: Any) -> None:
        self._on_drawn()
        width, height = self.get_width(), self.get_height()
        scale = min(width, height / self._aspect)
        size = round(scale), round(scale * self._aspect)  # whole pixels, so that nothing is interpolated
        rect = Graphene.Rect().init((width - size[0]) // 2, (height - size[1]) // 2, *size)
        outline = Gsk.RoundedRect()
        outline.init_from_rect(rect, _CORNER_RADIUS_PX)
        snapshot.push_rounded_clip(outline)
        if self._texture is None:
            color = Gdk.RGBA()
            color.parse("rgba(128, 128, 128, 0.15)")
            snapshot.append_color(color, rect)
        else:
            snapshot.append_texture(self._texture, rect)
        snapshot.pop()


class AdaptiveLayout(Gtk.LayoutManager):  # type: ignore[misc]
    """Puts the second child beside the first one in a wide window and below it in a narrow one."""

    __gtype_name__ = "LivebgAdaptiveLayout"

    def do_get_request_mode(self, widget: Any) -> Any:  # noqa: ARG002
        return Gtk.SizeRequestMode.CONSTANT_SIZE

    def do_measure(self, widget: Any, orientation: Any, for_size: int) -> tuple[int, int, int, int]:  # noqa: ARG002
        picture, settings = _children(widget)
        first, second = picture.measure(orientation, -1), settings.measure(orientation, -1)
        if orientation == Gtk.Orientation.HORIZONTAL:
            return max(first[0], second[0]), first[1] + SETTINGS_WIDTH_PX, -1, -1
        return min(first[0], 200) + second[0], max(first[1], second[1]), -1, -1

    def do_allocate(self, widget: Any, width: int, height: int, baseline: int) -> None:  # noqa: ARG002
        picture, settings = _children(widget)
        if width >= NARROW_PX:
            _place(picture, 0, 0, width - SETTINGS_WIDTH_PX, height)
            _place(settings, width - SETTINGS_WIDTH_PX, 0, SETTINGS_WIDTH_PX, height)
            return
        minimum, natural, *_ = picture.measure(Gtk.Orientation.VERTICAL, width)
        top = max(minimum, min(natural, round(height * _MAX_TOP_SHARE)))
        _place(picture, 0, 0, width, top)
        _place(settings, 0, top, width, height - top)


def _children(widget: Any) -> tuple[Any, Any]:
    return widget.get_first_child(), widget.get_last_child()


def _place(child: Any, x: int, y: int, width: int, height: int) -> None:
    least = child.measure(Gtk.Orientation.HORIZONTAL, -1)[0], child.measure(Gtk.Orientation.VERTICAL, width)[0]
    transform = Gsk.Transform.new().translate(Graphene.Point().init(x, y))
    child.allocate(max(width, least[0]), max(height, least[1]), -1, transform)
