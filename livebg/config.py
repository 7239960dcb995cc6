"""The settings: what each means, its default, and where it may come from.

A setting comes from the configuration file, is overruled by what was chosen while livebg ran before, that by the environment
(``LIVEBG_EFFECT__MODE=greenscreen``) and that by the command line. Mode ``none`` is not among the settings: showing the room as
it is takes the user's own word, each time.
"""

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from livebg.errors import ConfigError
from livebg.notation import parse_color, parse_size
from livebg.setting_errors import CONFIG_VARIABLE, PREFIX, check_environment, no_setting, refused_settings, refused_value

Mode = Literal["portrait", "greenscreen", "matte", "cutout", "background"]
Temporal = Literal["lookahead", "causal"]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"]


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


def _whole_number(value: object) -> object:
    """Variables are text, which a choice of numbers does not take."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9 else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Effect(_Section):
    """What becomes of the room."""

    mode: Mode = Field("portrait", description="portrait, greenscreen, matte, cutout or background")
    background: str = Field(
        "#204060",
        description="for mode background: dawn, dusk, slate, paper, lights, leaves, "
        "a colour as #rrggbb, a picture or a video; of one called dawn say ./dawn",
    )
    background_fit: Literal["fill", "fit"] = Field(
        "fill", description="a picture or video: fill the frame and crop, or fit in whole with its own blur around it"
    )
    blur: float = Field(0.025, ge=0, le=1, description="for mode portrait: the blur's width as a share of the frame's height")
    lens: Literal["gaussian", "disc"] = Field(
        "gaussian", description="for mode portrait: a soft blur, or discs of light as a lens draws them"
    )
    light_wrap: float = Field(
        0.0, ge=0, le=1, description="how much the background's light reaches round the person's edge; not in mode greenscreen"
    )
    screen: Annotated[str, AfterValidator(_hex_color)] = Field("#00ff00", description="for mode greenscreen: its colour")
    framing: float = Field(1.0, ge=1, le=3, description="follow the person, enlarging the picture so much at most; 1: all of it")


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

    temporal: Temporal = Field(
        "lookahead", description="of files: lookahead, from what comes as well; causal, from the past alone, as live always is"
    )
    time_constant: float = Field(0.4, ge=0, le=5, description="seconds in which a still part follows the network")


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
    rotate: Annotated[Literal[0, 90, 180, 270], BeforeValidator(_whole_number)] = Field(
        0, description="degrees clockwise, for a camera that hangs: 0, 90, 180 or 270"
    )


class Output(_Section):
    """The camera that calls see."""

    backend: Literal["auto", "v4l2loopback", "pipewire", "obs", "null"] = Field(
        "auto",
        description="auto, v4l2loopback or pipewire (Linux), obs (macOS, Windows), or null: nothing is shown anywhere",
    )
    label: str = Field("livebg", description="the camera's name; with v4l2loopback, that of the device to write to")
    size: Annotated[str, AfterValidator(_output_size)] = Field("auto", description="WIDTHxHEIGHT, even; auto: the camera's own")
    on_demand: bool = Field(True, description="open the camera only while somebody watches, where that can be known")
    pause_on_lock: bool = Field(False, description="pause while the screen is locked, where the desktop tells so (Linux)")


class Governor(_Section):
    """What livebg does where the machine is too slow for every frame, or runs on its battery."""

    enabled: bool = Field(True, description="give up masks, their size and the blur's quality rather than frames")
    on_battery: Literal["save", "same"] = Field("save", description="on battery: save with fewer masks, or same as on mains")


class Settings(BaseSettings):
    """All settings, frozen; an unknown key is refused."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, nested_model_default_partial_update=True
    )

    effect: Effect = Effect()
    model: Model = Model()
    smoothing: Smoothing = Smoothing()
    render: Render = Render()
    camera: Camera = Camera()
    output: Output = Output()
    governor: Governor = Governor()


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The configuration file as it is written, not yet checked: ``tree`` holds a table a section, and is empty without a file."""

    path: Path
    tree: Mapping[str, Any] = field(default_factory=dict)

    def says(self, key: str) -> Any:
        """What it says of a dotted key; None when it says nothing."""
        section, _, name = key.partition(".")
        table = self.tree.get(section)
        return table.get(name) if isinstance(table, Mapping) else None


def read_config(config: Path | None = None) -> ConfigFile:
    """The file that ``config`` names; without it LIVEBG_CONFIG does, and without that the platform's configuration folder, where
    it need not exist. Raises :class:`~livebg.errors.ConfigError` when it cannot be read, or is no TOML.
    """
    asked = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    path = asked or default_config_path()
    if not path.is_file():
        if asked:
            found = "is not a file" if asked.exists() else "does not exist"
            raise ConfigError(f"the configuration file {asked} {found}: name another, or leave it out for the defaults")
        return ConfigFile(path)
    try:
        return ConfigFile(path, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {path} is not valid TOML ({error}): mend it there") from None
    except OSError as error:
        raise ConfigError(f"the configuration file {path} cannot be read ({error.strerror}): check its permissions") from None


def load_settings(
    overrides: Mapping[str, Any], config: Path | ConfigFile | None = None, chosen: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from the file, what was ``chosen`` earlier, the environment and ``overrides``, each overruling those before it.

    ``overrides`` and ``chosen`` have dotted keys such as ``effect.blur``; None counts as unsaid. ``config`` is a file, or what
    :func:`read_config` finds for it. Raises :class:`~livebg.errors.ConfigError` naming the key, and the nearest right one when it
    is mistyped.
    """
    file = config if isinstance(config, ConfigFile) else read_config(config)
    check_environment(os.environ, setting_keys())

    class FromEverywhere(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            earlier = InitSettingsSource(settings_cls, _nested(chosen or {}))
            return init_settings, env_settings, earlier, InitSettingsSource(settings_cls, dict(file.tree))

    try:
        return FromEverywhere(**_nested(overrides))
    except ValidationError as error:
        said = {key for key, value in overrides.items() if value is not None}
        raise refused_settings(error, said, file.path, [*setting_keys(), *_sections()]) from None


def check_setting(key: str, value: Any) -> Any:
    """``value`` as the setting ``key`` takes it, whatever other settings say.

    Text is read as TOML where that gives what the setting needs (``0.05``, ``true``), and as it stands otherwise: colours, names
    and paths need no quotes. Raises :class:`~livebg.errors.ConfigError` as :func:`load_settings` does.
    """
    if key not in setting_keys():
        raise no_setting(key, setting_keys())
    section, _, name = key.partition(".")
    kind = _sections()[section]
    try:
        return getattr(kind.model_validate({name: _as_toml(value)}), name)
    except ValidationError as error:
        with suppress(ValidationError):
            return getattr(kind.model_validate({name: value}), name)
        raise refused_value(key, value, error) from None


def _as_toml(value: Any) -> Any:
    """What the text means in TOML, or the value itself where it is none."""
    try:
        tree = tomllib.loads(f"value = {value}") if isinstance(value, str) else {}
    except (ValueError, RecursionError):  # numbers of thousands of digits and brackets of thousands of levels among them
        return value
    return tree["value"] if tree.keys() == {"value"} else value


def default_config_path() -> Path:
    return Path(platformdirs.user_config_path("livebg")) / "config.toml"


def setting_keys() -> tuple[str, ...]:
    """Every setting by its dotted key, in order."""
    return tuple(f"{section}.{key}" for section, kind in _sections().items() for key in kind.model_fields)


def _sections() -> dict[str, type[_Section]]:
    kinds = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, _Section)}


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, dict[str, Any]] = {}
    for key, value in overrides.items():
        if value is not None:
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = value
    return tree
