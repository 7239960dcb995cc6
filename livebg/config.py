"""The settings: what each means, its default, and where it may come from.

A setting comes from the configuration file, is overruled by the environment (``LIVEBG_EFFECT__MODE=greenscreen``) and that by
the command line. Mode ``none`` is not among the settings: showing the room as it is takes the user's own word, each time.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from livebg.errors import ConfigError
from livebg.notation import parse_color, parse_size

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


def _frame_size(text: str) -> str:
    if parse_size(text) is None:
        raise ValueError("auto is no size here: write WIDTHxHEIGHT, such as 1280x720")
    return text


def _output_size(text: str) -> str:
    size = parse_size(text)
    if size and (size[0] % 2 or size[1] % 2):
        raise ValueError(f"{text} is odd: width and height of a virtual camera are even")
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


class Camera(_Section):
    """The real camera that `livebg run` reads."""

    device: str = Field(
        "auto", description="auto, a part of its name, its number, /dev/video0, a URL, or a video file that stands in for it"
    )
    size: Annotated[str, AfterValidator(_frame_size)] = Field(
        "1280x720", description="WIDTHxHEIGHT to ask for; the camera's nearest is taken"
    )
    frame_rate: float = Field(30.0, ge=1, le=240, description="frames a second to ask for")
    mirror: bool = Field(False, description="show left and right as a mirror does")
    rotate: Literal[0, 90, 180, 270] = Field(0, description="degrees clockwise, for a camera that hangs: 0, 90, 180 or 270")


class Output(_Section):
    """The camera that calls see."""

    backend: Literal["auto", "v4l2loopback", "obs", "null"] = Field(
        "auto", description="auto, v4l2loopback (Linux), obs (macOS, Windows), or null: nothing is shown anywhere"
    )
    label: str = Field("livebg", description="the name of the v4l2loopback device to write to")
    size: Annotated[str, AfterValidator(_output_size)] = Field("auto", description="WIDTHxHEIGHT, even; auto: the camera's own")


class Settings(BaseSettings):
    """All settings, frozen; an unknown key is refused."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, nested_model_default_partial_update=True
    )

    effect: Effect = Effect()
    model: Model = Model()
    smoothing: Smoothing = Smoothing()
    render: Render = Render()
    camera: Camera = Camera()
    output: Output = Output()


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


def _sections() -> dict[str, Iterable[str]]:
    parts: dict[str, type[_Section]] = {"effect": Effect, "model": Model, "smoothing": Smoothing, "render": Render}
    parts |= {"camera": Camera, "output": Output}
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
