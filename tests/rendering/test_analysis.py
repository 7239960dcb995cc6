"""The analysis of a video, and frames that are composited through its track in any order."""

import json
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from livebg.compositing.effect_track import Timeline, Track
from livebg.config.loading import load_settings
from livebg.config.settings import Settings
from livebg.errors import Cancelled, ModelError
from livebg.factory import build_compositor, build_pipeline, needs_track
from livebg.imaging.frame import Alpha, Frame
from livebg.interfaces import Segmenter
from livebg.rendering.analysis import (
    PART_SEGMENTS,
    SAMPLES_PER_S,
    AnalysisTask,
    analysis_parts,
    analyzed_range,
    joined_track,
)
from livebg.rendering.batch import BatchRenderer
from livebg.rendering.jobs import Job
from livebg.rendering.reporters import QuietReporter
from livebg.rendering.segments import plan_segments
from livebg.rendering.video_plan import RenderOptions
from livebg.rendering.worker import Worker
from livebg.rendering.workers import open_workers
from livebg.sources.file import FileSource
from livebg.sources.packet_index import index_packets
from tests.support.media import FAST, Clip, PictureMaker, yuv_picture
from tests.support.pipeline_fakes import LumaSegmenter
from tests.support.toy_network import ToyNetwork

RATE = Fraction(30)
FRAMES = 150
ON = {"effect.framing": 2.0, "effect.light_auto": True, "effect.mode": "background", "smoothing.time_constant": 0}


def filmed(number: int, width: int, height: int, enters: int = 0) -> av.VideoFrame:
    """A bright person in a dark room, who is there from frame ``enters`` on, and walks to the right and gets darker."""
    luma = np.full((height, width), 20, np.uint8)
    if number >= enters:
        middle, level = round(width * min(0.3 + number / 300, 0.7)), 130 - number // 4
        cv2.circle(luma, (middle, height // 2), height // 8, level, cv2.FILLED)
        luma[height * 5 // 8 :, middle - width // 10 : middle + width // 10] = level
    # Each frame differs, so that a wrong frame is noticed.
    luma[:4, : 1 + number % width] = 40
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return yuv_picture([luma, chroma, chroma], "yuv420p")


def enters_late(number: int, width: int, height: int) -> av.VideoFrame:
    return filmed(number, width, height, enters=75)


def nobody(number: int, width: int, height: int) -> av.VideoFrame:
    return filmed(number, width, height, enters=FRAMES)


@dataclass(frozen=True)
class PersonClip(Clip):
    """Five seconds of the person."""

    count: int = FRAMES
    width: int = 128
    height: int = 96
    rate: Fraction = RATE
    picture: PictureMaker = filmed
    options: Mapping[str, str] = field(default_factory=lambda: FAST)


class Silhouette(LumaSegmenter):
    """Whatever is brighter than the room is the person."""

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        return np.asarray(super().segment(image) > 0.2, np.float32)


class RecordingWorker(Worker):
    """Counts the frames that are reported, and stops after ``limit`` of them."""

    def __init__(self, segmenter: Segmenter, limit: int = 10_000) -> None:
        self.frames = 0
        super().__init__(lambda _settings: segmenter, self._count, lambda: self.frames >= limit)

    def _count(self, frames: int) -> None:
        self.frames += frames


def settings(**values: object) -> Settings:
    return load_settings({**ON, **{key.replace("__", "."): value for key, value in values.items()}})


def analyzed(path: Path, values: Settings | None = None, start: float | None = None, end: float | None = None) -> Track:
    return AnalysisTask(path, values or settings(), start, end).run(RecordingWorker(Silhouette()))


def test_all_frames_are_reported_and_five_a_second_measured(tmp_path: Path) -> None:
    segmenter = Silhouette()
    worker = RecordingWorker(segmenter)
    task = pickle.loads(pickle.dumps(AnalysisTask(PersonClip().write(tmp_path / "a.mp4"), settings())))
    track = task.run(worker)
    assert worker.frames == FRAMES
    assert segmenter.looks == len(track.samples) == FRAMES / RATE * SAMPLES_PER_S
    assert [float(sample.pts * track.time_base) for sample in track.samples] == pytest.approx(np.arange(25) / 5)
    assert all(sample.person and sample.need is not None for sample in track.samples)


@pytest.mark.parametrize("rate", [Fraction(4), Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(60)])
def test_samples_are_a_fifth_of_a_second_apart_at_any_rate(rate: Fraction, tmp_path: Path) -> None:
    track = analyzed(PersonClip(rate=rate, count=48).write(tmp_path / "a.mp4"))
    steps = np.diff([float(sample.pts * track.time_base) for sample in track.samples])
    frame = float(1 / rate)
    assert steps.min() > min(0.2, frame) - frame / 2
    assert steps.max() < max(0.2, frame) + frame


def test_measurements_do_not_depend_on_the_effect(tmp_path: Path) -> None:
    """So that the mattes of a render can be used with other settings."""
    path = PersonClip(count=10).write(tmp_path / "a.mp4")
    lit = analyzed(path, settings(effect__framing=1.0, effect__mode="matte", effect__edge=1.0))
    assert lit.samples == analyzed(path, settings(effect__light_auto=False)).samples
    assert lit.window(0.1).is_full_frame


def test_track_is_needed_for_framing_and_automatic_light() -> None:
    assert not needs_track(settings(effect__framing=1.0, effect__light_auto=False))
    assert needs_track(settings(effect__light_auto=False))
    assert needs_track(settings(effect__framing=1.0))
    assert not needs_track(settings(effect__framing=1.0, effect__mode="matte")), "a matte shows no light"


def test_two_analyses_give_the_same_json(tmp_path: Path) -> None:
    path = PersonClip().write(tmp_path / "a.mp4")
    one, other = (json.dumps(analyzed(path).to_json()) for _ in range(2))
    assert one == other
    assert Track.from_json(json.loads(one)) == analyzed(path)


def test_stop_ends_the_analysis_at_the_next_frame(tmp_path: Path) -> None:
    segmenter = Silhouette()
    worker = RecordingWorker(segmenter, limit=40)
    with pytest.raises(Cancelled):
        AnalysisTask(PersonClip().write(tmp_path / "a.mp4"), settings()).run(worker)
    assert worker.frames == 40
    assert segmenter.looks == 7


def test_failure_of_the_network_ends_the_analysis(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        AnalysisTask(PersonClip().write(tmp_path / "a.mp4"), settings()).run(RecordingWorker(Silhouette(fails_at=3)))


def test_one_frame(tmp_path: Path) -> None:
    track = analyzed(PersonClip(count=1).write(tmp_path / "a.mp4"))
    assert len(track.samples) == 1
    assert track.window(0) == track.window(1)
    assert track.window(0).size < 1


def test_empty_room_and_late_person(tmp_path: Path) -> None:
    paths = [PersonClip(picture=each).write(tmp_path / f"{each.__name__}.mp4") for each in (nobody, enters_late)]
    empty, late = map(analyzed, paths)
    assert all(empty.window(number / 30).is_full_frame for number in range(FRAMES))
    assert all(late.window(number / 30).is_full_frame for number in range(75))
    assert late.window(4.9).size < 0.8
    assert late.strength(2.5) == 0 < late.strength(2.6), "measured a tenth of a second after the entry"


def test_range_is_analyzed_alone(tmp_path: Path) -> None:
    path = PersonClip().write(tmp_path / "a.mp4")
    whole, part = analyzed(path), analyzed(path, start=1.0, end=3.0)
    assert [sample.pts * part.time_base for sample in part.samples] == [Fraction(number, 5) for number in range(5, 15)]
    assert set(part.samples) <= set(whole.samples)


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30_000, 1001), Fraction(7)])
@pytest.mark.parametrize(("start", "end"), [(None, None), (0.63, 4.1)])
def test_parts_measure_the_same_frames(rate: Fraction, start: float | None, end: float | None, tmp_path: Path) -> None:
    """In any order, whether or not a fifth of a second begins with a part. All frames are reported once."""
    clip = PersonClip(rate=rate, options={**FAST, "g": "11", "bf": "3"})
    path = clip.write(tmp_path / "a.mp4")
    index, worker = index_packets(path), RecordingWorker(Silhouette())
    segments = plan_segments(index, start, end, 0.37)
    with FileSource(path) as source:
        like = source.input_format
    tracks = []
    for part in reversed(analysis_parts(segments)):
        decoded = analyzed_range(part, index.origin, start, end)
        tracks.append(AnalysisTask(path, settings(), *decoded, part=part, like=like).run(worker))
    assert len(tracks) == -(-len(segments) // PART_SEGMENTS) > 2
    assert joined_track(tracks) == analyzed(path, start=start, end=end)
    assert worker.frames == len(index.between(start, end))


def test_parts_in_several_processes_give_the_same_bytes(tmp_path: Path) -> None:
    clip, network = PersonClip().write(tmp_path / "a.mp4"), ToyNetwork().write(tmp_path / "toy.onnx")
    values, outputs = settings(model__name=str(network)), [tmp_path / f"{count}.mp4" for count in (1, 3)]
    for output, count in zip(outputs, (1, 3), strict=True):
        batch = BatchRenderer(values, RenderOptions(segment_s=1.0), QuietReporter(Console()), open_workers, count)
        assert batch.run([Job(clip, output)]) == 0
    assert len(analysis_parts(plan_segments(index_packets(clip), None, None, 1.0))) == 2
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_track_is_close_to_measuring_every_frame(tmp_path: Path) -> None:
    path, values = PersonClip().write(tmp_path / "a.mp4"), settings()
    track, live = analyzed(path), build_pipeline(values, Silhouette())
    windows = []
    for frame in FileSource(path):
        window = live.compositor.crop_window(live.compositor.shown_matte(live.matte(frame)))
        windows.append([abs(getattr(window, side) - getattr(track.window(frame.time), side)) for side in ("x", "y", "size")])
    assert np.max(windows) < 0.02
    assert np.mean(windows) < 0.005


@pytest.fixture
def material(tmp_path: Path) -> tuple[list[Frame], Settings, Timeline]:
    """All frames of a clip, with a video background that has played three times at the end."""
    path = PersonClip().write(tmp_path / "a.mp4")
    background = Clip(count=40, width=128, height=96, rate=Fraction(25), options=FAST).write(tmp_path / "loop.mp4")
    values = settings(effect__background=str(background), effect__light=0.1)
    frames = list(FileSource(path))
    return frames, values, Timeline(frames[0].time, analyzed(path))


def composites(frames: Iterator[Frame], values: Settings, timeline: Timeline | None) -> dict[int, bytes]:
    run = build_pipeline(values, Silhouette(), timeline=timeline)
    return {frame.pts: run.process(frame).composite.data.tobytes() for frame in frames}


def test_any_order_gives_the_same_bytes(material: tuple[list[Frame], Settings, Timeline]) -> None:
    frames, values, timeline = material
    expected = composites(iter(frames), values, timeline)
    assert len(set(expected.values())) > FRAMES - 5
    assert composites(iter(frames), values, None) != expected, "the path is not that of frame by frame"
    chance = np.random.default_rng(4)
    shuffled = [frames[number] for number in chance.permutation(FRAMES)[:15]]
    assert composites(iter(shuffled), values, timeline).items() <= expected.items()
    for begin in (29, 91, 149):
        part = pickle.loads(pickle.dumps(timeline.track.part(frames[begin].time, frames[-1].time))) if timeline.track else None
        own = composites(iter(frames[begin:]), values, Timeline(timeline.start, part))
        assert own == {pts: data for pts, data in expected.items() if pts in own}
        assert len(own) == FRAMES - begin


def test_first_frames_are_those_of_a_render_without_a_timeline(material: tuple[list[Frame], Settings, Timeline]) -> None:
    """A background video alone needs no track, and plays as it always has."""
    frames, values, timeline = material
    unfiltered = {"smoothing.time_constant": 0}
    plain = load_settings({"effect.mode": "background", "effect.background": values.effect.background, **unfiltered})
    assert composites(iter(frames), plain, Timeline(timeline.start)) == composites(iter(frames), plain, None)


def test_timeline_without_a_track_is_refused_if_one_is_needed() -> None:
    with pytest.raises(ValueError, match="need a track"):
        build_compositor(settings(), timeline=Timeline(0.0))
