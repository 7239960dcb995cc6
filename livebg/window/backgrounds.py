"""The row with thumbnails of backgrounds."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from gi.repository import Gdk, GLib, Gtk, Pango
from numpy.typing import NDArray

from livebg.compositing.backgrounds import read_picture
from livebg.compositing.builtin_backgrounds import paint
from livebg.config.choices import BUILTIN_BACKGROUNDS
from livebg.errors import LivebgError
from livebg.imaging.pyramid import resize
from livebg.window.i18n import translate
from livebg.window.labels import BACKGROUNDS
from livebg.window.rows import Row
from livebg.window.widgets import Changed, append_unfocusable, boxed_row, hex_color, name_widget

_SIZE_PX: Final = (96, 54)
"""Width and height of a thumbnail."""


class BackgroundWidget:
    """Thumbnails of the built-in backgrounds, a color and a file of the user. ``in_background`` runs a job in a thread."""

    def __init__(self, row: Row, changed: Changed, in_background: Any) -> None:
        self._changed, self._in_background = changed, in_background
        self._buttons: dict[str, tuple[Any, int]] = {}
        self._custom = ""
        self._box = Gtk.FlowBox(
            selection_mode=Gtk.SelectionMode.NONE, homogeneous=True, min_children_per_line=2, max_children_per_line=4
        )
        name_widget(self._box, row.title, row.description)
        for name in BUILTIN_BACKGROUNDS:
            self._add(name, translate(BACKGROUNDS[name]))
            in_background(lambda name=name: paint(name, *_SIZE_PX), lambda rgb, name=name: self._set_thumbnail(name, rgb))
        choose = Gtk.Button(label=translate("Choose a file…"))
        choose.connect("clicked", self._choose_file)
        self._color = Gtk.ColorButton(title=translate("Background color"))
        name_widget(self._color, translate("Background color"))
        self._color.connect("color-set", lambda button: changed(hex_color(button.get_rgba())))
        buttons = Gtk.Box(spacing=6, homogeneous=True)
        buttons.append(choose)
        buttons.append(self._color)
        self._dialog: Any = None
        self.widget = boxed_row(self._box, buttons)

    def show(self, value: Any) -> None:
        """Show ``value``: a name, a color or the path of a file."""
        name = str(value)
        is_file = name not in BUILTIN_BACKGROUNDS and not name.startswith("#")
        if is_file and name != self._custom:
            self._show_custom(name)
        color = Gdk.RGBA()
        if name.startswith("#") and color.parse(name):
            self._color.set_rgba(color)
        for each, (button, handler) in self._buttons.items():
            with button.handler_block(handler):
                button.set_active(each == name)

    def _show_custom(self, path: str) -> None:
        old = self._buttons.pop(self._custom, None)
        if old is not None:
            self._box.remove(old[0].get_parent())
        self._custom = path
        self._add(path, Path(path).name)
        self._in_background(lambda: _file_thumbnail(Path(path)), lambda rgb: self._set_thumbnail(path, rgb))

    def _add(self, name: str, label: str) -> None:
        image = Gtk.Picture(
            content_fit=Gtk.ContentFit.COVER, overflow=Gtk.Overflow.HIDDEN, hexpand=True, height_request=_SIZE_PX[1]
        )
        content = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=2)
        content.append(image)
        content.append(Gtk.Label(label=label, ellipsize=Pango.EllipsizeMode.MIDDLE, max_width_chars=8, css_classes=["caption"]))
        button = Gtk.ToggleButton(child=content, css_classes=["flat", "livebg-thumbnail"], tooltip_text=label)
        name_widget(button, label)
        handler = button.connect("toggled", self._on_toggle, name)
        self._buttons[name] = (button, handler)
        append_unfocusable(self._box, button)

    def _set_thumbnail(self, name: str, rgb: NDArray[np.uint8] | None) -> None:
        if rgb is None or name not in self._buttons:
            return
        height, width = rgb.shape[:2]
        texture = Gdk.MemoryTexture.new(width, height, Gdk.MemoryFormat.R8G8B8, GLib.Bytes.new(rgb.tobytes()), width * 3)
        self._buttons[name][0].get_child().get_first_child().set_paintable(texture)

    def _on_toggle(self, button: Any, name: str) -> None:
        if button.get_active():
            self.show(name)
            self._changed(name)
        else:  # a click on the chosen one
            with button.handler_block(self._buttons[name][1]):
                button.set_active(True)

    def _choose_file(self, button: Any) -> None:
        title = translate("Choose a background")
        self._dialog = Gtk.FileChooserNative.new(title, button.get_root(), Gtk.FileChooserAction.OPEN, None, None)
        media = Gtk.FileFilter(name=translate("Pictures and videos"))
        for mime in ("image/*", "video/*"):
            media.add_mime_type(mime)
        self._dialog.add_filter(media)
        self._dialog.connect("response", self._on_file)
        self._dialog.show()

    def _on_file(self, dialog: Any, response: int) -> None:
        file = dialog.get_file()
        self._dialog = None
        if response == Gtk.ResponseType.ACCEPT and file is not None and file.get_path():
            self.show(file.get_path())
            self._changed(file.get_path())


def _file_thumbnail(path: Path) -> NDArray[np.uint8] | None:
    """Return the picture at ``path`` as a thumbnail in RGB; None for videos and unreadable files."""
    try:
        rgb = read_picture(path).rgb
    except LivebgError:
        return None
    width, height = _SIZE_PX
    wide = rgb.shape[1] * height > rgb.shape[0] * width
    crop_width = rgb.shape[0] * width // height if wide else rgb.shape[1]
    crop_height = rgb.shape[0] if wide else rgb.shape[1] * height // width
    x, y = (rgb.shape[1] - crop_width) // 2, (rgb.shape[0] - crop_height) // 2
    return np.ascontiguousarray(resize(rgb[y : y + crop_height, x : x + crop_width], _SIZE_PX))
