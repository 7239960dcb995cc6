"""Where the settings come from, and which of two that differ holds.

A setting comes from the configuration file, is overruled by what was chosen while livebg ran before, that by the environment
(``LIVEBG_EFFECT__MODE=greenscreen``) and that by the command line.
"""

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from livebg.config.messages import CONFIG_VARIABLE, check_environment, no_setting, refused_settings, refused_value
from livebg.config.settings import Settings, sections, setting_keys
from livebg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The configuration file as it is written, not yet checked: ``tree`` holds a table a section, and is empty without a file."""

    path: Path
    tree: Mapping[str, Any] = field(default_factory=dict)

    def says(self, key: str) -> Any:
        """What it says of a dotted key; None when it says nothing."""
        section, _, name = key.partition(".")
        table = self.tree.get(section)
        return table.get(name) if isinstance(table, Mapping) else None


def read_config(config: Path | None = None) -> ConfigFile:
    """The file that ``config`` names; without it LIVEBG_CONFIG does, and without that the platform's configuration folder, where
    it need not exist. Raises :class:`~livebg.errors.ConfigError` when it cannot be read, or is no TOML.
    """
    asked = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    path = asked or default_config_path()
    if not path.is_file():
        if asked:
            found = "is not a file" if asked.exists() else "does not exist"
            raise ConfigError(f"the configuration file {asked} {found}: name another, or leave it out for the defaults")
        return ConfigFile(path)
    try:
        return ConfigFile(path, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {path} is not valid TOML ({error}): mend it there") from None
    except OSError as error:
        raise ConfigError(f"the configuration file {path} cannot be read ({error.strerror}): check its permissions") from None


def load_settings(
    overrides: Mapping[str, Any], config: Path | ConfigFile | None = None, chosen: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from the file, what was ``chosen`` earlier, the environment and ``overrides``, each overruling those before it.

    ``overrides`` and ``chosen`` have dotted keys such as ``effect.blur``; None counts as unsaid. ``config`` is a file, or what
    :func:`read_config` finds for it. Raises :class:`~livebg.errors.ConfigError` naming the key, and the nearest right one when it
    is mistyped.
    """
    file = config if isinstance(config, ConfigFile) else read_config(config)
    check_environment(os.environ, setting_keys())

    class FromEverywhere(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            earlier = InitSettingsSource(settings_cls, _nested(chosen or {}))
            return init_settings, env_settings, earlier, InitSettingsSource(settings_cls, dict(file.tree))

    try:
        return FromEverywhere(**_nested(overrides))
    except ValidationError as error:
        said = {key for key, value in overrides.items() if value is not None}
        raise refused_settings(error, said, file.path, [*setting_keys(), *sections()]) from None


def check_setting(key: str, value: Any) -> Any:
    """``value`` as the setting ``key`` takes it, whatever other settings say.

    Text is read as TOML where that gives what the setting needs (``0.05``, ``true``), and as it stands otherwise: colours, names
    and paths need no quotes. Raises :class:`~livebg.errors.ConfigError` as :func:`load_settings` does.
    """
    if key not in setting_keys():
        raise no_setting(key, setting_keys())
    section, _, name = key.partition(".")
    kind = sections()[section]
    try:
        return getattr(kind.model_validate({name: _as_toml(value)}), name)
    except ValidationError as error:
        with suppress(ValidationError):
            return getattr(kind.model_validate({name: value}), name)
        raise refused_value(key, value, error) from None


def _as_toml(value: Any) -> Any:
    """What the text means in TOML, or the value itself where it is none."""
    try:
        tree = tomllib.loads(f"value = {value}") if isinstance(value, str) else {}
    except (ValueError, RecursionError):  # numbers of thousands of digits and brackets of thousands of levels among them
        return value
    return tree["value"] if tree.keys() == {"value"} else value


def default_config_path() -> Path:
    return Path(platformdirs.user_config_path("livebg")) / "config.toml"


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, dict[str, Any]] = {}
    for key, value in overrides.items():
        if value is not None:
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = value
    return tree
