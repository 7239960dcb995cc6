"""``livebg on``, ``off``, ``toggle``, ``pause``, ``resume``, ``mode``, ``background``, ``set`` and ``reload``."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from livebg.cli.completion import complete_background, complete_live_mode, complete_setting
from livebg.cli.console import output, spoken_errors
from livebg.daemon.client import ask
from livebg.daemon.command_result import Held
from livebg.daemon.settings_layers import settable_keys
from livebg.errors import ConfigError

_PATIENCE: Final = 60.0
"""Seconds within which any command is answered; one that loads a large network takes some."""
_SET_HELP: Final = f"""Change settings of the running livebg.

Values of effect.mode, effect.background, effect.blur, effect.screen and camera.device are remembered for the next start.

The keys are {", ".join(settable_keys())}. `livebg help config` describes them."""


def on() -> None:
    """Turn the effect on."""
    _tell("on")


def off() -> None:
    """Turn the effect off: shows your room until `livebg on`.

    A restart of livebg turns the effect on again.
    """
    _tell("off")


def toggle() -> None:
    """Turn the effect on or off, for a hot key. Can show your room."""
    _tell("toggle")


def pause() -> None:
    """Show a placeholder and release the camera."""
    _tell("pause")


def resume() -> None:
    """End the pause."""
    _tell("resume")


def mode(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="portrait, greenscreen, background or matte.", autocompletion=complete_live_mode)
    ],
) -> None:
    """Switch to portrait, greenscreen, background or matte.

    The mode is remembered for the next start.
    """
    _tell("mode", {"mode": name})


def background(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|#rrggbb|NAME]",
            help="A picture, a video, a color, or a built-in background.",
            autocompletion=complete_background,
        ),
    ] = None,
) -> None:
    """Change the background; without an argument, list built-in ones.

    The background is remembered for the next start.
    """
    if what is None:
        from livebg.compositing.builtin_backgrounds import names

        output().print("\n".join(names()), markup=False)
        return
    _tell("background", {"background": _background(what)})


def set_(
    pairs: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...", help="Such as effect.blur=0.05.", show_default=False, autocompletion=complete_setting
        ),
    ],
) -> None:
    with spoken_errors():
        said = dict(_pair(pair) for pair in pairs)
    _tell("set", {"settings": said})


set_.__doc__ = _SET_HELP


def reload() -> None:
    """Reread the configuration file and apply the changes."""
    _tell("reload")


def _tell(command: str, arguments: Mapping[str, Any] | None = None) -> None:
    with spoken_errors():
        held = Held.from_dict(ask(command, arguments, timeout=_PATIENCE))
        output().print(_sentence(command, held), markup=False)


def _sentence(command: str, held: Held) -> str:
    parts = [_seen(held)]
    if command in ("set", "reload"):
        parts.insert(0, f"changed: {', '.join(held.changed)}" if held.changed else "nothing has changed")
    if held.at_next_start:
        parts.append(f"at the next start of livebg: {', '.join(held.at_next_start)}")
    return "; ".join([*parts, *([held.note] if held.note else [])])


def _seen(held: Held) -> str:
    """What the others see."""
    if held.paused:
        return "paused, the camera is free, until `livebg resume`"
    if not held.effect:
        return "the room is shown as it is, until `livebg on`"
    seen = {
        "portrait": f"blurred by {held.blur:g} of the height",
        "greenscreen": held.screen,
        "background": held.background,
        "matte": "the matte alone",
    }
    return f"{held.mode}: {seen.get(held.mode, 'the room is out of sight')}"


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} is no setting with its value: write KEY=VALUE, such as effect.blur=0.05")
    return key, _in_place(key, value)


def _in_place(key: str, value: str) -> str:
    """Files are named from where the user is, which the running livebg does not know."""
    if key == "effect.background":
        return _background(value)
    if key in ("model.name", "camera.device"):
        return _absolute(value, "/" in value and "://" not in value)
    if key == "model.folders" and not value.startswith("["):
        return os.pathsep.join(str(Path(folder).expanduser().absolute()) for folder in value.split(os.pathsep) if folder)
    return value


def _background(name: str) -> str:
    """A name of a built-in one is that, whatever lies here: a file is told by its path."""
    from livebg.compositing.builtin_backgrounds import names

    built_in = name.startswith("#") or name in names()
    return name if built_in else _absolute(name, "/" in name or bool(Path(name).suffix))


def _absolute(name: str, surely: bool) -> str:
    path = Path(name).expanduser()
    return str(path.absolute()) if surely or path.is_file() else name
