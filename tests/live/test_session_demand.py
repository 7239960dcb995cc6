"""The live session on demand: without watchers, with watchers, paused by the user, with another camera."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Frame, planes
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.capture_loop import Camera
from livebg.live.presence.device import Presence
from livebg.live.session import Session
from livebg.pipeline import Processor
from tests.support.live_session import (
    PATIENCE,
    CameraSequence,
    FakePresence,
    PersonSegmenter,
    RecordingSink,
    ToyCamera,
    all_counted,
    green_pipeline,
    is_green,
    make_session,
    reason,
    running,
    shows_room,
    state,
    wait_for,
)


class DemandSession:
    """A session with fake watchers, and the cameras that it opened."""

    def __init__(self) -> None:
        self.sink = RecordingSink()
        self.cameras: list[ToyCamera] = []
        self.watchers: FakePresence
        self.live: Session = make_session(self.open, self.sink, lambda: green_pipeline(PersonSegmenter()), presence=self.presence)

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
        assert state(self.live) == "live"

    def presence(self, device: Callable[[], str | None], changed: Callable[[], object]) -> Presence:
        self.watchers = FakePresence(device, changed)
        return self.watchers


@pytest.fixture
def seen() -> DemandSession:
    return DemandSession()


def test_camera_stays_closed_until_watched(seen: DemandSession) -> None:
    with running(seen.live):
        wait_for(lambda: len(seen.sink.composites) >= 3, "placeholders for nobody")
        assert state(seen.live) == "asleep"
        assert reason(seen.live) == "No app is using the camera."
        assert not seen.cameras
        assert seen.live.output.placeholders == len(seen.sink.composites)


def test_session_sleeps_and_wakes(seen: DemandSession) -> None:
    with running(seen.live):
        for opened in range(1, 4):
            seen.watchers.set_watched(True)
            seen.shown()
            assert len(seen.cameras) == opened
            seen.watchers.set_watched(False)
            wait_for(lambda: not seen.camera_open, "the camera's end")
            assert state(seen.live) == "asleep"
            pictures = len(seen.sink.composites)
            wait_for(lambda: len(seen.sink.composites) > pictures, "another picture")  # the camera stays visible  # noqa: B023
            assert not is_green(seen.sink.composites[-1])
    assert all_counted(seen.live)
    assert not any(shows_room(shown) for shown in seen.sink.composites)


def test_network_is_built_once_for_all_wakeups(seen: DemandSession) -> None:
    built: list[int] = []

    def build() -> Processor:
        built.append(1)
        return green_pipeline(PersonSegmenter())

    live = make_session(ToyCamera, seen.sink, build, presence=seen.presence)
    with running(live):
        for _ in range(3):
            before = live.output.sent
            seen.watchers.set_watched(True)
            wait_for(lambda: live.output.sent > before + 3, "the person")  # noqa: B023
            seen.watchers.set_watched(False)
    assert built == [1]


def test_new_viewer_gets_frequent_pictures(seen: DemandSession) -> None:
    with running(seen.live):
        wait_for(lambda: seen.sink.composites, "the first")
        seen.watchers.set_watched(False)
        wait_for(lambda: len(seen.sink.composites) > 2, "rare pictures")
        count = len(seen.sink.composites)
        seen.watchers.set_watched(True)
        wait_for(lambda: len(seen.sink.composites) > count + 5, "frequent ones")


def test_unknown_presence_counts_as_watched(seen: DemandSession) -> None:
    with running(seen.live):
        seen.watchers.set_watched(None)
        seen.shown()


def test_failed_presence_leaves_camera_on(seen: DemandSession) -> None:
    class Broken(FakePresence):
        def run(self) -> None:
            raise RuntimeError("no such event")

    live = make_session(ToyCamera, seen.sink, lambda: green_pipeline(PersonSegmenter()), presence=Broken)
    with running(live):
        wait_for(lambda: live.output.sent > 5, "the person")


def test_pause_takes_effect_before_it_returns(seen: DemandSession) -> None:
    with running(seen.live):
        seen.watchers.set_watched(True)
        for _ in range(5):
            seen.shown()
            seen.live.pause()
            count = len(seen.sink.composites)
            assert state(seen.live) == "paused"
            assert "livebg resume" in str(reason(seen.live))
            wait_for(lambda: len(seen.sink.composites) > count + 4, "placeholders")  # noqa: B023
            assert not any(is_green(shown) for shown in seen.sink.composites[count:])
            wait_for(lambda: not seen.camera_open, "the camera's end")
            seen.live.resume()
    assert all_counted(seen.live)


def test_pause_while_unwatched_keeps_camera_closed(seen: DemandSession) -> None:
    with running(seen.live):
        seen.live.pause()
        seen.watchers.set_watched(True)
        wait_for(lambda: len(seen.sink.composites) > 5, "placeholders")
        assert not seen.cameras
        seen.live.resume()
        seen.shown()


class SlowToOpen:
    """Opens ``camera`` when ``go_on`` is set; ``opening`` is set before."""

    def __init__(self, camera: ToyCamera) -> None:
        self.camera = camera
        self.opening, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> LiveSource:
        self.opening.set()
        self.go_on.wait(PATIENCE)
        return self.camera


class PatientCamera(ToyCamera):
    can_wait = True


@pytest.mark.parametrize("camera", [ToyCamera, PatientCamera])
def test_slow_camera_is_closed_when_no_longer_watched(seen: DemandSession, camera: type[ToyCamera]) -> None:
    """One that can wait for the network does not wait then."""
    loaded, slow = threading.Event(), SlowToOpen(camera())

    def build() -> Processor:
        loaded.wait(PATIENCE)
        return green_pipeline(PersonSegmenter())

    live = make_session(slow, seen.sink, build, presence=seen.presence)
    with running(live):
        seen.watchers.set_watched(True)
        assert slow.opening.wait(PATIENCE)
        seen.watchers.set_watched(False)
        slow.go_on.set()
        wait_for(lambda: slow.camera.closed, "the camera's end")
        loaded.set()
        assert live.output.sent == 0


def test_camera_replaced_while_it_opens_is_closed(seen: DemandSession) -> None:
    slow = SlowToOpen(ToyCamera())
    live = make_session(slow, seen.sink, lambda: green_pipeline(PersonSegmenter()))
    with running(live):
        assert slow.opening.wait(PATIENCE)
        live.use_camera(Camera(seen.open, lambda _: Geometry((64, 48))))
        slow.go_on.set()
        wait_for(lambda: slow.camera.closed, "the camera's end")
        wait_for(lambda: live.output.sent > 3, "the person")
        assert live.snapshot().source is seen.cameras[0]


def test_camera_can_be_switched(seen: DemandSession) -> None:
    other: list[ToyCamera] = []

    def open_other() -> LiveSource:
        other.append(ToyCamera(size=(128, 96)))
        return other[-1]

    with running(seen.live):
        seen.watchers.set_watched(True)
        seen.shown()
        seen.live.use_camera(Camera(open_other, lambda _: Geometry((64, 48), mirror=True)))
        wait_for(lambda: other and not seen.camera_open, "the change")
        seen.shown()
        assert seen.live.snapshot().source is other[-1]
    assert len(seen.cameras) == len(other) == 1


def test_switched_camera_stays_closed_while_asleep(seen: DemandSession) -> None:
    with running(seen.live):
        seen.live.use_camera(Camera(seen.open, lambda _: Geometry((64, 48))))
        wait_for(lambda: len(seen.sink.composites) >= 3, "placeholders")
        assert not seen.cameras


def test_500_wakeups_leave_nothing_open(seen: DemandSession) -> None:
    with running(seen.live):
        seen.watchers.set_watched(True)
        seen.shown()
        threads = threading.active_count()
        for _ in range(500):
            seen.watchers.set_watched(False)
            seen.watchers.set_watched(True)
        seen.shown()
        assert threading.active_count() == threads
    assert sum(not camera.closed for camera in seen.cameras) == 0
    assert all_counted(seen.live)
    assert not any(shows_room(shown) for shown in seen.sink.composites)


def test_screen_lock_pauses_and_resumes_only_its_own_pause(seen: DemandSession) -> None:
    with running(seen.live):
        seen.watchers.set_watched(True)
        seen.shown()
        seen.live.lock(True)
        wait_for(lambda: not seen.camera_open, "the camera's end")
        assert state(seen.live) == "paused"
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


def test_frame_from_before_pause_is_not_shown_after_resume() -> None:
    """Its composite is ready only after the user has resumed."""
    segmenter = SlowSegmenter()
    live = make_session(ToyCamera, RecordingSink(), lambda: green_pipeline(segmenter))
    with running(live):
        wait_for(lambda: live.output.sent > 3, "the person")
        segmenter.slow.set()
        assert segmenter.busy.wait(5)
        live.pause()
        outdated = live.output.outdated
        live.resume()
        segmenter.slow.clear()
        segmenter.go.set()
        wait_for(lambda: live.output.outdated > outdated, "the late composite")


class LateCamera(ToyCamera):
    """Once ``late`` is set, a driver holds a brighter frame back until ``go_on`` is set, even if the camera is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.late, self.held, self.go_on = threading.Event(), threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            if self.late.is_set():
                self.held.set()
                self.go_on.wait(PATIENCE)
                frame = replace(frame, data=np.maximum(frame.data, np.uint8(BRIGHT)))
            yield frame


BRIGHT = 250
"""The luma of the late frame, above that of the person in others."""


def test_frame_held_by_the_driver_is_not_shown_after_resume() -> None:
    """It was captured before the pause, and arrives when an app watches again."""
    first, reopen, sink = LateCamera(), threading.Event(), RecordingSink()

    def later() -> LiveSource:
        reopen.wait(PATIENCE)
        return ToyCamera()

    live = make_session(CameraSequence(lambda: first, later), sink, lambda: green_pipeline(PersonSegmenter()))
    with running(live):
        wait_for(lambda: live.output.sent > 3, "the person")
        first.late.set()
        assert first.held.wait(PATIENCE)
        live.pause()
        live.resume()
        outdated, sent = live.output.outdated, live.output.sent
        first.go_on.set()
        wait_for(lambda: live.output.outdated > outdated or live.output.sent > sent, "the late composite")
        reopen.set()
        wait_for(lambda: live.output.sent > sent + 3, "the person again")
    assert not any(planes(shown.data)[0][40, 32] >= BRIGHT for shown in sink.composites)


def test_frame_that_arrives_during_a_pause_is_not_processed() -> None:
    camera, sink, segmenter = LateCamera(), RecordingSink(), PersonSegmenter()
    live = make_session(lambda: camera, sink, lambda: green_pipeline(segmenter))
    with running(live):
        wait_for(lambda: live.output.sent > 3, "the person")
        camera.late.set()
        assert camera.held.wait(PATIENCE)
        live.pause()
        captured = live.snapshot().counts.captured
        camera.go_on.set()
        wait_for(lambda: live.snapshot().source is None, "the camera's end")
        assert live.snapshot().counts.captured == captured


def test_pause_closes_a_stalled_camera() -> None:
    """Its driver delivers no frame after which the camera could be closed."""

    def stalled(closed: threading.Event) -> None:
        closed.wait(PATIENCE)

    camera = ToyCamera(until=5, then=stalled)
    live = make_session(lambda: camera, RecordingSink(), lambda: green_pipeline(PersonSegmenter()))
    with running(live):
        wait_for(lambda: live.snapshot().counts.captured == 5, "the last frame")
        live.pause()
        assert camera.closed
