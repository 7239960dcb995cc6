"""The status, by the names that scripts rely on."""

import json
from dataclasses import replace
from typing import Any

import pytest

from livebg.daemon.status import Status
from livebg.errors import LivebgError
from tests.support.fake_daemon import ASLEEP, LIVE


def test_status_has_documented_names_and_values() -> None:
    assert LIVE.as_dict() == {
        "state": "live",
        "reason": None,
        "mode": "portrait",
        "uptime": 3725.4,
        "camera": {
            "requested": "auto",
            "name": "HD Webcam [C920]",
            "mode_description": "1280x720 30 fps MJPEG",
            "opened": 2,
            "size": [1280, 720],
        },
        "output": {"backend": "v4l2loopback", "device": "/dev/video10", "width": 1280, "height": 720, "fps": 30.0},
        "fps_in": 29.97,
        "fps_out": 30.0,
        "counts": {"captured": 900, "dropped": 3, "processed": 897, "sent": 895, "placeholders": 10, "repeated": 4, "failed": 2},
        "latency": {"p50_ms": 41.235, "p95_ms": 60.5},
        "cpu_ms": {"total": 6.31, "stages": {"network": 3.142, "compositing": 2.0}},
        "model": {"name": "livebg-u2", "provider": "CPUExecutionProvider", "input_size": [256, 144]},
        "last_error": {"text": "the camera [C920] was lost: plug it in", "seconds_ago": 75.0},
        "version": "0.1.0",
        "pid": 4242,
        "watched": True,
        "watched_by": "event",
        "degraded": ["mask every 2nd frame"],
        "effect": {"mode": "portrait", "background": "#204060", "blur": 0.025, "screen": "#00ff00"},
        "previews": 0,
        "kernels": {"implementation": "NumPy", "reason": "The CPU lacks FMA.", "hint": "Use another."},
        "outputs": [],
        "recording": {
            "path": "/home/ada/talk.mkv",
            "seconds": 61.5,
            "frames": 1845,
            "audio": "default",
            "active": True,
            "problem": None,
        },
        "delay": {"frames": 2, "ms": 66.733, "dtssd_percent": -4.5},
    }


def test_missing_values_are_null() -> None:
    reported = ASLEEP.as_dict()
    missing = [name for name, value in reported.items() if value is None]
    assert missing == ["latency", "cpu_ms", "model", "last_error", "effect", "kernels", "recording", "delay"]
    assert [name for name, value in reported["camera"].items() if value is None] == ["name", "mode_description", "size"]
    assert reported["output"]["device"] is None


@pytest.mark.parametrize("status", [LIVE, ASLEEP])
def test_status_is_json_serializable(status: Status) -> None:
    assert json.loads(json.dumps(status.as_dict(), allow_nan=False)) == status.as_dict()


def test_status_round_trips() -> None:
    assert Status.from_dict(json.loads(json.dumps(ASLEEP.as_dict()))) == ASLEEP
    assert LIVE.cpu_ms is not None
    read = Status.from_dict(LIVE.as_dict())
    assert read.as_dict() == LIVE.as_dict()
    assert (read.camera, read.counts, read.model) == (LIVE.camera, LIVE.counts, LIVE.model)


def test_unknown_fields_are_ignored() -> None:
    reported = ASLEEP.as_dict() | {"watchers": 2}
    reported["camera"]["exposure"] = "auto"
    assert Status.from_dict(reported) == ASLEEP


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        (replace(LIVE, state="dreaming").as_dict(), " field state"),  # type: ignore[arg-type]
        (LIVE.as_dict() | {"camera": {}}, " field camera.requested"),
        ({name: value for name, value in LIVE.as_dict().items() if name != "pid"}, " field pid"),
        ("well", ""),
        (None, ""),
    ],
)
def test_invalid_status_fails(fields: Any, where: str) -> None:
    with pytest.raises(LivebgError) as caught:
        Status.from_dict(fields)
    assert str(caught.value) == f"Incompatible livebg is running (unexpected status{where}). Restart it."
