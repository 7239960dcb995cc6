"""Networks of several kinds are detected and return the right alpha."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from livebg.errors import ModelError
from livebg.lab.evaluation.networks import candidate
from tests.support.evaluation_data import write_channels_last, write_recurrent
from tests.support.toy_network import ToyNetwork

PICTURE = np.random.default_rng(5).integers(0, 256, (12, 16, 3), np.uint8)


def test_channels_last_network_returns_its_class(tmp_path: Path) -> None:
    found = candidate(str(write_channels_last(tmp_path / "selfie.onnx", classes=1)))
    network = found.open()
    assert found.name == network.name == "selfie"
    assert network.input_size(640, 480) == network.input_size(100, 300, (256, 144)) == (16, 12)
    assert np.allclose(network.alpha(PICTURE), PICTURE.mean(axis=2) / 255, atol=1e-6)


def test_second_of_two_classes_is_the_person(tmp_path: Path) -> None:
    network = candidate(str(write_channels_last(tmp_path / "landscape.onnx", classes=2))).open()
    background, person = np.exp(-1.0), np.exp(PICTURE.mean(axis=2) / 255)
    assert np.allclose(network.alpha(PICTURE), person / (background + person), atol=1e-6)


def test_recurrent_network_keeps_state_until_reset(tmp_path: Path) -> None:
    network = candidate(str(write_recurrent(tmp_path / "matting.onnx"))).open()
    red = PICTURE[..., 0] / 255
    assert np.allclose(network.alpha(PICTURE), 0.1 * red, atol=1e-6)
    assert np.allclose(network.alpha(PICTURE), 0.2 * red, atol=1e-6)
    network.reset()
    assert np.allclose(network.alpha(PICTURE), 0.1 * red, atol=1e-6)


def test_recurrent_input_size_follows_aspect_in_steps_of_16(tmp_path: Path) -> None:
    path = write_recurrent(tmp_path / "matting.onnx")
    assert candidate(str(path)).open().input_size(1280, 720) == (512, 288)
    assert candidate(str(path)).open().input_size(720, 1280) == (288, 512)
    assert candidate(str(path)).open().input_size(1280, 720, (256, 144)) == (256, 144)
    assert candidate(f"{path}@64x32").open().input_size(1280, 720, (256, 144)) == (64, 32)


def test_u2net_file_runs_like_in_livebg(tmp_path: Path) -> None:
    toy = ToyNetwork()
    network = candidate(str(toy.write(tmp_path / "toy.onnx"))).open()
    assert network.name == "toy"
    assert np.allclose(network.alpha(PICTURE), np.clip(toy.alpha(PICTURE), 0, 1), atol=1e-5)


def test_metadata_sets_input_scaling_and_stride(tmp_path: Path) -> None:
    path = ToyNetwork().write(tmp_path / "own.onnx")
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {"input": "RGB, 0..1", "stride": "32"})
    onnx.save(model, str(path))
    network = candidate(str(path)).open()
    assert np.allclose(network.alpha(PICTURE), 1 / (1 + np.exp(-PICTURE.mean(axis=2) / 255)), atol=1e-5)
    assert network.input_size(1280, 720) == (256, 128)


def test_size_after_name_overrides_input_size(tmp_path: Path) -> None:
    path = ToyNetwork().write(tmp_path / "toy.onnx")
    found = candidate(f"{path}@64x48")
    assert found.name == "toy@64x48"
    assert found.path == path
    assert found.open().input_size(1280, 720, (256, 144)) == (64, 48)
    assert candidate(str(path)).open().input_size(1280, 720, (256, 144)) == (256, 144)


def test_fixed_size_network_keeps_its_size(tmp_path: Path) -> None:
    network = candidate(str(ToyNetwork(size=(32, 48), rigid=True).write(tmp_path / "rigid.onnx"))).open()
    assert network.input_size(1280, 720, (256, 144)) == (32, 48)


def test_invalid_network_fails(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("no network")
    with pytest.raises(ModelError, match=r"text\.onnx is not an ONNX network or is damaged"):
        candidate(str(path))
    with pytest.raises(ModelError, match=r"has an output of 1x12x16x5, expected 1xHxWx1 or 1xHxWx2"):
        candidate(str(write_channels_last(tmp_path / "five.onnx", classes=5)))
    with pytest.raises(ModelError, match=r"supports only 16x12, not 256x144\. Remove the size"):
        candidate(f"{write_channels_last(tmp_path / 'selfie.onnx', classes=1)}@256x144")
    for channels in (4, 5):
        with pytest.raises(ModelError, match=f"expects an input of 1x{channels}xheightxwidth but livebg provides RGB, 1x3xHxW"):
            candidate(str(ToyNetwork(channels=channels).write(tmp_path / "more.onnx"))).open()


def test_picture_of_wrong_size_fails(tmp_path: Path) -> None:
    network = candidate(str(write_channels_last(tmp_path / "selfie.onnx", classes=1))).open()
    with pytest.raises(ModelError, match="failed on a picture"):
        network.alpha(PICTURE[:8])
