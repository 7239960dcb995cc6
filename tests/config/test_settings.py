"""Settings: sources, precedence, and messages about invalid values."""

import os
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from livebg.config.choices import Preset
from livebg.config.loading import check_setting, default_config_path, load_settings, read_config
from livebg.config.parsing import parse_color, parse_size, parse_time
from livebg.config.settings import Settings, setting_keys
from livebg.errors import ConfigError
from livebg.sinks.codecs import PRESETS
from tests.support.cli_runner import known, unset_variables

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
DEFAULTS = {
    "effect": {
        "mode": "portrait",
        "background": "#204060",
        "background_fit": "fill",
        "blur": 0.025,
        "lens": "gaussian",
        "light_wrap": 0.0,
        "light": 0.0,
        "light_auto": False,
        "dim": 0.0,
        "desaturate": 0.0,
        "edge": 0.0,
        "screen": "#00ff00",
        "framing": 1.0,
    },
    "model": {
        "name": "livebg-u2",
        "input_size": "auto",
        "normalization": "sigmoid",
        "provider": "auto",
        "threads": 1,
        "folders": (),
    },
    "smoothing": {"temporal": "lookahead", "time_constant": 0.4, "delay_frames": 0},
    "render": {"codec": "libx264", "crf": 19.0, "preset": "medium", "jobs": "auto"},
    "camera": {"device": "auto", "size": "1280x720", "frame_rate": 30.0, "mirror": False, "rotate": 0},
    "governor": {"enabled": True, "reuse_masks": True, "on_battery": "save"},
    "output": {"backend": "auto", "label": "livebg", "size": "auto", "on_demand": True, "pause_on_lock": False},
}


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate the tests from the user's configuration file and environment variables."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    unset_variables(monkeypatch)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "chosen.toml"


def config_error(config: Path | None = None, **overrides: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings({key.replace("__", "."): value for key, value in overrides.items()}, config)
    return str(caught.value)


def test_defaults_apply_without_file_and_variables() -> None:
    assert load_settings({}).model_dump() == DEFAULTS


def test_example_file_equals_defaults() -> None:
    assert load_settings({}, EXAMPLE).model_dump() == DEFAULTS


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("camera.size", "auto", "'auto' is not allowed here"),
        ("output.size", "641x360", "even"),
        ("camera.rotate", 45, "0, 90, 180 or 270"),
    ],
)
def test_invalid_size_or_rotation_is_rejected(key: str, value: object, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice):
        load_settings({key: value})


def test_example_lists_every_setting_in_class_order() -> None:
    written = tomllib.loads(EXAMPLE.read_text())
    keys = [f"{section}.{key}" for section, values in written.items() for key in values]
    assert keys == list(setting_keys())
    assert len(keys) == len(set(keys))


def test_example_describes_every_setting() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for section in Settings.model_fields:
        for key, field in type(getattr(load_settings({}), section)).model_fields.items():
            place = next(
                number for number in range(lines.index(f"[{section}]"), len(lines)) if lines[number].startswith(f"{key} = ")
            )
            assert lines[place - 1] == f"# {field.description}"


def test_environment_overrides_file_and_cli_overrides_both(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('[effect]\nmode = "matte"\nblur = 0.1\nscreen = "#0000ff"\n[render]\njobs = 2\n')
    monkeypatch.setenv("LIVEBG_EFFECT__MODE", "greenscreen")
    monkeypatch.setenv("livebg_effect__blur", "0.2")
    monkeypatch.setenv("LIVEBG_RENDER__CRF", "30")
    settings = load_settings({"effect.mode": "cutout", "effect.screen": None, "render.jobs": 3}, config)
    effect, render = settings.effect, settings.render
    assert (effect.mode, effect.blur, effect.screen) == ("cutout", 0.2, "#0000ff")
    assert (render.jobs, render.crf, render.codec) == (3, 30.0, "libx264")


def test_default_config_file_is_read() -> None:
    path = known(default_config_path())
    path.parent.mkdir(parents=True)
    path.write_text('[model]\nprovider = "cpu"\n')
    assert load_settings({}).model.provider == "cpu"


def test_config_path_comes_from_cli_or_variable(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[render]\njobs = 5\n")
    other = config.with_name("other.toml")
    other.write_text("[render]\njobs = 6\n")
    monkeypatch.setenv("LIVEBG_CONFIG", str(config))
    assert load_settings({}).render.jobs == 5
    assert load_settings({}, other).render.jobs == 6
    monkeypatch.setenv("LIVEBG_CONFIG", "")
    assert config_error() == "The environment variable LIVEBG_CONFIG is empty. Set it to a file, or unset it."
    assert load_settings({}, other).render.jobs == 6


def test_named_config_file_must_exist(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_error(config).startswith(f"The configuration file {config} does not exist. Name another")
    assert config_error(config.parent).startswith(f"The configuration file {config.parent} is not a file. Name another")
    monkeypatch.setenv("LIVEBG_CONFIG", str(config))
    assert config_error().startswith(f"The configuration file {config} does not exist")


@pytest.mark.parametrize(("content", "reason"), [(b"[effect\n", "line 1, column 8"), (b'[effect]\nscreen = "\xff"', "utf-8")])
def test_invalid_toml_file_is_rejected(content: bytes, reason: str, config: Path) -> None:
    config.write_bytes(content)
    output = config_error(config)
    assert output.startswith(f"The configuration file {config} is not valid TOML (")
    assert reason in output


@pytest.mark.parametrize(
    ("text", "key", "advice"),
    [
        ("[effect]\nmod = 1", "effect.mod", "Did you mean effect.mode?"),
        ("[effects]\nmode = 1", "effects", "Did you mean effect?"),
        ("mode = 1", "mode", "Did you mean effect.mode?"),
        ("[model]\nmode = 1", "model.mode", "Did you mean effect.mode?"),
        ("[render]\npreste = 1", "render.preste", "Did you mean render.preset?"),
        ("[effect]\nnormalization = 1", "effect.normalization", "Did you mean model.normalization?"),
        ("[model]\nnormalisation = 1", "model.normalisation", "Did you mean model.normalization?"),
        ("[zebra]", "zebra", "config.example.toml lists all settings."),
        ('"effect.blur" = 1', '"effect.blur"', "Write it without quotes."),
        ('["effect.blur"]\nvalue = 1', '"effect.blur"', "Write it without quotes."),
    ],
)
def test_mistyped_key_suggests_nearest_key(text: str, key: str, advice: str, config: Path) -> None:
    config.write_text(text)
    assert config_error(config) == f"Unknown key {key} in {config}. {advice}"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("LIVEBG_EFECT__MODE", "Did you mean LIVEBG_EFFECT__MODE?"),
        ("LIVEBG_EFFECT_MODE", "Did you mean LIVEBG_EFFECT__MODE?"),
        ("LIVEBG_MODE", "Did you mean LIVEBG_EFFECT__MODE?"),
        ("LIVEBG_EFFECT", "Did you mean LIVEBG_EFFECT__MODE?"),
        ("livebg_render__job", "Did you mean LIVEBG_RENDER__JOBS?"),
        ("LIVEBG_CONFG", "Did you mean LIVEBG_CONFIG?"),
        ("LIVEBG_ZEBRA", "config.example.toml lists all settings."),
    ],
)
def test_mistyped_variable_suggests_nearest_variable(name: str, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert config_error() == f"Unknown environment variable {name}. {advice}"


@pytest.mark.parametrize(("value", "valid"), [("0", True), ("1", True), ("", False), ("no", False)])
def test_native_variable_is_0_or_1(value: str, valid: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_NATIVE", value)
    if valid:
        assert load_settings({}).model_dump() == Settings.model_construct().model_dump()
    else:
        assert config_error() == f"Invalid value {value!r} for the environment variable LIVEBG_NATIVE. Set it to 0 or 1."


def test_mode_none_is_rejected_from_every_source(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('[effect]\nmode = "none"\n')
    assert f"'none' for effect.mode (from {config}). Mode 'none' shows your room." in config_error(config)
    monkeypatch.setenv("LIVEBG_EFFECT__MODE", "none")
    assert "'none' for effect.mode (from the environment variable LIVEBG_EFFECT__MODE). Mode 'none'" in config_error()
    assert "--mode none" in config_error(effect__mode="none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[effect]\nblur = 2", "Invalid value 2 for effect.blur (from {}). It should be less than or equal to 1"),
        ("[effect]\nblur = nan", "Invalid value nan for effect.blur (from {}). It should be less than or equal to 1"),
        ('[effect]\nblur = "wide"', "Invalid value 'wide' for effect.blur (from {}). It should be a valid number"),
        ("[render]\njobs = 0", "Invalid value 0 for render.jobs (from {}). It should be auto or an integer from 1 to 64"),
        ("[render]\njobs = 1.5", "Invalid value 1.5 for render.jobs (from {}). It should be auto or an integer from 1 to 64"),
        (
            '[smoothing]\ntemporal = "later"',
            "Invalid value 'later' for smoothing.temporal (from {}). It should be 'lookahead' or 'causal'",
        ),
        ('[effect]\nscreen = "green"', "Invalid value 'green' for effect.screen (from {}). 'green' is not a color. Write"),
        ('[model]\ninput_size = "3x"', "Invalid value '3x' for model.input_size (from {}). '3x' is not a size. Write"),
        ('[render]\npreset = "fats"', "Invalid value 'fats' for render.preset (from {}). It should be 'ultrafast', "),
        ("[effect]\nframing = true", "Invalid value True for effect.framing (from {}). It should not be true or false."),
        ("[model]\nthreads = true", "Invalid value True for model.threads (from {}). It should not be true or false."),
        ("[render]\njobs = true", "Invalid value True for render.jobs (from {}). It should not be true or false."),
        ("[camera]\nrotate = false", "Invalid value False for camera.rotate (from {}). It should not be true or false."),
        ("[model]\nfolders = [3]", "Invalid value 3 for model.folders (from {}). It should be a list of folders."),
        ("effect = 3", "Invalid value 3 for effect (from {}). It should be a table, [effect], with settings below it"),
    ],
)
def test_invalid_value_error_explains_expected_value(text: str, message: str, config: Path) -> None:
    config.write_text(text)
    assert config_error(config).startswith(message.format(config))


def test_invalid_value_error_names_its_source(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[effect]\nblur = 2")
    monkeypatch.setenv("LIVEBG_EFFECT__BLUR", "3")
    assert "Invalid value '3' for effect.blur (from the environment variable LIVEBG_EFFECT__BLUR)" in config_error(config)
    assert "Invalid value 4 for effect.blur (from the command line)" in config_error(config, effect__blur=4)


def test_folders_are_list_or_path_separated(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('[model]\nfolders = ["/a", "b"]')
    assert load_settings({}, config).model.folders == (Path("/a"), Path("b"))
    monkeypatch.setenv("LIVEBG_MODEL__FOLDERS", os.pathsep.join(["/c", "/d e"]))
    assert load_settings({}, config).model.folders == (Path("/c"), Path("/d e"))
    config.write_text("[model]\nfolders = []")
    monkeypatch.delenv("LIVEBG_MODEL__FOLDERS")
    assert load_settings({}, config).model.folders == ()


def test_saved_choice_overrides_only_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('[effect]\nmode = "matte"\nblur = 0.1\nscreen = "#0000ff"\n')
    monkeypatch.setenv("LIVEBG_EFFECT__BLUR", "0.2")
    chosen = {"effect.mode": "greenscreen", "effect.blur": 0.3, "camera.device": "C920"}
    settings = load_settings({"camera.device": "C270"}, config, chosen)
    assert (settings.effect.mode, settings.effect.blur, settings.effect.screen) == ("greenscreen", 0.2, "#0000ff")
    assert settings.camera.device == "C270"


def test_config_file_is_read_once(config: Path) -> None:
    config.write_text("[effect]\nblur = 0.1\n")
    file = read_config(config)
    config.write_text("[effect]\nblur = 0.2\n")
    assert load_settings({}, file).effect.blur == 0.1
    assert [file.get(key) for key in ("effect.blur", "effect.mode", "model.name", "effect")] == [0.1, None, None, None]
    config.write_text("effect = 3\n")
    assert read_config(config).get("effect.blur") is None


def test_rotation_is_parsed_from_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_CAMERA__ROTATE", "90")
    assert load_settings({}).camera.rotate == 90
    for text in ("45", "x", "9" * 5000, "²"):
        monkeypatch.setenv("LIVEBG_CAMERA__ROTATE", text)
        assert "It should be 0, 90, 180 or 270" in config_error()


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [("effect.blur", "0.5", 0.5), ("effect.blur", 1, 1.0), ("effect.screen", "#00ff00", "#00ff00"), ("camera.device", "0", "0")],
)
def test_single_setting_is_parsed_like_in_file(key: str, value: object, read: object) -> None:
    assert check_setting(key, value) == read


@pytest.mark.parametrize("text", ["true", "false"])
def test_single_number_is_not_true_or_false(text: str) -> None:
    with pytest.raises(ConfigError, match=f"Invalid value '{text}' for effect.framing. It should not be true or false."):
        check_setting("effect.framing", text)
    assert check_setting("effect.background", text) == text
    assert check_setting("camera.mirror", text) is (text == "true")


def test_settings_are_frozen() -> None:
    settings = load_settings({})
    with pytest.raises(ValueError, match="frozen"):
        settings.effect.blur = 0.5  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        settings.effect = settings.effect  # type: ignore[misc]


def test_presets_match_encoder_presets() -> None:
    assert get_args(Preset) == PRESETS


@pytest.mark.parametrize(("text", "rgb"), [("#00ff00", (0, 255, 0)), ("#1A2b3C", (26, 43, 60))])
def test_parse_color_accepts_hex(text: str, rgb: tuple[int, int, int]) -> None:
    assert parse_color(text) == rgb


@pytest.mark.parametrize("text", ["00ff00", "#0f0", "#00ff0g", "#00ff000", "", "#", "##0ff00", "#٠٠ff00", "# 0 0 0"])
def test_parse_color_rejects_other_text(text: str) -> None:
    with pytest.raises(ValueError, match="Write #rrggbb"):
        parse_color(text)


@pytest.mark.parametrize(("text", "size"), [("256x144", (256, 144)), ("16x4096", (16, 4096)), ("auto", None)])
def test_parse_size_accepts_width_and_height(text: str, size: tuple[int, int] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "256", "256x", "x144", "256X144x3", "256*144", "-256x144", "²x²", "15x20", "20x4097"])
def test_parse_size_rejects_other_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write WIDTHxHEIGHT|Width and height must be 16 to 4096"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30", 90), ("0:01:30.5", 90.5), ("2:00:00", 7200), ("0", 0), ("75.25", 75.25), ("90:00", 5400), ("1e1", 10)],
)
def test_parse_time_accepts_seconds_and_colons(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "1:", ":30", "1:60", "1:2:3:4", "-1", "nan", "inf", "1:-2", "1,5"])
def test_parse_time_rejects_other_text(text: str) -> None:
    with pytest.raises(ValueError, match="Write seconds or HH:MM:SS"):
        parse_time(text)


@pytest.mark.parametrize("key", setting_keys())
def test_an_empty_setting_is_refused(key: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment variable, on the command line, in the file, in a list of the file, and changed while livebg runs."""
    section, _, name = key.partition(".")
    reason = "It is empty. Write a value, or remove the setting."
    config.write_text(f'[{section}]\n{name} = ""\n')
    assert config_error(config) == f"Invalid value '' for {key} (from {config}). {reason}"
    assert config_error(None, **{key: ""}) == f"Invalid value '' for {key} (from the command line). {reason}"
    with pytest.raises(ConfigError) as caught:
        check_setting(key, "")
    assert str(caught.value) == f"Invalid value '' for {key}. {reason}"
    variable = f"LIVEBG_{section}__{name}".upper()
    monkeypatch.setenv(variable, "")
    assert config_error() == f"Invalid value '' for {key} (from the environment variable {variable}). {reason}"


def test_an_empty_folder_of_models_is_refused(config: Path) -> None:
    config.write_text('[model]\nfolders = ["models", ""]\n')
    assert config_error(config).endswith(f"for model.folders (from {config}). It is empty. Write a value, or remove the setting.")


@pytest.mark.parametrize("key", ["effect.background", "model.name", "camera.device", "output.label"])
def test_a_null_character_is_refused(key: str, config: Path) -> None:
    section, _, name = key.partition(".")
    config.write_text(f'[{section}]\n{name} = "/dev/a\\u0000b"\n')
    assert config_error(config).endswith("It contains a null character. Remove it.")
    config.write_text('[model]\nfolders = ["models", "a\\u0000b"]\n')
    assert config_error(config).endswith("It contains a null character. Remove it.")
