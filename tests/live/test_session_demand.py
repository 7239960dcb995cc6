"""The live session on demand: nobody watches, somebody does, the user pauses, another camera is wanted."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.capture_loop import Camera
from livebg.live.presence.device import Presence
from livebg.live.session import Session
from livebg.live.snapshot import State
from livebg.pipeline import Processor
from tests.support.live_session import (
    KeepingSink,
    PersonSegmenter,
    ToyCamera,
    Watchers,
    all_counted,
    green,
    is_green,
    reason,
    running,
    session,
    shows_room,
    state,
    wait_for,
)


class Seen:
    """A session whose watchers the test plays, and the cameras that it opened."""

    def __init__(self) -> None:
        self.sink = KeepingSink()
        self.cameras: list[ToyCamera] = []
        self.watchers: Watchers
        self.live: Session = session(self.open, self.sink, lambda: green(PersonSegmenter()), presence=self.presence)

    def open(self) -> LiveSource:
        self.cameras.append(ToyCamera())
        return self.cameras[-1]

    @property
    def camera_open(self) -> bool:
        return any(not camera.closed for camera in self.cameras)

    def shown(self) -> None:
        """Waits for ten more pictures of the person."""
        before = self.live.output.sent
        wait_for(lambda: self.live.output.sent > before + 10, "the person")
        assert state(self.live) is State.LIVE

    def presence(self, device: Callable[[], str | None], changed: Callable[[], object]) -> Presence:
        self.watchers = Watchers(device, changed)
        return self.watchers


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_no_camera_is_opened_before_somebody_watches(seen: Seen) -> None:
    with running(seen.live):
        wait_for(lambda: len(seen.sink.composites) >= 3, "placeholders for nobody")
        assert state(seen.live) is State.ASLEEP
        assert reason(seen.live) == "No app is using the camera."
        assert not seen.cameras
        assert seen.live.output.placeholders == len(seen.sink.composites)


def test_sleep_and_waking(seen: Seen) -> None:
    with running(seen.live):
        for opened in range(1, 4):
            seen.watchers.say(True)
            seen.shown()
            assert len(seen.cameras) == opened
            seen.watchers.say(False)
            wait_for(lambda: not seen.camera_open, "the camera's end")
            assert state(seen.live) is State.ASLEEP
            pictures = len(seen.sink.composites)
            wait_for(lambda: len(seen.sink.composites) > pictures, "another picture")  # the camera stays visible  # noqa: B023
            assert not is_green(seen.sink.composites[-1])
    assert all_counted(seen.live)
    assert not any(shows_room(shown) for shown in seen.sink.composites)


def test_the_network_is_built_once_for_all_wakings(seen: Seen) -> None:
    built: list[int] = []

    def build() -> Processor:
        built.append(1)
        return green(PersonSegmenter())

    live = session(ToyCamera, seen.sink, build, presence=seen.presence)
    with running(live):
        for _ in range(3):
            before = live.output.sent
            seen.watchers.say(True)
            wait_for(lambda: live.output.sent > before + 3, "the person")  # noqa: B023
            seen.watchers.say(False)
    assert built == [1]


def test_somebody_who_comes_sees_a_picture_at_once(seen: Seen) -> None:
    with running(seen.live):
        wait_for(lambda: seen.sink.composites, "the first")
        seen.watchers.say(False)
        wait_for(lambda: len(seen.sink.composites) > 2, "rare pictures")
        count = len(seen.sink.composites)
        seen.watchers.say(True)
        wait_for(lambda: len(seen.sink.composites) > count + 5, "frequent ones")


def test_unknown_is_watched(seen: Seen) -> None:
    with running(seen.live):
        seen.watchers.say(None)
        seen.shown()


def test_a_presence_that_breaks_leaves_the_camera_on(seen: Seen) -> None:
    class Broken(Watchers):
        def run(self) -> None:
            raise RuntimeError("no such event")

    live = session(ToyCamera, seen.sink, lambda: green(PersonSegmenter()), presence=Broken)
    with running(live):
        wait_for(lambda: live.output.sent > 5, "the person")


def test_pause_holds_from_the_moment_it_returns(seen: Seen) -> None:
    with running(seen.live):
        seen.watchers.say(True)
        for _ in range(5):
            seen.shown()
            seen.live.pause()
            count = len(seen.sink.composites)
            assert state(seen.live) is State.PAUSED
            assert "livebg resume" in str(reason(seen.live))
            wait_for(lambda: len(seen.sink.composites) > count + 4, "placeholders")  # noqa: B023
            assert not any(is_green(shown) for shown in seen.sink.composites[count:])
            wait_for(lambda: not seen.camera_open, "the camera's end")
            seen.live.resume()
    assert all_counted(seen.live)


def test_paused_while_nobody_watches(seen: Seen) -> None:
    with running(seen.live):
        seen.live.pause()
        seen.watchers.say(True)
        wait_for(lambda: len(seen.sink.composites) > 5, "placeholders")
        assert not seen.cameras
        seen.live.resume()
        seen.shown()


def test_a_camera_that_is_slow_to_open_is_let_go_when_nobody_watches_any_more(seen: Seen) -> None:
    slow, opened = threading.Event(), threading.Event()

    def open_slowly() -> LiveSource:
        opened.set()
        slow.wait(10)
        return seen.open()

    live = session(open_slowly, seen.sink, lambda: green(PersonSegmenter()), presence=seen.presence)
    with running(live):
        seen.watchers.say(True)
        assert opened.wait(10)
        seen.watchers.say(False)
        slow.set()
        wait_for(lambda: seen.cameras and not seen.camera_open, "the camera's end")
        assert live.output.sent == 0


def test_another_camera(seen: Seen) -> None:
    other: list[ToyCamera] = []

    def open_other() -> LiveSource:
        other.append(ToyCamera(size=(128, 96)))
        return other[-1]

    with running(seen.live):
        seen.watchers.say(True)
        seen.shown()
        seen.live.use_camera(Camera(open_other, lambda _: Geometry((64, 48), mirror=True)))
        wait_for(lambda: other and not seen.camera_open, "the change")
        seen.shown()
        assert seen.live.snapshot().source is other[-1]
    assert len(seen.cameras) == len(other) == 1


def test_another_camera_while_asleep_is_not_opened(seen: Seen) -> None:
    with running(seen.live):
        seen.live.use_camera(Camera(seen.open, lambda _: Geometry((64, 48))))
        wait_for(lambda: len(seen.sink.composites) >= 3, "placeholders")
        assert not seen.cameras


def test_five_hundred_wakings_leave_nothing_behind(seen: Seen) -> None:
    with running(seen.live):
        seen.watchers.say(True)
        seen.shown()
        threads = threading.active_count()
        for _ in range(500):
            seen.watchers.say(False)
            seen.watchers.say(True)
        seen.shown()
        assert threading.active_count() == threads
    assert sum(not camera.closed for camera in seen.cameras) == 0
    assert all_counted(seen.live)
    assert not any(shows_room(shown) for shown in seen.sink.composites)


def test_a_locked_screen_pauses_and_gives_back_only_what_it_took(seen: Seen) -> None:
    with running(seen.live):
        seen.watchers.say(True)
        seen.shown()
        seen.live.lock(True)
        wait_for(lambda: not seen.camera_open, "the camera's end")
        assert state(seen.live) is State.PAUSED
        assert reason(seen.live) == "The screen is locked. Unlock it to resume."
        seen.live.lock(False)
        seen.shown()

        seen.live.lock(True)
        seen.live.pause()
        seen.live.lock(False)
        assert reason(seen.live) == "Paused. Run `livebg resume` to continue."
        seen.live.resume()
        seen.shown()

        seen.live.lock(True)
        seen.live.resume()  # the user's word is above the lock's
        seen.shown()


class SlowSegmenter(PersonSegmenter):
    """Takes its time with the next picture once ``slow`` is set, until ``go`` is."""

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.busy, self.go = threading.Event(), threading.Event(), threading.Event()

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        if self.slow.is_set():
            self.busy.set()
            self.go.wait(5)
        return super().segment(image)


def test_frame_from_before_a_pause_is_not_shown_after_it() -> None:
    """Its composite is ready only after the user has resumed."""
    segmenter = SlowSegmenter()
    live = session(ToyCamera, KeepingSink(), lambda: green(segmenter))
    with running(live):
        wait_for(lambda: live.output.sent > 3, "the person")
        segmenter.slow.set()
        assert segmenter.busy.wait(5)
        live.pause()
        outdated = live.output.outdated
        live.resume()
        segmenter.slow.clear()
        segmenter.go.set()
        wait_for(lambda: live.output.outdated == outdated + 1, "the late composite")
