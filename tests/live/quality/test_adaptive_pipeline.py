"""The governed pipeline: identical output without reductions, and every frame on time with many."""

import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.compositing.composite import MAX_MATTE_AGE_S, render_matte
from livebg.compositing.compositor import Compositor
from livebg.config.settings import Settings
from livebg.errors import ModelError
from livebg.factory import build_pipeline
from livebg.imaging.frame import Alpha, ColorSpec, Composite, Frame, Matte, empty_i420, planes, rgb_to_i420
from livebg.imaging.pyramid import resize
from livebg.interfaces import Segmenter
from livebg.live.quality.adaptive_pipeline import AdaptivePipeline, build_adaptive_pipeline
from livebg.live.quality.governor import Governor
from livebg.live.quality.levels import QualityLevel, quality_levels
from livebg.live.quality.power import PowerSource
from livebg.models import find
from livebg.pipeline import Pipeline
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from livebg.segmentation.u2net import U2NetSegmenter
from livebg.synthetic import MOTIONS, Actor, Moment, blob_person, clip, procedural_room
from tests.support.mask_clock import MaskClock
from tests.support.pipeline_fakes import HandClock, LumaSegmenter, noise_frame
from tests.support.waiting import wait_until

WIDTH, HEIGHT = 320, 180
RATE = 30
PATIENCE = 20.0


def person_alpha(number: float) -> Alpha:
    """A person who walks back and forth, four pixels per frame."""
    middle = WIDTH / 2 + 80 * np.arcsin(np.sin(number / 16)) / (np.pi / 2)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    head = np.hypot((columns - middle) / 24, (rows - 60) / 30)
    body = np.hypot((columns - middle) / 45, (rows - 170) / 85)
    return np.asarray(np.where(np.minimum(head, body) < 1, 1, 0), np.float32)


def texture(seed: int, low: int, high: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    small = rng.uniform(low, high, (HEIGHT // 6, WIDTH // 6)).astype(np.float32)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def person_frame(number: int) -> Frame:
    """A bright person with moving texture in front of a dark room, which networks like :class:`LumaSegmenter` find."""
    middle = float(WIDTH / 2 + 80 * np.arcsin(np.sin(number / 16)) / (np.pi / 2))
    shift = np.array([[1, 0, middle - WIDTH / 2], [0, 1, 0]])
    person = cv2.warpAffine(texture(1, 170, 230), shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    luma = np.where(person_alpha(number) > 0.5, person, texture(2, 20, 90))
    data = empty_i420(WIDTH, HEIGHT)
    data[:] = 128
    planes(data)[0][:] = np.clip(luma, 16, 235).astype(np.uint8)
    return Frame(data, number, Fraction(1, RATE))


class BrightSegmenter(LumaSegmenter):
    """Alpha 1 where the picture is bright; ``before`` is called with the number of each call, and may wait or raise."""

    def __init__(self, before: Callable[[int], object] = lambda _: None) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []
        self._before = before

    def scaled_size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        full = self.input_size(width, height)
        return round(full[0] * scale), round(full[1] * scale)

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        self.looks += 1
        self.sizes.append((image.shape[1], image.shape[0]))
        self._before(self.looks)
        return np.asarray(image.mean(axis=2) > 128, np.float32)


class FixedGovernor(Governor):
    """A governor with a fixed plan, whose masks are made beside the frames or not, however long they take."""

    def __init__(self, plan: QualityLevel, beside: bool) -> None:
        super().__init__([plan])
        self._is_beside = beside

    @property
    def async_masks(self) -> bool:
        return self._is_beside


class MatteRecorder:
    """A pipeline that records the mattes and outputs them."""

    def __init__(self) -> None:
        self.seen: list[Matte] = []

    def __call__(self, frame: Frame, matte: Matte) -> Composite:
        self.seen.append(matte)
        return render_matte(frame, matte)

    @property
    def ages(self) -> list[int]:
        """In frames."""
        return [round((matte.time - matte.picture_time) * RATE) for matte in self.seen]


def pipeline(segmenter: Segmenter, look: Callable[[Frame, Matte], Composite] = render_matte) -> Pipeline:
    return Pipeline(segmenter, TemporalFilter(), GuidedUpsampler(), Compositor(look))


def fixed_pipeline(
    segmenter: Segmenter,
    plan: QualityLevel,
    look: Callable[[Frame, Matte], Composite] = render_matte,
    beside: bool = False,
) -> AdaptivePipeline:
    """Under a governor that has no choice."""
    return AdaptivePipeline(pipeline(segmenter, look), FixedGovernor(plan, beside))


def iou(alpha: NDArray[np.uint8], truth: Alpha) -> float:
    inside, true = alpha >= 128, truth >= 0.5
    return float((inside & true).sum() / (inside | true).sum())


def still_and_moving_frames() -> tuple[list[Frame], list[Frame]]:
    """A person who does not move, with a little noise, and one who walks."""
    person, rng = person_frame(0).data, np.random.default_rng(1)
    still = [
        Frame(np.clip(person + rng.normal(0, 2, person.shape), 0, 255).astype(np.uint8), number, Fraction(1, RATE))
        for number in range(8)
    ]
    return still, [person_frame(number) for number in range(8)]


@pytest.mark.parametrize(("moves", "looks"), [(False, 4), (True, 8)])
def test_mask_is_reused_only_while_flow_explains_frames(moves: bool, looks: int) -> None:
    segmenter = BrightSegmenter()
    run = fixed_pipeline(segmenter, QualityLevel(reuse=True))
    mattes = [run.process(frame).matte for frame in still_and_moving_frames()[moves]]
    assert segmenter.looks == looks
    assert run.degradations == ()
    assert [round((matte.time - matte.picture_time) * RATE) for matte in mattes if matte] == [0, int(not moves)] * 4


def test_mask_is_reused_while_camera_shakes() -> None:
    segmenter = BrightSegmenter()
    run = fixed_pipeline(segmenter, QualityLevel(reuse=True))
    person, room, size = Actor([blob_person(0)]), procedural_room(0, (512, 288)), (512, 288)
    for number, moment in enumerate(clip(MOTIONS["shake"], [person], room, size, frames=20)):
        run.process(Frame(rgb_to_i420(moment.rgb, ColorSpec()), number, Fraction(1, RATE)))
    assert segmenter.looks == 10


@pytest.mark.parametrize(("before", "looks"), [(2, 2), (3, 3)])
def test_cut_is_never_covered_by_reused_mask(before: int, looks: int) -> None:
    """Neither where the mask would be reused nor, in part, where the next one is due."""
    still, _ = still_and_moving_frames()
    segmenter = BrightSegmenter()
    run = fixed_pipeline(segmenter, QualityLevel(reuse=True))
    room = Frame(np.full_like(still[0].data, 60), before, Fraction(1, RATE))
    mattes = [run.process(frame).matte for frame in (*still[:before], room)]
    assert segmenter.looks == looks
    assert mattes[-1] is not None
    assert mattes[-1].picture_time == room.time
    assert not mattes[-1].alpha.any()


def test_correction_of_reused_mask_takes_two_frames() -> None:
    still, _ = still_and_moving_frames()
    answers = iter((0.0, 1.0, 1.0))

    class Changing(BrightSegmenter):
        def segment(self, image: NDArray[np.uint8]) -> Alpha:
            return np.full(image.shape[:2], next(answers), np.float32)

    unsmoothed = Pipeline(Changing(), TemporalFilter(0), GuidedUpsampler(low=0, high=1), Compositor(render_matte))
    run = AdaptivePipeline(unsmoothed, FixedGovernor(QualityLevel(reuse=True), False))
    mattes = [run.process(frame).matte for frame in still[:4]]
    assert [round(float(matte.alpha.mean()), -1) for matte in mattes if matte] == [0, 0, 130, 260]


def test_mask_from_before_a_gap_is_not_blended_in() -> None:
    """The scene looks the same after the gap, but the network no longer finds a person."""
    still, _ = still_and_moving_frames()
    answers = iter((1.0, 0.0))

    class Changing(BrightSegmenter):
        def segment(self, image: NDArray[np.uint8]) -> Alpha:
            return np.full(image.shape[:2], next(answers), np.float32)

    unsmoothed = Pipeline(Changing(), TemporalFilter(0), GuidedUpsampler(low=0, high=1), Compositor(render_matte))
    run = AdaptivePipeline(unsmoothed, FixedGovernor(QualityLevel(reuse=True), False))
    later = replace(still[2], pts=RATE)
    mattes = [run.process(frame).matte for frame in (*still[:2], later)]
    assert [int(matte.alpha.max()) for matte in mattes if matte] == [255, 255, 0]


def test_full_quality_equals_plain_pipeline() -> None:
    plain, under = pipeline(BrightSegmenter()), fixed_pipeline(BrightSegmenter(), QualityLevel())
    for number in range(6):
        frame = noise_frame(number, (WIDTH, HEIGHT), number=number)
        assert (plain.process(frame).composite.data == under.process(frame).composite.data).all()
    assert under.degradations == ()


@pytest.mark.parametrize("every", [2, 3])
def test_masks_are_warped_to_frames_without_mask(every: int) -> None:
    segmenter, mattes = BrightSegmenter(), MatteRecorder()
    run = fixed_pipeline(segmenter, QualityLevel(every), mattes)
    for number in range(13):
        run.process(person_frame(number))
    assert mattes.ages == [number % every for number in range(13)]
    assert segmenter.looks == len([number for number in range(13) if number % every == 0])
    carried = [iou(matte.alpha, person_alpha(number)) for number, matte in enumerate(mattes.seen) if number % every]
    stayed = [
        iou((person_alpha(number - number % every) * 255).astype(np.uint8), person_alpha(number))
        for number in range(13)
        if number % every
    ]
    assert np.mean(carried) > np.mean(stayed) + 0.02
    assert min(carried) > 0.93
    assert run.degradations[0].startswith("mask every")


def test_temporal_filter_follows_accumulated_flow() -> None:
    """Three frames lie between two masks; the last mask is warped along the optical flow across all of them."""
    segmenter, mattes = BrightSegmenter(), MatteRecorder()
    run = fixed_pipeline(segmenter, QualityLevel(3), mattes)
    for number in range(13):
        run.process(person_frame(number))
    assert segmenter.looks == 5
    fresh = [iou(matte.alpha, person_alpha(number)) for number, matte in enumerate(mattes.seen) if number % 3 == 0]
    assert min(fresh) > 0.93


def test_smaller_masks_cause_no_jump() -> None:
    """The network's input is smaller; smoothing and edges keep their size."""
    segmenter = BrightSegmenter()
    run = pipeline(segmenter)
    whole = run.mask(person_frame(0))
    half = run.mask(person_frame(1), 0.5)
    assert segmenter.sizes == [(160, 90), (80, 45)]
    assert half.alpha.shape == whole.alpha.shape == (90, 160)
    assert iou((half.alpha * 255).astype(np.uint8), resized_truth(1)) > 0.93


def resized_truth(number: int) -> Alpha:
    return np.asarray(cv2.resize(person_alpha(number), (WIDTH // 2, HEIGHT // 2)), np.float32)


def test_fixed_size_network_is_not_scaled() -> None:
    segmenter = LumaSegmenter()
    assert pipeline(segmenter).mask(person_frame(0), 0.5).alpha.shape == (90, 160)


def async_pipeline(gate: threading.Semaphore, mattes: MatteRecorder) -> tuple[AdaptivePipeline, BrightSegmenter]:
    """Masks beside the frames, each blocked at the gate, except the first, for which a frame waits."""
    segmenter = BrightSegmenter(lambda look: look == 1 or gate.acquire(timeout=PATIENCE))
    run = fixed_pipeline(segmenter, QualityLevel(3), mattes, beside=True)
    for number in range(3):
        run.process(person_frame(number))
    return run, segmenter


def no_mask_is_made() -> bool:
    """The thread that makes one ends with it."""
    return not any(thread.name == "livebg-mask" for thread in threading.enumerate())


def test_frames_do_not_wait_for_slow_network() -> None:
    """In lockstep: the network takes just over two frames per call, whatever the clock reads."""
    gate, mattes = threading.Semaphore(0), MatteRecorder()
    run, segmenter = async_pipeline(gate, mattes)
    first = len(mattes.seen)
    for number in range(first, first + 30):
        run.process(person_frame(number))
        if (number - first) % 3 == 2:
            gate.release()
            # The mask is ready before the next frame.
            wait_until(no_mask_is_made)
    ages = mattes.ages[first:]
    assert ages == [3, 4, 5] * 10
    assert segmenter.looks == 11
    carried = [iou(matte.alpha, person_alpha(first + n)) for n, matte in enumerate(mattes.seen[first:])]
    stayed = [iou((person_alpha(first + n - age) * 255).astype(np.uint8), person_alpha(first + n)) for n, age in enumerate(ages)]
    assert np.mean(carried) > np.mean(stayed) + 0.1
    assert np.mean(carried) > 0.85


def test_stale_mask_is_never_shown() -> None:
    gate, mattes = threading.Semaphore(0), MatteRecorder()
    run, _ = async_pipeline(gate, mattes)
    first = len(mattes.seen)
    finished = threading.Event()

    def play() -> None:
        for number in range(first, first + 12):
            run.process(person_frame(number))
        finished.set()

    threading.Thread(target=play, daemon=True).start()
    assert not finished.wait(1.0), "a frame was processed without a mask"
    assert len(mattes.seen) - first <= MAX_MATTE_AGE_S * RATE
    for _ in range(12):
        gate.release()
    assert finished.wait(PATIENCE)
    assert max(mattes.ages) <= MAX_MATTE_AGE_S * RATE


def test_reset_drops_pending_mask() -> None:
    gate, mattes = threading.Semaphore(0), MatteRecorder()
    run, segmenter = async_pipeline(gate, mattes)
    first = len(mattes.seen)
    run.process(person_frame(first))
    run.reset()
    gate.release(100)
    run.process(person_frame(first + 1))
    assert mattes.ages[-1] == 0
    assert segmenter.looks == 3, "the mask that was under way is of no use any more"


class ResettableRecorder(MatteRecorder):
    """An effect with temporal state: records its frames and resets, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    def __call__(self, frame: Frame, matte: Matte) -> Composite:
        self.events.append("frame")
        return super().__call__(frame, matte)

    def reset(self) -> None:
        self.events.append("reset")


def test_reset_during_a_mask_takes_effect_before_the_next_one() -> None:
    """The temporal filter is in use until that mask is done, and learns from it."""
    gate, mattes = threading.Semaphore(0), ResettableRecorder()
    run, _ = async_pipeline(gate, mattes)
    run.process(person_frame(3))
    run.reset()
    assert "reset" not in mattes.events
    gate.release(100)
    run.process(person_frame(4))
    assert mattes.events[-2:] == ["reset", "frame"]


def test_no_mask_is_made_beside_one_that_a_reset_abandoned() -> None:
    """Both would use the network and the temporal filter at the same time."""
    gate = threading.Semaphore(0)
    run, segmenter = async_pipeline(gate, MatteRecorder())
    run.process(person_frame(3))
    wait_until(lambda: segmenter.looks == 2)
    run.reset()
    following = threading.Thread(target=run.process, args=(person_frame(4),), daemon=True)
    following.start()
    following.join(0.2)  # long enough for a mask that does not wait
    assert segmenter.looks == 2
    gate.release(100)
    following.join(PATIENCE)
    assert not following.is_alive()


def test_failed_async_mask_fails_a_frame() -> None:
    def fail(look: int) -> None:
        if look > 1:
            raise ModelError("the network failed")

    run = fixed_pipeline(BrightSegmenter(fail), QualityLevel(3), beside=True)
    for number in range(4):
        run.process(person_frame(number))
    wait_until(no_mask_is_made)
    with pytest.raises(ModelError, match="the network failed"):
        run.process(person_frame(4))


def test_mask_whose_thread_cannot_start_fails_one_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has no more threads. The next frame must not wait for a mask that nothing computes."""
    mattes, start = MatteRecorder(), threading.Thread.start
    run = fixed_pipeline(BrightSegmenter(), QualityLevel(3), mattes, beside=True)
    refused: list[str] = []

    def refuse_once(thread: threading.Thread) -> None:
        if not refused and thread.name == "livebg-mask":
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)
    with pytest.raises(RuntimeError, match="new thread"):
        run.process(person_frame(0))
    run.reset()
    finished = threading.Event()

    def play() -> None:
        run.process(person_frame(1))
        finished.set()

    threading.Thread(target=play, daemon=True).start()
    assert finished.wait(PATIENCE)
    assert mattes.ages == [0]


def test_new_frame_size_restarts() -> None:
    mattes = MatteRecorder()
    run = fixed_pipeline(BrightSegmenter(), QualityLevel(3), mattes)
    run.process(person_frame(0))
    run.process(noise_frame(1, (200, 160), number=1))
    assert mattes.ages == [0, 0]
    assert mattes.seen[1].alpha.shape == (160, 200)


def test_time_gap_or_step_back_needs_new_mask() -> None:
    mattes = MatteRecorder()
    run = fixed_pipeline(BrightSegmenter(), QualityLevel(3), mattes)
    for number in (10, 11, 30, 31, 5, 6):
        run.process(person_frame(number))
    assert mattes.ages == [0, 1, 0, 1, 0, 1]


def test_masks_stay_fresh_at_15_fps() -> None:
    mattes = MatteRecorder()
    run = fixed_pipeline(BrightSegmenter(), QualityLevel(3), mattes)
    for number in range(0, 40, 2):
        run.process(person_frame(number))
    assert set(mattes.ages) == {0, 2, 4}


def test_quality_drops_for_slow_network_and_recovers() -> None:
    """At 70 ms per call and 30 fps nearly all frames are processed; the reduction is reported and later undone."""
    clock, mattes, mask_seconds = MaskClock(), MatteRecorder(), [0.07]

    def composite(frame: Frame, matte: Matte) -> Composite:
        clock.advance(0.005)
        return mattes(frame, matte)

    segmenter = BrightSegmenter(lambda _: clock.compute_mask(mask_seconds[0]))
    governor = Governor(quality_levels(smaller=True, coarse=False))
    watched = AdaptivePipeline(pipeline(segmenter, composite), governor, 1 / RATE, clock=clock)
    _play(watched, clock, 1.0)
    before = len(mattes.seen)
    captured = _play(watched, clock, 2.5)
    assert "mask every 3rd frame" in watched.degradations
    processed = mattes.seen[before:]
    assert len(processed) > 0.9 * captured, "in turn with the network it would be 0.4 of them"
    carried = np.mean([iou(matte.alpha, person_alpha(round(matte.time * RATE))) for matte in processed])
    stayed = np.mean(
        [
            iou((person_alpha(round(matte.picture_time * RATE)) * 255).astype(np.uint8), person_alpha(round(matte.time * RATE)))
            for matte in processed
        ]
    )
    assert carried > stayed + 0.1
    mask_seconds[0] = 0.002
    slow_until = clock.monotonic()
    while watched.degradations:
        assert clock.monotonic() < slow_until + 20
        _play(watched, clock, 0.5)


def _play(run: AdaptivePipeline, clock: MaskClock, seconds: float) -> int:
    """As a camera does it: the newest frame is taken, and what came meanwhile is lost. Returns how many came."""
    first, last = round(clock.monotonic() * RATE), -1
    count = round(seconds * RATE)
    while (number := int(clock.monotonic() * RATE + 1e-6)) < first + count:
        if number == last:
            clock.advance((number + 1) / RATE - clock.monotonic())
            continue
        run.process(person_frame(number))
        last = number
    return count


def test_battery_halves_the_mask_rate() -> None:
    segmenter = BrightSegmenter()
    power = PowerSource(lambda: True)
    run = AdaptivePipeline(pipeline(segmenter), Governor([QualityLevel(), QualityLevel(2)]), power=power)
    for number in range(41):
        run.process(person_frame(number))
    assert segmenter.looks == pytest.approx(21, abs=1)
    assert run.degradations == ("mask every 2nd frame (on battery)",)


def test_power_source_is_polled_every_10_seconds() -> None:
    clock, asked = HandClock(0.0), list[float]()

    def ask() -> bool:
        asked.append(clock.seconds)
        return clock.seconds >= 10

    power = PowerSource(ask, clock)
    answers = []
    for tenth in range(0, 250, 25):
        clock.seconds = tenth / 10
        answers.append(power.on_battery)
    assert asked == [0, 10, 20]
    assert answers == [False] * 4 + [True] * 6


def test_settings_enable_governor_and_keep_level() -> None:
    segmenter = BrightSegmenter()
    off = build_adaptive_pipeline(Settings(governor={"enabled": False, "reuse_masks": False}), segmenter)
    assert off.level == QualityLevel()
    assert build_adaptive_pipeline(Settings(governor={"enabled": False}), segmenter).level == QualityLevel(reuse=True)
    frame = person_frame(0)
    assert (
        off.process(frame).composite.data == build_pipeline(Settings(), BrightSegmenter()).process(frame).composite.data
    ).all()
    before = AdaptivePipeline(pipeline(segmenter), Governor([QualityLevel(3)]))
    assert build_adaptive_pipeline(Settings(), segmenter, previous=before).level == QualityLevel(3)


@pytest.mark.parametrize("motion", ["slow", "fast"])
def test_fewer_masks_have_little_more_error(motion: str) -> None:
    """The bundled network on synthetic people of known alpha."""
    model = find("livebg-u2", ())
    segmenter = U2NetSegmenter(model.path, model.card, provider="cpu")
    levels = QualityLevel(), QualityLevel(reuse=True), QualityLevel(3)
    errors: dict[QualityLevel, list[float]] = {level: [] for level in levels}
    for number in range(2):
        moments = list(
            clip(
                MOTIONS[motion],
                [Actor([blob_person(number)])],
                procedural_room(number, (512, 288)),
                (512, 288),
                frames=30,
                seed=number,
            )
        )
        for level, found in errors.items():
            found += _errors(fixed_pipeline(segmenter, level), moments)
    best, reused, every_third = (np.mean(errors[level]) for level in levels)
    assert reused <= 1.01 * best
    assert every_third <= 1.5 * best


def _errors(run: AdaptivePipeline, moments: list[Moment]) -> list[float]:
    found = []
    for number, moment in enumerate(moments):
        color = ColorSpec()
        frame = Frame(rgb_to_i420(moment.rgb, color), number, Fraction(1, RATE), color)
        alpha = resize(planes(run.process(frame).composite.data)[0], (512, 288)).astype(np.float64)
        found.append(float(np.abs(alpha - moment.alpha).mean()))
    return found
