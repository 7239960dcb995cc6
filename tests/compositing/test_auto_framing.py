"""Auto-framing: dead zone, easing, absence, gaps, and the cropped picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from livebg.compositing.auto_framing import FULL_FRAME, AutoFraming, CropWindow
from livebg.compositing.composite import crop, render_matte
from livebg.compositing.compositor import Compositor
from livebg.imaging.frame import Composite, Frame, Matte, empty_i420, planes
from livebg.imaging.geometry import Geometry
from livebg.pipeline import Pipeline
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from tests.support.live_session import COLOR, TICKS, green_effect
from tests.support.pipeline_fakes import LumaSegmenter

SIZE = (320, 180)


def person_matte(x: float, top: float = 0.45, breadth: float = 0.2) -> NDArray[np.uint8]:
    """A matte with a person centered at ``x``, from ``top`` to the lower edge, in shares of the frame."""
    width, height = SIZE
    alpha = np.zeros((height, width), np.uint8)
    left, right = (round(np.clip(x + side * breadth / 2, 0, 1) * width) for side in (-1, 1))
    alpha[round(top * height) :, left:right] = 255
    return alpha


NOBODY = np.zeros((SIZE[1], SIZE[0]), np.uint8)


def views_of(framing: AutoFraming, mattes: list[NDArray[np.uint8]], rate: float = 30.0, begin: float = 0.0) -> list[CropWindow]:
    return [framing.view(matte, begin + number / rate) for number, matte in enumerate(mattes)]


def test_zoom_1_shows_full_frame() -> None:
    assert all(view.is_full_frame for view in views_of(AutoFraming(1), [person_matte(0.2), person_matte(0.8)] * 20))


def test_person_is_centered_with_headroom() -> None:
    view = views_of(AutoFraming(2), [person_matte(0.4)] * 3)[-1]
    assert view.x == pytest.approx(0.4, abs=0.01)
    assert view.y + view.size / 2 == pytest.approx(1)  # a person cut off by the lower edge stays cut off
    assert (0.45 - (view.y - view.size / 2)) / view.size == pytest.approx(0.14, abs=0.02)


def test_zoom_is_limited() -> None:
    view = views_of(AutoFraming(1.5), [person_matte(0.5, top=0.9, breadth=0.05)] * 2)[-1]
    assert view.size == pytest.approx(1 / 1.5)


def test_small_movements_keep_view() -> None:
    framing = AutoFraming(2)
    nods = [person_matte(0.5 + 0.02 * (-1) ** number, top=0.45 + 0.01 * (number % 3)) for number in range(60)]
    views = views_of(framing, nods)
    assert len({(view.x, view.y, view.size) for view in views}) == 1


def test_moving_person_is_followed_smoothly() -> None:
    framing = AutoFraming(2)
    views = views_of(framing, [person_matte(0.4)] * 30 + [person_matte(0.65)] * 90)
    places = np.array([view.x for view in views])
    assert places[-1] == pytest.approx(0.65, abs=0.01)
    steps = np.diff(places)
    assert steps.min() > -1e-4, "no overshoot"
    assert steps.max() < 0.05, "no jump"
    assert np.abs(np.diff(steps)).max() < 0.02, "no sudden start"


def test_short_absence_keeps_view_and_long_shows_full_frame() -> None:
    framing = AutoFraming(2)
    views = views_of(framing, [person_matte(0.4)] * 10 + [NOBODY] * 50 + [NOBODY] * 150)
    assert views[55] == views[9]
    assert views[-1].is_full_frame


def test_view_is_independent_of_frame_rate() -> None:
    ways = []
    for rate in (15, 60):
        framing = AutoFraming(2)
        mattes = [person_matte(0.3 if number / rate < 1 else 0.6) for number in range(3 * rate)]
        ways.append([view.x for view in views_of(framing, mattes, rate)][:: rate // 15])
    assert np.abs(np.array(ways[0]) - ways[1]).max() < 0.03


def test_view_jumps_after_time_gap() -> None:
    framing = AutoFraming(2)
    views_of(framing, [person_matte(0.3)] * 10)
    assert framing.view(person_matte(0.6), 20.0).x == pytest.approx(0.6, abs=0.01)
    assert framing.view(person_matte(0.4), 5.0).x == pytest.approx(0.4, abs=0.01), "back in time"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.95), st.floats(0.02, 1), st.floats(0.001, 0.5)), min_size=1, max_size=30),
    st.floats(1, 3),
)
def test_view_stays_within_frame(people: list[tuple[float, float, float, float]], zoom: float) -> None:
    framing, time = AutoFraming(zoom), 0.0
    for x, top, breadth, elapsed in people:
        time += elapsed
        view = framing.view(person_matte(x, top, breadth), time)
        assert 1 / zoom - 1e-9 <= view.size <= 1
        for place in (view.x, view.y):
            assert place - view.size / 2 >= -1e-9
            assert place + view.size / 2 <= 1 + 1e-9


def test_zoom_below_1_is_rejected() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        AutoFraming(0.5)


def test_crop_shows_selected_part() -> None:
    """A crop of a linear ramp is a ramp between the values at the crop's edges."""
    ramp = np.tile(np.linspace(0, 250, 200, dtype=np.float64).round().astype(np.uint8), (100, 1))
    part = CropWindow(0.5, 0.5, 0.5).crop(ramp)
    assert part.shape == ramp.shape
    assert abs(int(part[50, 0]) - int(ramp[50, 50])) <= 2
    assert abs(int(part[50, -1]) - int(ramp[50, 149])) <= 2
    assert np.abs(part[:, 100].astype(int) - ramp[:, 100].astype(int)).max() <= 2


def test_crop_keeps_luma_and_chroma_aligned() -> None:
    """A plane and its half-size version, cropped alike, show the same place."""
    large = np.zeros((96, 128), np.uint8)
    large[40:60, 50:80] = 255
    small = large[::2, ::2]
    view = CropWindow(0.55, 0.5, 0.6)
    shown, shown_small = view.crop(large), view.crop(small)
    centers = [np.argwhere(plane > 127).mean(axis=0) + 0.5 for plane in (shown, shown_small)]
    assert np.abs(centers[0] / 2 - centers[1]).max() < 0.6


def filmed_frame(x: float, time: float) -> Frame:
    """A white person, detected by the fake network, in front of a black room."""
    data = empty_i420(*SIZE)
    luma, *chroma = planes(data)
    luma[:] = person_matte(x)
    for plane in chroma:
        plane[:] = 128
    return Frame(data, round(time / TICKS), TICKS, COLOR)


def shown(framing: AutoFraming | None, frame: Frame) -> Composite:
    pipeline = Pipeline(LumaSegmenter(), TemporalFilter(0), GuidedUpsampler(), Compositor(render_matte, framing=framing))
    return pipeline.process(frame).composite


def test_pipeline_output_is_centered_on_person() -> None:
    whole, part = (shown(framing, filmed_frame(0.3, 1.0)) for framing in (None, AutoFraming(1.6)))
    middles = [np.argwhere(planes(each.data)[0] > 127)[:, 1].mean() / SIZE[0] for each in (whole, part)]
    assert middles[0] == pytest.approx(0.3, abs=0.02)
    assert abs(middles[1] - 0.5) < abs(middles[0] - 0.5), "as close as the frame's edge allows"
    assert (planes(part.data)[0] > 127).mean() > 1.5 * (planes(whole.data)[0] > 127).mean()


def test_full_frame_crop_returns_same_composite() -> None:
    frame = filmed_frame(0.5, 1.0)
    composite = render_matte(frame, Matte(person_matte(0.5), frame.time, frame.time))
    assert crop(composite, FULL_FRAME) is composite
    part = crop(composite, CropWindow(0.5, 0.5, 0.5))
    assert (part.pts, part.time_base, part.color) == (composite.pts, composite.time_base, composite.color)


CAMERA_SIZE, OUTPUT_SIZE = (1920, 1080), (1280, 720)


def striped_person(time: float) -> Frame:
    """A person in the middle with a sharp edge between two bright parts, slanted so that it crosses pixels everywhere."""
    width, height = CAMERA_SIZE
    data = empty_i420(width, height)
    luma, *chroma = planes(data)
    luma[:] = 16
    edge = 960 + (np.arange(height) - 700) // 16
    luma[430:, 760:1160] = np.where(np.arange(760, 1160) < edge[430:, None], 180, 230)
    for plane in chroma:
        plane[:] = 128
    return Frame(data, round(time / TICKS), TICKS, COLOR)


def framed(zoom: float, *, sharp: bool) -> Composite:
    """The output of a camera with more pixels, cropped from its frame or, not ``sharp``, from the frame at the output's size."""
    framing = AutoFraming(zoom, OUTPUT_SIZE) if sharp else AutoFraming(zoom)
    pipeline = Pipeline(LumaSegmenter(), TemporalFilter(0), GuidedUpsampler(), Compositor(green_effect, framing=framing))
    return pipeline.process(Geometry(OUTPUT_SIZE).apply(striped_person(1.0), pipeline.oversampling)).composite


def edge_response(picture: Composite) -> tuple[float, float]:
    """The distance in pixels of the edge's rise from 10 to 90 %, and the MTF at a quarter of the sampling rate (0 to 1)."""
    luma = planes(picture.data)[0][300:700].astype(np.float64)
    rows = np.arange(len(luma))
    level = (luma - 180) / 50
    columns = np.arange(luma.shape[1])
    inside = (columns > 560) & (columns < 720)
    crossings = np.array([columns[inside][row[inside] > 0.5][0] for row in level])
    slope, offset = np.polyfit(rows, crossings, 1)
    distance = columns[None, :] - (slope * rows[:, None] + offset)
    near = np.abs(distance) < 8
    bins = np.round(distance[near] * 4).astype(int)
    grid = np.arange(-24, 25)
    profile = np.array([level[near][bins == number].mean() for number in grid])
    rise = np.interp(0.9, profile, grid / 4) - np.interp(0.1, profile, grid / 4)
    spread = np.abs(np.fft.rfft(np.diff(profile), 192))
    return float(rise), float(spread[192 // 16] / spread[0])


def test_zoom_keeps_the_sharpness_of_a_camera_with_more_pixels() -> None:
    soft, sharp = (edge_response(framed(1.5, sharp=sharp)) for sharp in (False, True))
    assert sharp[0] < 0.7 * soft[0], (soft, sharp)
    assert sharp[0] < 1.5
    assert sharp[1] > 1.3 * soft[1]


@pytest.mark.parametrize("zoom", [1.2, 1.5, 2, 3])
def test_sharp_crop_shows_what_the_soft_one_shows(zoom: float) -> None:
    soft, sharp = (framed(zoom, sharp=sharp) for sharp in (False, True))
    assert (sharp.width, sharp.height) == (soft.width, soft.height) == OUTPUT_SIZE
    assert (sharp.pts, sharp.color) == (soft.pts, soft.color)
    for one, other in zip(planes(soft.data), planes(sharp.data), strict=True):
        assert np.abs(one.astype(float) - other).mean() < 0.5


def test_full_frame_of_a_camera_with_more_pixels_is_shrunk() -> None:
    frame = striped_person(1.0)
    pictured = render_matte(frame, Matte(np.ascontiguousarray(frame.y), frame.time, frame.time))
    whole = crop(pictured, FULL_FRAME, OUTPUT_SIZE)
    assert (whole.width, whole.height) == OUTPUT_SIZE
    scaled = Geometry(OUTPUT_SIZE).apply(frame)
    assert np.abs(planes(whole.data)[0].astype(int) - scaled.y).max() <= 2


@given(st.floats(0.34, 1), st.floats(0, 1), st.floats(0, 1))
def test_crop_to_the_frames_own_size_has_the_same_bytes(size: float, x: float, y: float) -> None:
    plane = np.random.default_rng(5).integers(0, 256, (90, 160), np.uint8)
    view = CropWindow(size / 2 + x * (1 - size), size / 2 + y * (1 - size), size)
    assert np.array_equal(view.crop(plane), view.crop(plane, (160, 90)))


def test_camera_of_the_outputs_size_gives_the_same_bytes() -> None:
    made = []
    for framing in (AutoFraming(1.6), AutoFraming(1.6, SIZE)):
        pipeline = Pipeline(LumaSegmenter(), TemporalFilter(0), GuidedUpsampler(), Compositor(render_matte, framing=framing))
        frames = [
            Geometry(SIZE).apply(filmed_frame(0.3 + number / 30, number / 30), pipeline.oversampling) for number in range(9)
        ]
        made.append([pipeline.process(frame).composite.data.tobytes() for frame in frames])
    assert made[0] == made[1]


def test_frames_are_larger_than_the_output_only_for_a_zoom() -> None:
    found = [AutoFraming(zoom, SIZE).oversampling for zoom in (1, 1.5, 3)]
    assert found == [1, 1.5, 2]
    assert AutoFraming(3).oversampling == 1, "offline, the frame has the output's size"
