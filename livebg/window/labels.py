"""Titles of the settings and labels of their values. A setting without an entry is shown with a title made of its key."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from livebg.window.i18n import marked

TITLES: Final = MappingProxyType(
    {
        "effect.mode": marked("Mode"),
        "effect.background": marked("Background"),
        "effect.background_fit": marked("Fit of pictures"),
        "effect.blur": marked("Blur"),
        "effect.lens": marked("Lens"),
        "effect.light_wrap": marked("Light wrap"),
        "effect.screen": marked("Screen color"),
        "effect.framing": marked("Auto-framing"),
        "effect.light": marked("Light on you"),
        "effect.light_auto": marked("Adjust light automatically"),
        "effect.dim": marked("Dim the room"),
        "effect.desaturate": marked("Remove the room's color"),
        "effect.edge": marked("Edge of the person"),
        "smoothing.time_constant": marked("Time constant"),
        "smoothing.delay_frames": marked("Delay for quality"),
        "camera.device": marked("Camera"),
        "camera.size": marked("Resolution"),
        "camera.frame_rate": marked("Frame rate"),
        "camera.mirror": marked("Mirror"),
        "camera.rotate": marked("Rotate"),
        "governor.enabled": marked("Keep the frame rate"),
        "governor.reuse_masks": marked("Reuse masks while motion is predictable"),
        "governor.on_battery": marked("On battery"),
    }
)
CHOICES: Final[Mapping[str, Mapping[Any, str]]] = MappingProxyType(
    {
        "effect.mode": {
            "portrait": marked("Blur"),
            "greenscreen": marked("Green screen"),
            "background": marked("Background"),
            "matte": marked("Matte"),
        },
        "effect.background_fit": {"fill": marked("Fill the frame"), "fit": marked("Show all of it")},
        "effect.lens": {"gaussian": marked("Smooth"), "disc": marked("Bokeh discs")},
        "camera.rotate": {
            0: marked("Not rotated"),
            90: marked("90° clockwise"),
            180: marked("180°"),
            270: marked("90° counterclockwise"),
        },
        "governor.on_battery": {"save": marked("Save energy"), "same": marked("As on AC power")},
    }
)
"""Labels by setting and value."""
BACKGROUNDS: Final = MappingProxyType(
    {
        "dawn": marked("Dawn"),
        "dusk": marked("Dusk"),
        "slate": marked("Slate"),
        "paper": marked("Paper"),
        "lights": marked("Lights"),
        "leaves": marked("Leaves"),
    }
)
"""Labels of the built-in backgrounds."""
