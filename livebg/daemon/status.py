"""The results of the commands of a running livebg. Scripts rely on their names: within a protocol version, fields are only added.

Times are in seconds and costs in milliseconds, as named; sizes are (width, height) in pixels. None means unknown or unavailable.
"""

import functools
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from livebg.errors import LivebgError
from livebg.live.snapshot import State
from livebg.live.stats import Counts, LastError, Latency, RecordingStatus
from livebg.native import KernelStatus

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class CameraStatus:
    requested: str
    """The requested camera: a name, a device path, a file, or ``auto``."""
    name: str | None
    """Name of the open camera; None if none is open."""
    mode_description: str | None
    """Human-readable mode, such as ``1280x720 30 fps MJPEG``."""
    opened: int
    """Number of times a camera was opened since the start, including after losses and sleep."""
    size: tuple[int, int] | None
    """Frame size."""


@dataclass(frozen=True, slots=True)
class OutputStatus:
    backend: str
    """``v4l2loopback``, ``pipewire``, ``obs`` or ``null``."""
    device: str | None
    """The node, such as ``/dev/video10`` or ``PipeWire node 42``, if the backend has one."""
    width: int
    height: int
    fps: float
    """Requested frames per second; ``fps_out`` is the measured rate."""


@dataclass(frozen=True, slots=True)
class OutputState:
    """One of the outputs that run at the same time. ``lost``: why it cannot be written and is retried, or None."""

    backend: str
    device: str | None
    lost: str | None
    hung: bool
    """Whether it does not return from sending a picture."""
    showing: bool
    """Whether its last picture was not the placeholder."""
    fps: float
    """Measured frames per second."""
    watched: bool
    """Whether an app uses it; True if unknown."""
    watched_by: str
    """Detection method, as in :class:`Status`."""


@dataclass(frozen=True, slots=True)
class CpuCost:
    """CPU time per frame in milliseconds."""

    total: float
    stages: dict[str, float]
    """By stage: ``network``, ``flow``, ``smoothing``, ``upsampling``, ``compositing``, ``camera``, ``output``."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    name: str
    provider: str
    """The onnxruntime execution provider."""
    input_size: tuple[int, int] | None
    """Network input size; None before the first frame."""


@dataclass(frozen=True, slots=True)
class DelayStatus:
    """What the setting ``smoothing.delay_frames`` costs and gains."""

    frames: int
    ms: float
    """How much later the pictures are, at the current frame rate."""
    dtssd_percent: float
    """Change of dtSSD, the flicker of moving people, measured on synthetic clips; below 0."""


@dataclass(frozen=True, slots=True)
class EffectStatus:
    """The effect settings, even while the effect is off."""

    mode: str
    """portrait, greenscreen, matte or background."""
    background: str
    blur: float
    screen: str


@dataclass(frozen=True, slots=True)
class Status:
    state: State
    reason: str | None
    """Human-readable reason for the state, or None."""
    mode: str
    """portrait, greenscreen, matte, background or none."""
    uptime: float
    """Seconds since the start."""
    camera: CameraStatus
    output: OutputStatus
    fps_in: float
    """Frames per second from the camera over the last two seconds."""
    fps_out: float
    """Frames per second to the output over the last two seconds."""
    counts: Counts
    latency: Latency | None
    cpu_ms: CpuCost | None
    """None before the first frame."""
    model: ModelStatus | None
    """None while loading and in mode none."""
    last_error: LastError | None
    version: str
    """Version of livebg."""
    pid: int
    watched: bool = True
    """Whether the output is watched; True if unknown."""
    watched_by: str = "unknown"
    """Detection method: ``event``, ``inotify``, ``proc``, ``pipewire``, or ``unknown``."""
    degraded: tuple[str, ...] = ()
    """Human-readable quality reductions to keep the frame rate or to save battery."""
    effect: EffectStatus | None = None
    previews: int = 0
    """Number of open previews; they count as watching."""
    kernels: KernelStatus | None = None
    outputs: tuple[OutputState, ...] = ()
    """Every output, the one in ``output`` first."""
    recording: RecordingStatus | None = None
    """None if nothing is recorded. It counts as watching."""
    delay: DelayStatus | None = None
    """None without a delay and in mode none."""

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible dictionary, with numbers rounded to three decimals."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)), parse_float=lambda digits: round(float(digits), 3))
        return plain

    @staticmethod
    def from_dict(data: Any) -> "Status":
        """Parse the status of a livebg, possibly newer. Raises :class:`~livebg.errors.LivebgError` if invalid."""
        from pydantic import ValidationError  # slow to import, and `livebg --help` does not need it

        try:
            return _adapter().validate_python(data)
        except ValidationError as error:
            loc = ".".join(str(part) for part in error.errors()[0]["loc"])
            field = f"status field {loc}" if loc else "status"
            raise LivebgError(f"Incompatible livebg is running (unexpected {field}).", "Restart it.") from None


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The state after a command that changes the session."""

    effect: bool
    """Whether the room is hidden; False after ``off``."""
    paused: bool
    mode: str
    """The effect mode, even while the effect is off: portrait, greenscreen, background or matte."""
    background: str
    blur: float
    screen: str
    camera: str
    """The requested camera."""
    changed: tuple[str, ...] = ()
    """Settings changed by the command."""
    at_next_start: tuple[str, ...] = ()
    """Settings changed in the configuration file that take effect at the next start."""
    note: str | None = None
    """Human-readable note."""

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Parse the result from a running livebg, possibly newer. Raises :class:`~livebg.errors.LivebgError` if invalid."""
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError:
            raise LivebgError("Incompatible livebg is running.", "Restart it.") from None


@dataclass(frozen=True, slots=True)
class PresetEntry:
    """A preset in the list."""

    name: str
    builtin: bool
    error: str | None = None
    """Why it cannot be used."""


@dataclass(frozen=True, slots=True)
class PresetList:
    """All presets: the built-in ones, then the user's by name."""

    presets: tuple[PresetEntry, ...] = ()
    current: str | None = None
    """The preset whose values all equal the current settings, if any."""

    @staticmethod
    def from_dict(data: Any) -> "PresetList":
        """Parse the list of a running livebg, possibly newer. Raises :class:`~livebg.errors.LivebgError` if invalid."""
        from pydantic import ValidationError

        try:
            return _preset_adapter().validate_python(data)
        except ValidationError:
            raise LivebgError("Incompatible livebg is running.", "Restart it.") from None

    def from_next(self, last: str | None) -> tuple[str, ...]:
        """Return the names of all usable presets in a cycle that begins after the current preset, else after ``last``."""
        names = [entry.name for entry in self.presets]
        now = self.current or last
        start = names.index(now) + 1 if now in names else 0
        return tuple(entry.name for entry in (*self.presets[start:], *self.presets[:start]) if entry.error is None)


@functools.cache
def _adapter() -> "TypeAdapter[Status]":
    """Cached: creating the adapter takes a hundred times as long as validating."""
    from pydantic import TypeAdapter

    return TypeAdapter(Status)


@functools.cache
def _preset_adapter() -> "TypeAdapter[PresetList]":
    from pydantic import TypeAdapter

    return TypeAdapter(PresetList)
