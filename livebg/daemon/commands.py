"""The commands that change a running session, as the control socket has them.

Those that may show the room are not among them: they take the user's consent, which the command line alone gives.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from livebg.daemon.command_result import Held
from livebg.daemon.controller import Steering
from livebg.daemon.server import Command, no_arguments
from livebg.errors import ConfigError

_LONGEST: Final = 4096
"""Characters of a value; the longest path that Linux takes."""


def commands(steering: Steering) -> dict[str, Command]:
    """By their names; the arguments are ``mode`` and ``background``, text, and ``settings``, an object by dotted keys."""
    return {
        "on": held(steering.on),
        "pause": held(steering.pause),
        "resume": held(steering.resume),
        "reload": held(steering.reload),
        "mode": lambda arguments: steering.mode_to(_text(arguments, "mode")).as_dict(),
        "background": lambda arguments: steering.background_to(_text(arguments, "background")).as_dict(),
        "set": lambda arguments: steering.set(_settings(arguments)).as_dict(),
    }


def held(run: Callable[[], Held]) -> Command:
    """A command without arguments that tells what holds now."""
    return no_arguments(lambda: run().as_dict())


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = _only(arguments, name)
    if not isinstance(value, str):
        raise ConfigError(f"the argument {name} is no text: write it as a JSON string")
    return str(_usable(name, value))


def _settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    said = _only(arguments, "settings")
    if not isinstance(said, dict) or not said:
        raise ConfigError('the argument settings is no object of settings: write it as {"effect.blur": 0.05}')
    return {key: _usable(key, value) for key, value in said.items()}


def _only(arguments: Mapping[str, Any], name: str) -> Any:
    if arguments.keys() != {name}:
        raise ConfigError(f"the command takes the argument {name} and no other, and was given {len(arguments)}: say it alone")
    return arguments[name]


def _usable(name: str, value: Any) -> Any:
    """Text that may be a path: what no file system takes is refused here, for all of them."""
    if isinstance(value, str):
        if len(value) > _LONGEST:
            raise ConfigError(f"the value of {name[:80]} has {len(value)} characters where {_LONGEST} are possible: shorten it")
        try:
            usable = b"\0" not in os.fsencode(value)
        except UnicodeEncodeError:
            usable = False
        if not usable:
            raise ConfigError(f"the value of {name[:80]} is no text that a file could be named: leave out what cannot be written")
    return value
