"""The output format and the presence check of a session, from its settings."""

from fractions import Fraction
from pathlib import Path

import pytest

from livebg.config.loading import load_settings
from livebg.daemon.bootstrap import (
    READERS_COLOR,
    build_camera,
    check_camera,
    drop_stale_choices,
    output_format,
    presence_factory,
    validate,
)
from livebg.daemon.saved_choices import Choice
from livebg.daemon.settings_layers import SettingsLayers
from livebg.errors import ConfigError, SourceError
from livebg.live.presence.device import DevicePresence
from livebg.sinks.pipewire.stream import StreamingFlag
from tests.support.live_session import FORMAT
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


MALFORMED_URLS = ("http://[fe80::1/stream", "rtsp://user:secret@a]b/", "http://\u2100.com/")


@pytest.mark.parametrize("url", MALFORMED_URLS)
def test_malformed_url_is_an_error_of_the_camera(url: str) -> None:
    """Anything else would end the session, and again at each start."""
    settings = load_settings({"camera.device": url})
    with pytest.raises(SourceError, match="malformed") as caught:
        check_camera(settings)
    assert "secret" not in str(caught.value)
    with pytest.raises(SourceError, match="malformed"):
        build_camera(settings, FORMAT).open()
    assert output_format(settings).width == 1280


@pytest.mark.parametrize("url", MALFORMED_URLS)
def test_saved_malformed_url_is_dropped(url: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch()
    layers = SettingsLayers.start({}, config, {"camera.device": Choice(url, None)})
    assert drop_stale_choices(layers).choices == {}


def test_camera_names_that_no_device_can_have_are_errors_of_the_camera(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for name in (str(loop), "x" * 5000, "9" * 5000, f"/dev/{'x' * 5000}"):
        settings = load_settings({"camera.device": name})
        assert check_camera(settings) is not None
        with pytest.raises(SourceError):
            build_camera(settings, FORMAT).open()
        assert output_format(settings).width == 1280


def test_backgrounds_that_no_file_can_have_are_errors_of_the_settings(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for name in (str(loop), "x" * 5000, f"{'x' * 5000}.png", f"{'x' * 5000}.mp4"):
        with pytest.raises(ConfigError):
            validate(load_settings({"effect.mode": "background", "effect.background": name}))
