"""The bench measures what it says; no time is asserted."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livebg.bench import FINISHING, STAGES, bench_render, write_clip
from livebg.cli import app
from livebg.compositing import Consent
from livebg.config import Settings
from livebg.sources.file import FileSource
from tests.fakes import LumaSegmenter
from tests.toy_network import ToyNetwork


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=12, size=(320, 180))
    return path


def test_the_made_up_clip_moves(clip: Path) -> None:
    frames = list(FileSource(clip))
    assert len(frames) == 12
    assert (frames[0].y.astype(int) - frames[-1].y != 0).mean() > 0.01


def test_every_stage_is_measured_and_the_ratios_follow(clip: Path) -> None:
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


def test_the_command_prints_one_json_object(tmp_path: Path, clip: Path) -> None:
    network = ToyNetwork().write(tmp_path / "toy.onnx")
    result = CliRunner().invoke(app, ["bench", "render", str(clip), "--frames", "10", "--model", str(network), "--json"])
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["frames"] == 10
    assert facts["finishing_blends"] > 0
