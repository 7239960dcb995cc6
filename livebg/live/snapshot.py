"""What a session is doing at one moment, and its description for people."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from livebg.interfaces import LiveSource
from livebg.live.presence.device import Method
from livebg.live.stats import Counts, LastError, Latency

_UNRESPONSIVE_AFTER_S: Final = 2.0
"""Processing time of one frame after which the network is reported as unresponsive."""


class State(enum.StrEnum):
    """State of a session. In every state except LIVE the output shows the placeholder."""

    ASLEEP = "asleep"
    WAKING = "waking"
    LIVE = "live"
    CAMERA_LOST = "camera lost"
    STALLED = "stalled"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSnapshot:
    """A session at one moment. Its threads go on meanwhile, so a frame in flight may not be counted yet.

    - ``camera_lost``, ``output_lost``, ``failing``: why the camera or the output is unavailable, and why the last frame failed;
      None if all is well.
    - ``locked``: only the locked screen has paused the camera. ``paused``: the user or the locked screen has. ``watched``: an app
      or preview is watching, or might be.
    - ``showing``: the last picture sent was a composite. ``waking``: none has been sent since the camera was last needed.
      ``loading``: the network is being loaded. ``busy_seconds``: since processing of the current frame started, 0 if idle.
    - ``uptime`` is in seconds; ``opened`` counts how often a camera was opened, ``previews`` the open previews. ``source`` is the
      open camera; ``device`` is the location of the output, for people.
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
    source: LiveSource | None
    opened: int
    device: str | None
    fps_in: float
    fps_out: float
    counts: Counts
    latency: Latency | None
    stages: Mapping[str, float]
    last_error: LastError | None
    watched_by: Method
    previews: int


def describe(snapshot: SessionSnapshot) -> tuple[State, str | None]:
    """Returns the state and, unless it is LIVE or STOPPING, a human-readable reason."""
    by_precedence: tuple[tuple[bool, State, str | None], ...] = (
        (snapshot.stopping, State.STOPPING, None),
        (snapshot.locked, State.PAUSED, "The screen is locked. Unlock it to resume."),
        (snapshot.paused, State.PAUSED, "Paused. Run `livebg resume` to continue."),
        (not snapshot.watched and snapshot.output_lost is None, State.ASLEEP, "No app is using the camera."),
        (snapshot.camera_lost is not None, State.CAMERA_LOST, snapshot.camera_lost),
        (snapshot.output_lost is not None, State.STALLED, snapshot.output_lost),
        (snapshot.showing, State.LIVE, None),
        (snapshot.loading, State.WAKING, "Loading the network."),
        (snapshot.busy_seconds > _UNRESPONSIVE_AFTER_S, State.STALLED, "The network does not respond."),
        (snapshot.failing is not None, State.STALLED, snapshot.failing),
        (snapshot.waking, State.WAKING, "Opening the camera."),
        (True, State.STALLED, "The frame rate is too low: the last frame is too old to be shown."),
    )
    return next((state, reason) for applies, state, reason in by_precedence if applies)
