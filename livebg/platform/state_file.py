"""JSON files in the user's state folder, for packages on several layers."""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from livebg.platform.atomic_write import write_atomically
from livebg.platform.user_paths import user_folder

_LOG: Final = logging.getLogger(__name__)


class StateFile:
    """A JSON object in the file ``name`` of the user's state folder, or in the file ``path``. ``content`` names it in messages.

    ``path`` is None without a home directory; then nothing is saved. A damaged file is renamed and counts as empty.
    """

    def __init__(self, name: str, content: str, path: Path | None = None) -> None:
        state = None if path else user_folder("state")
        self.path = path or (state and state / name)
        self._content = content

    def read(self) -> dict[str, Any]:
        """Return the object; an empty one if the file is missing, unreadable or damaged, which is logged."""
        if self.path is None:
            return {}
        try:
            data = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (IsADirectoryError, ValueError, RecursionError) as error:
            return self._quarantine(self.path, str(error))
        except OSError as error:  # the file may be intact, for example if too many files are open
            _LOG.warning("Cannot read the %s in %s (%s).", self._content, self.path, error.strerror)
            return {}
        return data if isinstance(data, dict) else self._quarantine(self.path, "not a JSON object")

    def write(self, data: Mapping[str, Any]) -> str | None:
        """Replace the file atomically. Returns why it cannot be written, or None on success."""
        if self.path is None:
            return "there is no home directory"
        try:
            write_atomically(self.path, json.dumps(data, indent=1).encode())
        except (OSError, TypeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return f"cannot write {self.path} ({reason})"
        return None

    def _quarantine(self, path: Path, reason: str) -> dict[str, Any]:
        aside, renamed = path.with_suffix(".invalid"), ""
        with suppress(OSError):
            path.replace(aside)
            renamed = f" Renamed the file to {aside.name}."
        _LOG.warning("Cannot read the %s in %s (%s).%s", self._content, path, reason, renamed)
        return {}
