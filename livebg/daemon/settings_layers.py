"""The settings of a run, from every place that has a say in them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from livebg.config.loading import ConfigFile, check_setting, load_settings, read_config
from livebg.config.settings import Settings, setting_keys
from livebg.daemon.saved_choices import KEPT, LIVE_MODES, Word
from livebg.errors import ConfigError

_FIXED: Final = {
    "output": "readers of a camera cannot follow that: write it into the configuration file, and start livebg again",
    "render": "it is for files: say it to `livebg render`, or write it into the configuration file",
}
"""The sections that no running livebg changes, and why."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Where settings come from, each place overruling those before it: the configuration file, the ``choices`` of this run and
    earlier ones, the environment, the ``options`` of the command line, and the ``words`` that were said while livebg runs.

    Immutable: what is said gives other layers, which may be tried before they hold. All keys are dotted.
    """

    options: Mapping[str, Any]
    config: Path | None
    file: ConfigFile
    choices: Mapping[str, Word] = field(default_factory=dict)
    words: Mapping[str, Word] = field(default_factory=dict)

    @classmethod
    def start(cls, options: Mapping[str, Any], config: Path | None, choices: Mapping[str, Word]) -> Self:
        """At the start of a run; ``config`` and the errors are those of :func:`~livebg.config.loading.read_config`."""
        file = read_config(config)
        return cls(options, config, file, _holding(choices, file))

    def settings(self) -> Settings:
        """Raises :class:`~livebg.errors.ConfigError`, as :func:`~livebg.config.loading.load_settings` does."""
        said = {key: word.value for key, word in self.words.items()}
        return load_settings({**self.options, **said}, self.file, {key: word.value for key, word in self.choices.items()})

    def saying(self, said: Mapping[str, Any]) -> Self:
        """With settings that were said just now. Raises :class:`~livebg.errors.ConfigError` for a key or value that cannot be."""
        new = {key: Word(_checked(key, value), self.file.says(key)) for key, value in said.items()}
        kept = {key: word for key, word in new.items() if key in KEPT}
        return replace(self, choices={**self.choices, **kept}, words={**self.words, **new})

    def reread(self) -> Self:
        """With the configuration file as it is now; of what it says otherwise than before, nothing that was said holds on."""
        file = read_config(self.config)
        return replace(self, file=file, choices=_holding(self.choices, file), words=_holding(self.words, file))

    def without(self, choices: Collection[str]) -> Self:
        """Without these choices, as if they had never been made."""
        return replace(self, choices={key: word for key, word in self.choices.items() if key not in choices})


def settable_keys() -> tuple[str, ...]:
    """The settings that a running livebg can change, in the order of the file."""
    return tuple(key for key in setting_keys() if key.partition(".")[0] not in _FIXED)


def check_mode(mode: str) -> None:
    """Raises :class:`~livebg.errors.ConfigError` for a mode that no camera can show."""
    if mode == "none":
        raise ConfigError("the room is shown on your own word alone, and until you take it back: say `livebg off`")
    if mode == "cutout":
        raise ConfigError("the mode cutout is for files, a camera has no transparency: choose greenscreen, or another mode")
    if mode not in LIVE_MODES:
        raise ConfigError(f"no mode is called {mode[:40]!r}: say one of {', '.join(LIVE_MODES)}")


def changed_keys(before: Settings, after: Settings) -> tuple[str, ...]:
    """The settings that differ, in the order of the file."""
    one, other = before.model_dump(), after.model_dump()
    parts = [(key, *key.split(".")) for key in setting_keys()]
    return tuple(key for key, section, name in parts if one[section][name] != other[section][name])


def pinned(settings: Settings, running: Settings) -> Settings:
    """``settings`` with the sections that no running livebg changes as they are in ``running``."""
    return settings.model_copy(update={section: getattr(running, section) for section in _FIXED})


def _holding(words: Mapping[str, Word], file: ConfigFile) -> dict[str, Word]:
    return {key: word for key, word in words.items() if word.holds(key, file)}


def _checked(key: str, value: Any) -> Any:
    reason = _FIXED.get(key.partition(".")[0])
    if reason and key in setting_keys():
        raise ConfigError(f"{key} does not change while livebg runs, {reason}")
    if key == "effect.mode" and isinstance(value, str):
        check_mode(value)
    return check_setting(key, value)
