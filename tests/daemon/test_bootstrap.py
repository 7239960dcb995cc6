"""The output format and the presence check of a session, from its settings."""

from fractions import Fraction
from pathlib import Path

import pytest

from livebg.config.loading import load_settings
from livebg.daemon.bootstrap import READERS_COLOR, output_format, presence_factory
from livebg.live.presence.device import DevicePresence
from livebg.sinks.pipewire.stream import StreamingFlag
from tests.support.media import FAST, Clip


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, (64, 48)), ({"camera.rotate": 90}, (48, 64)), ({"camera.rotate": 180}, (64, 48)), ({"output.size": "32x18"}, (32, 18))],
)
def test_output_format_follows_the_file_unless_a_size_is_set(
    options: dict[str, object], size: tuple[int, int], tmp_path: Path
) -> None:
    clip = Clip(count=2, width=64, height=48, rate=Fraction(25), options=FAST).write(tmp_path / "clip.mp4")
    shape = output_format(load_settings({"camera.device": str(clip), **options}))
    assert ((shape.width, shape.height), shape.frame_rate, shape.color) == (size, Fraction(25), READERS_COLOR)


def test_output_announces_at_least_the_keepalive_rate(tmp_path: Path) -> None:
    clip = Clip(count=2, rate=Fraction(1), options=FAST).write(tmp_path / "slow.mp4")
    assert output_format(load_settings({"camera.device": str(clip)})).frame_rate > 1


def test_v4l2loopback_is_watched_at_its_device() -> None:
    assert presence_factory(load_settings({"output.backend": "v4l2loopback"}), StreamingFlag(), "v4l2loopback") is DevicePresence
