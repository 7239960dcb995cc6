"""What the window shows of a snapshot, and when it counts as visible."""

from dataclasses import replace

import pytest

from livebg import __version__
from livebg.daemon.protocol import VersionMismatch
from livebg.errors import LivebgError, NotRunningError
from livebg.window.attention import Attention
from livebg.window.state import CameraControl, Level, Snapshot, notices, state_view
from tests.support.fake_daemon import ASLEEP, LIVE

NOW = replace(LIVE, version=__version__)


@pytest.mark.parametrize(
    ("snapshot", "level", "title"),
    [
        (Snapshot(), Level.IDLE, "Connecting to livebg…"),
        (Snapshot(NOW), Level.GOOD, "Live: background blurred"),
        (Snapshot(replace(NOW, mode="none")), Level.WARNING, "Your room is visible"),
        (Snapshot(replace(NOW, state="paused")), Level.IDLE, "Paused: others see a placeholder"),
        (Snapshot(replace(NOW, state="camera lost", reason="It is gone.")), Level.ERROR, "Camera lost"),
        (Snapshot(replace(ASLEEP, mode="none")), Level.WARNING, "Asleep: no app uses the camera"),
        (Snapshot(ASLEEP), Level.IDLE, "Asleep: no app uses the camera"),
        (Snapshot(error=NotRunningError("x")), Level.IDLE, "livebg is not running"),
        (Snapshot(error=NotRunningError("x"), starting=True), Level.IDLE, "Connecting to livebg…"),
        (Snapshot(error=LivebgError("It hangs.")), Level.ERROR, "livebg does not respond"),
        (Snapshot(error=VersionMismatch("x", "y", 3)), Level.ERROR, "Restart needed"),
    ],
)
def test_state_has_level_and_title(snapshot: Snapshot, level: Level, title: str) -> None:
    view = state_view(snapshot)
    assert (view.level, view.title) == (level, title)


def test_buttons_follow_the_state() -> None:
    paused = state_view(Snapshot(replace(NOW, state="paused")))
    assert (paused.paused, paused.room_visible, paused.recording, paused.running) == (True, False, False, True)
    assert state_view(Snapshot(replace(NOW, mode="none"))).room_visible
    assert state_view(Snapshot(NOW, recording={"path": "/a.mkv"})).recording
    assert not state_view(Snapshot(error=NotRunningError("x"))).running


def test_live_detail_has_size_rate_and_latency() -> None:
    assert state_view(Snapshot(NOW)).detail == "1280×720 · 30 fps · 41 ms"


def test_notices_name_microphone_update_and_quality() -> None:
    assert notices(Snapshot()) == ()
    assert notices(Snapshot(replace(NOW, degraded=()))) == ()
    found = notices(Snapshot(LIVE if LIVE.version != __version__ else replace(LIVE, version="0.0.1"), recording={"audio": "mic"}))
    assert found[0] == "The microphone is being recorded."
    assert "updated" in found[1]
    assert found[2] == "Reduced quality: mask every 2nd frame"


def test_camera_control_is_parsed() -> None:
    data = {
        "key": "exposure",
        "name": "Exposure",
        "type": "menu",
        "minimum": 0,
        "maximum": 3,
        "step": 1,
        "default": 0,
        "value": 1,
    }
    control = CameraControl.from_dict({**data, "menu": {"0": "Auto", "1": "Manual"}, "active": False})
    assert (control.menu, control.active, control.value) == ({0: "Auto", 1: "Manual"}, False, 1)
    assert CameraControl.from_dict({**data, "menu": None}).menu == {}


def visible_attention() -> Attention:
    attention = Attention(mapped=True)
    attention.drawn(10.0)
    attention.drawn(10.2)
    return attention


def test_window_that_is_drawn_watches() -> None:
    assert visible_attention().watching(10.3)


def test_window_that_is_not_drawn_stops_watching_within_a_second() -> None:
    assert not visible_attention().watching(11.0)


def test_hidden_window_that_is_drawn_once_a_second_does_not_watch() -> None:
    attention = visible_attention()
    for second in range(12, 20):
        attention.drawn(float(second))
        assert not attention.watching(second + 0.1)
    attention.drawn(19.05)
    assert attention.watching(19.1)


@pytest.mark.parametrize("flag", ["minimized", "locked"])
def test_minimized_or_locked_window_does_not_watch(flag: str) -> None:
    attention = visible_attention()
    setattr(attention, flag, True)
    assert not attention.watching(10.3)


def test_unmapped_window_does_not_watch() -> None:
    attention = visible_attention()
    attention.mapped = False
    assert not attention.watching(10.3)


def test_window_asks_to_be_drawn_if_no_picture_was() -> None:
    assert not visible_attention().needs_drawing(10.3)
    assert visible_attention().needs_drawing(10.5)
