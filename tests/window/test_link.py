"""The threads of the window, against a fake daemon without a socket."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livebg.daemon.protocol import unknown_command
from livebg.daemon.status import PresetEntry, Status
from livebg.errors import LivebgError, NotRunningError
from livebg.live.threads import LatestSlot
from livebg.window.feed import MAX_RATE, MIN_RATE, Feed, Pace, Shown, fit
from livebg.window.link import Link, take_snapshot
from livebg.window.services import recording_path
from livebg.window.state import Snapshot
from tests.support.fake_daemon import ASLEEP, DEADLINE, LIVE
from tests.support.live_session import wait_for
from tests.support.preview_session import PreviewSession

CONTROL = {"key": "gain", "name": "Gain", "type": "integer", "minimum": 0, "maximum": 9, "step": 1, "default": 0, "value": 4}


class FakeLivebg:
    """Answers commands, and keeps those it received."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "status": LIVE.as_dict(),
            "settings": {"values": {"effect.blur": 0.1}, "settable": ["effect.blur"]},
            "set": {},
            "pause": {},
        }
        self.received: list[tuple[str, Mapping[str, Any] | None]] = []
        self.changed = threading.Event()

    def __call__(self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float = 2.0) -> Any:  # noqa: ARG002
        self.received.append((command, arguments))
        self.changed.set()
        if command not in self.answers:
            raise unknown_command(command, self.answers)
        answer = self.answers[command]
        if isinstance(answer, LivebgError):
            raise answer
        return answer

    def names(self) -> list[str]:
        return [command for command, _ in self.received]


def direct(function: Callable[..., object], *arguments: Any) -> None:
    function(*arguments)


def ignore(_: Any) -> None:
    """Take a result that does not matter."""


def test_snapshot_has_status_and_settings() -> None:
    livebg = FakeLivebg()
    livebg.answers["status"] = {key: value for key, value in LIVE.as_dict().items() if key != "recording"}
    snapshot = take_snapshot(livebg, set())
    assert snapshot.status is not None
    assert replace(snapshot.status, recording=LIVE.recording) == Status.from_dict(LIVE.as_dict())
    assert snapshot.values == {"effect.blur": 0.1}
    assert snapshot.settable == ("effect.blur",)
    assert (snapshot.presets, snapshot.controls, snapshot.can_record) == (None, None, False)


def test_snapshot_has_presets_controls_and_recording_if_known() -> None:
    livebg = FakeLivebg()
    livebg.answers["presets"] = {"presets": [{"name": "office", "builtin": True}], "current": "office"}
    livebg.answers["camera_controls"] = {"controls": [CONTROL]}
    snapshot = take_snapshot(livebg, set())
    assert (snapshot.presets, snapshot.preset) == ((PresetEntry("office", True),), "office")
    assert snapshot.controls is not None
    assert snapshot.controls[0].value == 4
    assert snapshot.can_record
    assert snapshot.recording is not None
    assert snapshot.recording["path"] == "/home/ada/talk.mkv"


def test_controls_are_not_read_while_the_camera_is_closed() -> None:
    """Reading them opens it, also while livebg is paused or asleep."""
    livebg = FakeLivebg()
    livebg.answers["status"] = ASLEEP.as_dict()
    livebg.answers["camera_controls"] = {"controls": [CONTROL]}
    snapshot = take_snapshot(livebg, set())
    assert snapshot.status == Status.from_dict(ASLEEP.as_dict())
    assert snapshot.controls is None
    assert "camera_controls" not in livebg.names()


def test_unknown_commands_are_sent_once_per_livebg() -> None:
    livebg, unknown = FakeLivebg(), set[str]()
    take_snapshot(livebg, unknown)
    take_snapshot(livebg, unknown)
    assert livebg.names().count("presets") == 1
    livebg.answers["status"] = NotRunningError("It is not running.")
    assert take_snapshot(livebg, unknown).error is livebg.answers["status"]
    livebg.answers["status"] = LIVE.as_dict()
    take_snapshot(livebg, unknown)
    assert livebg.names().count("presets") == 2, "another livebg may know it"


def test_failing_optional_command_leaves_the_rest() -> None:
    livebg = FakeLivebg()
    livebg.answers["camera_controls"] = LivebgError("The camera does not answer.")
    snapshot = take_snapshot(livebg, set())
    assert snapshot.status == Status.from_dict(LIVE.as_dict())
    assert snapshot.controls is None


def test_many_edits_become_few_commands_with_the_newest_value() -> None:
    livebg = FakeLivebg()
    link = Link(direct, ignore, ignore, livebg)
    link.set_active(False)
    link.start()
    for step in range(100):
        link.edit("effect.blur", step / 1000)
    done = threading.Event()
    link.run(lambda: None, lambda _: done.set())
    assert done.wait(DEADLINE)
    link.close()
    sent = [arguments for command, arguments in livebg.received if command == "set"]
    assert 1 <= len(sent) < 20
    assert sent[-1] == {"settings": {"effect.blur": 0.099}}


def test_refused_command_is_reported() -> None:
    livebg, errors, reported = FakeLivebg(), list[str](), threading.Event()
    livebg.answers["set"] = LivebgError("Invalid value.")

    def report(text: str) -> None:
        errors.append(text)
        reported.set()

    link = Link(direct, ignore, report, livebg)
    link.start()
    link.edit("effect.blur", 7)
    assert reported.wait(DEADLINE)
    link.close()
    assert errors == ["Invalid value."]


def test_buttons_work_after_a_bug_in_one() -> None:
    livebg, errors, reported = FakeLivebg(), list[str](), threading.Event()

    def fail() -> None:
        raise OSError("no more processes")

    def report(text: str) -> None:
        errors.append(text)
        reported.set()

    link = Link(direct, ignore, report, livebg)
    link.set_active(False)
    link.start()
    link.run(fail)
    link.command("pause")
    link.edit("effect.blur", 0.2)
    wait_for(lambda: sorted(livebg.names()) == ["pause", "set"], "the commands after the bug")
    assert reported.wait(DEADLINE)
    link.close()
    assert errors == ["Internal error (OSError: no more processes). Report this bug."]


def test_pause_does_not_wait_for_an_effect_that_is_loading() -> None:
    livebg, loading, loaded = FakeLivebg(), threading.Event(), threading.Event()
    ended: list[str] = []

    def load() -> None:
        loading.set()
        loaded.wait(DEADLINE)
        ended.extend(livebg.names())

    link = Link(direct, ignore, ignore, livebg)
    link.set_active(False)
    link.start()
    link.run(load)
    link.command("pause")
    assert loading.wait(DEADLINE)
    wait_for(lambda: livebg.names() == ["pause"], "the pause")
    loaded.set()
    link.close()
    assert ended == ["pause"]


def test_window_is_updated_after_malformed_results() -> None:
    livebg, snapshots = FakeLivebg(), LatestSlot[Snapshot]()
    livebg.answers["presets"] = {"presets": [{}]}
    link = Link(direct, snapshots.put, ignore, livebg)
    link.start()
    snapshot = snapshots.take(DEADLINE)
    assert snapshot is not None
    assert str(snapshot.error) == "Incompatible livebg is running. Restart it."
    livebg.answers["presets"] = {"presets": []}
    link.refresh()
    snapshot = snapshots.take(DEADLINE)
    assert snapshot is not None
    assert snapshot.status is not None
    link.close()


def test_inactive_link_does_not_poll_until_active() -> None:
    livebg, snapshots = FakeLivebg(), LatestSlot[Snapshot]()
    link = Link(direct, snapshots.put, ignore, livebg)
    link.set_active(False)
    link.start()
    link.command("pause")
    assert livebg.changed.wait(DEADLINE)
    assert snapshots.take(0.1) is None
    link.set_active(True)
    assert snapshots.take(DEADLINE) is not None
    link.close()


def test_feed_receives_pictures_only_while_watching(tmp_path: Path) -> None:
    shown = LatestSlot[Shown]()
    with PreviewSession(tmp_path).on() as session:
        feed = Feed(direct, lambda picture: shown.put(picture) if picture else None, session.channel)
        feed.box = (32, 32)
        feed.start()
        assert shown.take(0.2) is None
        feed.set_watching(True)
        picture = shown.take(DEADLINE)
        assert picture is not None
        assert picture.bgr.dtype == np.uint8
        assert max(picture.bgr.shape[:2]) <= 32
        assert session.live.snapshot().previews == 1
        feed.set_watching(False)
        wait_for(lambda: session.live.snapshot().previews == 0, "the feed to disconnect")
        feed.close()


@pytest.mark.parametrize("view", ["composite", "alpha"])
def test_feed_reports_that_there_is_no_picture(tmp_path: Path, view: str) -> None:
    """No output works, or a placeholder has no matte: an earlier picture would look like the present one."""
    shown: list[bool] = []
    with PreviewSession(tmp_path).on() as session:
        feed = Feed(direct, lambda picture: shown.append(picture is not None), session.channel)
        feed.view = view
        feed.set_watching(True)
        feed.start()
        wait_for(lambda: shown[-1:] == [True], "a picture")
        if view == "composite":
            session.live.stop()
        else:
            session.live.pause()
        wait_for(lambda: shown[-1:] == [False], "no picture")
        feed.close()


def test_feed_reports_a_lost_connection_and_tries_again() -> None:
    reports = LatestSlot[bool]()

    def fail() -> Any:
        raise NotRunningError("It is not running.")

    feed = Feed(direct, lambda picture: reports.put(picture is None), fail)
    feed.set_watching(True)
    feed.start()
    assert reports.take(DEADLINE)
    assert reports.take(DEADLINE)
    feed.close()


def test_fit_keeps_the_aspect_ratio_and_never_enlarges() -> None:
    assert fit((1280, 720), (640, 640)) == (640, 360)
    assert fit((1280, 720), (3000, 180)) == (320, 180)
    assert fit((64, 48), (640, 480)) == (64, 48)


@pytest.mark.parametrize(("share", "slowest"), [(0.05, MAX_RATE), (0.9, MIN_RATE)])
def test_pace_follows_the_cpu_time(share: float, slowest: float) -> None:
    clock = [0.0]
    pace = Pace(lambda: clock[0] * share)
    for step in range(100):
        clock[0] = step / 5
        pace.update(clock[0])
    assert pace.rate == slowest


def test_recording_path_names_the_time() -> None:
    path = recording_path(Path("/home/me/Videos"), datetime(2026, 11, 29, 8, 5, 1))
    assert path == Path("/home/me/Videos/livebg 2026-11-29 08.05.01.mkv")
