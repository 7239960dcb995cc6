"""Settings with their meaning, default and valid range. :mod:`livebg.config.loading` loads them.

Mode ``none`` is not a setting: showing the unprocessed room requires the user's consent each time.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from livebg.config.automatic_backend import own_automatic_backend
from livebg.config.choices import BUILTIN_BACKGROUNDS, MAX_JOBS, Backend, Mode, Preset, SinkBackend, Temporal
from livebg.config.messages import PREFIX
from livebg.config.parsing import check_frame_size, check_output_size, parse_color, parse_size


def _hex_color(text: str) -> str:
    parse_color(text)
    return text


def _input_size(text: str) -> str:
    parse_size(text)
    return text


def _split_folders(value: object) -> object:
    return [folder for folder in value.split(os.pathsep) if folder] if isinstance(value, str) else value


def _whole_number(value: object) -> object:
    """Convert the text of an environment variable for a Literal of integers."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9 else value


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _reject_unusable_text(cls, value: object) -> object:
        """Reject an empty text or path, which would otherwise mean the current directory, and one that no path can have."""
        texts = value if isinstance(value, list | tuple) else (value,)
        if "" in texts:
            raise ValueError("It is empty. Write a value, or remove the setting.")
        if any("\0" in text for text in texts if isinstance(text, str)):
            raise ValueError("It contains a null character. Remove it.")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _reject_boolean_number(cls, value: object, info: ValidationInfo) -> object:
        """Reject true and false for a number: pydantic reads them as 1 and 0, so that ``framing = true`` would turn it off."""
        if isinstance(value, bool) and info.field_name and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("It should not be true or false.")
        return value


class Effect(Section):
    """The effect."""

    mode: Mode = Field(
        "portrait", description="the effect: portrait (blur), greenscreen, matte, cutout (files only) or background"
    )
    background: str = Field(
        "#204060",
        description=f"for mode background: {', '.join(BUILTIN_BACKGROUNDS)}, "
        "a color as #rrggbb, a picture or a video; use ./dawn for a file named dawn",
    )
    background_fit: Literal["fill", "fit"] = Field(
        "fill", description="pictures and videos: fill the frame and crop, or fit all of it in, surrounded by its own blur"
    )
    blur: float = Field(0.025, ge=0, le=1, description="for mode portrait: blur width as a fraction of the frame height")
    lens: Literal["gaussian", "disc"] = Field(
        "gaussian", description="for mode portrait: Gaussian blur, or bokeh discs as a camera lens produces them"
    )
    light_wrap: float = Field(
        0.0, ge=0, le=1, description="how much light from the background appears on the person's edge; not in mode greenscreen"
    )
    light: float = Field(0.0, ge=0, le=1, description="how much to brighten and even out the person, as a lamp would")
    light_auto: bool = Field(False, description="brighten the person further if their face is dark, following it slowly")
    dim: float = Field(
        0.0, ge=0, le=1, description="for modes portrait and background: how much to darken the background; 1: black"
    )
    desaturate: float = Field(
        0.0, ge=0, le=1, description="for modes portrait and background: how much color to take from the background; 1: gray"
    )
    edge: float = Field(
        0.0, ge=-1, le=1, description="shrink (below 0) or grow the person's outline, by up to 1 % of the frame height"
    )
    screen: Annotated[str, AfterValidator(_hex_color)] = Field("#00ff00", description="for mode greenscreen: its color")
    framing: float = Field(1.0, ge=1, le=3, description="auto-framing: follow the person, zooming in at most this much; 1: off")


class Model(Section):
    """The network that separates the person from the background."""

    name: str = Field("livebg-u2", description="a name from `livebg models`, or an ONNX file")
    input_size: Annotated[str, AfterValidator(_input_size)] = Field(
        "auto", description="network input size as WIDTHxHEIGHT; auto: the model's size in the frame's aspect ratio"
    )
    normalization: Literal["sigmoid", "minmax"] = Field(
        "sigmoid", description="sigmoid: fixed scale, for video; minmax: stretch each picture, as rembg does"
    )
    provider: str = Field("auto", description="execution provider of onnxruntime: auto, cpu, cuda, openvino, coreml, ...")
    threads: int = Field(1, ge=1, le=64, description="threads per picture: one uses the least CPU time, more help large networks")
    folders: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split_folders)] = Field(
        (), description="folders to search for models before the cache; separated by : in an environment variable"
    )


class Smoothing(Section):
    """The temporal filter of the matte. The network processes each picture independently."""

    temporal: Temporal = Field(
        "lookahead",
        description="for files: lookahead uses future frames too; causal uses past frames only, as live video always does",
    )
    time_constant: float = Field(
        0.4, ge=0, le=5, description="time constant in seconds with which still regions follow the network; 0: no filter"
    )
    delay_frames: int = Field(
        0, ge=0, le=3, description="for live video: frames by which the picture is late, so that each matte can use later frames"
    )


def _job_count(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """Report one error, not one for each type."""
    try:
        return check(value)
    except ValidationError:
        raise ValueError(f"It should be auto or an integer from 1 to {MAX_JOBS}.") from None


class Render(Section):
    """How `livebg render` writes files."""

    codec: str = Field("libx264", description="video encoder: libx264, libx265, libvpx-vp9, libsvtav1, ffv1, ...")
    crf: float = Field(19.0, ge=0, le=63, description="constant rate factor on the codec's own scale, 0 is the best quality")
    preset: Preset = Field(
        "medium", description="encoder preset, speed against file size: ultrafast, superfast, veryfast, ... to placebo"
    )
    jobs: Annotated[Literal["auto"] | Annotated[int, Field(ge=1, le=MAX_JOBS)], WrapValidator(_job_count)] = Field(
        "auto", description="number of parallel processes, 1 to 64; auto: one per CPU core, as far as memory allows"
    )


class Camera(Section):
    """The webcam that `livebg run` reads."""

    device: str = Field(
        "auto", description="auto, part of the camera's name, its number, /dev/video0, a URL, or a video file to use instead"
    )
    size: Annotated[str, AfterValidator(check_frame_size)] = Field(
        "1280x720", description="requested resolution as WIDTHxHEIGHT; livebg uses the camera's closest one"
    )
    frame_rate: float = Field(30.0, ge=1, le=240, description="requested frames per second")
    mirror: bool = Field(False, description="mirror the picture horizontally")
    rotate: Annotated[Literal[0, 90, 180, 270], BeforeValidator(_whole_number)] = Field(
        0, description="rotate clockwise by 0, 90, 180 or 270 degrees, for example for a ceiling-mounted camera"
    )


class Output(Section):
    """The virtual camera that apps see."""

    backend: Literal["auto", Backend] = Field(
        "auto",
        description="auto; v4l2loopback, pipewire or both (Linux); obs (macOS, Windows); or null (no output)",
    )
    label: str = Field("livebg", description="name of the virtual camera; with v4l2loopback, label of the device to write to")
    size: Annotated[str, AfterValidator(check_output_size)] = Field(
        "auto", description="output resolution as WIDTHxHEIGHT, both even; auto: the camera's resolution"
    )
    on_demand: bool = Field(
        True, description="open the camera only while an app or preview uses the picture, if livebg can know that"
    )
    pause_on_lock: bool = Field(False, description="pause while the screen is locked, if the desktop reports it (Linux)")

    @property
    def resolved_backend(self) -> Backend:
        """``backend``, with ``auto`` resolved to what this machine offers."""
        return own_automatic_backend() if self.backend == "auto" else self.backend

    @property
    def sink_backends(self) -> tuple[SinkBackend, ...]:
        """The virtual cameras that run at the same time; the first one is the primary."""
        backend = self.resolved_backend
        return ("v4l2loopback", "pipewire") if backend == "both" else (backend,)


class Governor(Section):
    """What livebg does on slow machines and on battery."""

    enabled: bool = Field(
        True, description="on a slow machine, reduce mask rate, mask size and blur quality to keep the frame rate"
    )
    reuse_masks: bool = Field(True, description="compute a mask only for every second frame while motion is predictable")
    on_battery: Literal["save", "same"] = Field("save", description="on battery: save (fewer masks), or same as on AC power")


class Settings(BaseSettings):
    """All settings, frozen; unknown keys are rejected."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    effect: Effect = Effect()
    model: Model = Model()
    smoothing: Smoothing = Smoothing()
    render: Render = Render()
    camera: Camera = Camera()
    output: Output = Output()
    governor: Governor = Governor()

    def with_mode(self, mode: Mode) -> Self:
        """Return these settings with another ``effect.mode``."""
        return self.model_copy(update={"effect": self.effect.model_copy(update={"mode": mode})})


def setting_keys() -> tuple[str, ...]:
    """Return the dotted keys of all settings, in order."""
    return tuple(f"{section}.{key}" for section, kind in sections().items() for key in kind.model_fields)


def sections() -> dict[str, type[Section]]:
    """Return the model of each section by name."""
    kinds = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Section)}
