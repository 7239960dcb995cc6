"""Draws the tray icons, based on systemd/livebg.svg: a tile with a person while livebg hides the room, other shapes otherwise.

The icons are distinguishable in grayscale and at 16 pixels, and have enough contrast for light and dark panels.
"""

from typing import Final

from PIL import Image, ImageChops, ImageDraw

from livebg.tray.status_view import TrayState

SIZE: Final = 64
"""Side of the icon in pixels. The desktop scales it, usually to 22 to 48 pixels."""
_GRID: Final = 32
"""Side of the drawing grid. Two units are one pixel of an icon of 16 pixels."""
_OVERSAMPLING: Final = 8
"""Oversampling factor for antialiasing."""

_WHITE: Final = (255, 255, 255, 255)
_BLUE: Final = ((101, 122, 226), (44, 50, 122))
_SLATE: Final = ((125, 134, 150), (82, 90, 106))
_RED: Final = ((222, 66, 66), (150, 26, 34))
_AMBER: Final = (255, 166, 0, 255)
_INK: Final = (40, 22, 0, 255)
_GRAY: Final = (134, 142, 156, 255)
_BOKEH: Final = ((6, 9, 4, (255, 213, 138)), (27, 7, 3.5, (143, 227, 255)), (28, 19, 4, (255, 158, 196)))


def draw(state: TrayState, size: int = SIZE) -> Image.Image:
    """Return the icon of a state: RGBA, ``size`` pixels square, transparent around its shape."""
    canvas = _Canvas(max(size, 16))
    _PAINTERS[state](canvas)
    return canvas.picture(size)


class _Canvas:
    """An oversampled image with drawing methods in grid units."""

    def __init__(self, size: int) -> None:
        side = size * _OVERSAMPLING
        self._scale = side / _GRID
        self.image = Image.new("RGBA", (side, side))
        self._draw = ImageDraw.Draw(self.image)

    def picture(self, size: int) -> Image.Image:
        return self.image.resize((size, size), Image.Resampling.BOX if size >= 16 else Image.Resampling.LANCZOS)

    def tile(self, colors: tuple[tuple[int, int, int], tuple[int, int, int]]) -> None:
        """Draw the rounded square with a vertical color gradient."""
        ramp = Image.linear_gradient("L").resize(self.image.size)
        bands = [ramp.point([round(a + (b - a) * level / 255) for level in range(256)]) for a, b in zip(*colors, strict=True)]
        self.image.paste(Image.merge("RGB", bands), mask=self._tile_mask())

    def bokeh(self) -> None:
        """Draw out-of-focus lights, clipped to the tile."""
        lights = Image.new("RGBA", self.image.size)
        pen = ImageDraw.Draw(lights)
        for x, y, radius, color in _BOKEH:
            pen.ellipse(self._box(x - radius, y - radius, x + radius, y + radius), fill=(*color, 120))
        lights.putalpha(ImageChops.multiply(lights.getchannel("A"), self._tile_mask()))
        self.image.alpha_composite(lights)

    def person(self, fill: tuple[int, int, int, int] = _WHITE) -> None:
        """Draw head and shoulders, clipped just inside the tile so that white does not touch a light panel."""
        shape = Image.new("L", self.image.size)
        pen = ImageDraw.Draw(shape)
        pen.ellipse(self._box(9.5, 5, 22.5, 18), fill=255)
        pen.ellipse(self._box(5.5, 19.5, 26.5, 43), fill=255)
        self.image.paste(fill, mask=ImageChops.multiply(shape, self._tile_mask(inset=2)))

    def line(self, points: list[tuple[float, float]], fill: tuple[int, int, int, int], width: float) -> None:
        """Draw a line with round ends and corners. A transparent ``fill`` erases."""
        scaled = [(x * self._scale, y * self._scale) for x, y in points]
        self._draw.line(scaled, fill=fill, width=round(width * self._scale))
        for x, y in points:
            self.disc(x, y, width / 2, fill)

    def disc(self, x: float, y: float, radius: float, fill: tuple[int, int, int, int]) -> None:
        self._draw.ellipse(self._box(x - radius, y - radius, x + radius, y + radius), fill=fill)

    def bar(self, left: float, top: float, right: float, bottom: float, fill: tuple[int, int, int, int]) -> None:
        self._draw.rounded_rectangle(self._box(left, top, right, bottom), radius=1.5 * self._scale, fill=fill)

    def polygon(self, points: list[tuple[float, float]], fill: tuple[int, int, int, int]) -> None:
        self._draw.polygon([(x * self._scale, y * self._scale) for x, y in points], fill=fill)

    def ring(self, x: float, y: float, radius: float, width: float, start: float = 0, end: float = 360) -> None:
        """Draw a gray arc between two angles in degrees, clockwise from three o'clock."""
        box = self._box(x - radius, y - radius, x + radius, y + radius)
        self._draw.arc(box, start, end, fill=_GRAY, width=round(width * self._scale))

    def _tile_mask(self, inset: float = 0) -> Image.Image:
        mask = Image.new("L", self.image.size)
        box = self._box(1 + inset, 1 + inset, 31 - inset, 31 - inset)
        ImageDraw.Draw(mask).rounded_rectangle(box, radius=(7 - inset) * self._scale, fill=255)
        return mask

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        scale = self._scale
        return left * scale, top * scale, right * scale - 1, bottom * scale - 1


def _live(canvas: _Canvas) -> None:
    canvas.tile(_BLUE)
    canvas.bokeh()
    canvas.person()


def _effect_off(canvas: _Canvas) -> None:
    """A warning sign: the room is visible."""
    canvas.line([(16, 4), (29, 28), (3, 28), (16, 4)], _INK, 6)
    canvas.polygon([(16, 4), (29, 28), (3, 28)], _AMBER)
    canvas.line([(16, 4), (29, 28), (3, 28), (16, 4)], _AMBER, 3.5)
    canvas.bar(14, 10, 18, 20, _INK)
    canvas.disc(16, 24.5, 2.4, _INK)


def _asleep(canvas: _Canvas) -> None:
    """A moon without a tile: the camera is off."""
    cut = _Canvas(canvas.image.width // _OVERSAMPLING)
    cut.disc(14.5, 17, 13.5, _WHITE)
    cut.disc(21, 11.5, 11, (0, 0, 0, 0))
    canvas.image.paste(_GRAY, mask=cut.image.getchannel("A"))


def _waking(canvas: _Canvas) -> None:
    canvas.tile(_BLUE)
    for x in (8, 16, 24):
        canvas.disc(x, 16, 3, _WHITE)


def _paused(canvas: _Canvas) -> None:
    canvas.tile(_SLATE)
    canvas.bar(9, 8, 14, 24, _WHITE)
    canvas.bar(18, 8, 23, 24, _WHITE)


def _error(canvas: _Canvas) -> None:
    """The person, crossed out."""
    canvas.tile(_RED)
    canvas.person()
    canvas.line([(1, 1), (31, 31)], (0, 0, 0, 0), 9)
    canvas.line([(3, 3), (29, 29)], (*_RED[1], 255), 4.5)


def _not_running(canvas: _Canvas) -> None:
    """The power symbol."""
    canvas.ring(16, 17.5, 13, 4, -55, 235)
    canvas.line([(16, 3), (16, 15)], _GRAY, 4)


def _outdated(canvas: _Canvas) -> None:
    """A circular arrow."""
    canvas.ring(16, 16, 13, 4, 20, 305)
    canvas.polygon([(19, 0), (31, 5), (20.5, 12.5)], _GRAY)


_PAINTERS: Final = {
    TrayState.LIVE: _live,
    TrayState.EFFECT_OFF: _effect_off,
    TrayState.ASLEEP: _asleep,
    TrayState.WAKING: _waking,
    TrayState.PAUSED: _paused,
    TrayState.ERROR: _error,
    TrayState.NOT_RUNNING: _not_running,
    TrayState.RESTART_NEEDED: _outdated,
}
