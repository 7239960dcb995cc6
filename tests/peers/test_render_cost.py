"""The CPU time of ``livebg render`` per frame beside that of U²-Net on each frame, on the same clip with the same encoder."""

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Final

import av
import pytest

from tests.peers.frame_by_frame import FrameByFrame

pytestmark = pytest.mark.shared
_DATA: Final = Path(__file__).parents[3] / "shared" / "data"
_ROUNDS: Final = 3
_FRAMES: Final = 40
"""Frames of the peer: each takes as long as the one before."""
_MIN_RATIO: Final = 8.0


@pytest.fixture(scope="module")
def clip() -> Path:
    return _shared("video/desk/desk_960x540.mp4")


@pytest.fixture(scope="module")
def peer() -> FrameByFrame:
    return FrameByFrame(_shared("models/u2netp.onnx"))


def _shared(name: str) -> Path:
    path = _DATA / name
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_cost_beside_a_network_on_each_frame(
    clip: Path, peer: FrameByFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """livebg renders the whole clip, its start included."""
    with av.open(clip) as source:
        frames = sum(1 for _ in source.decode(video=0))
    ours, theirs = list[float](), list[float]()
    for _ in range(_ROUNDS):
        theirs.append(peer.cost(clip, tmp_path / "peer.mp4", _FRAMES))
        ours.append(_render_cost(clip, tmp_path / "livebg.mp4", frames))
    ratio = median(their / our for our, their in zip(ours, theirs, strict=True))
    with capsys.disabled():
        figures = f"livebg render {median(ours):.0f} ms, U²-Net on each frame {median(theirs):.0f} ms of CPU time per frame"
        print(f"\n{figures}, ratio {ratio:.1f}")  # noqa: T201 - the figures are what the test is for
    assert ratio > _MIN_RATIO


def _render_cost(clip: Path, output: Path, frames: int) -> float:
    """Returns the CPU milliseconds per frame of the whole command, and of the processes that it starts."""
    command = [sys.executable, "-m", "livebg", "render", str(clip), "-o", str(output), "--mode", "greenscreen", "--jobs", "1"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "--overwrite"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / frames * 1000
