"""The settings: what each means, its default, and what it may be. Where they come from is :mod:`livebg.config.loading`' affair.

Mode ``none`` is not among them: showing the room as it is takes the user's own word, each time.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from livebg.config.messages import PREFIX
from livebg.config.parsing import parse_color, parse_size

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


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Effect(Section):
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


class Model(Section):
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


class Smoothing(Section):
    """How the matte is steadied in time. The network itself sees each picture on its own."""

    temporal: Temporal = Field(
        "lookahead", description="of files: lookahead, from what comes as well; causal, from the past alone, as live always is"
    )
    time_constant: float = Field(0.4, ge=0, le=5, description="seconds in which a still part follows the network")


class Render(Section):
    """How files are written."""

    codec: str = Field("libx264", description="libx264, libx265, libvpx-vp9, libsvtav1, ffv1, ...: the video encoder")
    crf: float = Field(19.0, ge=0, le=63, description="constant quality on the codec's own scale, 0 is the best")
    preset: Preset = Field("medium", description="speed against size: ultrafast, superfast, veryfast, ... to placebo")
    jobs: int = Field(1, ge=1, le=64, description="how many files to render at the same time")


class Camera(Section):
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


class Output(Section):
    """The camera that calls see."""

    backend: Literal["auto", "v4l2loopback", "pipewire", "obs", "null"] = Field(
        "auto",
        description="auto, v4l2loopback or pipewire (Linux), obs (macOS, Windows), or null: nothing is shown anywhere",
    )
    label: str = Field("livebg", description="the camera's name; with v4l2loopback, that of the device to write to")
    size: Annotated[str, AfterValidator(_output_size)] = Field("auto", description="WIDTHxHEIGHT, even; auto: the camera's own")
    on_demand: bool = Field(True, description="open the camera only while somebody watches, where that can be known")
    pause_on_lock: bool = Field(False, description="pause while the screen is locked, where the desktop tells so (Linux)")


class Governor(Section):
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


def setting_keys() -> tuple[str, ...]:
    """Every setting by its dotted key, in order."""
    return tuple(f"{section}.{key}" for section, kind in sections().items() for key in kind.model_fields)


def sections() -> dict[str, type[Section]]:
    """Each section's model by its name."""
    kinds = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Section)}
