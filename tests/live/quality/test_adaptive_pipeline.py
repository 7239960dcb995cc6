"""The governed pipeline: the same bytes while nothing is given up, and every frame in its time when much is."""

import threading
import time
from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.compositing.composite import MAX_MATTE_AGE_S, render_matte
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
from tests.support.pipeline_fakes import HandClock, LumaSegmenter, noise_frame

WIDTH, HEIGHT = 320, 180
RATE = 30
PATIENCE = 20.0


def person_at(number: float) -> Alpha:
    """Somebody who walks to and fro, four pixels a frame."""
    middle = WIDTH / 2 + 80 * np.arcsin(np.sin(number / 16)) / (np.pi / 2)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    head = np.hypot((columns - middle) / 24, (rows - 60) / 30)
    body = np.hypot((columns - middle) / 45, (rows - 170) / 85)
    return np.asarray(np.where(np.minimum(head, body) < 1, 1, 0), np.float32)


def texture(seed: int, low: int, high: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    small = rng.uniform(low, high, (HEIGHT // 6, WIDTH // 6)).astype(np.float32)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def filmed(number: int) -> Frame:
    """Bright somebody, whose texture moves along, before a dark room: :class:`LumaSegmenter`-like networks find them."""
    middle = float(WIDTH / 2 + 80 * np.arcsin(np.sin(number / 16)) / (np.pi / 2))
    shift = np.array([[1, 0, middle - WIDTH / 2], [0, 1, 0]])
    person = cv2.warpAffine(texture(1, 170, 230), shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    luma = np.where(person_at(number) > 0.5, person, texture(2, 20, 90))
    data = empty_i420(WIDTH, HEIGHT)
    data[:] = 128
    planes(data)[0][:] = np.clip(luma, 16, 235).astype(np.uint8)
    return Frame(data, number, Fraction(1, RATE))


class BrightSegmenter(LumaSegmenter):
    """Takes what is bright for the person; ``before`` is called with the number of each look, and may wait or raise."""

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


class Decided(Governor):
    """Has one plan, and its masks are made beside the frames or not, however long they take."""

    def __init__(self, plan: QualityLevel, beside: bool) -> None:
        super().__init__([plan])
        self._is_beside = beside

    @property
    def async_masks(self) -> bool:
        return self._is_beside


class Mattes:
    """A look that keeps the mattes and shows them."""

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
    return Pipeline(segmenter, TemporalFilter(), GuidedUpsampler(), look)


def fixed(
    segmenter: Segmenter,
    plan: QualityLevel,
    look: Callable[[Frame, Matte], Composite] = render_matte,
    beside: bool = False,
) -> AdaptivePipeline:
    """Under a governor that has no choice."""
    return AdaptivePipeline(pipeline(segmenter, look), Decided(plan, beside))


def iou(alpha: NDArray[np.uint8], truth: Alpha) -> float:
    inside, true = alpha >= 128, truth >= 0.5
    return float((inside & true).sum() / (inside | true).sum())


def test_with_nothing_given_up_the_bytes_are_the_pipelines() -> None:
    plain, under = pipeline(BrightSegmenter()), fixed(BrightSegmenter(), QualityLevel())
    for number in range(6):
        frame = noise_frame(number, (WIDTH, HEIGHT), number=number)
        assert (plain.process(frame).composite.data == under.process(frame).composite.data).all()
    assert under.degradations == ()


@pytest.mark.parametrize("every", [2, 3])
def test_masks_are_made_of_some_frames_and_carried_to_the_others(every: int) -> None:
    segmenter, mattes = BrightSegmenter(), Mattes()
    run = fixed(segmenter, QualityLevel(every), mattes)
    for number in range(13):
        run.process(filmed(number))
    assert mattes.ages == [number % every for number in range(13)]
    assert segmenter.looks == len([number for number in range(13) if number % every == 0])
    carried = [iou(matte.alpha, person_at(number)) for number, matte in enumerate(mattes.seen) if number % every]
    stayed = [
        iou((person_at(number - number % every) * 255).astype(np.uint8), person_at(number))
        for number in range(13)
        if number % every
    ]
    assert np.mean(carried) > np.mean(stayed) + 0.02
    assert min(carried) > 0.93
    assert run.degradations[0].startswith("mask every")


def test_steadying_is_told_of_the_way_that_was_followed() -> None:
    """Between two masks lie three frames: the way over them, found frame by frame, is what the last mask is carried along."""
    segmenter, mattes = BrightSegmenter(), Mattes()
    run = fixed(segmenter, QualityLevel(3), mattes)
    for number in range(13):
        run.process(filmed(number))
    assert segmenter.looks == 5
    fresh = [iou(matte.alpha, person_at(number)) for number, matte in enumerate(mattes.seen) if number % 3 == 0]
    assert min(fresh) > 0.93


def test_smaller_masks_make_no_jump() -> None:
    """The network sees less; smoothing and the edges go on at the same size."""
    segmenter = BrightSegmenter()
    run = pipeline(segmenter)
    whole = run.mask(filmed(0))
    half = run.mask(filmed(1), 0.5)
    assert segmenter.sizes == [(160, 90), (80, 45)]
    assert half.alpha.shape == whole.alpha.shape == (90, 160)
    assert iou((half.alpha * 255).astype(np.uint8), resized_truth(1)) > 0.93


def resized_truth(number: int) -> Alpha:
    return np.asarray(cv2.resize(person_at(number), (WIDTH // 2, HEIGHT // 2)), np.float32)


def test_a_network_of_one_size_is_not_asked_for_another() -> None:
    segmenter = LumaSegmenter()
    assert pipeline(segmenter).mask(filmed(0), 0.5).alpha.shape == (90, 160)


def beside(gate: threading.Semaphore, mattes: Mattes) -> tuple[AdaptivePipeline, BrightSegmenter]:
    """Masks beside the frames, each held up at the gate; the first, which a frame waits for, has passed."""
    segmenter = BrightSegmenter(lambda look: look == 1 or gate.acquire(timeout=PATIENCE))
    run = fixed(segmenter, QualityLevel(3), mattes, beside=True)
    for number in range(3):
        run.process(filmed(number))
    return run, segmenter


def no_mask_is_made() -> bool:
    """The thread that makes one ends with it."""
    return not any(thread.name == "livebg-mask" for thread in threading.enumerate())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_frames_do_not_wait_for_a_slow_network_and_its_mask_comes_to_them_late() -> None:
    """In lockstep: the network takes just over two frames for each look, whatever the clock says."""
    gate, mattes = threading.Semaphore(0), Mattes()
    run, segmenter = beside(gate, mattes)
    first = len(mattes.seen)
    for number in range(first, first + 30):
        run.process(filmed(number))
        if (number - first) % 3 == 2:
            gate.release()
            # The mask is there before the next frame comes.
            wait_until(no_mask_is_made)
    ages = mattes.ages[first:]
    assert ages == [3, 4, 5] * 10
    assert segmenter.looks == 11
    carried = [iou(matte.alpha, person_at(first + n)) for n, matte in enumerate(mattes.seen[first:])]
    stayed = [iou((person_at(first + n - age) * 255).astype(np.uint8), person_at(first + n)) for n, age in enumerate(ages)]
    assert np.mean(carried) > np.mean(stayed) + 0.1
    assert np.mean(carried) > 0.85


def test_no_mask_too_old_is_shown_and_a_network_that_hangs_is_waited_for() -> None:
    gate, mattes = threading.Semaphore(0), Mattes()
    run, _ = beside(gate, mattes)
    first = len(mattes.seen)
    finished = threading.Event()

    def play() -> None:
        for number in range(first, first + 12):
            run.process(filmed(number))
        finished.set()

    threading.Thread(target=play, daemon=True).start()
    assert not finished.wait(1.0), "a frame was processed without a mask"
    assert len(mattes.seen) - first <= MAX_MATTE_AGE_S * RATE
    for _ in range(12):
        gate.release()
    assert finished.wait(PATIENCE)
    assert max(mattes.ages) <= MAX_MATTE_AGE_S * RATE


def test_reset_waits_for_nothing_and_drops_the_mask_under_way() -> None:
    gate, mattes = threading.Semaphore(0), Mattes()
    run, segmenter = beside(gate, mattes)
    first = len(mattes.seen)
    run.process(filmed(first))
    run.reset()
    gate.release(100)
    run.process(filmed(first + 1))
    assert mattes.ages[-1] == 0
    assert segmenter.looks == 3, "the mask that was under way is of no use any more"


def test_a_mask_that_fails_beside_the_frames_fails_a_frame() -> None:
    def fail(look: int) -> None:
        if look > 1:
            raise ModelError("the network failed")

    run = fixed(BrightSegmenter(fail), QualityLevel(3), beside=True)
    for number in range(4):
        run.process(filmed(number))
    wait_until(no_mask_is_made)
    with pytest.raises(ModelError, match="the network failed"):
        run.process(filmed(4))


def test_another_frame_size_begins_anew() -> None:
    mattes = Mattes()
    run = fixed(BrightSegmenter(), QualityLevel(3), mattes)
    run.process(filmed(0))
    run.process(noise_frame(1, (200, 160), number=1))
    assert mattes.ages == [0, 0]
    assert mattes.seen[1].alpha.shape == (160, 200)


def test_a_gap_in_time_and_a_step_back_need_a_mask_of_their_own() -> None:
    mattes = Mattes()
    run = fixed(BrightSegmenter(), QualityLevel(3), mattes)
    for number in (10, 11, 30, 31, 5, 6):
        run.process(filmed(number))
    assert mattes.ages == [0, 1, 0, 1, 0, 1]


def test_at_fifteen_frames_a_second_no_mask_gets_too_old() -> None:
    mattes = Mattes()
    run = fixed(BrightSegmenter(), QualityLevel(3), mattes)
    for number in range(0, 40, 2):
        run.process(filmed(number))
    assert set(mattes.ages) == {0, 2, 4}


def test_a_network_ten_times_too_slow_in_real_time() -> None:
    """70 ms a look at 30 frames a second: nearly all are processed, the alpha follows, it is told, and then given back."""
    slow = threading.Event()
    segmenter, mattes = BrightSegmenter(lambda _: time.sleep(0.07) if slow.is_set() else None), Mattes()
    watched = AdaptivePipeline(pipeline(segmenter, mattes), Governor(quality_levels(smaller=True, coarse=False)), 1 / RATE)
    slow.set()
    _play(watched, 0, 1.0)
    before = len(mattes.seen)
    captured = _play(watched, 40, 2.5)
    assert "mask every 3rd frame" in watched.degradations
    processed = mattes.seen[before:]
    assert len(processed) > 0.6 * captured, "in turn with the network it would be 0.4 of them"
    carried = np.mean([iou(matte.alpha, person_at(round(matte.time * RATE))) for matte in processed])
    stayed = np.mean(
        [
            iou((person_at(round(matte.picture_time * RATE)) * 255).astype(np.uint8), person_at(round(matte.time * RATE)))
            for matte in processed
        ]
    )
    assert carried > stayed + 0.1
    slow.clear()
    deadline = time.monotonic() + PATIENCE
    number = 200
    while watched.degradations:
        assert time.monotonic() < deadline
        _play(watched, number, 0.5)
        number += 20


def _play(run: AdaptivePipeline, first: int, seconds: float) -> int:
    """As a camera does it: the newest frame is taken, and what came meanwhile is lost. Returns how many came."""
    frames = [filmed(first + number) for number in range(round(seconds * RATE))]
    begin, last = time.perf_counter(), -1
    while (number := int((time.perf_counter() - begin) * RATE)) < len(frames):
        if number == last:
            time.sleep(0.001)
            continue
        run.process(frames[number])
        last = number
    return len(frames)


def test_on_battery_the_network_rests_every_second_frame() -> None:
    segmenter = BrightSegmenter()
    power = PowerSource(lambda: True)
    run = AdaptivePipeline(pipeline(segmenter), Governor([QualityLevel(), QualityLevel(2)]), power=power)
    for number in range(41):
        run.process(filmed(number))
    assert segmenter.looks == pytest.approx(21, abs=1)
    assert run.degradations == ("mask every 2nd frame (on battery)",)


def test_the_power_is_asked_for_every_ten_seconds() -> None:
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


def test_the_settings_decide() -> None:
    segmenter = BrightSegmenter()
    off = build_adaptive_pipeline(Settings(governor={"enabled": False}), segmenter)
    assert off.level == QualityLevel()
    frame = filmed(0)
    assert (
        off.process(frame).composite.data == build_pipeline(Settings(), BrightSegmenter()).process(frame).composite.data
    ).all()
    before = AdaptivePipeline(pipeline(segmenter), Governor([QualityLevel(3)]))
    assert build_adaptive_pipeline(Settings(), segmenter, previous=before).level == QualityLevel(3)


@pytest.mark.parametrize("motion", ["slow", "fast"])
def test_one_mask_in_three_has_at_most_half_as_much_error_again(motion: str) -> None:
    """The bundled network on made-up people whose alpha is known."""
    model = find("livebg-u2", ())
    segmenter = U2NetSegmenter(model.path, model.card, provider="cpu")
    errors: dict[int, list[float]] = {1: [], 3: []}
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
        for every, found in errors.items():
            found += _errors(fixed(segmenter, QualityLevel(every)), moments)
    assert np.mean(errors[3]) <= 1.5 * np.mean(errors[1])


def _errors(run: AdaptivePipeline, moments: list[Moment]) -> list[float]:
    found = []
    for number, moment in enumerate(moments):
        color = ColorSpec()
        frame = Frame(rgb_to_i420(moment.rgb, color), number, Fraction(1, RATE), color)
        alpha = resize(planes(run.process(frame).composite.data)[0], (512, 288)).astype(np.float64)
        found.append(float(np.abs(alpha - moment.alpha).mean()))
    return found
