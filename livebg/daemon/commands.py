"""The commands of the control socket for a running session.

Commands that may show the room are not included: they require the user's consent, which only the command line can give.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from livebg.config.settings import Settings, setting_keys
from livebg.daemon.controller import SessionController
from livebg.daemon.server import Command, no_arguments
from livebg.daemon.settings_layers import settable_keys
from livebg.daemon.status import CommandResult
from livebg.errors import ConfigError

_MAX_VALUE_LENGTH: Final = 4096
"""Maximum number of characters of a value: Linux's maximum path length."""


def commands(controller: SessionController) -> dict[str, Command]:
    """Returns the commands by name. Arguments: ``mode`` and ``background`` (strings), ``settings`` (object with dotted keys)."""
    return {
        "status": no_arguments(lambda: controller.status().as_dict()),
        "on": state_after(controller.on),
        "pause": state_after(controller.pause),
        "resume": state_after(controller.resume),
        "reload": state_after(controller.reload),
        "mode": lambda arguments: asdict(controller.set_mode(_text(arguments, "mode"))),
        "background": lambda arguments: asdict(controller.set_background(_text(arguments, "background"))),
        "set": lambda arguments: asdict(controller.set(_settings(arguments))),
        "settings": no_arguments(lambda: _current_settings(controller.settings)),
    }


def state_after(run: Callable[[], CommandResult]) -> Command:
    """Returns a command without arguments that returns the resulting state."""
    return no_arguments(lambda: asdict(run()))


def _current_settings(settings: Settings) -> dict[str, Any]:
    """Returns ``values``, every setting by its dotted key, and ``settable``, the keys that can change while livebg runs."""
    tree = settings.model_dump(mode="json")
    values = {key: tree[section][name] for key in setting_keys() for section, _, name in [key.partition(".")]}
    return {"values": values, "settable": list(settable_keys())}


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = _single_argument(arguments, name)
    if not isinstance(value, str):
        raise ConfigError(f"The argument {name} is not a string.", "Use a JSON string.")
    return str(_valid_path_text(name, value))


def _settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    settings = _single_argument(arguments, "settings")
    if not isinstance(settings, dict) or not settings:
        raise ConfigError("The argument settings is not an object of settings.", 'Example: {"effect.blur": 0.05}.')
    return {key: _valid_path_text(key, value) for key, value in settings.items()}


def _single_argument(arguments: Mapping[str, Any], name: str) -> Any:
    if arguments.keys() != {name}:
        raise ConfigError(
            f"The command takes exactly the argument {name} but got {len(arguments)} arguments.", f"Pass only {name}."
        )
    return arguments[name]


def _valid_path_text(name: str, value: Any) -> Any:
    """Returns ``value`` unless it is a string that cannot be a path on any file system."""
    if isinstance(value, str):
        if len(value) > _MAX_VALUE_LENGTH:
            raise ConfigError(
                f"The value of {name[:80]} has {len(value)} characters; the maximum is {_MAX_VALUE_LENGTH}.", "Shorten it."
            )
        try:
            usable = b"\0" not in os.fsencode(value)
        except UnicodeEncodeError:
            usable = False
        if not usable:
            raise ConfigError(f"The value of {name[:80]} contains characters that are not allowed in file names.", "Remove them.")
    return value
