"""What a session is doing, in a word and, where it is not simply live, a sentence."""

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livebg.live.session import Session


class State(enum.StrEnum):
    """What a session is doing. In every state but LIVE the placeholder is shown."""

    ASLEEP = "asleep"
    WAKING = "waking"
    LIVE = "live"
    CAMERA_LOST = "camera lost"
    STALLED = "stalled"
    PAUSED = "paused"
    STOPPING = "stopping"


def condition(session: "Session") -> tuple[State, str | None]:
    """The state, and why it is not LIVE, as a sentence for people; both of the same moment."""
    camera_lost, output_lost, failing = session.camera.lost, session.output.lost, session.worker.failing
    if session.stopping:
        return State.STOPPING, None
    if session.locked:
        return State.PAUSED, "the screen is locked: unlocking it goes on"
    if session.paused:
        return State.PAUSED, "you paused it: `livebg resume` goes on"
    if not session.watched and output_lost is None:
        return State.ASLEEP, "nobody watches, and the camera is free"
    if camera_lost is not None:
        return State.CAMERA_LOST, camera_lost
    if output_lost is not None:
        return State.STALLED, output_lost
    if session.output.showing:
        return State.LIVE, None
    return _waiting(session, failing)


def _waiting(session: "Session", failing: str | None) -> tuple[State, str]:
    """What holds the next picture up."""
    if session.worker.loading:
        return State.WAKING, "the network is being loaded"
    if session.hanging:
        return State.STALLED, "the network does not answer"
    if failing is not None:
        return State.STALLED, failing
    if session.waking:
        return State.WAKING, "the camera is being opened"
    return State.STALLED, "pictures come too rarely: the last one is older than a quarter of a second"
