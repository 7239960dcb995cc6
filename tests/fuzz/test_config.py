"""The configuration file, the choices and single values, altered: valid settings or a one-line error."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebg.config.choices import LIVE_MODES
from livebg.config.loading import ConfigFile, check_setting, load_settings
from livebg.config.settings import Settings, setting_keys
from livebg.daemon.presets import Presets
from livebg.daemon.saved_choices import PERSISTED_KEYS, SavedChoices
from livebg.daemon.settings_layers import SettingsLayers, settable_keys
from livebg.errors import ConfigError
from tests.support.cli_runner import known, unset_variables
from tests.support.fuzzing import assert_sentence, is_sentence, mutate, seeds, shuffled_lines

EXAMPLE = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
Rounds = Callable[[int], int]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    unset_variables(monkeypatch)


def refusal_of(path: Path) -> str | None:
    """The error message for a configuration file, if it is refused."""
    try:
        assert isinstance(load_settings({}, path), Settings)
    except ConfigError as error:
        return str(error)
    return None


def test_mutated_config_loads_or_fails_clearly(tmp_path: Path, rounds: Rounds) -> None:
    path = tmp_path / "config.toml"
    refused = 0
    for chance in seeds(rounds(150), "config"):
        text = shuffled_lines(EXAMPLE, chance)
        path.write_bytes(mutate(text.encode(), chance) if chance.random() < 0.8 else text.encode())
        output = refusal_of(path)
        assert output is None or is_sentence(output), (output, path.read_bytes())
        refused += output is not None
    assert refused, "nothing was altered enough to be refused"


NASTY = st.text(max_size=30) | st.sampled_from(["\n", "\x1b[31m", "a\nb", "\u202e", "\ud800", "x" * 3000])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(setting_keys()) | NASTY, VALUES)
def test_any_key_and_value_is_accepted_or_fails_clearly(key: str, value: object) -> None:
    try:
        check_setting(key, value)
    except ConfigError as error:
        assert_sentence(error)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([key.partition(".")[0] for key in setting_keys()]) | NASTY, VALUES, max_size=3))
def test_any_config_tree_is_accepted_or_fails_clearly(tree: dict[str, object]) -> None:
    try:
        load_settings({}, ConfigFile(Path("config.toml"), tree))
    except ConfigError as error:
        assert_sentence(error)


def test_mutated_choices_do_not_prevent_start(tmp_path: Path, rounds: Rounds) -> None:
    choices = SavedChoices(tmp_path / "choices.json")
    (tmp_path / "config.toml").touch()
    layers = SettingsLayers.start({}, tmp_path / "config.toml", {}).with_overrides(
        {"effect.blur": 0.2, "effect.mode": "matte", "camera.device": "C920"}
    )
    choices.write(layers.choices)
    whole = known(choices.path).read_bytes()
    kept = 0
    for chance in seeds(rounds(150), "choices"):
        known(choices.path).write_bytes(mutate(whole, chance))
        words = choices.read()
        assert words.keys() <= set(PERSISTED_KEYS)
        kept += len(words)
        SettingsLayers.start({}, tmp_path / "config.toml", words).settings()
    assert kept, "everything was lost each time"


def test_mutated_preset_is_read_whole_or_refused(tmp_path: Path, rounds: Rounds) -> None:
    presets = Presets(tmp_path)
    presets.save("desk", Settings())
    path = tmp_path / "desk.toml"
    whole = path.read_bytes() + b"\n[output]\n#label = 'x'\n[camera]\nmirror = true\n"
    refused = 0
    for chance in seeds(rounds(150), "preset"):
        path.write_bytes(mutate(whole, chance))
        try:
            values = presets.read("desk")
        except ConfigError as error:
            assert_sentence(error)
            refused += 1
            continue
        assert values.keys() <= set(settable_keys())
        assert values.get("effect.mode", "portrait") in LIVE_MODES
    assert 0 < refused < rounds(150)
