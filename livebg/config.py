"""The settings: what each means, its default, and where it may come from.

A setting comes from the configuration file, is overruled by the environment (``LIVEBG_EFFECT__MODE=greenscreen``) and that by
the command line. Mode ``none`` is not among the settings: showing the room as it is takes the user's own word, each time.
"""

import difflib
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from livebg.errors import ConfigError

Mode = Literal["portrait", "greenscreen", "matte", "cutout", "background"]
Temporal = Literal["causal"]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"]
_PREFIX: Final = "LIVEBG_"
_CONFIG_VARIABLE: Final = "LIVEBG_CONFIG"
"""Names the configuration file; the one variable that is no setting."""


def _hex_color(text: str) -> str:
    parse_color(text)
    return text


def _input_size(text: str) -> str:
    parse_size(text)
    return text


def _split_folders(value: object) -> object:
    return [folder for folder in value.split(os.pathsep) if folder] if isinstance(value, str) else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Effect(_Section):
    """What becomes of the room."""

    mode: Mode = Field("portrait", description="portrait, greenscreen, matte, cutout or background")
    background: str = Field("#204060", description="for mode background: a picture, or a colour as #rrggbb")
    blur: float = Field(0.025, ge=0, le=1, description="for mode portrait: the blur's width as a share of the frame's height")
    screen: Annotated[str, AfterValidator(_hex_color)] = Field("#00ff00", description="for mode greenscreen: its colour")


class Model(_Section):
    """The network that tells the person from the room."""

    name: str = Field("livebg-u2", description="a name from `livebg models`, or an ONNX file")
    input_size: Annotated[str, AfterValidator(_input_size)] = Field(
        "auto", description="the network's picture as WIDTHxHEIGHT; auto: the model's own, in the frame's aspect"
    )
    normalisation: Literal["sigmoid", "minmax"] = Field(
        "sigmoid", description="sigmoid: a fixed scale, for video; minmax: each picture stretched, as rembg does"
    )
    provider: str = Field("auto", description="auto, cpu, cuda, openvino, coreml, ...: where onnxruntime runs the network")
    threads: int = Field(
        1, ge=1, le=64, description="threads for one picture: one costs the least CPU time, more suit large networks"
    )
    folders: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split_folders)] = Field(
        (), description="folders to look for models in, before the cache; in a variable with : between them"
    )


class Smoothing(_Section):
    """How the matte is steadied in time."""

    temporal: Temporal = Field("causal", description="causal: from the past alone")
    time_constant: float = Field(0.1, ge=0, le=5, description="seconds in which a still part follows the network")


class Render(_Section):
    """How files are written."""

    codec: str = Field("libx264", description="libx264, libx265, libvpx-vp9, libsvtav1, ffv1, ...: the video encoder")
    crf: float = Field(19.0, ge=0, le=63, description="constant quality on the codec's own scale, 0 is the best")
    preset: Preset = Field("medium", description="speed against size: ultrafast, superfast, veryfast, ... to placebo")
    jobs: int = Field(1, ge=1, le=64, description="how many files to render at the same time")


class Settings(BaseSettings):
    """All settings, frozen; an unknown key is refused."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, nested_model_default_partial_update=True
    )

    effect: Effect = Effect()
    model: Model = Model()
    smoothing: Smoothing = Smoothing()
    render: Render = Render()


def load_settings(overrides: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Settings from the file, the environment and ``overrides`` (dotted keys such as ``effect.blur``; None counts as unsaid).

    ``config`` names the file; without it LIVEBG_CONFIG does, and without that the platform's configuration folder, where it need
    not exist. Raises :class:`~livebg.errors.ConfigError` naming the key, and the nearest right one when it is mistyped.
    """
    asked = config or (Path(os.environ[_CONFIG_VARIABLE]) if os.environ.get(_CONFIG_VARIABLE) else None)
    path = asked or default_config_path()
    if asked and not asked.is_file():
        found = "is not a file" if asked.exists() else "does not exist"
        raise ConfigError(f"the configuration file {asked} {found}: name another, or leave it out for the defaults")
    _check_environment(os.environ)

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    try:
        return FromFile(**_nested(overrides))
    except ValidationError as error:
        raise ConfigError(_explain(error, overrides, path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {path} is not valid TOML ({error}): mend it there") from None
    except OSError as error:
        raise ConfigError(f"the configuration file {path} cannot be read ({error.strerror}): check its permissions") from None


def default_config_path() -> Path:
    return Path(platformdirs.user_config_path("livebg")) / "config.toml"


def setting_keys() -> tuple[str, ...]:
    """Every setting by its dotted key, in order."""
    return tuple(f"{section}.{key}" for section, fields in _sections().items() for key in fields)


def parse_color(text: str) -> tuple[int, int, int]:
    """``#rrggbb`` to red, green and blue, 0..255. Raises ValueError."""
    digits = text.removeprefix("#")
    if not text.startswith("#") or len(digits) != 6 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise ValueError(f"{text!r} is not a colour: write #rrggbb, such as #00ff00")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def parse_size(text: str) -> tuple[int, int] | None:
    """``WIDTHxHEIGHT`` to both numbers, ``auto`` to None. Raises ValueError."""
    if text == "auto":
        return None
    width, cross, height = text.partition("x")
    if not cross or not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise ValueError(f"{text!r} is not a size: write WIDTHxHEIGHT, such as 256x144")
    if not (16 <= int(width) <= 4096 and 16 <= int(height) <= 4096):
        raise ValueError(f"{text} is out of range: width and height are 16 to 4096")
    return int(width), int(height)


def parse_time(text: str) -> float:
    """Seconds, ``MM:SS`` or ``HH:MM:SS``, each with decimals if wanted, to seconds. Raises ValueError."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(not 0 <= part < math.inf for part in parts) or any(part >= 60 for part in parts[1:]):
        raise ValueError(f"{text!r} is not a time: write seconds or HH:MM:SS, such as 90, 1:30 or 0:01:30.5")
    return math.fsum(part * 60**power for power, part in enumerate(reversed(parts)))


def _sections() -> dict[str, Iterable[str]]:
    parts: dict[str, type[_Section]] = {"effect": Effect, "model": Model, "smoothing": Smoothing, "render": Render}
    return {name: part.model_fields for name, part in parts.items()}


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, dict[str, Any]] = {}
    for key, value in overrides.items():
        if value is not None:
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = value
    return tree


def _check_environment(environment: Mapping[str, str]) -> None:
    """Refuse a mistyped variable, which pydantic-settings would pass over in silence."""
    known = {_variable(key) for key in setting_keys()} | {_CONFIG_VARIABLE}
    for name in environment:
        if name.upper().startswith(_PREFIX) and name.upper() not in known:
            key = name.lower().removeprefix(_PREFIX.lower()).replace("__", ".")
            near = _nearest(key, [*setting_keys(), "config"])
            raise ConfigError(f"the environment variable {name} is no setting: {_advice(near and _variable(near))}")


def _explain(error: ValidationError, overrides: Mapping[str, Any], path: Path) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        known = [*setting_keys(), *(_sections() if "." not in key else ())]
        return f"{path}: {key} is no setting: {_advice(_nearest(key, known))}"
    reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "it should be").partition(", unable to")[0]
    if key == "effect.mode" and first["input"] == "none":
        reason = "the room is shown on your own word alone, say --mode none on the command line"
    if first["type"] == "model_type":
        reason = f"it should be a table, [{key}], with settings below it"
    return f"the setting {key} cannot be {first['input']!r} ({_origin(key, overrides, path)}): {reason}"


def _origin(key: str, overrides: Mapping[str, Any], path: Path) -> str:
    if overrides.get(key) is not None:
        return "on the command line"
    named = [name for name in os.environ if name.upper() == _variable(key)]
    return f"from the environment variable {named[0]}" if named else f"from {path}"


def _variable(key: str) -> str:
    return _PREFIX + key.upper().replace(".", "__")


def _nearest(key: str, known: Iterable[str]) -> str | None:
    """The known key that was most likely meant: that of the same name in another section, else the most alike."""
    names = {each.rpartition(".")[2]: each for each in known}
    name = key.rpartition(".")[2]
    alike = difflib.get_close_matches(key, sorted(names.values()), n=1)
    return names.get(name) or next(iter(alike), None) or next((names[n] for n in difflib.get_close_matches(name, names, 1)), None)


def _advice(nearest: str | None) -> str:
    return f"did you mean {nearest}?" if nearest else "config.example.toml lists them all"
