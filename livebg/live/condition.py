"""Describes the state of a session: a state and, unless it is live, the reason."""

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livebg.live.session import Session


class State(enum.StrEnum):
    """State of a session. In every state except LIVE the output shows the placeholder."""

    ASLEEP = "asleep"
    WAKING = "waking"
    LIVE = "live"
    CAMERA_LOST = "camera lost"
    STALLED = "stalled"
    PAUSED = "paused"
    STOPPING = "stopping"


def describe_state(session: "Session") -> tuple[State, str | None]:
    """Returns the current state and, unless it is LIVE, a human-readable reason."""
    camera_lost, output_lost, failing = session.camera.lost, session.output.lost, session.worker.failing
    if session.stopping:
        return State.STOPPING, None
    if session.locked:
        return State.PAUSED, "The screen is locked. Unlock it to resume."
    if session.paused:
        return State.PAUSED, "Paused. Run `livebg resume` to continue."
    if not session.watched and output_lost is None:
        return State.ASLEEP, "No app is using the camera."
    if camera_lost is not None:
        return State.CAMERA_LOST, camera_lost
    if output_lost is not None:
        return State.STALLED, output_lost
    if session.output.showing:
        return State.LIVE, None
    return _waiting_reason(session, failing)


def _waiting_reason(session: "Session", failing: str | None) -> tuple[State, str]:
    """Returns why no composite is shown."""
    if session.worker.loading:
        return State.WAKING, "Loading the network."
    if session.hanging:
        return State.STALLED, "The network does not respond."
    if failing is not None:
        return State.STALLED, failing
    if session.waking:
        return State.WAKING, "Opening the camera."
    return State.STALLED, "The frame rate is too low: the last frame is older than 250 ms."
