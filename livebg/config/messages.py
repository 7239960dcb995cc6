"""Error messages for invalid settings: the key, its source, and the closest valid key if it is misspelled."""

import difflib
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from livebg.errors import ConfigError
from livebg.native import NATIVE_VARIABLE

PREFIX: Final = "LIVEBG_"
CONFIG_VARIABLE: Final = "LIVEBG_CONFIG"
"""Names the configuration file. This variable and :data:`~livebg.native.NATIVE_VARIABLE` are no settings."""
_MAX_SHOWN: Final = 80
"""Characters of user input that a message repeats."""


def check_environment(environment: Mapping[str, str], keys: Collection[str]) -> None:
    """Raise ConfigError for an unknown ``LIVEBG_*`` variable, which pydantic-settings ignores. ``keys`` are all settings."""
    known = {_variable(key) for key in keys} | {CONFIG_VARIABLE, NATIVE_VARIABLE}
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            key = name.lower().removeprefix(PREFIX.lower()).replace("__", ".")
            near = _nearest(key, [*keys, "config"])
            raise ConfigError(f"Unknown environment variable {name}.", _advice(near and _variable(near)))
    if environment.get(NATIVE_VARIABLE, "1") not in ("0", "1"):
        value = _brief(repr(environment[NATIVE_VARIABLE]))
        raise ConfigError(f"Invalid value {value} for the environment variable {NATIVE_VARIABLE}.", "Set it to 0 or 1.")


def invalid_settings(
    error: ValidationError, overrides: Collection[str], path: Path | None, known: Collection[str]
) -> ConfigError:
    """Return the error for merged settings.

    ``overrides`` are the keys set on the command line, ``path`` is the configuration file, ``known`` are all keys and sections.
    """
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        if key in known:  # TOML reads "effect.blur" as one key with a dot in its name
            return ConfigError(f'Unknown key "{key}" in {path}.', "Write it without quotes.")
        candidates = [each for each in known if "." not in key or "." in each]
        return ConfigError(f"Unknown key {_named(key)} in {path}.", _advice(_nearest(key, candidates)))
    value = _brief(repr(first["input"]))
    return ConfigError(f"Invalid value {value} for {key} (from {_origin(key, overrides, path)}).", _reason(key, error))


def invalid_value(key: str, value: object, error: ValidationError) -> ConfigError:
    """Return the error for one setting that the user just changed."""
    return ConfigError(f"Invalid value {_brief(repr(value))} for {key}.", _reason(key, error))


def unknown_setting(key: str, keys: Iterable[str]) -> ConfigError:
    """Return the error for one unknown key that the user just changed."""
    return ConfigError(f"Unknown key {_named(key)}.", _advice(_nearest(key[:_MAX_SHOWN], keys)))


def _reason(key: str, error: ValidationError) -> str:
    first = error.errors()[0]
    if key == "effect.mode" and first["input"] == "none":
        return "Mode 'none' shows your room. Use --mode none on the command line."
    if first["type"] == "path_type":
        return "It should be a list of folders."
    if first["type"] == "model_type":
        return f"It should be a table, [{key}], with settings below it."
    reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "It should be").partition(", unable to")[0]
    return reason if reason.endswith(".") else f"{reason}."


def _origin(key: str, overrides: Collection[str], path: Path | None) -> str:
    if key in overrides:
        return "the command line"
    named = [name for name in os.environ if name.upper() == _variable(key)]
    return f"the environment variable {named[0]}" if named else str(path)


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _nearest(key: str, known: Iterable[str]) -> str | None:
    """Return the key of the same name in another section, the first key of the section of that name, else the most similar key,
    else None."""
    names = {each.rpartition(".")[2]: each for each in known}
    name = key.rpartition(".")[2]
    alike = [each for each in names.values() if each.startswith(f"{key}.")]
    alike += difflib.get_close_matches(key, sorted(names.values()), n=1)
    return names.get(name) or next(iter(alike), None) or next((names[n] for n in difflib.get_close_matches(name, names, 1)), None)


def _advice(nearest: str | None) -> str:
    return f"Did you mean {nearest}?" if nearest else "config.example.toml lists all settings."


def _named(key: str) -> str:
    """Return the key for a message: unchanged if it looks like a key, else escaped (line ends, terminal control codes)."""
    return _brief(key if key.replace(".", "_").isidentifier() and key.isprintable() else repr(key))


def _brief(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
