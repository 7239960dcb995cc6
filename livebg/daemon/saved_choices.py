"""Saves the user's choices for the next start."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livebg.config.choices import LIVE_MODES
from livebg.config.loading import check_setting
from livebg.config.settings import setting_keys
from livebg.errors import ConfigError
from livebg.platform.state_file import StateFile

_LOG: Final = logging.getLogger(__name__)
LOOK_SECTIONS: Final = ("effect", "smoothing")
"""The sections of the settings that make up the look. The others belong to the machine."""
PERSISTED_KEYS: Final = (*(key for key in setting_keys() if key.partition(".")[0] in LOOK_SECTIONS), "camera.device")
"""Settings saved across restarts. Showing the room is not a setting, so it is never saved."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The value chosen for a setting, and its value in the configuration file at that time (None: unset).

    When the file changes, it overrides the choice (:mod:`livebg.daemon.settings_layers`).
    """

    value: Any
    file: Any


class SavedChoices:
    """The choices in a JSON file, by default in the user's state folder. A damaged file never prevents livebg from starting.

    ``path`` is None without a home directory; then nothing is saved.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._file = StateFile("choices.json", "choices", path)
        self.path = self._file.path

    def read(self) -> dict[str, Choice]:
        """Return the choices by dotted key. Invalid ones are logged and skipped."""
        words = {key: self._parse_choice(key, entry) for key, entry in self._file.read().items()}
        return {key: word for key, word in words.items() if word is not None}

    def write(self, choices: Mapping[str, Choice]) -> str | None:
        """Replace the file atomically with these choices. Returns an error message, or None on success."""
        reason = self._file.write({key: {"value": word.value, "file": word.file} for key, word in choices.items()})
        if reason is None:
            return None
        text = f"The choice is not saved for the next start: {reason}."
        if self.path is not None:
            _LOG.warning("%s", text)
        return text

    def _parse_choice(self, key: str, entry: object) -> Choice | None:
        try:
            if key not in PERSISTED_KEYS or not isinstance(entry, dict) or "value" not in entry:
                raise ConfigError(f"{key!r} is not a saved choice.")
            value = check_setting(key, entry["value"])
            if key == "effect.mode" and value not in LIVE_MODES:
                raise ConfigError(f"The mode {value} is not available for a camera.")
            return Choice(value, entry.get("file"))
        except ConfigError as error:
            _LOG.warning("Ignoring a choice in %s: %s", self.path, error)
            return None
