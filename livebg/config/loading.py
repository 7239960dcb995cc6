"""Loads settings from all sources.

In increasing order of precedence: configuration file, choices saved by an earlier run, environment
(``LIVEBG_EFFECT__MODE=greenscreen``), command line.
"""

import codecs
import logging
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from livebg.config.messages import CONFIG_VARIABLE, check_environment, invalid_settings, invalid_value, unknown_setting
from livebg.config.settings import Settings, sections, setting_keys
from livebg.errors import ConfigError
from livebg.platform.user_paths import exists, user_folder

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The parsed configuration file, not validated yet. ``tree`` holds one table per section and is empty without a file.

    ``path`` is None without a home directory.
    """

    path: Path | None
    tree: Mapping[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        """Return the value of a dotted key; None if the file does not set it."""
        section, _, name = key.partition(".")
        table = self.tree.get(section)
        return table.get(name) if isinstance(table, Mapping) else None


def read_config(config: Path | None = None) -> ConfigFile:
    """Read ``config``, else the file in LIVEBG_CONFIG, else the default file, which is optional.

    If the folder of the default file cannot be entered, the defaults apply, which is logged. Raises
    :class:`~livebg.errors.ConfigError` if the file cannot be read or is not valid TOML.
    """
    variable = os.environ.get(CONFIG_VARIABLE)
    if config is None and variable == "":
        raise ConfigError(f"The environment variable {CONFIG_VARIABLE} is empty.", "Set it to a file, or unset it.")
    requested = config or (Path(variable) if variable else None)
    path = requested or default_config_path()
    if path is None or (requested is None and not _is_reachable(path)):
        return ConfigFile(path)
    if requested is None and not path.is_file():
        return ConfigFile(path)
    return ConfigFile(path, read_toml(path, "configuration file", "Name another file, or none to use the defaults."))


def read_toml(path: Path, kind: str, if_missing: str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises :class:`~livebg.errors.ConfigError` if it cannot be read or is not valid TOML. The message names the ``kind`` of file;
    ``if_missing`` is the hint if it does not exist.
    """
    try:
        if not path.is_file():
            problem = "is not a file" if exists(path) else "does not exist"
            raise ConfigError(f"The {kind} {path} {problem}.", if_missing)
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # also for numbers with thousands of digits and brackets nested thousands deep
        if isinstance(error, UnicodeDecodeError) and error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ConfigError(f"The {kind} {path} is encoded as UTF-16.", "Save it as UTF-8.") from None
        raise ConfigError(f"The {kind} {path} is not valid TOML ({error}).", "Correct the file.") from None
    except OSError as error:
        raise ConfigError(f"The {kind} {path} cannot be read ({error.strerror}).", "Check its permissions.") from None


def _is_reachable(path: Path) -> bool:
    try:
        exists(path)
    except PermissionError as error:
        _LOG.warning("Using the defaults, because %s cannot be read (%s).", path, error.strerror)
        return False
    return True


def load_settings(
    overrides: Mapping[str, Any], config: Path | ConfigFile | None = None, chosen: Mapping[str, Any] | None = None
) -> Settings:
    """Merge the file, the choices of an earlier run (``chosen``), the environment and ``overrides``, in increasing precedence.

    ``overrides`` and ``chosen`` have dotted keys such as ``effect.blur``; None means not set. ``config`` is a file read by
    :func:`read_config`, or its argument. Raises :class:`~livebg.errors.ConfigError` that names the key, and the closest valid key
    if it is misspelled.
    """
    file = config if isinstance(config, ConfigFile) else read_config(config)
    check_environment(os.environ, setting_keys())

    tree = dict(file.tree)
    for layer in (_nested(chosen or {}), EnvSettingsSource(Settings)(), _nested(overrides)):
        for section, values in layer.items():
            below = tree.get(section)
            tree[section] = {**below, **values} if isinstance(below, Mapping) and isinstance(values, Mapping) else values
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        set_keys = {key for key, value in overrides.items() if value is not None}
        raise invalid_settings(error, set_keys, file.path, [*setting_keys(), *sections()]) from None


def check_setting(key: str, value: Any) -> Any:
    """Return ``value`` converted to the type of the setting ``key``, independent of other settings.

    Text is parsed as TOML (``0.05``, ``true``) if the setting accepts the result, and is used unchanged otherwise, so colors,
    names and paths need no quotes. Raises :class:`~livebg.errors.ConfigError` as :func:`load_settings` does.
    """
    if key not in setting_keys():
        raise unknown_setting(key, setting_keys())
    section, _, name = key.partition(".")
    kind = sections()[section]
    try:
        return getattr(kind.model_validate({name: _as_toml(value)}), name)
    except ValidationError as error:
        with suppress(ValidationError):
            return getattr(kind.model_validate({name: value}), name)
        raise invalid_value(key, value, error) from None


def _as_toml(value: Any) -> Any:
    """Return the text parsed as a TOML value, or the value itself if it is not valid TOML."""
    try:
        tree = tomllib.loads(f"value = {value}") if isinstance(value, str) else {}
    except (ValueError, RecursionError):  # includes numbers with thousands of digits and brackets nested thousands deep
        return value
    return tree["value"] if tree.keys() == {"value"} else value


def default_config_path() -> Path | None:
    """Return ``config.toml`` in livebg's configuration folder, which may not exist; None without a home directory."""
    folder = user_folder("config")
    return folder and folder / "config.toml"


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, dict[str, Any]] = {}
    for key, value in overrides.items():
        if value is not None:
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = value
    return tree
