"""The example configuration, ``--help``, the help topics and ``livebg set`` list the same settings."""

import re
import tomllib
from pathlib import Path

import pytest

from livebg.config.settings import setting_keys
from livebg.daemon.settings_layers import settable_keys
from tests.bare.readme import PAGES
from tests.support.cli_runner import LivebgCli

ROOT = Path(__file__).parents[2]
FIXED = {"output", "render"}


def sections(keys: tuple[str, ...]) -> set[str]:
    return {key.partition(".")[0] for key in keys}


def test_settable_keys_match_example_file() -> None:
    written = tomllib.loads((ROOT / "config.example.toml").read_text())
    keys = [f"{section}.{key}" for section, values in written.items() if section not in FIXED for key in values]
    assert keys == list(settable_keys())
    assert sections(setting_keys()) - sections(settable_keys()) == FIXED


def test_set_help_lists_settable_keys(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = {word.strip(".,") for word in cli.livebg("set", "--help").out.replace("│", " ").split()}
    assert {word for word in words if re.fullmatch(r"[a-z]+\.[a-z_]+", word)} == set(settable_keys())


def test_topics_name_only_settable_sections_and_keys() -> None:
    reported = re.search(r"`livebg set` accepts every setting of the sections (.*?)\.", PAGES["calls"], re.DOTALL)
    assert reported is not None
    assert set(re.findall(r"`(\w+)`", reported.group(1))) == sections(settable_keys())
    for page in PAGES.values():
        assert set(re.findall(r"livebg set ([a-z_.]+)=", page)) <= set(settable_keys())
