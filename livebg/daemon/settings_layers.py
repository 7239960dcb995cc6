"""Merges settings from all sources, in order of precedence."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from livebg.config.choices import LIVE_MODES
from livebg.config.loading import ConfigFile, check_setting, load_settings, read_config
from livebg.config.settings import Settings, setting_keys
from livebg.daemon.saved_choices import PERSISTED_KEYS, Choice
from livebg.errors import ConfigError

_STARTUP_ONLY: Final = {
    "output": "because readers of a camera cannot follow the change. Set it in the configuration file and restart livebg.",
    "render": "because it only applies to files. Pass it to `livebg render` or set it in the configuration file.",
}
"""Sections that cannot change while livebg runs, with the reason."""
_MAX_TEXT_LENGTH: Final = 4096
"""Maximum number of characters of a value: Linux's maximum path length."""


@dataclass(frozen=True, slots=True)
class SettingsLayers:
    """The sources of settings, in increasing precedence: the configuration file, the saved ``choices`` of this and earlier runs,
    the environment, the command line ``options``, and the ``runtime_overrides`` set while livebg runs.

    Immutable: changes return new layers, which can be validated before they are applied. All keys are dotted.
    """

    options: Mapping[str, Any]
    config: Path | None
    file: ConfigFile
    choices: Mapping[str, Choice] = field(default_factory=dict)
    runtime_overrides: Mapping[str, Choice] = field(default_factory=dict)

    @classmethod
    def start(cls, options: Mapping[str, Any], config: Path | None, choices: Mapping[str, Choice]) -> Self:
        """Return the layers at the start of a run, with the errors of :func:`~livebg.config.loading.read_config`."""
        file = read_config(config)
        return cls(options, config, file, _still_applying(choices, file))

    def settings(self) -> Settings:
        """Return the merged settings. Raises :class:`~livebg.errors.ConfigError`."""
        overrides = {key: word.value for key, word in self.runtime_overrides.items()}
        return load_settings({**self.options, **overrides}, self.file, {key: word.value for key, word in self.choices.items()})

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """Return layers with ``overrides``. Raises :class:`~livebg.errors.ConfigError` for an invalid key or value."""
        new = {key: Choice(validated(key, value), self.file.get(key)) for key, value in overrides.items()}
        kept = {key: word for key, word in new.items() if key in PERSISTED_KEYS}
        return replace(self, choices={**self.choices, **kept}, runtime_overrides={**self.runtime_overrides, **new})

    def reloaded(self) -> Self:
        """Return layers with the current configuration file. Its changed values replace earlier choices and overrides."""
        file = read_config(self.config)
        return replace(
            self,
            file=file,
            choices=_still_applying(self.choices, file),
            runtime_overrides=_still_applying(self.runtime_overrides, file),
        )

    def without(self, choices: Collection[str]) -> Self:
        """Return layers without these choices."""
        return replace(self, choices={key: word for key, word in self.choices.items() if key not in choices})


def settable_keys() -> tuple[str, ...]:
    """Return the keys that can change while livebg runs, in file order."""
    return tuple(key for key in setting_keys() if key.partition(".")[0] not in _STARTUP_ONLY)


def check_mode(mode: str) -> None:
    """Raise :class:`~livebg.errors.ConfigError` for a mode that is not available for a camera."""
    if mode == "none":
        raise ConfigError("Mode 'none' shows your room.", "Use `livebg off` to turn the effect off.")
    if mode == "cutout":
        raise ConfigError(
            "Mode 'cutout' is only for files because a camera has no transparency.", "Use greenscreen or another mode."
        )
    if mode not in LIVE_MODES:
        raise ConfigError(f"Unknown mode {mode[:40]!r}.", f"Use one of {', '.join(LIVE_MODES)}.")


def check_text(key: str, value: Any) -> None:
    """Raise :class:`~livebg.errors.ConfigError` for a text that cannot be a path on any file system."""
    if not isinstance(value, str):
        return
    if len(value) > _MAX_TEXT_LENGTH:
        raise ConfigError(
            f"The value of {key[:80]} has {len(value)} characters; the maximum is {_MAX_TEXT_LENGTH}.", "Shorten it."
        )
    try:
        usable = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise ConfigError(f"The value of {key[:80]} contains characters that are not allowed in file names.", "Remove them.")


def changed_keys(before: Settings, after: Settings) -> tuple[str, ...]:
    """Return the keys of the settings that differ, in file order."""
    one, other = before.model_dump(), after.model_dump()
    parts = [(key, *key.split(".")) for key in setting_keys()]
    return tuple(key for key, section, name in parts if one[section][name] != other[section][name])


def with_startup_sections(settings: Settings, running: Settings) -> Settings:
    """Return ``settings`` with the startup-only sections of ``running``."""
    return settings.model_copy(update={section: getattr(running, section) for section in _STARTUP_ONLY})


def _still_applying(words: Mapping[str, Choice], file: ConfigFile) -> dict[str, Choice]:
    return {key: word for key, word in words.items() if word.file == file.get(key)}


def validated(key: str, value: Any) -> Any:
    """Return ``value`` converted to the type of the setting ``key``.

    Raises :class:`~livebg.errors.ConfigError` if the value is invalid or if the setting cannot change while livebg runs.
    """
    reason = _STARTUP_ONLY.get(key.partition(".")[0])
    if reason and key in setting_keys():
        raise ConfigError(f"{key} cannot change while livebg runs, {reason}")
    if key == "effect.mode" and isinstance(value, str):
        check_mode(value)
    return check_setting(key, value)
