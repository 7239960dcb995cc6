"""The benchmark reports what it measures; no time is asserted."""

import json
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from livebg.bench.clips import write_clip, write_webcam_clip
from livebg.bench.live import bench_live
from livebg.bench.render import FINISHING, STAGES, bench_render
from livebg.cli import app
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.sources.file import FileSource
from tests.support.pipeline_fakes import LumaSegmenter
from tests.support.toy_network import ToyNetwork


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


def test_webcam_clip_is_full_range_motion_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "webcam.mkv"
    write_webcam_clip(path, frames=12, size=(320, 180))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("mjpeg", "yuvj422p")
        assert sum(1 for _ in container.decode(stream)) == 12


def test_live_cost_is_measured_beside_passthrough(clip: Path, network: Path) -> None:
    settings = Settings.model_validate({"model": {"name": str(network)}})
    bare = bench_live(settings, clip, 2, Consent("a test"))
    cost = bench_live(settings, clip, 2)
    assert (bare.model, bare.input_size, cost.model) == ("none", None, "toy")
    assert set(bare.stages) == {"camera", "geometry", "output"}
    assert set(cost.stages) == {"camera", "geometry", "network", "smoothing", "upsampling", "compositing", "output"}
    for each in (bare, cost):
        assert each.captured > 0
        assert each.total > 0
        assert each.in_stages == pytest.approx(sum(each.stages.values()))
        assert each.latency is not None


def test_bench_live_prints_one_object_per_session(clip: Path, network: Path) -> None:
    arguments = ["bench", "live", str(clip), "--seconds", "1", "--model", str(network), "--against", str(network), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    bare, *others = [json.loads(line) for line in result.stdout.splitlines()]
    assert bare["over_pass_through"] == 1
    assert [other["model"] for other in others] == ["toy"] * 2
