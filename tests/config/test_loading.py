"""The configuration file that applies when none is named."""

from pathlib import Path

import pytest

from livebg.config.loading import ConfigFile, read_config


@pytest.fixture
def default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default file, which does not exist yet."""
    monkeypatch.delenv("LIVEBG_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "livebg" / "config.toml"


def test_default_file_is_optional(default: Path) -> None:
    assert read_config() == ConfigFile(default)
    default.parent.mkdir()
    assert read_config() == ConfigFile(default)
    default.write_text('[effect]\nmode = "matte"\n')
    assert read_config().get("effect.mode") == "matte"


def test_folder_in_place_of_the_default_file_means_defaults(default: Path) -> None:
    default.mkdir(parents=True)
    assert read_config() == ConfigFile(default)


@pytest.mark.usefixtures("default")
def test_without_a_home_folder_there_is_no_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    assert read_config() == ConfigFile(None)
