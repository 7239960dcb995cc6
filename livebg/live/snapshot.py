"""What a session is doing at one moment, and its description for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from livebg.live.stats import Counts, LastError, Latency

if TYPE_CHECKING:  # slow to import, and `livebg status` needs only the states
    from livebg.interfaces import LiveSource
    from livebg.live.presence.device import Method

State = Literal["asleep", "waking", "live", "camera lost", "stalled", "paused", "stopping"]
"""asleep: no app is using the camera, and it is closed; waking: the camera or the network is not ready yet; live: composites are
shown; camera lost: it is missing, busy or silent, and retried; stalled: the network or the output fails or hangs; paused: by the
user or the screen lock; stopping: shutting down. In every state except live the output shows the placeholder."""
_UNRESPONSIVE_AFTER_S: Final = 2.0
"""Processing time of one frame after which the network is reported as unresponsive."""


@dataclass(frozen=True, slots=True)
class OutputSnapshot:
    """One output at one moment, in the order of the session's outputs."""

    device: str | None
    """The location of the output, for people; None before it was opened."""
    lost: str | None
    """Why it cannot be written and is retried, or None."""
    hung: bool
    """Whether it does not return from sending a picture."""
    showing: bool
    """Whether its last picture was a composite."""
    fps: float
    """Measured frames per second."""
    watched: bool
    """Whether an app uses it, or might."""
    watched_by: "Method"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSnapshot:
    """A session at one moment. Its threads go on meanwhile, so a frame in flight may not be counted yet.

    - ``camera_lost``, ``output_lost``, ``failing``: why the camera or every output is unavailable, and why the last frame failed;
      None if all is well.
    - ``locked``: only the locked screen has paused the camera. ``paused``: the user or the locked screen has. ``watched``: an app
      or preview is watching, or might be.
    - ``showing``: the last picture sent was a composite. ``waking``: none has been sent since the camera was last needed.
      ``loading``: the network is being loaded. ``busy_seconds``: since processing of the current frame started, 0 if idle.
    - ``uptime`` is in seconds; ``opened`` counts how often a camera was opened, ``previews`` the open previews. ``source`` is the
      open camera; ``device`` is the location of the output, for people.
    - ``outputs`` has an entry for each output. ``device`` is the first one's. ``showing``, ``waking``, ``fps_out``, ``latency``
      and ``counts`` are those of the first output that works.
    - ``fps_in`` and ``fps_out`` are the measured frames per second from the camera and to the output; ``stages`` are CPU seconds.
    """

    camera_lost: str | None
    output_lost: str | None
    failing: str | None
    stopping: bool
    locked: bool
    paused: bool
    watched: bool
    showing: bool
    loading: bool
    busy_seconds: float
    waking: bool
    uptime: float
    source: "LiveSource | None"
    opened: int
    device: str | None
    fps_in: float
    fps_out: float
    counts: Counts
    latency: Latency | None
    stages: Mapping[str, float]
    last_error: LastError | None
    watched_by: "Method"
    previews: int
    outputs: tuple[OutputSnapshot, ...] = ()


def describe(snapshot: SessionSnapshot) -> tuple[State, str | None]:
    """Return the state and, unless it is live or stopping, a human-readable reason."""
    by_precedence: tuple[tuple[bool, State, str | None], ...] = (
        (snapshot.stopping, "stopping", None),
        (snapshot.locked, "paused", "The screen is locked. Unlock it to resume."),
        (snapshot.paused, "paused", "Paused. Run `livebg resume` to continue."),
        (not snapshot.watched and snapshot.output_lost is None, "asleep", "No app is using the camera."),
        (snapshot.camera_lost is not None, "camera lost", snapshot.camera_lost),
        (snapshot.output_lost is not None, "stalled", snapshot.output_lost),
        (snapshot.showing, "live", None),
        (snapshot.loading, "waking", "Loading the network."),
        (snapshot.busy_seconds > _UNRESPONSIVE_AFTER_S, "stalled", "The network does not respond."),
        (snapshot.failing is not None, "stalled", snapshot.failing),
        (snapshot.waking, "waking", "Opening the camera."),
        (True, "stalled", "The frame rate is too low: the last frame is too old to be shown."),
    )
    return next((state, reason) for applies, state, reason in by_precedence if applies)
