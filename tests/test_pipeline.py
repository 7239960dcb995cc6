"""The pipeline as a whole: state, failures, and the render loop."""

import numpy as np
import pytest

from livebg.clock import StageTimer
from livebg.compositing.composite import Consent, composite
from livebg.compositing.compositor import Compositor
from livebg.errors import ModelError
from livebg.imaging.frame import Composite, Frame, Matte, planes
from livebg.interfaces import Segmenter
from livebg.pipeline import Passthrough, Pipeline
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from tests.support.pipeline_fakes import LumaSegmenter, StillSegmenter, gray_frame, noise_frame


def over_black(frame: Frame, matte: Matte) -> Composite:
    return composite(frame, gray_frame(luma=16, size=(frame.width, frame.height)).data, matte)


def pipeline(segmenter: Segmenter, clock: StageTimer | None = None) -> Pipeline:
    return Pipeline(segmenter, TemporalFilter(0.15), GuidedUpsampler(), Compositor(over_black, stages=clock), clock)


def test_bright_areas_are_kept_and_dark_ones_replaced() -> None:
    data = gray_frame(luma=16).data.copy()
    data[:48, 32:] = 235
    data[:48, :32] = 30
    frame = Frame(data, 0, gray_frame().time_base)
    y = planes(pipeline(LumaSegmenter()).process(frame).composite.data)[0]
    assert (y[:, 40:] == 235).all()
    assert (y[:, :24] == 16).all()


def test_matte_has_time_of_its_frame() -> None:
    matte = pipeline(LumaSegmenter()).matte(gray_frame(number=7))
    assert matte.time == matte.picture_time == pytest.approx(7 / 30)
    assert matte.alpha.shape == (48, 64)


def test_process_is_matte_then_composite() -> None:
    frames = [noise_frame(number, number=number) for number in range(3)]
    whole, parts = pipeline(LumaSegmenter()), pipeline(LumaSegmenter())
    for frame in frames:
        processed, matte = whole.process(frame), parts.matte(frame)
        assert (processed.composite.data == parts.finish(frame, matte).composite.data).all()
        assert processed.matte is not None
        assert (processed.matte.alpha == matte.alpha).all()


def test_matte_can_be_refined_from_earlier_mask() -> None:
    frame, later = noise_frame(1, number=1), noise_frame(1, number=2)
    parts = pipeline(LumaSegmenter())
    mask = parts.mask(frame)
    assert (parts.refine(mask, frame).alpha == pipeline(LumaSegmenter()).matte(frame).alpha).all()
    matte = parts.refine(mask, later)
    assert (matte.time, matte.picture_time) == (later.time, frame.time)


def test_coarse_effect_is_used_if_available() -> None:
    def white(frame: Frame, matte: Matte) -> Composite:
        return composite(frame, gray_frame(luma=235, size=(frame.width, frame.height)).data, matte)

    def lumas(run: Pipeline) -> list[int]:
        frame = gray_frame(luma=16)
        matte = run.matte(frame)
        return [int(planes(run.finish(frame, matte, coarse=coarse).composite.data)[0].max()) for coarse in (False, True)]

    plain = pipeline(LumaSegmenter())
    both = Pipeline(LumaSegmenter(), TemporalFilter(), GuidedUpsampler(), Compositor(over_black, coarse_effect=white))
    assert not plain.compositor.has_coarse_effect
    assert lumas(plain) == [16, 16]
    assert both.compositor.has_coarse_effect
    assert lumas(both) == [16, 235]


def test_prediction_does_not_depend_on_earlier_frames() -> None:
    """Earlier frames do not affect the network's result for this one."""
    segmenter = LumaSegmenter()
    run = pipeline(segmenter)
    for number in range(3):
        run.process(gray_frame(number, luma=200))
    assert segmenter.looks == 3
    frame = noise_frame(4, number=3)
    np.testing.assert_array_equal(run.predict(frame).alpha, pipeline(LumaSegmenter()).predict(frame).alpha)


def test_predict_does_not_change_filter_state() -> None:
    frame = gray_frame(1, luma=200)
    run = pipeline(LumaSegmenter())
    first = run.mask(gray_frame(0, luma=100))
    sight = run.predict(frame)
    assert sight.image.shape == (24, 32, 3)
    assert sight.time == frame.time
    assert sight.alpha.mean() == pytest.approx(sight.image.mean() / 255, abs=1e-3)
    again = run.mask(gray_frame(1, luma=100))
    np.testing.assert_allclose(again.alpha, first.alpha, atol=1e-6)


def test_reset_clears_state() -> None:
    segmenter = LumaSegmenter()
    run = pipeline(segmenter)
    run.process(noise_frame(1, number=0))
    run.reset()
    again = run.process(noise_frame(2, number=1)).composite
    assert (again.data == pipeline(LumaSegmenter()).process(noise_frame(2, number=1)).composite.data).all()


def test_network_failure_outputs_nothing_and_resets() -> None:
    segmenter = LumaSegmenter(fails_at=1)
    run = pipeline(segmenter)
    run.process(gray_frame(0))
    with pytest.raises(ModelError):
        run.process(gray_frame(1))
    after = run.matte(gray_frame(2, luma=20))
    assert (after.alpha == pipeline(LumaSegmenter()).matte(gray_frame(2, luma=20)).alpha).all(), "the filter restarts as well"


def test_every_stage_is_timed() -> None:
    ticks = iter(range(100))
    clock = StageTimer(lambda: float(next(ticks)))
    pipeline(LumaSegmenter(), clock).process(gray_frame())
    assert dict(clock.seconds) == {"network": 1.0, "smoothing": 1.0, "upsampling": 1.0, "compositing": 1.0}


def test_passthrough_returns_frame_unchanged() -> None:
    frame = noise_frame(1)
    processed = Passthrough(Consent("a test")).process(frame)
    assert (processed.composite.data == frame.data).all()
    assert processed.matte is None


def test_empty_matte_shows_no_byte_of_the_room() -> None:
    """Without a person no byte of the room's noise is visible, for any room."""
    run = pipeline(StillSegmenter(lambda width, height: np.zeros((height, width), np.float32)))
    for seed in range(10):
        y, u, v = planes(run.process(noise_frame(seed, number=seed)).composite.data)
        assert (y == 16).all()
        assert (u == 128).all()
        assert (v == 128).all()
