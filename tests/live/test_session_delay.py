"""A session whose pictures are late by a few frames: all are counted, and none of an earlier state is sent after a command."""

import threading
import time
from collections.abc import Callable

import pytest

from livebg.clock import StageTimer
from livebg.compositing.composite import MAX_MATTE_AGE_S, Consent
from livebg.compositing.compositor import Compositor, EffectFunction
from livebg.config.loading import load_settings
from livebg.errors import ModelError
from livebg.imaging.frame import Alpha, Composite, Frame, Matte
from livebg.live.quality.adaptive_pipeline import AdaptivePipeline
from livebg.live.quality.delayed_pipeline import DelayedPipeline, with_delay
from livebg.live.quality.governor import Governor
from livebg.live.quality.levels import QualityLevel
from livebg.live.session import ExitReason
from livebg.pipeline import Passthrough, Pipeline, Processor
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from tests.support.live_session import (
    PersonSegmenter,
    RecordingSink,
    ToyCamera,
    all_counted,
    green_effect,
    is_green,
    make_session,
    running,
    shows_room,
    state,
    wait_for,
)
from tests.support.pipeline_fakes import noise_frame


class Mattes:
    """The effect of a pipeline, which records the frames and mattes that it received."""

    def __init__(self, effect: EffectFunction = green_effect) -> None:
        self._effect = effect
        self.seen: list[tuple[Frame, Matte]] = []

    def __call__(self, frame: Frame, matte: Matte) -> Composite:
        self.seen.append((frame, matte))
        return self._effect(frame, matte)


def delayed(
    frames: int,
    before: Callable[[int], Alpha | None] = lambda _: None,
    effect: Callable[[Frame, Matte], Composite] = green_effect,
) -> DelayedPipeline:
    pipeline = Pipeline(PersonSegmenter(before), TemporalFilter(), GuidedUpsampler(), Compositor(effect))
    return DelayedPipeline(AdaptivePipeline(pipeline, Governor([QualityLevel()])), frames, 0.4)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_composite_is_made_of_its_own_frame_and_matte(frames: int) -> None:
    mattes = Mattes()
    processor = delayed(frames, effect=mattes)
    given = [noise_frame(number, number=number) for number in range(10)]
    done = [processor.process(frame) for frame in given]
    left = [each for each in done if each is not None]
    assert [each.composite.pts for each in left] == list(range(len(given) - frames))
    assert [each.frames_ago for each in left] == [0] + [frames] * (len(left) - 1)
    for frame, (seen, matte) in zip(given, mattes.seen, strict=False):
        assert seen is frame
        assert matte.time == frame.time
        assert 0 <= matte.time - matte.picture_time <= MAX_MATTE_AGE_S


def test_delayed_matte_keeps_the_time_of_its_mask() -> None:
    """Otherwise the composite would accept a mask of any age."""
    mattes = Mattes()
    pipeline = Pipeline(PersonSegmenter(), TemporalFilter(), GuidedUpsampler(), Compositor(mattes))
    processor = DelayedPipeline(AdaptivePipeline(pipeline, Governor([QualityLevel(3)])), 1, 0.4)
    frames = [noise_frame(number, number=number) for number in range(6)]
    for frame in frames:
        processor.process(frame)
    assert [matte.picture_time for _, matte in mattes.seen] == [frames[at].time for at in (0, 0, 0, 3, 3)]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_reset_drops_the_waiting_frames(frames: int) -> None:
    """The next frame is the first one again: it leaves at once, before any earlier one."""
    processor = delayed(frames)
    for number in range(6):
        processor.process(noise_frame(number, number=number))
    processor.reset()
    processed = processor.process(noise_frame(6, number=6))
    assert processed is not None
    assert (processed.composite.pts, processed.frames_ago) == (6, 0)


@pytest.mark.parametrize("text", ["0", "2"])
def test_delay_needs_setting_and_temporal_filter(text: str) -> None:
    pipeline = AdaptivePipeline(
        Pipeline(PersonSegmenter(), TemporalFilter(), GuidedUpsampler(), Compositor(green_effect)), Governor([QualityLevel()])
    )
    settings = load_settings({"smoothing.delay_frames": text})
    assert (with_delay(pipeline, settings, StageTimer()) is pipeline) is (text == "0")
    unfiltered = load_settings({"smoothing.delay_frames": text, "smoothing.time_constant": 0})
    assert with_delay(pipeline, unfiltered, StageTimer()) is pipeline


@pytest.mark.parametrize("frames", [1, 3])
def test_every_frame_is_counted_in_order(frames: int) -> None:
    def now_and_then(look: int) -> None:
        if look % 9 == 0:
            raise ModelError("not this one")

    sink = RecordingSink()
    live = make_session(lambda: ToyCamera(until=80, rate=50), sink, lambda: delayed(frames, now_and_then))
    with running(live) as exits:
        wait_for(lambda: exits, "the end of the stream")
    counts = live.snapshot().counts
    assert exits == [ExitReason.END]
    assert counts.captured == 80
    assert counts.failed > 0
    assert counts.sent > 20
    assert all_counted(live)
    assert not any(shows_room(shown) for shown in sink.composites)


def test_latency_includes_delay() -> None:
    latencies = []
    for frames in (1, 3):
        live = make_session(lambda: ToyCamera(rate=25), RecordingSink(), lambda: delayed(frames))  # noqa: B023
        with running(live):
            wait_for(lambda: live.output.sent > 12, "pictures")  # noqa: B023
            latency = live.snapshot().latency
        assert latency is not None
        latencies.append(latency.p50_ms)
    assert latencies[1] >= latencies[0] + 40, "the times are those of the frames, two more of 40 ms"


@pytest.mark.parametrize("at_once", [False, True])
def test_no_picture_of_earlier_effect_arrives_after_switch(at_once: bool) -> None:
    """The composite on its way when the effect changes is a late one: it is dropped."""
    in_effect, go_on, armed = threading.Event(), threading.Event(), threading.Event()

    def slow_effect(frame: Frame, matte: Matte) -> Composite:
        if armed.is_set():
            in_effect.set()
            go_on.wait(20)
        return green_effect(frame, matte)

    sink = RecordingSink()
    live = make_session(ToyCamera, sink, lambda: delayed(2, effect=slow_effect))
    with running(live):
        wait_for(lambda: live.output.sent > 10, "ten pictures")
        armed.set()
        wait_for(in_effect.is_set, "a composite on its way")
        sent = live.output.sent
        built = threading.Event()

        def build() -> Processor:
            built.wait(20)
            return delayed(2)

        live.switch(build, at_once=at_once)
        go_on.set()
        time.sleep(0.1)
        assert live.output.sent == sent
        built.set()
        wait_for(lambda: live.output.sent > sent + 5, "the new effect")
    assert all_counted(live)


def test_room_is_never_delayed_beyond_effect_on() -> None:
    sink = RecordingSink()
    live = make_session(ToyCamera, sink, lambda: Passthrough(Consent("a test")))
    with running(live):
        wait_for(lambda: live.output.sent > 5, "the room")
        live.switch(lambda: delayed(3), at_once=True)
        count = len(sink.composites)
        wait_for(lambda: is_green(sink.composites[-1]), "the person on green")
        time.sleep(0.1)
    assert not any(shows_room(shown) for shown in sink.composites[count:])


@pytest.mark.parametrize("command", ["pause", "lock"])
def test_waiting_frames_are_dropped_by_pause_and_lock(command: str) -> None:
    sink, processors = RecordingSink(), list[DelayedPipeline]()

    def build() -> Processor:
        processors.append(delayed(3))
        return processors[-1]

    live = make_session(ToyCamera, sink, build)
    with running(live):
        wait_for(lambda: live.output.sent > 5, "pictures")
        live.pause() if command == "pause" else live.lock(True)
        count, sent = len(sink.composites), live.output.sent
        wait_for(lambda: all_counted(live), "an empty queue")
        time.sleep(0.05)
        assert live.output.sent == sent
        assert not any(is_green(shown) for shown in sink.composites[count:])
        live.resume()
        wait_for(lambda: live.output.sent > sent + 5, "pictures again")
        assert state(live) == "live"
    assert all_counted(live)
