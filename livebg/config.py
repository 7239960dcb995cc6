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
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from livebg.errors import ConfigError

Mode = Literal["portrait", "greenscreen", "matte", "cutout", "background"]
Temporal = Literal["causal"]
_PREFIX = "LIVEBG_"
_CONFIG_VARIABLE = "LIVEBG_CONFIG"
"""Names the configuration file; the one variable that is no setting."""


def _hex_color(text: str) -> str:
    parse_color(text)
    return text


def _input_size(text: str) -> str:
    parse_size(text)
    return text


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

    name: str = Field("u2netp", description="a name from `livebg models`, or an ONNX file")
    input_size: Annotated[str, AfterValidator(_input_size)] = Field(
        "auto", description="the network's picture as WIDTHxHEIGHT; auto: the model's own, in the frame's aspect"
    )
    normalisation: Literal["sigmoid", "minmax"] = Field(
        "sigmoid", description="sigmoid: a fixed scale, for video; minmax: each picture stretched, as rembg does"
    )
    provider: str = Field("auto", description="auto, cpu, cuda, openvino, coreml, ...: where onnxruntime runs the network")
    threads: int = Field(1, ge=1, le=64, description="threads for one picture; more lower the delay and raise the CPU time")
    folders: tuple[Path, ...] = Field((), description="folders to look for models in, before the cache")


class Smoothing(_Section):
    """How the matte is steadied in time."""

    temporal: Temporal = Field("causal", description="causal: from the past alone")
    time_constant: float = Field(0.15, ge=0, le=5, description="seconds in which a still part follows the network")


class Render(_Section):
    """How files are written."""

    codec: str = Field("libx264", description="libx264, libx265, libvpx-vp9, libsvtav1, ffv1, ...: the video encoder")
    crf: float = Field(19.0, ge=0, le=63, description="constant quality on the codec's own scale, 0 is the best")
    preset: str = Field("medium", description="speed against size: ultrafast, superfast, veryfast, ... to placebo")
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
    asked = config or (Path(os.environ[_CONFIG_VARIABLE]) if _CONFIG_VARIABLE in os.environ else None)
    path = asked or default_config_path()
    if asked and not asked.is_file():
        raise ConfigError(f"the configuration file {asked} does not exist: name one that does, or leave it out for the defaults")
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
        raise ConfigError(_explain(error, path)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


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
    known = {_PREFIX + key.upper().replace(".", "__") for key in setting_keys()}
    known |= {_PREFIX + section.upper() for section in _sections()} | {_CONFIG_VARIABLE}
    for name in environment:
        if name.upper().startswith(_PREFIX) and name.upper() not in known:
            raise ConfigError(f"the environment variable {name} is no setting{_nearest(name.upper(), known)}")


def _explain(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        known = set(_sections()) if len(location) == 1 else set(setting_keys())
        return f"{path}: {key} is no setting{_nearest(key, known | set(setting_keys()))}"
    reason = first["msg"].removeprefix("Value error, ")
    return f"the setting {key} cannot be {first['input']!r}: {reason}"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f": did you mean {near[0]}?" if near else ": config.example.toml lists them all"
