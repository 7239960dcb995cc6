"""The catalogs contain every text of the window, and the compiled catalogs are those of the sources."""

import re
from pathlib import Path

import pytest

from livebg.config.settings import sections
from livebg.daemon.settings_layers import settable_keys
from livebg.window.i18n import LOCALE_FOLDER, load_translations
from livebg.window.rows import groups
from tests.support.catalog import read_po, window_texts

CATALOGS = sorted(LOCALE_FOLDER.glob("*/LC_MESSAGES/livebg.po"))


def test_german_is_included() -> None:
    assert [path.parts[-3] for path in CATALOGS] == ["de"]
    assert load_translations(["de"]).gettext("Blur") == "Unschärfe"
    assert load_translations(["xx"]).gettext("Blur") == "Blur"


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_every_text_is_translated(path: Path) -> None:
    texts, translated = window_texts(), read_po(path)
    assert len(texts) > 50
    assert {text: module for text, module in texts.items() if not translated.get(text)} == {}


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_description_of_every_row_is_translated(path: Path) -> None:
    translated = read_po(path)
    rows = [row.key.split(".") for group in groups(settable_keys()) for row in group.rows]
    assert len(rows) > 20
    fields = {name: sections()[section].model_fields[name] for section, name in rows}
    assert [name for name, field in fields.items() if not translated.get(field.description or "")] == []


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_translations_keep_fields(path: Path) -> None:
    for text, translated in read_po(path).items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", translated)), text


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_compiled_catalog_is_up_to_date(path: Path) -> None:
    compiled = load_translations([path.parts[-3]])
    for text, translated in read_po(path).items():
        assert compiled.gettext(text) == translated, "run msgfmt"
