"""Saved choices at the next start: no content prevents livebg from starting or shows the room."""

import json
import logging
import os
import sys
from pathlib import Path

import pytest

from livebg.config.loading import load_settings
from livebg.daemon.bootstrap import drop_stale_choices
from livebg.daemon.saved_choices import PERSISTED_KEYS, Choice, SavedChoices
from livebg.daemon.settings_layers import SettingsLayers
from livebg.errors import ConfigError, ModelError
from tests.support.cli_runner import known
from tests.support.toy_network import ToyNetwork


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.upper().startswith("LIVEBG_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def choices(tmp_path: Path) -> SavedChoices:
    return SavedChoices(tmp_path / "there" / "choices.json")


def write_file(choices: SavedChoices, content: str) -> None:
    known(choices.path).parent.mkdir(exist_ok=True)
    known(choices.path).write_text(content)


def choice_entry(value: object, file: object = None) -> dict[str, object]:
    return {"value": value, "file": file}


def test_written_choices_are_read_back(choices: SavedChoices) -> None:
    words = {"effect.blur": Choice(0.5, 0.1), "effect.background": Choice("/a/b\udce9.png", None)}
    assert choices.read() == {}
    assert choices.write(words) is None
    assert choices.read() == words
    assert [path.name for path in known(choices.path).parent.iterdir()] == ["choices.json"]
    assert choices.write({}) is None
    assert choices.read() == {}


def test_choices_are_stored_in_user_state_folder(tmp_path: Path) -> None:
    assert SavedChoices().path == tmp_path / "state" / "livebg" / "choices.json"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00", '"effect.blur"', "[" * 50_000, "9" * 50_000])
def test_invalid_file_is_renamed_and_ignored(choices: SavedChoices, content: str, caplog: pytest.LogCaptureFixture) -> None:
    write_file(choices, content)
    assert choices.read() == {}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Renamed the file to choices.invalid." in caplog.text
    assert known(choices.path).with_suffix(".invalid").read_text() == content
    assert choices.read() == {}
    assert len(caplog.records) == 1


def test_invalid_file_that_stays_is_not_called_renamed(choices: SavedChoices, caplog: pytest.LogCaptureFixture) -> None:
    write_file(choices, "{")
    known(choices.path).with_suffix(".invalid").mkdir()
    assert choices.read() == {}
    assert "Cannot read the choices in" in caplog.text
    assert "Renamed" not in caplog.text


def test_folder_in_place_of_file_is_ignored(choices: SavedChoices, caplog: pytest.LogCaptureFixture) -> None:
    known(choices.path).mkdir(parents=True)
    assert choices.read() == {}
    assert "Cannot read the choices in" in caplog.text


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("effect.mode", choice_entry("none")),
        ("effect.mode", choice_entry("off")),
        ("effect.mode", choice_entry("cutout")),
        ("effect.mode", choice_entry(None)),
        ("effect.mode", "matte"),
        ("effect.mode", {"file": None}),
        ("effect.blur", choice_entry(7)),
        ("effect.blur", choice_entry([0.1])),
        ("effect.screen", choice_entry("green")),
        ("effect.zebra", choice_entry("1")),
        ("model.name", choice_entry("u2netp")),
        ("output.size", choice_entry("640x480")),
        ("mode", choice_entry("none")),
        ("effect", choice_entry({"mode": "none"})),
    ],
)
def test_invalid_choice_is_ignored_and_others_are_kept(
    choices: SavedChoices, key: str, entry: object, caplog: pytest.LogCaptureFixture
) -> None:
    write_file(choices, json.dumps({key: entry, "camera.device": choice_entry("C920")}))
    assert choices.read() == {"camera.device": Choice("C920", None)}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert SettingsLayers.start({}, None, choices.read()).settings().effect == load_settings({}).effect


def test_no_choice_can_show_the_room() -> None:
    for key in PERSISTED_KEYS:
        for value in ("none", "off"):
            settings = None
            try:
                settings = SettingsLayers.start({}, None, {key: Choice(value, None)}).settings()
            except ConfigError:
                continue
            assert settings.effect.mode == "portrait"


def test_write_failure_is_returned_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "there").write_text("no folder")
    reported = SavedChoices(tmp_path / "there" / "choices.json").write({"effect.blur": Choice(0.5, None)})
    assert reported is not None
    assert reported in caplog.text


def test_each_settings_source_overrides_the_previous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[effect]\nblur = 0.1\nscreen = "#111111"\nmode = "matte"\nbackground = "file.png"\n')
    earlier = {
        "effect.screen": Choice("#222222", "#111111"),
        "effect.mode": Choice("greenscreen", "matte"),
        "effect.background": Choice("chosen.png", "file.png"),
    }
    monkeypatch.setenv("LIVEBG_EFFECT__MODE", "portrait")
    monkeypatch.setenv("LIVEBG_EFFECT__BACKGROUND", "variable.png")
    layers = SettingsLayers.start({"effect.background": "option.png", "camera.device": None}, config, earlier)
    effect = layers.settings().effect
    assert (effect.blur, effect.screen, effect.mode, effect.background) == (0.1, "#222222", "portrait", "option.png")
    output = layers.with_overrides({"effect.background": "chosen.png"})
    assert output.settings().effect.background == "chosen.png"
    assert layers.settings().effect.background == "option.png"  # no command is permanent


def test_choice_is_dropped_when_file_changed_since(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[effect]\nblur = 0.1\n")
    for then, blur in ((0.1, 0.9), (0.2, 0.1), (None, 0.1)):
        assert SettingsLayers.start({}, config, {"effect.blur": Choice(0.9, then)}).settings().effect.blur == blur
    config.write_text("")
    assert SettingsLayers.start({}, config, {"effect.blur": Choice(0.9, 0.1)}).settings().effect.blur == 0.025


@pytest.fixture
def network(tmp_path: Path) -> str:
    return str(ToyNetwork().write(tmp_path / "toy.onnx"))


@pytest.mark.parametrize(
    ("key", "value"), [("effect.background", "gone.png"), ("camera.device", "gone.mp4")], ids=["picture", "camera"]
)
def test_stale_choice_does_not_prevent_start(key: str, value: str, network: str, caplog: pytest.LogCaptureFixture) -> None:
    earlier = {"effect.mode": Choice("background", None), key: Choice(value, None), "effect.blur": Choice(0.5, None)}
    layers = drop_stale_choices(SettingsLayers.start({"model.name": network}, None, earlier))
    settings = layers.settings()
    assert layers.choices.keys() == {"effect.mode", "effect.blur"}
    assert (settings.effect.mode, settings.effect.background, settings.camera.device) == ("background", "#204060", "auto")
    assert f"Ignoring the saved {key}: " in caplog.text


def test_only_stale_choices_are_dropped(network: str) -> None:
    earlier = {"effect.mode": Choice("background", None), "effect.background": Choice("gone.png", None)}
    earlier |= {"camera.device": Choice("gone.mp4", None), "effect.blur": Choice(0.5, None)}
    assert drop_stale_choices(SettingsLayers.start({"model.name": network}, None, earlier)).choices.keys() == {
        "effect.mode",
        "effect.blur",
    }


def test_errors_unrelated_to_choices_are_raised(network: str) -> None:
    with pytest.raises(ModelError, match="missing"):
        drop_stale_choices(SettingsLayers.start({"model.name": "missing.onnx"}, None, {"effect.blur": Choice(0.5, None)}))
    with pytest.raises(ConfigError, match=r"gone\.png"):
        drop_stale_choices(
            SettingsLayers.start({"model.name": network, "effect.mode": "background", "effect.background": "gone.png"}, None, {})
        )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of open files")
def test_file_that_cannot_be_opened_now_is_kept(choices: SavedChoices) -> None:
    """A livebg that has too many open files must not put the user's choices aside."""
    import resource

    choices.write({"effect.blur": Choice(0.3, None)})
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        found = choices.read()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert found == {}
    assert choices.read() == {"effect.blur": Choice(0.3, None)}
