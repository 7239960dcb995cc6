"""Looks that are made ready before they are wanted: one network for all of them, and none that has hung."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.clock import StageTimer
from livebg.compositing.composite import Consent
from livebg.config.loading import load_settings
from livebg.config.settings import Settings
from livebg.errors import ConfigError, ModelError
from livebg.imaging.frame import Composite, VideoFormat, planes
from livebg.live.effect_builder import ProcessorFactory
from livebg.pipeline import Passthrough, Processor
from tests.support.photos import save_photo
from tests.support.pipeline_fakes import UNTAGGED, noise_frame
from tests.support.toy_network import ToyNetwork

SHAPE = VideoFormat(64, 48, Fraction(30), UNTAGGED)


@pytest.fixture
def network(tmp_path: Path) -> str:
    return str(ToyNetwork(gain=0.0).write(tmp_path / "toy.onnx"))  # nobody anywhere


def settings(network: str, **more: object) -> Settings:
    return load_settings({"model.name": network, **{key.replace("__", "."): value for key, value in more.items()}})


def shown(look: Processor) -> Composite:
    return look.process(noise_frame(1)).composite


def test_the_network_is_loaded_once_for_all_looks(network: str) -> None:
    builder = ProcessorFactory(settings(network, effect__mode="greenscreen"), None, StageTimer(), SHAPE)
    assert builder.segmenter is None
    first = builder()
    segmenter = builder.segmenter
    assert segmenter is not None
    Path(network).unlink()  # from here on nothing can be loaded
    other = builder.prepare(
        settings(network, effect__mode="background", effect__background="#ff0000", smoothing__time_constant=0)
    )
    red, green = shown(other()), shown(first)
    assert builder.segmenter is segmenter
    assert planes(red.data)[2].min() > 200  # V
    assert planes(green.data)[2].max() < 60


def test_another_network_is_loaded_before_it_is_used(network: str, tmp_path: Path) -> None:
    builder = ProcessorFactory(settings(network), None, StageTimer(), SHAPE)
    builder()
    before = builder.segmenter
    with pytest.raises(ModelError):
        builder.prepare(settings(str(tmp_path / "missing.onnx")))
    build = builder.prepare(settings(network, model__threads=2))
    assert builder.segmenter is before
    build()
    assert builder.segmenter is not before


def test_a_picture_is_read_before_it_is_used(network: str, tmp_path: Path) -> None:
    builder = ProcessorFactory(settings(network), None, StageTimer(), SHAPE)
    save_photo(tmp_path / "photo.png")
    wanted = settings(network, effect__mode="background", effect__background=str(tmp_path / "photo.png"))
    build = builder.prepare(wanted)
    (tmp_path / "photo.png").unlink()
    assert np.ptp(planes(shown(build()).data)[0]) > 50
    with pytest.raises(ConfigError):
        builder.prepare(wanted)


def test_a_background_is_made_ready_for_the_frames_that_will_come(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Painting takes longer than the last picture of the look before may be repeated."""
    builder = ProcessorFactory(
        settings(network, effect__mode="background", effect__background="lights"), None, StageTimer(), SHAPE
    )
    look = builder()

    def paints_no_more(name: str, width: int, height: int) -> NDArray[np.uint8]:
        raise AssertionError(f"{name} is painted at {width}x{height} while a frame waits")

    monkeypatch.setattr("livebg.compositing.backgrounds.rgb_to_i420", paints_no_more)
    assert np.ptp(planes(shown(look).data)[0]) > 5


def test_the_room_takes_no_network_and_keeps_it_at_hand(network: str) -> None:
    builder = ProcessorFactory(settings(network), Consent("a test"), StageTimer(), SHAPE)
    assert isinstance(builder(), Passthrough)
    assert builder.segmenter is None
    builder.prepare(settings(network))()
    segmenter = builder.segmenter
    assert isinstance(builder.passthrough(Consent("a test"))(), Passthrough)
    assert builder.segmenter is None
    Path(network).unlink()
    builder.prepare(settings(network))()
    assert builder.segmenter is segmenter


def test_what_has_hung_is_made_anew(network: str) -> None:
    builder = ProcessorFactory(settings(network), None, StageTimer(), SHAPE)
    first = builder()
    hung = builder.segmenter
    waiting = builder.prepare(settings(network, effect__mode="greenscreen"))  # made ready with the network that hangs
    builder.discard_network()
    again = builder()
    assert again is not first
    assert builder.segmenter is not hung
    fresh = builder.segmenter
    waiting()
    assert builder.segmenter is fresh
    builder.discard_network()
    waiting()  # the worker of this look hung
    assert builder.segmenter not in (hung, fresh)
