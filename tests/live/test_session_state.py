"""How a session is described: which state goes before which, and the reason that is given."""

from dataclasses import replace
from typing import Any

import pytest

from livebg.live.snapshot import SessionSnapshot, State, describe
from livebg.live.stats import Counts

LIVE = SessionSnapshot(
    camera_lost=None,
    output_lost=None,
    failing=None,
    stopping=False,
    locked=False,
    paused=False,
    watched=True,
    showing=True,
    loading=False,
    busy_seconds=0.0,
    waking=False,
    uptime=5.0,
    source=None,
    opened=1,
    device=None,
    fps_in=30.0,
    fps_out=30.0,
    counts=Counts(0, 0, 0, 0, 0, 0),
    latency=None,
    stages={},
    last_error=None,
    watched_by="unknown",
    previews=0,
)
BY_PRECEDENCE: list[tuple[dict[str, Any], State, str | None]] = [
    ({"stopping": True}, "stopping", None),
    ({"locked": True, "paused": True}, "paused", "The screen is locked. Unlock it to resume."),
    ({"locked": False, "paused": True}, "paused", "Paused. Run `livebg resume` to continue."),
    ({"camera_lost": "It is gone."}, "camera lost", "It is gone."),
    ({"output_lost": "No node."}, "stalled", "No node."),
    ({"showing": True}, "live", None),
    ({"loading": True}, "waking", "Loading the network."),
    ({"busy_seconds": 2.5}, "stalled", "The network does not respond."),
    ({"failing": "It failed."}, "stalled", "It failed."),
    ({"waking": True}, "waking", "Opening the camera."),
]


def test_live_has_no_reason() -> None:
    assert describe(LIVE) == ("live", None)


@pytest.mark.parametrize("first", range(len(BY_PRECEDENCE)))
def test_state_goes_before_all_that_follow(first: int) -> None:
    facts: dict[str, Any] = {"showing": False}
    for given, _, _ in reversed(BY_PRECEDENCE[first:]):
        facts |= given
    assert describe(replace(LIVE, **facts)) == BY_PRECEDENCE[first][1:]


@pytest.mark.parametrize("also", [{}, {"camera_lost": "It is gone."}, {"showing": True}, {"loading": True}])
def test_unwatched_session_sleeps_whatever_the_camera_does(also: dict[str, Any]) -> None:
    asleep = replace(LIVE, watched=False, showing=False)
    assert describe(replace(asleep, **also)) == ("asleep", "No app is using the camera.")


def test_lost_output_is_told_even_if_nobody_watches() -> None:
    assert describe(replace(LIVE, watched=False, output_lost="No node.")) == ("stalled", "No node.")


def test_rare_frames_are_the_reason_if_there_is_no_other() -> None:
    state, reason = describe(replace(LIVE, showing=False, busy_seconds=1.9))
    assert state == "stalled"
    assert "The frame rate is too low" in str(reason)
