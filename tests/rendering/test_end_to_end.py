"""From the input file to the output file, by the command that users type: every frame, every packet."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.cli_runner import LivebgCli
from tests.support.media import Clip, read_stamp
from tests.support.recordings import frame_times, packets_of
from tests.support.toy_network import ToyNetwork

COUNT, FEWER = 1000, 150
FAST = {"preset": "ultrafast"}


def jittered() -> list[int]:
    """Ticks of 1/90000 second: 30 frames a second as a phone takes them, with pauses now and then."""
    rng = np.random.default_rng(11)
    steps = rng.integers(1500, 6000, COUNT) + (rng.random(COUNT) < 0.02) * rng.integers(9000, 90_000, COUNT)
    return [int(tick) for tick in np.cumsum(steps) - steps[0]]


CLIPS = {
    "jittered": Clip(COUNT, rate=Fraction(30), pts=jittered(), time_base=Fraction(1, 90_000), audio="aac", options=FAST),
    "ntsc": Clip(COUNT, rate=Fraction(30_000, 1001), audio="aac", options=FAST),
    "sixty": Clip(COUNT, rate=Fraction(60), audio="aac", options=FAST),
}


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LivebgCli:
    cli = LivebgCli(tmp_path, monkeypatch)
    # Everything is the person, so that the stamps come through in every mode.
    ToyNetwork(gain=0.0, offset=1.0).write(cli.folder / "all.onnx")
    return cli


def stamps(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_stamp(np.asarray(frame.to_ndarray(format="gray"), np.uint8)) for frame in container.decode(video=0)]


ONCE_LONG = {("jittered", ".mp4"), ("ntsc", ".mkv"), ("sixty", ".mov")}
"""Each kind and each container has 1000 frames once, in several segments; the other pairs have fewer frames, in one."""


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("kind", CLIPS)
def test_all_frames_keep_pictures_times_and_audio(kind: str, ending: str, cli: LivebgCli) -> None:
    count = COUNT if (kind, ending) in ONCE_LONG else FEWER
    pts = CLIPS[kind].pts
    clip = replace(CLIPS[kind], count=count, pts=pts and pts[:count]).write(cli.folder / f"talk{ending}")
    result = cli.render(clip.name, "--model", "all.onnx", "--input-size", "64x48", "--preset", "ultrafast", "--quiet")
    assert result.code == 0
    out = clip.with_name(f"talk.portrait{ending}")
    assert stamps(out) == list(range(count)) == stamps(clip)
    assert frame_times(out) == frame_times(clip)
    assert packets_of(out, "audio") == packets_of(clip, "audio")


def test_render_without_person_shows_nothing_of_the_room(cli: LivebgCli) -> None:
    """The stamps cover the picture: on a green screen, with no person in it, not one frame still shows its own."""
    ToyNetwork(gain=0.0, offset=0.0).write(cli.folder / "nobody.onnx")
    clip = Clip(60, options=FAST).write(cli.folder / "room.mp4")
    assert cli.render(clip.name, "--model", "nobody.onnx", "--mode", "greenscreen", "--quiet").code == 0
    with av.open(str(clip.with_name("room.greenscreen.mp4"))) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == 60
    assert all(int(picture.max()) - int(picture.min()) <= 1 for picture in pictures)


def test_render_is_deterministic(cli: LivebgCli) -> None:
    clip = Clip(30, options=FAST).write(cli.folder / "talk.mp4")
    for name in ("one.mp4", "two.mp4"):
        assert cli.render(clip.name, "-o", name, "--quiet").code == 0
    assert packets_of(cli.folder / "one.mp4", "video") == packets_of(cli.folder / "two.mp4", "video")
