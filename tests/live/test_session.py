"""The live session without faults: order, counts, states, exits, and the same picture as offline."""

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livebg.compositing.auto_framing import AutoFraming
from livebg.compositing.composite import Consent
from livebg.compositing.compositor import Compositor
from livebg.errors import ModelError, SinkError, SourceError
from livebg.imaging.frame import Composite, Frame, Matte, planes
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.capture_loop import Camera
from livebg.live.output_loop import Output
from livebg.live.session import ExitReason, Session
from livebg.live.snapshot import State
from livebg.live.threads import LatestSlot, WorkerThread
from livebg.pipeline import Passthrough, Pipeline, Processed, Processor
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from livebg.sources.file import FileSource
from livebg.sources.looping_file import LoopingFile
from tests.support.live_session import (
    CameraSequence,
    PersonSegmenter,
    RecordingSink,
    ToyCamera,
    all_counted,
    green_effect,
    green_pipeline,
    is_green,
    make_session,
    reason,
    running,
    shows_room,
    state,
    wait_for,
)
from tests.support.media import Clip
from tests.support.pipeline_fakes import ListSink, LumaSegmenter


def test_person_is_shown_and_room_is_not() -> None:
    sink = RecordingSink()
    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter()))
    with running(live) as exits:
        wait_for(lambda: sink.people > 20, "twenty pictures")
        assert state(live) == "live"
        assert reason(live) is None
    assert exits == [ExitReason.STOP]
    assert sink.closed == 1
    assert not is_green(sink.composites[0])  # the camera is ready before the network
    assert not any(shows_room(shown) for shown in sink.composites)


class PatientCamera(ToyCamera):
    can_wait = True


@pytest.mark.parametrize("camera", [ToyCamera, PatientCamera])
def test_camera_that_can_wait_is_not_read_while_network_loads(camera: type[ToyCamera]) -> None:
    loaded = threading.Event()

    def build() -> Processor:
        loaded.wait()
        return green_pipeline(PersonSegmenter())

    sink = RecordingSink()
    live = make_session(camera, sink, build)
    with running(live) as exits:
        wait_for(lambda: live.snapshot().opened and len(sink.composites) > 4, "an open camera and some placeholders")
        captured = live.snapshot().counts.captured
        loaded.set()
        wait_for(lambda: sink.people > 5, "five pictures")
    assert (captured == 0) is camera.can_wait
    assert exits == [ExitReason.STOP]
    assert not any(shows_room(shown) for shown in sink.composites)


def test_session_stops_while_camera_waits_for_network() -> None:
    loaded = threading.Event()
    sink, cameras = RecordingSink(), list[PatientCamera]()

    def build() -> Processor:
        loaded.wait()
        return green_pipeline(PersonSegmenter())

    def open_camera() -> LiveSource:
        cameras.append(PatientCamera())
        return cameras[-1]

    live = make_session(open_camera, sink, build)
    with running(live) as exits:
        wait_for(lambda: live.snapshot().opened == 1, "an open camera")
        live.pause()
        wait_for(lambda: cameras[0].closed, "a closed camera")
        live.resume()
        wait_for(lambda: live.snapshot().opened == 2, "the camera again")
        live.stop()
        wait_for(lambda: cameras[1].closed, "a closed camera")
        loaded.set()
    assert exits == [ExitReason.STOP]
    assert live.snapshot().counts.captured == 0


def test_room_detector_detects_room() -> None:
    """Or no test here would be worth anything."""
    sink = RecordingSink()
    with running(make_session(ToyCamera, sink, lambda: Passthrough(Consent("a test")))):
        wait_for(lambda: sum(map(shows_room, tuple(sink.composites))) > 5, "the room")


def test_every_frame_is_sent_dropped_or_failed_in_order() -> None:
    def now_and_then(look: int) -> None:
        if look % 7 == 0:
            raise ModelError("not this one")
        time.sleep(0.02 * (look % 3))  # slower than the camera now and then

    sink = RecordingSink()
    live = make_session(lambda: ToyCamera(until=120), sink, lambda: green_pipeline(PersonSegmenter(now_and_then)))
    with running(live) as exits:
        wait_for(lambda: exits, "the end of the stream")
    assert exits == [ExitReason.END]
    assert live.snapshot().counts.captured == 120
    assert live.snapshot().counts.dropped > 0
    assert live.snapshot().counts.failed > 0
    assert all_counted(live)
    assert len(sink.composites) == live.output.sent + live.output.repeated + live.output.placeholders
    assert sink.people == live.output.sent + live.output.repeated


def test_counts_are_exact_after_stop() -> None:
    live = make_session(ToyCamera, RecordingSink(), lambda: green_pipeline(PersonSegmenter(lambda _: time.sleep(0.015))))
    with running(live):
        wait_for(lambda: live.output.sent > 30, "thirty pictures")
    assert all_counted(live)


def test_latency_and_rates_are_measured() -> None:
    live = make_session(
        lambda: ToyCamera(rate=50), RecordingSink(), lambda: green_pipeline(PersonSegmenter(lambda _: time.sleep(0.03)))
    )
    with running(live):
        wait_for(lambda: live.output.sent > 40, "forty pictures")
        latency = live.snapshot().latency
        assert latency is not None
        assert latency.p95_ms >= latency.p50_ms >= 30
        assert 5 < live.snapshot().fps_in < 60
        assert live.snapshot().fps_out > 5
    assert {"camera", "geometry", "output"} <= set(live.snapshot().stages)


class RecordingProcessor:
    """A pipeline that records its pictures by the frame's pts."""

    oversampling = 1.0

    def __init__(self) -> None:
        self._pipeline = green_pipeline(LumaSegmenter())
        self.made: dict[int, bytes] = {}

    def process(self, frame: Frame) -> Processed:
        processed = self._pipeline.process(frame)
        self.made[frame.pts] = processed.composite.data.tobytes()
        return processed

    def reset(self) -> None:
        self._pipeline.reset()


class ResetRecorder:
    """A pipeline that records its frames and resets, in order. The fifth frame fails."""

    oversampling = 1.0

    def __init__(self) -> None:
        self._pipeline = green_pipeline(LumaSegmenter())
        self.events: list[str] = []

    def process(self, frame: Frame) -> Processed:
        failed = len(self.events) == 5
        self.events.append("failed" if failed else "frame")
        if failed:
            raise ModelError("not this one")
        return self._pipeline.process(frame)

    def reset(self) -> None:
        self.events.append("reset")


def test_processor_is_reset_for_each_camera_and_after_a_failure() -> None:
    """What it remembers, and the frames that wait in it, are those of another camera, or of a time before a gap."""
    processor, other = ResetRecorder(), Camera(ToyCamera, lambda _: Geometry((64, 48)))
    live = make_session(ToyCamera, RecordingSink(), lambda: processor)
    with running(live):
        wait_for(lambda: live.output.sent > 10, "pictures of the first camera")
        assert processor.events[:7] == ["reset", "frame", "frame", "frame", "frame", "failed", "reset"]
        assert processor.events.count("reset") == 2
        live.use_camera(other)
        wait_for(lambda: live.snapshot().opened == 2, "the other camera")
        sent = live.output.sent
        wait_for(lambda: live.output.sent > sent + 5, "pictures of the other camera")
        assert processor.events.count("reset") == 3


def test_live_equals_offline(tmp_path: Path) -> None:
    """The same frames, through the session and through `render`, give the same composites, byte for byte."""
    for rate in (15, 15, 10, 6, 4):  # on a busy machine frames are dropped, and then the smoother's past is another
        clip = Clip(count=40, rate=Fraction(rate)).write(tmp_path / f"{rate}.mp4")
        offline = green_pipeline(LumaSegmenter())
        with FileSource(clip) as source:
            expected = {frame.pts: offline.process(frame).composite.data.tobytes() for frame in source}
        made, sent, dropped = run_one_loop(clip)
        if not dropped:
            break
    assert {pts: data for pts, data in made.items() if pts in expected} == expected
    assert set(expected.values()) <= sent


def run_one_loop(clip: Path) -> tuple[dict[int, bytes], set[bytes], bool]:
    """The session's pictures of the clip's frames, its output, and whether any of the first round was dropped."""
    with FileSource(clip) as source:
        given, count = source.format, sum(1 for _ in source)
    sink, processor = ListSink(), RecordingProcessor()
    size = (given.width, given.height)
    camera = Camera(lambda: LoopingFile(clip), lambda _: Geometry(size))
    live = Session(camera, Output(lambda: sink, given), lambda: processor)
    with running(live):
        wait_for(lambda: live.output.sent + live.snapshot().counts.dropped > count, "the first round")
    return processor.made, {composite.data.tobytes() for composite in sink.composites}, live.output.sent <= count


@pytest.mark.parametrize(("framing", "used"), [(None, (64, 48)), (AutoFraming(1.5, (64, 48)), (96, 72))])
def test_auto_framing_crops_larger_frames_to_the_output(framing: AutoFraming | None, used: tuple[int, int]) -> None:
    """The camera has twice the output's pixels on each side. The sink checks the size of each picture."""
    sink, sizes = RecordingSink(), set()

    def effect(frame: Frame, matte: Matte) -> Composite:
        sizes.add((frame.width, frame.height))
        return green_effect(frame, matte)

    def build() -> Pipeline:
        return Pipeline(PersonSegmenter(), TemporalFilter(), GuidedUpsampler(), Compositor(effect, framing=framing))

    live = make_session(lambda: ToyCamera(size=(128, 96)), sink, build)
    with running(live):
        wait_for(lambda: live.output.sent > 20, "pictures")
    assert sizes == {used}
    assert live.snapshot().counts.failed == 0
    shown = [planes(each.data) for each in sink.composites if planes(each.data)[1][0, 0] < 70]
    assert len(shown) > 20
    assert all(len(np.unique(luma[:4])) == 1 for luma, _, _ in shown), "the green above the person, and none of the room"


def test_build_error_ends_session() -> None:
    def build() -> None:
        raise ModelError("there is no such network: choose another")

    sink = RecordingSink()
    with pytest.raises(ModelError, match="no such network"), running(make_session(ToyCamera, sink, build)):  # type: ignore[arg-type]
        wait_for(lambda: sink.closed, "the end")


def test_output_that_never_opens_ends_session() -> None:
    sink = RecordingSink()
    sink.broken.set()
    live = make_session(ToyCamera, sink, lambda: green_pipeline(PersonSegmenter()))
    with pytest.raises(SinkError, match="plug it in"), running(live):
        wait_for(lambda: state(live) == "stopping", "the end")


def test_defect_in_camera_thread_is_raised() -> None:
    def camera() -> ToyCamera:
        raise ZeroDivisionError("a defect")

    with (
        pytest.raises(ZeroDivisionError),
        running(make_session(camera, RecordingSink(), lambda: green_pipeline(PersonSegmenter()))),
    ):
        time.sleep(0.5)


def test_session_stops_in_every_state() -> None:
    waiting = threading.Event()

    def slow() -> Pipeline:
        waiting.wait(3)
        return green_pipeline(PersonSegmenter())

    def hangs(_: int) -> None:
        waiting.wait(6)

    def quick() -> Pipeline:
        return green_pipeline(PersonSegmenter())

    cases: list[tuple[State, Callable[[], LiveSource], Callable[[], Pipeline]]] = [
        ("waking", ToyCamera, slow),
        ("live", ToyCamera, quick),
        ("camera lost", CameraSequence(SourceError("gone")), quick),
        ("stalled", ToyCamera, lambda: green_pipeline(PersonSegmenter(hangs))),
    ]
    for expected, camera, build in cases:
        live = make_session(camera, RecordingSink(), build)
        with running(live) as exits:
            wait_for(lambda live=live, expected=expected: state(live) == expected, expected)  # type: ignore[misc]
        assert exits == [ExitReason.STOP], expected
    waiting.set()


def test_switch_takes_effect_before_it_returns() -> None:
    """From the visible room to the hidden room, without one more frame of it."""
    sink = RecordingSink()
    live = make_session(ToyCamera, sink, lambda: Passthrough(Consent("a test")))
    with running(live):
        wait_for(lambda: live.output.sent > 5, "the room")
        for _ in range(5):
            live.switch(lambda: green_pipeline(PersonSegmenter()), at_once=True)
            since = len(sink.composites)
            wait_for(lambda since=since: any(map(is_green, sink.composites[since:])), "the person before green")  # type: ignore[misc]
            assert not any(map(shows_room, sink.composites[since:]))
            live.switch(lambda: Passthrough(Consent("a test")), at_once=True)
            since = len(sink.composites)
            wait_for(lambda since=since: any(map(shows_room, sink.composites[since:])), "the room again")  # type: ignore[misc]


class TestLatest:
    def test_newest_item_is_taken_once(self) -> None:
        slot = LatestSlot[int]()
        for number in range(3):
            slot.put(number)
        assert (slot.take(0), slot.take(0), slot.dropped) == (2, None, 2)

    def test_untaken_items_count_as_dropped(self) -> None:
        slot = LatestSlot[int]()
        slot.put(1)
        slot.close()
        slot.put(2)
        assert (slot.take(5), slot.dropped) == (None, 2)

    def test_wake_before_wait_is_not_lost(self) -> None:
        slot = LatestSlot[int]()
        slot.wake()
        assert slot.take(None) is None
        assert slot.take(0) is None


def test_worker_thread_keeps_its_error() -> None:
    def fail() -> None:
        raise KeyError("it")

    companion = WorkerThread("short-lived", fail)
    companion.join(0.1)
    companion.start()
    companion.join(5)
    assert not companion.is_alive()
    assert isinstance(companion.error, KeyError)
