"""The options that several commands share, and shell completion of their values.

Imports that no other command needs are inside the functions, to keep ``livebg --help`` fast.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from livebg.config.choices import BUILTIN_BACKGROUNDS
from livebg.errors import ConfigError


def completion(candidates: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return a completion function: it returns the candidates that begin with what the user has typed so far."""

    def complete(incomplete: str) -> list[str]:
        return [candidate for candidate in candidates() if candidate.startswith(incomplete)]

    return complete


def _models() -> Iterable[str]:
    from livebg.models import REGISTRY

    return REGISTRY


def _set_verbosity(verbose: bool) -> None:
    if verbose:
        logging.getLogger("livebg").setLevel(logging.DEBUG)


complete_background = completion(lambda: BUILTIN_BACKGROUNDS)
complete_model = completion(_models)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", readable=False, help="Configuration file to use instead of the default one.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME|FILE", help="A name from `livebg models`, or an ONNX file.", autocompletion=complete_model
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Verbose logging on standard error.", callback=_set_verbosity)
]
"""Takes effect by itself: the commands ignore its value."""
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
