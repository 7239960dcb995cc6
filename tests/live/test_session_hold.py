"""For how long the last composite is held at low frame rates, in virtual time."""

import numpy as np
import pytest

from livebg.errors import SourceError
from livebg.live.frame_path import CompositeHold
from tests.support.virtual_session import Play, Stage, staged

SHORT = 0.25
"""The hold in seconds unless a low frame rate is known."""
EXACT = 1e-4


@pytest.mark.parametrize("seconds", [0.3, 0.4, 0.6])
def test_slow_network_once_five_composites_are_known_never_shows_the_placeholder(seconds: float) -> None:
    stage = staged(seconds, lambda stage: stage.wait_for_composites(15))
    arrivals = stage.arrivals
    assert stage.placeholders(arrivals[0], arrivals[4]), "a low frame rate is not known yet"
    assert not stage.placeholders(arrivals[4], arrivals[-1])
    assert max(stage.ages(arrivals[4], arrivals[-1])) < 1.5 * seconds + 0.1


def test_slow_camera_once_five_composites_are_known_never_shows_the_placeholder() -> None:
    stage = staged(0.0, lambda stage: stage.wait_for_composites(15), rate=2)
    arrivals = stage.arrivals
    assert stage.placeholders(arrivals[0], arrivals[4])
    assert not stage.placeholders(arrivals[4], arrivals[-1])


@pytest.mark.parametrize(("seconds", "hold"), [(0.02, SHORT), (0.3, 0.45), (0.4, 0.6), (0.6, 0.9), (0.9, 1.0), (1.2, SHORT)])
def test_hanging_network_shows_the_placeholder_after_the_hold(seconds: float, hold: float) -> None:
    def hang(stage: Stage) -> None:
        stage.wait_for_composites(8)
        stage.seconds = 4.0  # too late to be shown
        stage.time.sleep(5)

    stage = staged(seconds, hang)
    last = stage.arrivals[-1]
    ages = stage.ages(last, last + 3.5)
    first = min(stage.placeholders(last, last + 3.5)) - last
    assert max(ages) < first
    assert hold - EXACT < first < min(hold + 0.07, 1.0 + EXACT)  # the network waits for a frame, too
    assert len(stage.placeholders(last + first, last + 3.5)) > 30


def fail(stage: Stage) -> None:
    stage.fails = True
    stage.wait(lambda: not stage.fails)


def lose_camera(stage: Stage) -> None:
    stage.cameras[-1].error = SourceError("the camera is gone: plug it in again")
    stage.wait(lambda: stage.live.snapshot().camera_lost is not None)


def switch(stage: Stage) -> None:
    stage.live.switch(stage.processor, at_once=False)


def replace_camera(stage: Stage) -> None:
    stage.live.use_camera(stage.camera)


@pytest.mark.parametrize("interrupt", [fail, lose_camera, switch, replace_camera])
def test_interruption_shortens_the_hold(interrupt: Play) -> None:
    moments: list[float] = []

    def play(stage: Stage) -> None:
        stage.wait_for_composites(8)
        stage.time.sleep(0.3)
        interrupt(stage)
        moments.append(stage.time.monotonic())
        stage.wait_for_composites(8)

    stage = staged(0.4, play)
    arrivals, (moment,) = stage.arrivals, moments
    before = [when for when in arrivals if when < moment]
    after = [when for when in arrivals if when >= moment]
    assert not stage.placeholders(before[4], moment - 0.01), "it was held before"
    assert max(stage.ages(moment, after[4])) < SHORT + EXACT
    assert stage.placeholders(moment, after[0])
    assert not stage.placeholders(after[5], after[-1]), "the low frame rate is known again"


def pause(stage: Stage) -> None:
    stage.live.pause()
    stage.time.sleep(0.5)
    stage.live.resume()


def lock(stage: Stage) -> None:
    stage.live.lock(True)
    stage.time.sleep(0.5)
    stage.live.lock(False)


def switch_at_once(stage: Stage) -> None:
    stage.live.switch(stage.processor, at_once=True)


@pytest.mark.parametrize("end", [pause, lock, switch_at_once])
def test_end_of_the_picture_needs_no_hold(end: Play) -> None:
    moments: list[float] = []

    def play(stage: Stage) -> None:
        stage.wait_for_composites(8)
        moments.append(stage.time.monotonic())
        end(stage)
        stage.wait_for_composites(8)

    stage = staged(0.4, play)
    (moment,) = moments
    arrivals = stage.arrivals
    after = [when for when in arrivals if when > moment]
    assert not stage.placeholders(arrivals[4], moment - 0.01)
    assert not stage.ages(moment + 0.01, after[0] - EXACT), "no earlier composite is repeated"
    assert max(stage.ages(after[0], after[4])) < SHORT + EXACT
    assert not stage.placeholders(after[5], after[-1])


def test_single_hang_does_not_extend_the_hold() -> None:
    hold = CompositeHold()
    for now in np.cumsum([0.03] * 10 + [0.9] + [0.03] * 3):
        hold.on_composite(float(now))
    assert hold.seconds == SHORT


def test_gap_of_more_than_a_second_forgets_the_low_frame_rate() -> None:
    hold = CompositeHold()
    for now in np.cumsum([0.4] * 10):
        hold.on_composite(float(now))
    assert hold.seconds == pytest.approx(0.6)
    hold.on_composite(4.0 + 1.1)
    assert hold.seconds == SHORT
