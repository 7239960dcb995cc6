"""What the user chose while livebg ran, kept for the next start."""

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platformdirs import user_state_path

from livebg.config.loading import ConfigFile, check_setting
from livebg.errors import ConfigError

_LOG: Final = logging.getLogger(__name__)
KEPT: Final = ("effect.mode", "effect.background", "effect.blur", "effect.screen", "camera.device")
"""The settings whose choice survives a restart. That the room is shown is no setting, so it never does."""
LIVE_MODES: Final = ("portrait", "greenscreen", "background", "matte")
"""What a camera can show, but for the room as it is."""


@dataclass(frozen=True, slots=True)
class Word:
    """What the user said of a setting, and what the configuration file said of it at that time (None: nothing).

    Once the file says something else, that is the later word.
    """

    value: Any
    file: Any

    def holds(self, key: str, file: ConfigFile) -> bool:
        said: bool = file.says(key) == self.file
        return said


class Choices:
    """The choices in a JSON file, by default in the user's state folder. No fault of that file keeps livebg from starting."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_state_path("livebg") / "choices.json"

    def read(self) -> dict[str, Word]:
        """The choices by their dotted keys; what cannot be is left out, and logged."""
        try:
            told = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            return self._set_aside(str(error))
        if not isinstance(told, dict):
            return self._set_aside("it is no table of choices")
        words = {key: self._word(key, entry) for key, entry in told.items()}
        return {key: word for key, word in words.items() if word is not None}

    def write(self, words: Mapping[str, Word]) -> str | None:
        """Keep these and no others; the file is replaced in one step. Returns why it could not be, as a sentence."""
        part = self.path.with_suffix(f".{os.getpid()}.part")
        told = {key: {"value": word.value, "file": word.file} for key, word in words.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(told, indent=1), encoding="utf-8")
            part.replace(self.path)
        except (OSError, TypeError, ValueError) as error:
            with suppress(OSError):
                part.unlink()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            text = f"it is not kept for the next start, since {self.path} cannot be written ({reason})"
            _LOG.warning("%s", text)
            return text
        return None

    def _word(self, key: str, entry: object) -> Word | None:
        try:
            if key not in KEPT or not isinstance(entry, dict) or "value" not in entry:
                raise ConfigError(f"{key!r} is no choice")
            value = check_setting(key, entry["value"])
            if key == "effect.mode" and value not in LIVE_MODES:
                raise ConfigError(f"the mode {value} is not for a camera")
            return Word(value, entry.get("file"))
        except ConfigError as error:
            _LOG.warning("a choice in %s is passed over: %s", self.path, error)
            return None

    def _set_aside(self, reason: str) -> dict[str, Word]:
        aside = self.path.with_suffix(".invalid")
        _LOG.warning("the choices in %s cannot be read (%s): they are set aside as %s", self.path, reason, aside.name)
        with suppress(OSError):
            self.path.replace(aside)
        return {}
