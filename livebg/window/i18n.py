"""Translations of the window. The catalogs are in ``livebg/locale``, one per language."""

import gettext
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import livebg

DOMAIN: Final = "livebg"
LOCALE_FOLDER: Final = Path(livebg.__file__).parent / "locale"


def load_translations(languages: Sequence[str] | None = None) -> gettext.NullTranslations:
    """Return the catalog of the first available language, by default of the environment; English if there is none."""
    return gettext.translation(DOMAIN, LOCALE_FOLDER, languages, fallback=True)


_TRANSLATIONS: Final = load_translations()


def translate(text: str) -> str:
    """Return ``text`` in the user's language."""
    return _TRANSLATIONS.gettext(text) if text else ""


def marked(text: str) -> str:
    """Return ``text`` unchanged. It marks a constant for the catalog, which :func:`translate` translates when it is shown."""
    return text
