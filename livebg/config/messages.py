"""What is said of settings that cannot be: which one, where it stands, and the right one when it is mistyped."""

import difflib
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from livebg.errors import ConfigError

PREFIX: Final = "LIVEBG_"
CONFIG_VARIABLE: Final = "LIVEBG_CONFIG"
"""Names the configuration file; the one variable that is no setting."""
_SHOWN: Final = 80
"""Characters of somebody's word that are repeated in a sentence."""


def check_environment(environment: Mapping[str, str], keys: Collection[str]) -> None:
    """Refuse a mistyped variable, which pydantic-settings would pass over in silence. ``keys`` are those of all settings."""
    known = {_variable(key) for key in keys} | {CONFIG_VARIABLE}
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            key = name.lower().removeprefix(PREFIX.lower()).replace("__", ".")
            near = _nearest(key, [*keys, "config"])
            raise ConfigError(f"the environment variable {name} is no setting: {_advice(near and _variable(near))}")


def refused_settings(error: ValidationError, overrides: Collection[str], path: Path, known: Iterable[str]) -> ConfigError:
    """Of settings from everywhere: ``overrides`` are the keys that were said on the command line, ``path`` is the file, ``known``
    the keys and the sections that there are.
    """
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        candidates = [each for each in known if "." not in key or "." in each]
        return ConfigError(f"{path}: {_named(key)} is no setting: {_advice(_nearest(key, candidates))}")
    return ConfigError(
        f"the setting {key} cannot be {_brief(repr(first['input']))} ({_origin(key, overrides, path)}): {_reason(key, error)}"
    )


def refused_value(key: str, value: object, error: ValidationError) -> ConfigError:
    """Of one setting, said just now."""
    return ConfigError(f"the setting {key} cannot be {_brief(repr(value))}: {_reason(key, error)}")


def no_setting(key: str, keys: Iterable[str]) -> ConfigError:
    """Of a key, said just now."""
    return ConfigError(f"{_named(key)} is no setting: {_advice(_nearest(key[:_SHOWN], keys))}")


def _reason(key: str, error: ValidationError) -> str:
    first = error.errors()[0]
    if key == "effect.mode" and first["input"] == "none":
        return "the room is shown on your own word alone, say --mode none on the command line"
    if first["type"] == "model_type":
        return f"it should be a table, [{key}], with settings below it"
    return first["msg"].removeprefix("Value error, ").replace("Input should be", "it should be").partition(", unable to")[0]


def _origin(key: str, overrides: Collection[str], path: Path) -> str:
    if key in overrides:
        return "on the command line"
    named = [name for name in os.environ if name.upper() == _variable(key)]
    return f"from the environment variable {named[0]}" if named else f"from {path}"


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _nearest(key: str, known: Iterable[str]) -> str | None:
    """The known key that was most likely meant: that of the same name in another section, else the most alike."""
    names = {each.rpartition(".")[2]: each for each in known}
    name = key.rpartition(".")[2]
    alike = difflib.get_close_matches(key, sorted(names.values()), n=1)
    return names.get(name) or next(iter(alike), None) or next((names[n] for n in difflib.get_close_matches(name, names, 1)), None)


def _advice(nearest: str | None) -> str:
    return f"did you mean {nearest}?" if nearest else "config.example.toml lists them all"


def _named(key: str) -> str:
    """Somebody's word in a sentence: as it is where it looks like a key. What else it may hold, line ends and a terminal's orders
    among them, is written out."""
    return _brief(key if key.replace(".", "_").isidentifier() and key.isprintable() else repr(key))


def _brief(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
