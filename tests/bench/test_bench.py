"""The benchmark reports what it measures; no time is asserted."""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import islice, pairwise, repeat
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from typer.testing import CliRunner

from livebg.bench.live import bench_live
from livebg.bench.profile import StackProfiler
from livebg.bench.recording import PixelFormat, RecordedCamera, clip_recording, record, synthetic_recording, write_clip
from livebg.bench.render import FINISHING, STAGES, bench_render
from livebg.cli import app
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.errors import SinkError
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import planes
from livebg.interfaces import Source
from livebg.sources.file import FileSource
from livebg.v4l2.abi import fourcc_text
from tests.support.pipeline_fakes import LumaSegmenter, gray_frame
from tests.support.source_contract import SourceContract
from tests.support.toy_network import ToyNetwork

HANGS = 20.0
"""Seconds after which a frame counts as late."""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=12, size=(320, 180))
    return path


def test_synthetic_clip_moves(clip: Path) -> None:
    frames = list(FileSource(clip))
    assert len(frames) == 12
    assert (frames[0].y.astype(int) - frames[-1].y != 0).mean() > 0.01


def test_every_stage_is_measured_and_ratios_match(clip: Path) -> None:
    cost = bench_render(Settings(), LumaSegmenter(), clip, 10, Consent("a test"))
    assert cost.frames == 10
    assert cost.size == (320, 180)
    assert cost.input_size == (160, 90)
    assert set(cost.stages) == set(STAGES)
    assert all(milliseconds > 0 for milliseconds in cost.stages.values())
    assert cost.over_bare == pytest.approx(sum(cost.stages.values()) / cost.bare)
    assert cost.finishing_blends == pytest.approx(sum(cost.stages[stage] for stage in FINISHING) / cost.blend)


@pytest.mark.parametrize("mode", ["matte", "cutout"])
def test_every_mode_can_be_measured(clip: Path, mode: str) -> None:
    settings = Settings.model_validate({"effect": {"mode": mode}})
    assert bench_render(settings, LumaSegmenter(), clip, 10, Consent("a test")).frames == 10


def test_bench_render_prints_one_json_object(tmp_path: Path, clip: Path) -> None:
    network = ToyNetwork().write(tmp_path / "toy.onnx")
    result = CliRunner().invoke(app, ["bench", "render", str(clip), "--frames", "10", "--model", str(network), "--json"])
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["frames"] == 10
    assert facts["finishing_blends"] > 0


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return ToyNetwork().write(tmp_path / "toy.onnx")


def test_recorded_jpeg_is_full_range_422() -> None:
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    recording = synthetic_recording(2, (64, 48), "MJPG")
    assert [picture.format.name for data in recording.buffers for picture in decoder.decode(av.Packet(data))] == ["yuvj422p"] * 2


@pytest.mark.parametrize("pixel_format", ["MJPG", "YUYV"])
def test_recording_has_the_scene_in_the_pixel_format(clip: Path, pixel_format: PixelFormat) -> None:
    made, filmed = synthetic_recording(12, (320, 180), pixel_format), clip_recording(clip, pixel_format=pixel_format)
    assert len(made.buffers) == len(filmed.buffers) == 12
    for recording in (made, filmed):
        assert fourcc_text(recording.pix.pixelformat) == pixel_format
        assert all(data.startswith(b"\xff\xd8") or len(data) == 320 * 180 * 2 for data in recording.buffers)
        with RecordedCamera(recording) as camera, FileSource(clip) as source:
            seen, true = next(iter(camera)), next(iter(source))
        wanted = planes(convert_i420(true.data, true.color, seen.color))[0]
        assert np.abs(seen.y.astype(float) - wanted).mean() < 3


class TestRecordedCamera(SourceContract):
    @pytest.fixture
    def open_source(self) -> Callable[[], Source]:
        recording = synthetic_recording(4, (64, 48))
        return lambda: RecordedCamera(recording)

    def test_buffers_are_played_back_and_forth_in_real_time(self) -> None:
        recording = synthetic_recording(3, (64, 48), "YUYV")
        with RecordedCamera(recording) as camera:
            frames = list(islice(camera, 6))
            assert camera.now() - frames[-1].time < HANGS
        lumas = [np.frombuffer(data, np.uint8)[::2].reshape(48, 64) for data in recording.buffers]
        if not camera.skipped:
            assert all(np.array_equal(frame.y, lumas[number]) for frame, number in zip(frames, (0, 1, 2, 1, 0, 1), strict=True))
        assert all(later.time - earlier.time > 0.03 for earlier, later in pairwise(frames))

    def test_buffer_that_is_not_read_in_time_is_skipped(self) -> None:
        with RecordedCamera(synthetic_recording(3, (64, 48), "YUYV")) as camera:
            first = next(iter(camera))
            time.sleep(0.2)
            second = next(iter(camera))
            assert camera.skipped >= 4
        assert second.time - first.time > 0.15

    def test_closed_camera_ends(self) -> None:
        with RecordedCamera(synthetic_recording(3, (64, 48), "YUYV")) as camera:
            frames = iter(camera)
            next(frames)
            threading.Timer(0.01, camera.close).start()
            assert len(list(islice(frames, 1000))) < 1000


def test_recording_of_an_endless_clip_ends() -> None:
    """Otherwise a long one would fill the memory."""
    frame = gray_frame(size=(3840, 2160))
    recording = record(repeat(frame), Fraction(30), "YUYV")
    assert 2**28 < sum(map(len, recording.buffers)) < 2**28 + 2 * 3840 * 2160


def test_live_cost_is_measured_beside_passthrough(network: Path) -> None:
    settings = Settings.model_validate({"model": {"name": str(network)}})
    recording, profiler = synthetic_recording(12, (320, 180)), StackProfiler()
    bare = bench_live(settings, recording, 2, Consent("a test"))
    cost = bench_live(settings, recording, 2, profiler=profiler)
    assert (bare.model, bare.input_size, cost.model) == ("none", None, "toy")
    assert set(bare.stages) == {"camera", "geometry", "output"}
    assert set(cost.stages) == {"camera", "geometry", "flow", "network", "smoothing", "upsampling", "compositing", "output"}
    for each in (bare, cost):
        assert each.captured > 0
        assert each.total > 0
        assert each.in_stages == pytest.approx(sum(each.stages.values()))
        assert each.latency is not None


def test_profile_attributes_cpu_time_to_stacks(tmp_path: Path) -> None:
    begun, path = threading.Event(), tmp_path / "stacks.txt"

    def waiting() -> None:
        begun.wait()

    thread = threading.Thread(target=waiting, name="waiter")
    thread.start()
    profiler = StackProfiler()
    start = time.thread_time()
    with profiler:
        while time.thread_time() - start < 0.1:
            hashlib.sha256(bytes(1_000_000))
    begun.set()
    thread.join()
    profiler.write(path)
    spent: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        stack, microseconds = line.rsplit(" ", 1)
        spent[stack.split(";")[0]] += int(microseconds)
        assert stack.split(";")[-1].count(":") == 1
    assert spent["MainThread"] > 50_000
    assert spent["waiter"] < spent["MainThread"] / 10


def test_bench_live_prints_one_object_per_session(tmp_path: Path, clip: Path, network: Path) -> None:
    profile = tmp_path / "stacks.txt"
    options = ["--seconds", "1", "--pixel-format", "YUYV", "--model", str(network), "--against", str(network), "--json"]
    result = CliRunner().invoke(app, ["bench", "live", str(clip), *options, "--profile", str(profile)])
    assert result.exit_code == 0, result.output
    bare, *others = [json.loads(line) for line in result.stdout.splitlines()]
    assert bare["over_pass_through"] == 1
    assert sum(bare["stages_over_pass_through"].values()) == pytest.approx(bare["in_stages"] / bare["total"])
    assert [other["model"] for other in others] == ["toy"] * 2
    assert "livebg-worker;" in profile.read_text()


def test_bench_live_prints_a_table_for_the_chosen_size(network: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "live", "--size", "320x180", "--seconds", "1", "--model", str(network)])
    assert result.exit_code == 0, result.output
    assert "320x180 MJPG" in result.stdout


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--size", "321x180"], 2, "The size 321x180 of the synthetic scene is odd. Use an even width and height."),
        (["--against", "nope"], 5, "Unknown model 'nope'."),
        (["--seconds", "inf"], 2, "less than or equal to 86400"),
    ],
)
def test_bench_live_reports_bad_option_before_it_measures(
    network: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, sentence: str
) -> None:
    monkeypatch.setattr("livebg.bench.live.bench_live", None)  # a measurement would be an internal error
    result = CliRunner().invoke(app, ["bench", "live", "--model", str(network), *options])
    assert result.exit_code == code
    assert sentence in " ".join(result.stderr.replace("\N{BOX DRAWINGS LIGHT VERTICAL}", " ").split())


def test_profile_overwrites_nothing(tmp_path: Path) -> None:
    profile = tmp_path / "stacks.txt"
    profile.write_text("kept")
    for path, found in ((profile, "exists already"), (tmp_path / "none" / "a.txt", "is in a folder that does not exist")):
        result = CliRunner().invoke(app, ["bench", "live", "--seconds", "1", "--profile", str(path)])
        assert result.exit_code == 2
        assert f"The profile {path} {found}. Choose another file." in " ".join(result.stderr.split())
    with pytest.raises(SinkError, match="cannot be written"):
        StackProfiler().write(profile)
    assert profile.read_text() == "kept"
