"""Pipelines prepared in advance: one network for all of them, and none that has hung."""

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
    return str(ToyNetwork(gain=0.0).write(tmp_path / "toy.onnx"))  # no person anywhere


def settings(network: str, **more: object) -> Settings:
    return load_settings({"model.name": network, **{key.replace("__", "."): value for key, value in more.items()}})


def process(look: Processor) -> Composite:
    processed = look.process(noise_frame(1))
    assert processed is not None
    return processed.composite


def test_network_is_loaded_once_for_all_effects(network: str) -> None:
    builder = ProcessorFactory(settings(network, effect__mode="greenscreen"), None, StageTimer(), SHAPE)
    assert builder.segmenter is None
    first = builder()
    segmenter = builder.segmenter
    assert segmenter is not None
    Path(network).unlink()  # from here on nothing can be loaded
    other = builder.prepare(
        settings(network, effect__mode="background", effect__background="#ff0000", smoothing__time_constant=0)
    )
    red, green = process(other()), process(first)
    assert builder.segmenter is segmenter
    assert planes(red.data)[2].min() > 200  # V
    assert planes(green.data)[2].max() < 60


@pytest.mark.parametrize(("framing", "oversampling"), [(1.0, 1.0), (1.5, 1.5), (3.0, 2.0)])
def test_only_auto_framing_takes_larger_frames(network: str, framing: float, oversampling: float) -> None:
    look = ProcessorFactory(settings(network, effect__framing=framing), None, StageTimer(), SHAPE)()
    assert look.oversampling == oversampling
    larger = noise_frame(1, (round(64 * oversampling), round(48 * oversampling)))
    processed = look.process(larger)
    assert processed is not None
    made = processed.composite
    assert (made.width, made.height) == (64, 48)


def test_mode_none_takes_no_larger_frames(network: str) -> None:
    builder = ProcessorFactory(settings(network, effect__framing=2.0), Consent("a test"), StageTimer(), SHAPE)
    assert builder().oversampling == 1


def test_other_network_is_loaded_before_use(network: str, tmp_path: Path) -> None:
    builder = ProcessorFactory(settings(network), None, StageTimer(), SHAPE)
    builder()
    before = builder.segmenter
    with pytest.raises(ModelError):
        builder.prepare(settings(str(tmp_path / "missing.onnx")))
    build = builder.prepare(settings(network, model__threads=2))
    assert builder.segmenter is before
    build()
    assert builder.segmenter is not before


def test_rejected_effect_does_not_replace_the_loaded_network(network: str, tmp_path: Path) -> None:
    other = str(ToyNetwork().write(tmp_path / "other.onnx"))
    builder = ProcessorFactory(settings(network), None, StageTimer(), SHAPE)
    builder()
    with pytest.raises(ConfigError):
        builder.prepare(settings(other, effect__mode="background", effect__background="missing.png"))
    Path(network).unlink()  # from here on it cannot be loaded again
    builder.prepare(settings(network, effect__mode="greenscreen"))()


def test_background_picture_is_read_before_use(network: str, tmp_path: Path) -> None:
    builder = ProcessorFactory(settings(network), None, StageTimer(), SHAPE)
    save_photo(tmp_path / "photo.png")
    wanted = settings(network, effect__mode="background", effect__background=str(tmp_path / "photo.png"))
    build = builder.prepare(wanted)
    (tmp_path / "photo.png").unlink()
    assert np.ptp(planes(process(build()).data)[0]) > 50
    with pytest.raises(ConfigError):
        builder.prepare(wanted)


def test_background_is_painted_before_first_frame(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Painting takes longer than the previous pipeline's last picture may be repeated."""
    builder = ProcessorFactory(
        settings(network, effect__mode="background", effect__background="lights"), None, StageTimer(), SHAPE
    )
    look = builder()

    def paints_no_more(name: str, width: int, height: int) -> NDArray[np.uint8]:
        raise AssertionError(f"{name} is painted at {width}x{height} while a frame waits")

    monkeypatch.setattr("livebg.compositing.backgrounds.rgb_to_i420", paints_no_more)
    assert np.ptp(planes(process(look).data)[0]) > 5


def test_passthrough_needs_no_network_and_keeps_it_cached(network: str) -> None:
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


def test_hung_network_is_replaced(network: str) -> None:
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
