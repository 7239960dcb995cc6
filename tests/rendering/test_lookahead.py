"""Lookahead: every frame once with its own time, calmer than from the past alone, and nothing passes a cut or a gap."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.compositing.composite import render_matte
from livebg.compositing.compositor import Compositor
from livebg.errors import ModelError
from livebg.imaging.frame import Alpha, Frame, empty_i420, planes
from livebg.pipeline import Pipeline
from livebg.rendering.lookahead import LookaheadFilter, predictions
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from tests.support.cli_runner import LivebgCli
from tests.support.decoding import rgb_of
from tests.support.media import Clip, yuv_picture
from tests.support.moving_person import HEIGHT, WIDTH, picture, true_alpha
from tests.support.pipeline_fakes import LumaSegmenter
from tests.support.recordings import frame_times
from tests.support.toy_network import ToyNetwork

MOST_HELD = 13


class UnreliableSegmenter(LumaSegmenter):
    """Returns the true alpha of the swaying shape at one of ``numbers``, but misses it in some frames."""

    def __init__(self, numbers: Sequence[int], overlooked: Sequence[int] = (), fails_at: int | None = None) -> None:
        super().__init__(fails_at=fails_at)
        self._pictures = {number: picture(number).astype(np.int16) for number in numbers}
        self._overlooked = overlooked

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        super().segment(image)
        number = min(self._pictures, key=lambda each: float(np.abs(self._pictures[each] - image[..., 1]).mean()))
        return np.zeros((HEIGHT, WIDTH), np.float32) if number in self._overlooked else true_alpha(number)


def frame(number: int, time: int | None = None) -> Frame:
    """The swaying shape at ``number``, shown at ``time``, both in thirtieths of a second."""
    data = empty_i420(WIDTH, HEIGHT)
    luma, *chroma = planes(data)
    luma[:] = picture(number)
    for plane in chroma:
        plane[:] = 128
    return Frame(data, number if time is None else time, Fraction(1, 30))


def pipeline(segmenter: LumaSegmenter) -> Pipeline:
    return Pipeline(segmenter, TemporalFilter(), GuidedUpsampler(), Compositor(render_matte))


def masks(numbers: Sequence[int], overlooked: Sequence[int] = (), times: Sequence[int] | None = None) -> list[Alpha]:
    run = pipeline(UnreliableSegmenter(numbers, overlooked))
    frames = [frame(number, time) for number, time in zip(numbers, times or numbers, strict=True)]
    return [mask.alpha for _, mask in LookaheadFilter(run).masks(predictions(run, frames))]


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_every_frame_is_returned_once_with_its_time(count: int) -> None:
    frames = [frame(number) for number in range(count)]
    run = pipeline(UnreliableSegmenter(range(count)))
    returned = [each for each, _ in LookaheadFilter(run).mattes(frames, lambda _: True)]
    assert returned == frames


def test_single_frame_equals_network_output() -> None:
    np.testing.assert_array_equal(masks([4])[0], true_alpha(4))


@pytest.mark.parametrize(("step", "held"), [(1, MOST_HELD), (2, 7), (15, 2), (Fraction(1, 4), MOST_HELD)])
def test_number_of_held_frames_is_limited(step: int | Fraction, held: int) -> None:
    """0.4 s at 30 and 15 frames per second, the next frame at 2, and at 120 as many as memory allows."""
    given = 0

    def frames() -> Iterator[Frame]:
        nonlocal given
        for number in range(40):
            given += 1
            yield Frame(frame(number).data, round(number * step * 4), Fraction(1, 120))

    run = pipeline(UnreliableSegmenter(range(40)))
    most = 0
    for done, _ in enumerate(LookaheadFilter(run).mattes(frames(), lambda _: True)):
        most = max(most, given - done)
    assert most == held


def test_network_runs_ten_times_a_second_in_slow_motion() -> None:
    segmenter = UnreliableSegmenter(range(12))
    seen = [sight for _, sight in predictions(pipeline(segmenter), [frame(number) for number in range(12)])]
    assert segmenter.looks == 4
    assert [sight.time for sight in seen] == [number / 30 for number in range(12)]
    for number, sight in enumerate(seen):
        assert np.abs(sight.alpha - true_alpha(number)).mean() < 0.01


def test_network_runs_for_the_same_frames_wherever_a_segment_begins() -> None:
    frames = [frame(number) for number in range(12)]
    whole, part = (
        [sight.alpha for _, sight in predictions(pipeline(UnreliableSegmenter(range(12))), frames[first:])] for first in (0, 4)
    )
    for one, other in zip(whole[6:], part[2:], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("numbers", "times"), [((0, 12, 0, 12), (0, 1, 2, 3)), ((3, 3, 3, 3), (0, 20, 40, 60))])
def test_network_runs_for_every_frame_after_a_jump_or_gap(numbers: Sequence[int], times: Sequence[int]) -> None:
    segmenter = UnreliableSegmenter(numbers)
    frames = [frame(number, time) for number, time in zip(numbers, times, strict=True)]
    seen = [sight.alpha for _, sight in predictions(pipeline(segmenter), frames)]
    assert segmenter.looks == 4
    for number, alpha in zip(numbers, seen, strict=True):
        np.testing.assert_array_equal(alpha, true_alpha(number))


def test_missed_detection_is_filled_from_neighbors() -> None:
    clean, holed = masks(range(20)), masks(range(20), overlooked=[10])
    person = true_alpha(10) == 1
    assert holed[10][person].mean() > 0.7
    causal = TemporalFilter()
    raw = [np.zeros_like(true_alpha(0)) if number == 10 else true_alpha(number) for number in range(20)]
    past = [causal.smooth(alpha, np.repeat(picture(n)[..., None], 3, 2), n / 30) for n, alpha in enumerate(raw)]
    assert holed[10][person].mean() > past[10][person].mean()
    assert np.abs(clean[10] - true_alpha(10)).mean() < 0.02


def test_moving_person_leaves_no_ghost() -> None:
    """The shape sways by up to two pixels a frame: neither its past nor its future is left in the matte."""
    run = pipeline(UnreliableSegmenter(range(30)))
    shown = LookaheadFilter(run).mattes((frame(number) for number in range(30)), lambda _: True)
    out = [matte.alpha / np.float32(255) for _, matte in shown]
    errors = [np.abs(alpha - true_alpha(number)).mean() for number, alpha in enumerate(out)]
    moved = [np.abs(true_alpha(number + 3) - true_alpha(number)).mean() for number in range(27)]
    assert np.mean(errors) < 0.1 * np.mean(moved)


@pytest.mark.parametrize(("wavering", "farthest", "step"), [(0.0, 1e-6, 1e-6), (0.1, 0.08, 0.006)])
def test_alpha_of_static_scene_is_stable(wavering: float, farthest: float, step: float) -> None:
    """From frame to frame the network wavers about 0.8. The mean is higher, since alpha rises faster than it falls."""
    run = pipeline(LumaSegmenter())
    frames = [Frame(frame(3).data, number, Fraction(1, 30)) for number in range(60)]
    sights = [
        (shown, replace(seen, alpha=np.full_like(seen.alpha, 0.8 + wavering * (-1) ** shown.pts)))
        for shown, seen in predictions(run, frames)
    ]
    out = np.array([mask.alpha.mean() for _, mask in LookaheadFilter(run).masks(sights)])
    assert np.abs(out - 0.8).max() < farthest
    assert np.abs(np.diff(out)).max() < step


def test_reversed_clip_has_same_outline() -> None:
    """The filter has zero phase: no outline trails, whichever way time runs."""
    forward = masks(range(30))
    backward = masks(range(29, -1, -1), times=range(30))[::-1]
    apart = [np.abs(one - other).mean() for one, other in zip(forward, backward, strict=True)]
    moved = [np.abs(true_alpha(number + 1) - true_alpha(number)).mean() for number in range(29)]
    assert np.mean(apart) < 0.25 * np.mean(moved)


def test_filter_does_not_cross_time_gap() -> None:
    """Sixteen frames are missing in the middle, more than half a second."""
    numbers, times = list(range(12)), [*range(6), *range(22, 28)]
    whole = masks(numbers, overlooked=range(6, 12), times=times)
    parts = [*masks(numbers[:6]), *masks(numbers[6:], overlooked=range(6, 12), times=times[6:])]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole[5].max() == 1
    assert whole[6].max() == 0


def test_uneven_times_are_weighted_evenly() -> None:
    """Every second frame follows closely; all show the same picture, for which the network's alpha varies."""
    times = [time for pair in range(20) for time in (10 * pair, 10 * pair + 1)]
    run = pipeline(LumaSegmenter())
    frames = [Frame(frame(3).data, time, Fraction(1, 150)) for time in times]
    sights = [
        (shown, replace(seen, alpha=np.full_like(seen.alpha, number % 2)))
        for number, (shown, seen) in enumerate(predictions(run, frames))
    ]
    out = [float(mask.alpha.mean()) for _, mask in LookaheadFilter(run).masks(sights)]
    assert np.abs(np.diff(out[10:30])).max() < 0.2


def test_unwanted_frames_are_left_out_but_seen() -> None:
    """Frames are released in threes, here from the same ones on."""
    frames = [frame(number) for number in range(20)]
    all_of_them, some = (LookaheadFilter(pipeline(UnreliableSegmenter(range(20)))) for _ in range(2))
    whole = [matte.alpha for _, matte in all_of_them.mattes(frames, lambda _: True)]
    part = some.mattes(frames, lambda each: each.pts % 7 == 6)
    found = {each.pts: matte.alpha for each, matte in part}
    assert sorted(found) == [6, 13]
    assert all((alpha == whole[pts]).all() for pts, alpha in found.items())


def test_late_error_of_the_network_is_raised() -> None:
    frames = [frame(number) for number in range(9)]
    with pytest.raises(ModelError):
        list(LookaheadFilter(pipeline(UnreliableSegmenter(range(9), fails_at=2))).mattes(frames, lambda _: True))


def test_zero_time_constant_is_rejected() -> None:
    with pytest.raises(ValueError, match="above 0 seconds"):
        LookaheadFilter(pipeline(LumaSegmenter()), 0.0)


LOSSLESS = ("--codec", "ffv1", "--model", "toy.onnx", "--input-size", "160x96", "--quiet")


def swaying_clip(cli: LivebgCli, count: int) -> Path:
    """The swaying shape as a file, and a network for which bright areas are a person."""

    def shape(number: int, width: int, height: int) -> av.VideoFrame:
        chroma = np.full((height // 2, width // 2), 128, np.uint8)
        return yuv_picture([picture(number), chroma, chroma], "yuv420p")

    ToyNetwork().write(cli.folder / "toy.onnx")
    return Clip(count, WIDTH, HEIGHT, picture=shape).write(cli.folder / "talk.mp4")


@pytest.mark.parametrize("count", [1, 2, 9])
def test_render_looks_ahead_by_default(count: int, cli: LivebgCli) -> None:
    clip = swaying_clip(cli, count)
    for name, options in {
        "ahead": (),
        "same": ("--temporal", "lookahead"),
        "causal": ("--temporal", "causal"),
    }.items():
        done = cli.render(clip.name, "--mode", "matte", "-o", f"{name}.mkv", *LOSSLESS, *options)
        assert done.code == 0, done.err
        assert frame_times(cli.folder / f"{name}.mkv") == frame_times(clip)
    ahead, same, causal = (np.stack(rgb_of(cli.folder / f"{name}.mkv")) for name in ("ahead", "same", "causal"))
    assert (ahead == same).all()
    assert len(ahead) == count
    assert (ahead == causal).all() == (count == 1)


def test_zero_smoothing_disables_lookahead(cli: LivebgCli) -> None:
    swaying_clip(cli, 4)
    (cli.folder / "own.toml").write_text("[smoothing]\ntime_constant = 0\n")
    for temporal in ("lookahead", "causal"):
        done = cli.render(
            "talk.mp4", "--temporal", temporal, "-o", f"{temporal}.mkv", "--mode", "matte", *LOSSLESS, "--config", "own.toml"
        )
        assert done.code == 0, done.err
    ahead, causal = (np.stack(rgb_of(cli.folder / f"{name}.mkv")) for name in ("lookahead", "causal"))
    assert (ahead == causal).all()


def test_nanosecond_intervals_give_finite_masks() -> None:
    """As in a damaged file: so short a time is lost in rounding, and a NaN would be any number once it is an integer."""
    run = pipeline(UnreliableSegmenter([3, 3, 4, 5]))
    times = (0, 1, 2, 40_000_000)
    frames = [Frame(frame(number).data, time, Fraction(1, 10**9)) for number, time in zip((3, 3, 4, 5), times, strict=True)]
    alphas = [mask.alpha for _, mask in LookaheadFilter(run).masks(predictions(run, frames))]
    assert len(alphas) == 4
    for alpha, number in zip(alphas, (3, 3, 4, 5), strict=True):
        assert np.isfinite(alpha).all()
        assert np.abs(alpha - true_alpha(number)).mean() < 0.1
