"""Prints the section of CHANGELOG.md about a version: ``release_notes.py 0.2.0``. Fails without one, or if it is empty."""

import re
import sys
from pathlib import Path
from typing import Final

_CHANGELOG: Final = Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def notes(changelog: str, version: str) -> str:
    """Return the text between the heading of ``version`` and the next one. Raises ValueError if there is none."""
    heading = rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise ValueError(f"CHANGELOG.md has no section about {version}. Rename the section Unreleased before the release.")
    return found[1].strip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(notes(_CHANGELOG.read_text("utf-8"), sys.argv[1]))
