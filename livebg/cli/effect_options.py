"""The options of the effect, which `livebg run` and `livebg render` share."""

from typing import Annotated

import typer

from livebg.cli.completion import complete_background
from livebg.errors import ConfigError

BackgroundOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|#rrggbb|NAME",
        help="Background: a picture, a video, a color, or a built-in one.",
        autocompletion=complete_background,
    ),
]
BlurOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Blur width as a fraction of the frame height; default 0.025.")
]
FramingOption = Annotated[
    float | None, typer.Option(min=1, max=3, help="Auto-framing: follow the person, zooming in at most this much.")
]
MODE_HELP = "Effect; default portrait. none: show the room as it is."


def effect_settings(mode: str | None, background: str | None, blur: float | None, framing: float | None) -> dict[str, object]:
    """Return the settings of the options; ``--background`` implies mode background.

    Mode none is not a setting. Raises :class:`~livebg.errors.ConfigError` if the background does not fit the mode.
    """
    if background is not None:
        if mode not in (None, "background"):
            raise ConfigError(f"--background requires --mode background, not --mode {mode}.", "Leave one of them out.")
        mode = "background"
    return {
        "effect.mode": None if mode == "none" else mode,
        "effect.background": background,
        "effect.blur": blur,
        "effect.framing": framing,
    }
