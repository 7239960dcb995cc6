"""What ``livebg status`` tells. Scripts rely on these names: fields may be added, none is renamed or given another meaning.

Times are in seconds and costs in milliseconds, as the names say; sizes are (width, height) in pixels. None stands for what is not
known, or is not there at present.
"""

import functools
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from livebg.errors import LivebgError
from livebg.live.stats import Latency

State = Literal["asleep", "waking", "live", "camera lost", "stalled", "paused", "stopping"]
"""asleep: nobody watches, the camera is free; waking: the camera or the network is not ready yet; live: people are seen;
camera lost: it is missing, busy or silent, and tried again; stalled: the network or the output fails or hangs; paused: by the
user; stopping: on the way out."""


@dataclass(frozen=True, slots=True)
class CameraStatus:
    requested: str
    """What the user named: a name, a path, a file, or ``auto``."""
    name: str | None
    """Of the camera that is open; None while none is."""
    mode_description: str | None
    """Its mode in a few words, such as ``1280x720 30 fps MJPEG``."""
    opened: int
    """How many times a camera was opened since the start: more than one tells of losses or sleep."""
    size: tuple[int, int] | None
    """Of its frames."""


@dataclass(frozen=True, slots=True)
class OutputStatus:
    backend: str
    """``v4l2loopback``, ``pipewire``, ``obs`` or ``null``."""
    device: str | None
    """The node, such as ``/dev/video10`` or ``PipeWire node 42``, where the backend has one."""
    width: int
    height: int
    fps: float
    """Frames a second that are asked for; ``fps_out`` tells what is reached."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames since the start."""

    captured: int
    """By the camera."""
    dropped: int
    """Captured and never shown, since a newer one was there or it came too late."""
    processed: int
    """Composited."""
    sent: int
    """Composites that were shown, each counted once: captured = sent + dropped + failed, but for those under way."""
    placeholders: int
    """Pictures with nothing of the camera in them that were shown."""
    repeated: int
    """Composites shown once more, since there was no newer one."""
    failed: int = 0
    """Captured, and not composited since the network failed."""


@dataclass(frozen=True, slots=True)
class CpuCost:
    """Milliseconds of CPU time a frame."""

    total: float
    stages: dict[str, float]
    """By stage: ``network``, ``smoothing``, ``upsampling``, ``compositing``, ``camera``, ``output``."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    name: str
    provider: str
    """onnxruntime's word for where it runs."""
    input_size: tuple[int, int] | None
    """Of the picture that the network sees; None before the first."""


@dataclass(frozen=True, slots=True)
class EffectStatus:
    """What is chosen of the effect, also while that is off."""

    mode: str
    """portrait, greenscreen, matte or background."""
    background: str
    blur: float
    screen: str


@dataclass(frozen=True, slots=True)
class LastError:
    text: str
    seconds_ago: float


@dataclass(frozen=True, slots=True)
class Status:
    state: State
    reason: str | None
    """Why it is in this state, as one sentence for people, where there is something to say."""
    mode: str
    """portrait, greenscreen, matte, background or none."""
    uptime: float
    """Seconds since the start."""
    camera: CameraStatus
    output: OutputStatus
    fps_in: float
    """Frames a second from the camera, over the last two seconds."""
    fps_out: float
    """Frames a second to the output, over the last two seconds."""
    counts: Counts
    latency: Latency | None
    cpu_ms: CpuCost | None
    """None before the first frame."""
    model: ModelStatus | None
    """None while it loads, and in mode none."""
    last_error: LastError | None
    version: str
    """livebg's."""
    pid: int
    watched: bool = True
    """Whether anybody looks at the output, as far as that can be known: where it cannot, somebody is taken to."""
    watched_by: str = "unknown"
    """How that is known: ``event``, ``inotify``, ``proc``, ``pipewire``, or ``unknown``."""
    degraded: tuple[str, ...] = ()
    """What is given up for the frame rate or the battery, in words for people."""
    effect: EffectStatus | None = None
    previews: int = 0
    """How many of the user's own previews look at present; they count as watching."""

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: objects, lists, text, and numbers to three decimals."""
        return asdict(self, dict_factory=_plain_object)

    @staticmethod
    def from_dict(told: Any) -> "Status":
        """The status that a livebg, perhaps a newer one, told. Raises :class:`~livebg.errors.LivebgError` when it is none."""
        try:
            return _adapter().validate_python(told)
        except ValidationError as error:
            loc = ".".join(str(part) for part in error.errors()[0]["loc"])
            field = f"status field {loc}" if loc else "status"
            raise LivebgError(f"Incompatible livebg is running (unexpected {field}). Restart it.") from None


@functools.cache
def _adapter() -> TypeAdapter[Status]:
    """Made once: that takes a hundred times as long as what it does."""
    return TypeAdapter(Status)


def _plain_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in pairs}


def _plain(value: Any) -> Any:
    match value:
        case float():
            return round(value, 3)
        case tuple():
            return list(value)
        case dict():
            return {key: _plain(each) for key, each in value.items()}
    return value
