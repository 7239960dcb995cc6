"""The settings of light, room and edge as a pipeline applies them: off by default, and never showing more of the room."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebg.config.loading import load_settings
from livebg.factory import build_effect, build_pipeline
from livebg.imaging.frame import Alpha, Composite, Frame
from livebg.live.quality.adaptive_pipeline import AdaptivePipeline, build_adaptive_pipeline
from livebg.pipeline import Pipeline
from livebg.rendering.lookahead import LookaheadFilter
from livebg.segmentation.edge_shift import MAX_SHIFT, shift_edge
from tests.support.masks import widened
from tests.support.pipeline_fakes import StillSegmenter, noise_frame

SIZE = (320, 180)
ON = {"effect.light": 0.4, "effect.light_auto": True, "effect.dim": 0.3, "effect.desaturate": 0.5, "effect.edge": 1.0}
looks = st.fixed_dictionaries(
    {
        "effect.mode": st.sampled_from(("background", "greenscreen", "cutout", "portrait", "matte")),
        "effect.light": st.floats(0, 1),
        "effect.light_auto": st.booleans(),
        "effect.dim": st.floats(0, 1),
        "effect.desaturate": st.floats(0, 1),
        "effect.edge": st.floats(-1, 1),
        "effect.light_wrap": st.floats(0, 1),
        "effect.lens": st.sampled_from(("gaussian", "disc")),
    }
)


def head_and_shoulders(width: int, height: int) -> Alpha:
    alpha = np.zeros((height, width), np.float32)
    cv2.circle(alpha, (width // 2, height // 3), height // 6, 1, cv2.FILLED)
    cv2.ellipse(alpha, (width // 2, height), (height // 2, height // 3), 0, 0, 360, 1, cv2.FILLED)
    return np.asarray(cv2.blur(alpha, (3, 3)), np.float32)


def pipeline(values: dict[str, object]) -> Pipeline:
    return build_pipeline(load_settings(values), StillSegmenter(head_and_shoulders))


@settings(max_examples=60, deadline=None)
@given(look=looks, seed=st.integers(0, 1000))
def test_no_setting_shows_more_of_the_room_than_the_edge(look: dict[str, object], seed: int) -> None:
    """Outside of the matte, widened by a hundredth of the height if it grows, nothing of the frame is visible."""
    frame = noise_frame(seed, SIZE)
    plain = pipeline({"smoothing.time_constant": 0}).matte(frame).alpha
    edge = max(float(str(look["effect.edge"])), 0)
    hidden = widened(plain > 0, MAX_SHIFT if edge else 0) == 0
    run = pipeline({**look, "effect.blur": 0.05})
    matte = run.matte(frame)
    shown, shown_matte = run.finish(frame, matte)[:2]
    assert shown_matte is not None
    assert not matte.alpha[hidden].any()
    assert not shown_matte.alpha[hidden].any()
    if look["effect.mode"] == "portrait":
        assert not (shown.planes[0][hidden] == frame.y[hidden]).mean() > 0.2
        return
    assert len(np.unique(shown.planes[0][hidden])) == 1
    # A chroma sample belongs to four pixels.
    outside = cv2.erode(hidden.astype(np.uint8), np.ones((3, 3), np.uint8))[::2, ::2] > 0
    for plane in shown.planes[1:]:
        assert len(np.unique(plane[outside])) == 1


@pytest.mark.parametrize("edge", [-0.8, 0.0, 0.6])
def test_edge_is_shifted_after_the_matte_is_made(edge: float) -> None:
    frame = noise_frame(1, SIZE)
    matte = pipeline({"effect.edge": edge}).matte(frame)
    assert (matte.alpha == pipeline({}).matte(frame).alpha).all()
    shown = shift_edge(matte.alpha, edge)
    for mode in ("portrait", "matte"):
        processed = pipeline({"effect.edge": edge, "effect.mode": mode}).process(frame)
        assert processed.matte is not None
        assert (processed.matte.alpha == shown).all()
    assert (processed.composite.planes[0] == shown).all()


@pytest.mark.parametrize("mode", ["portrait", "background", "greenscreen", "cutout", "matte"])
def test_settings_at_zero_change_nothing(mode: str) -> None:
    zero = {key: type(value)(0) for key, value in ON.items()}
    one, other = pipeline({"effect.mode": mode}), pipeline({"effect.mode": mode, **zero})
    for number in range(2):
        frame = noise_frame(number, SIZE, number=number)
        assert (one.process(frame).composite.data == other.process(frame).composite.data).all()


@pytest.mark.parametrize("mode", ["portrait", "background", "greenscreen", "cutout", "matte"])
def test_each_setting_changes_what_it_should(mode: str) -> None:
    frame = noise_frame(1, SIZE)

    def shown(values: dict[str, object]) -> Composite:
        return pipeline({"effect.mode": mode, "effect.background": "#4080c0", **values}).process(frame).composite

    plain = shown({})
    for key, value in ON.items():
        changed = not np.array_equal(shown({key: value}).data, plain.data)
        tones_room = key in ("effect.dim", "effect.desaturate")
        lights = key in ("effect.light", "effect.light_auto")
        expected = mode in ("portrait", "background") if tones_room else mode != "matte" if lights else True
        if key != "effect.light_auto":  # noise needs no light
            assert changed == expected, key


@pytest.mark.parametrize("mode", ["portrait", "background"])
def test_live_and_file_give_the_same_bytes(mode: str) -> None:
    values = load_settings({"effect.mode": mode, **ON, "smoothing.temporal": "causal", "governor.enabled": False})
    file = build_pipeline(values, StillSegmenter(head_and_shoulders))
    live: AdaptivePipeline = build_adaptive_pipeline(values, StillSegmenter(head_and_shoulders))
    live.warm(noise_frame(9, SIZE))
    for number in range(6):
        frame = dimming_frame(number)
        assert (file.process(frame).composite.data == live.process(frame).composite.data).all()


def dimming_frame(number: int) -> Frame:
    """Noise of half of the contrast that becomes darker from frame to frame, a tenth of a second apart."""
    data = 30 + noise_frame(number, SIZE).data * (0.5 - number / 20)
    data[SIZE[1] :] = 128
    return Frame(data.astype(np.uint8), 3 * number, Fraction(1, 30))


def test_lookahead_follows_the_face_as_well() -> None:
    person = slice(60, 180), slice(150, 170)

    def lumas(auto: bool) -> list[float]:
        run = pipeline({"effect.mode": "background", "effect.light_auto": auto})
        mattes = LookaheadFilter(run).mattes([dimming_frame(n) for n in range(8)], lambda _: True)
        return [float(run.finish(frame, matte).composite.planes[0][person].mean()) for frame, matte in mattes]

    gains = np.array(lumas(auto=True)) / lumas(auto=False)
    assert gains[0] > 1.05
    assert gains[-1] > gains[0] + 0.05


def test_reset_of_the_pipeline_forgets_the_face() -> None:
    values: dict[str, object] = {"effect.mode": "background", "effect.light_auto": True, "smoothing.time_constant": 0}
    run, fresh = pipeline(values), pipeline(values)
    run.process(dimming_frame(0))
    run.reset()
    frame = dimming_frame(8)
    assert (run.process(frame).composite.data == fresh.process(frame).composite.data).all()


def test_fine_and_coarse_effect_share_the_light() -> None:
    run = pipeline({"effect.light_auto": True, "smoothing.time_constant": 0})
    fresh = pipeline({"effect.light_auto": True, "smoothing.time_constant": 0})
    run.process(dimming_frame(0))
    frame = dimming_frame(8)
    matte = run.matte(frame)
    coarse = run.finish(frame, matte, coarse=True).composite.planes[0][matte.alpha == 255]
    assert coarse.mean() < fresh.finish(frame, matte, coarse=True).composite.planes[0][matte.alpha == 255].mean() - 2


def test_effect_alone_has_its_own_light() -> None:
    values = load_settings({"effect.mode": "background", "effect.light": 0.5})
    frame = noise_frame(1, SIZE)
    run = build_pipeline(values, StillSegmenter(head_and_shoulders))
    matte = run.matte(frame)
    assert (build_effect(values)(frame, matte).data == run.finish(frame, matte).composite.data).all()
