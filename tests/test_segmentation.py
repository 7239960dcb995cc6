"""U2NetSegmenter: sizes, values, normalisation, and every way in which a file can be no U²-Net."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from PIL import Image

from livebg.errors import ModelError
from livebg.interfaces import Segmenter
from livebg.models import REGISTRY, ModelCard, find
from livebg.models.registry import unknown_card
from livebg.providers import CPU, ProviderChooser, ProviderMemory
from livebg.runtime import onnxruntime
from livebg.segmentation import U2NetSegmenter
from tests.segmenter_contract import SegmenterContract, noise
from tests.toy_network import MEAN, STD, ToyNetwork

CARD = ModelCard("toy", "toy.onnx", "MIT", "a toy", pixels=64 * 64)
Write = Callable[[ToyNetwork], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return lambda network: network.write(tmp_path / "toy.onnx")


@pytest.fixture(scope="module")
def u2netp() -> Path:
    """The published network: beside the checkout, or in the user's cache."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "models"
    try:
        return find("u2netp", [beside]).path
    except ModelError as error:
        pytest.skip(f"no u2netp.onnx: {error}")


class TestFreeSizes(SegmenterContract):
    @pytest.fixture
    def segmenter(self, write: Write) -> Segmenter:
        return U2NetSegmenter(write(ToyNetwork(batch="batch")), CARD)


class TestWithPrior(SegmenterContract):
    looks_at_prior = True

    @pytest.fixture
    def segmenter(self, write: Write) -> Segmenter:
        return U2NetSegmenter(write(ToyNetwork(channels=4, gain=0.4)), CARD)


class TestFixedSize(SegmenterContract):
    @pytest.fixture
    def segmenter(self, write: Write) -> Segmenter:
        return U2NetSegmenter(write(ToyNetwork(size=(32, 32), rigid=True)), CARD)


class TestMinMax(SegmenterContract):
    @pytest.fixture
    def segmenter(self, write: Write) -> Segmenter:
        return U2NetSegmenter(write(ToyNetwork(size=(32, 32), gain=0.2)), CARD, normalisation="minmax")


class TestOutOfRange(SegmenterContract):
    @pytest.fixture
    def segmenter(self, write: Write) -> Segmenter:
        return U2NetSegmenter(write(ToyNetwork(gain=4, offset=-1.5)), CARD, input_size=(48, 32))


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ((1280, 720), (256, 144)),
        ((640, 480), (224, 160)),
        ((480, 640), (160, 224)),
        ((100, 100), (192, 192)),
        ((10_000, 2), (384, 96)),
        ((2, 10_000), (96, 384)),
    ],
)
def test_the_default_size_follows_the_aspect(write: Write, frame: tuple[int, int], expected: tuple[int, int]) -> None:
    segmenter = U2NetSegmenter(write(ToyNetwork()), REGISTRY["u2netp"])
    assert segmenter.input_size(*frame) == expected


def test_a_network_of_ones_own_keeps_the_number_of_pixels_it_was_exported_for(write: Write) -> None:
    segmenter = U2NetSegmenter(write(ToyNetwork(size=(320, 320))), unknown_card("toy.onnx"))
    assert segmenter.input_size(640, 640) == (320, 320)
    assert segmenter.input_size(1280, 720) == (432, 240)


@pytest.mark.parametrize("network", [ToyNetwork(), ToyNetwork(size=(320, 320)), ToyNetwork(size=(320, 320), lists_weights=True)])
def test_the_size_asked_for_is_the_size_for_every_frame(write: Write, network: ToyNetwork) -> None:
    segmenter = U2NetSegmenter(write(network), CARD, input_size=(50, 34))
    assert segmenter.input_size(1280, 720) == segmenter.input_size(480, 640) == (50, 34)
    image = noise((50, 34), 0)
    np.testing.assert_allclose(segmenter.segment(image), network.alpha(image), atol=1e-6)


def test_a_rigid_network_runs_at_its_own_size_alone(write: Write) -> None:
    path = write(ToyNetwork(size=(40, 24), rigid=True))
    assert U2NetSegmenter(path, CARD).input_size(1280, 720) == (40, 24)
    assert U2NetSegmenter(path, CARD, input_size=(40, 24)).input_size(640, 480) == (40, 24)
    with pytest.raises(ModelError, match="runs at 40x24 only, not at 64x64"):
        U2NetSegmenter(path, CARD, input_size=(64, 64))


@pytest.mark.parametrize("size", [(32, 32), None])
def test_alpha_is_the_first_output_at_the_fixed_scale(write: Write, size: tuple[int, int] | None) -> None:
    network = ToyNetwork(size=size, gain=0.5, offset=0.1)
    image = noise((32, 32), 1)
    alpha = U2NetSegmenter(write(network), CARD, input_size=(32, 32)).segment(image)
    np.testing.assert_allclose(alpha, network.alpha(image), atol=1e-6)


def test_the_card_says_how_the_input_is_scaled(write: Write) -> None:
    card = ModelCard("toy", "toy.onnx", "MIT", "a toy", mean=(0.1, 0.2, 0.3), std=(1, 2, 4))
    image = noise((32, 32), 2)
    alpha = U2NetSegmenter(write(ToyNetwork()), card, input_size=(32, 32)).segment(image)
    mean = ((image / 255 - [0.1, 0.2, 0.3]) / [1, 2, 4]).mean(axis=2)
    np.testing.assert_allclose(alpha, 1 / (1 + np.exp(-mean)), atol=1e-6)


def test_values_outside_0_and_1_are_clipped(write: Write) -> None:
    network = ToyNetwork(gain=4, offset=-1.5)
    image = noise((32, 32), 3)
    alpha = U2NetSegmenter(write(network), CARD, input_size=(32, 32)).segment(image)
    assert alpha.min() == 0
    assert alpha.max() == 1
    np.testing.assert_allclose(alpha, network.alpha(image).clip(0, 1), atol=1e-6)


def test_the_prior_is_the_fourth_channel(write: Write) -> None:
    network = ToyNetwork(channels=4, gain=0.4)
    segmenter = U2NetSegmenter(write(network), CARD, input_size=(32, 16))
    image, prior = noise((32, 16), 4), np.linspace(0, 1, 32 * 16, dtype=np.float32).reshape(16, 32)
    np.testing.assert_allclose(segmenter.segment(image, prior), network.alpha(image, prior), atol=1e-6)


def test_minmax_stretches_input_and_output(write: Write) -> None:
    segmenter = U2NetSegmenter(write(ToyNetwork(gain=0.02)), CARD, input_size=(32, 32), normalisation="minmax")
    image = noise((32, 32), 5) // 2
    mean = ((image / image.max() - MEAN) / STD).mean(axis=2)
    raw = 1 / (1 + np.exp(-mean))
    np.testing.assert_allclose(segmenter.segment(image), (raw - raw.min()) / (raw.max() - raw.min()), atol=1e-4)


@pytest.mark.parametrize("level", [0, 90])
def test_minmax_leaves_an_even_picture_as_it_is(write: Write, level: int) -> None:
    segmenter = U2NetSegmenter(write(ToyNetwork(gain=0.02)), CARD, input_size=(32, 32), normalisation="minmax")
    alpha = segmenter.segment(np.full((32, 32, 3), level, np.uint8))
    assert 0 <= alpha.max() < 0.02


def test_an_empty_room_stays_empty_at_the_fixed_scale(write: Write) -> None:
    segmenter = U2NetSegmenter(write(ToyNetwork(gain=0.02)), CARD, input_size=(32, 32))
    assert segmenter.segment(noise((32, 32), 6)).max() < 0.02


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (ToyNetwork(inputs=2), r"takes 2 inputs \(picture, extra1\) where a U²-Net takes one"),
        (ToyNetwork(channels=5), "takes an input of 1x5xheightxwidth where a U²-Net takes 1x3xHxW or 1x4xHxW"),
        (ToyNetwork(batch=2), "takes an input of 2x3xheightxwidth"),
        (ToyNetwork(rank=3), "takes an input of 3xheightxwidth"),
        (ToyNetwork(dtype=TensorProto.UINT8), r"takes tensor\(uint8\) where livebg feeds tensor\(float\)"),
        (ToyNetwork(dtype=TensorProto.FLOAT16), r"takes tensor\(float16\)"),
        (ToyNetwork(shrink=True), "gives float32 1x1x16x16 where 1x1x32x32 of floats are expected for a picture of 32x32"),
        (ToyNetwork(gain=float("nan")), "numbers that are not finite"),
        (ToyNetwork(gain=float("inf")), "numbers that are not finite"),
        (ToyNetwork(size=(32, 32), gain=float("nan")), "numbers that are not finite"),
    ],
)
def test_another_kind_of_network_is_refused(write: Write, network: ToyNetwork, sentence: str) -> None:
    path = write(network)
    with pytest.raises(ModelError, match=sentence) as caught:
        U2NetSegmenter(path, CARD, input_size=(32, 32))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_on_a_later_picture_is_an_error_and_not_an_alpha(write: Write) -> None:
    segmenter = U2NetSegmenter(write(ToyNetwork(activation="Sqrt")), CARD, input_size=(32, 32))
    assert segmenter.segment(np.full((32, 32, 3), 160, np.uint8)).min() > 0
    with pytest.raises(ModelError, match="not finite"):
        segmenter.segment(np.zeros((32, 32, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: download or copy it again"),
        (b"<!DOCTYPE html><title>404</title>", "is no ONNX network, or damaged"),
        (b"\x00" * 1000, "is no ONNX network, or damaged"),
        (None, r"cannot be read \(No such file or directory\)"),
    ],
)
def test_no_network_at_all(tmp_path: Path, content: bytes | None, sentence: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        U2NetSegmenter(path, CARD)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_truncated_file(write: Write, share: float) -> None:
    path = write(ToyNetwork())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="is no ONNX network, or damaged"):
        U2NetSegmenter(path, CARD)


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        U2NetSegmenter(tmp_path, CARD)


def test_onnxruntime_says_nothing_on_the_terminal(write: Write, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError):
        U2NetSegmenter(write(ToyNetwork(size=(40, 24), rigid=True)), CARD, input_size=(64, 64))
    U2NetSegmenter(write(ToyNetwork(size=(40, 24))), CARD)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("image", "prior"),
    [
        (np.zeros((32, 32), np.uint8), None),
        (np.zeros((32, 32, 4), np.uint8), None),
        (np.zeros((32, 32, 3), np.uint8), np.zeros((32, 31), np.float32)),
        (np.zeros((32, 32, 3), np.float32), None),
    ],
)
def test_what_is_no_picture_is_the_callers_mistake(
    write: Write, image: NDArray[np.uint8], prior: NDArray[np.float32] | None
) -> None:
    with pytest.raises(ValueError, match=r"needs uint8|must be of"):
        U2NetSegmenter(write(ToyNetwork()), CARD, input_size=(32, 32)).segment(image, prior)


def test_tells_what_runs_where(write: Write) -> None:
    segmenter = U2NetSegmenter(write(ToyNetwork()), CARD, provider="cpu")
    assert segmenter.name == "toy"
    assert segmenter.provider == CPU


def test_a_missing_provider_is_an_error(write: Write) -> None:
    with pytest.raises(ModelError, match="the provider acme is not in this build of onnxruntime, which has"):
        U2NetSegmenter(write(ToyNetwork()), CARD, provider="acme")


def test_a_provider_that_falls_back_to_the_cpu_is_an_error(write: Write, tmp_path: Path) -> None:
    chooser = ProviderChooser("cuda", ["CUDAExecutionProvider", CPU], ProviderMemory(tmp_path / "providers.json"))
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime has CUDA")
    with pytest.warns(UserWarning, match="not in available provider names"), pytest.raises(ModelError, match="CUDA"):
        U2NetSegmenter(write(ToyNetwork()), CARD, chooser=chooser)


def test_auto_passes_over_a_provider_that_does_not_work(write: Write, tmp_path: Path) -> None:
    path = write(ToyNetwork())
    chooser = ProviderChooser("auto", ["AcmeExecutionProvider", CPU], ProviderMemory(tmp_path / "providers.json"))
    with pytest.warns(UserWarning, match="not in available provider names"):
        segmenter = U2NetSegmenter(path, CARD, chooser=chooser)
    assert segmenter.provider == CPU
    # Remembered: the broken one is not tried again (a warning would fail this test).
    assert U2NetSegmenter(path, CARD, chooser=chooser).provider == CPU


def _rembg_mask(path: Path, picture: Image.Image) -> NDArray[np.uint8]:
    """rembg's steps for U²-Net, as its documentation tells them: Lanczos to 320x320, over the maximum, ImageNet's mean and
    deviation, the first output stretched by its own minimum and maximum, to 8 bits, Lanczos back."""
    small = np.asarray(picture.convert("RGB").resize((320, 320), Image.Resampling.LANCZOS)).astype(np.float64)
    small /= max(small.max(), 1e-6)
    planes = [(small[:, :, channel] - MEAN[channel]) / STD[channel] for channel in range(3)]
    session = onnxruntime.InferenceSession(path, providers=[CPU])
    tensor = np.stack(planes)[np.newaxis].astype(np.float32)
    output = session.run(None, {session.get_inputs()[0].name: tensor})[0][0, 0]
    stretched = (output - output.min()) / (output.max() - output.min())
    mask = Image.fromarray((stretched * 255).astype(np.uint8)).resize(picture.size, Image.Resampling.LANCZOS)
    return np.asarray(mask)


@pytest.mark.shared
def test_minmax_gives_rembgs_mask(u2netp: Path) -> None:
    data = pytest.importorskip("skimage.data")
    picture = Image.fromarray(data.astronaut())
    segmenter = U2NetSegmenter(u2netp, REGISTRY["u2netp"], input_size=(320, 320), normalisation="minmax")
    small = np.asarray(picture.resize(segmenter.input_size(*picture.size), Image.Resampling.LANCZOS))
    alpha8 = (segmenter.segment(small) * 255).astype(np.uint8)
    mask = np.asarray(Image.fromarray(alpha8).resize(picture.size, Image.Resampling.LANCZOS))
    expected = _rembg_mask(u2netp, picture)
    assert expected.std() > 50
    assert np.abs(mask.astype(int) - expected).mean() < 0.1


@pytest.mark.shared
def test_u2netp_finds_the_astronaut_at_its_default_size(u2netp: Path) -> None:
    data = pytest.importorskip("skimage.data")
    segmenter = U2NetSegmenter(u2netp, REGISTRY["u2netp"])
    astronaut = Image.fromarray(data.astronaut())
    alpha = segmenter.segment(np.asarray(astronaut.resize(segmenter.input_size(512, 512), Image.Resampling.BOX)))
    assert alpha.shape == (192, 192)
    assert alpha[30:60, 75:95].min() > 0.9  # the face
    assert alpha[:20, :20].max() < 0.1


def test_onnxruntime_reports_to_nobody(tmp_path: Path) -> None:
    """Its telemetry leaves an identifier of the machine in the cache folder, unless it is off from the very start."""
    network = ToyNetwork().write(tmp_path / "toy.onnx")
    code = (
        "from pathlib import Path; from livebg.models import find; from livebg.segmentation import U2NetSegmenter;"
        f"model = find({str(network)!r}); U2NetSegmenter(model.path, model.card, provider='cpu')"
    )
    # The library holds back on build machines by itself: this must be seen as it is at home.
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=home, cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path != network) in ([], ["cache"])
