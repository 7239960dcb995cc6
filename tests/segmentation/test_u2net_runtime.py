"""U2NetSegmenter on onnxruntime: providers, silence, and the published network."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from livebg.errors import ModelError
from livebg.models import REGISTRY, find
from livebg.segmentation.execution_providers import CPU, ProviderCache, ProviderSelector
from livebg.segmentation.ort import onnxruntime
from livebg.segmentation.u2net import U2NetSegmenter
from tests.support.toy_network import CARD, MEAN, STD, ToyNetwork, WriteToy


def test_onnxruntime_prints_nothing(write_toy: WriteToy, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError):
        U2NetSegmenter(write_toy(ToyNetwork(size=(40, 24), rigid=True)), CARD, input_size=(64, 64))
    U2NetSegmenter(write_toy(ToyNetwork(size=(40, 24))), CARD)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The providers of the sessions that onnxruntime has opened."""
    opened: list[str] = []

    class Counted(onnxruntime.InferenceSession):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)
            opened.append(self.get_providers()[0])

    monkeypatch.setattr(onnxruntime, "InferenceSession", Counted)
    return opened


@pytest.mark.parametrize("frame", [(1280, 720), (640, 480), (1080, 1920)])
def test_frame_size_opens_one_session_of_same_alpha(frame: tuple[int, int], sessions: list[str]) -> None:
    located = find("livebg-u2")
    segmenter = U2NetSegmenter(located.path, located.card, provider="cpu", frame_size=frame)
    any_size = U2NetSegmenter(located.path, located.card, provider="cpu")
    width, height = segmenter.input_size(*frame)
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(segmenter.segment(picture), any_size.segment(picture))
    assert len(sessions) == 2, "one each"


def test_other_sizes_share_second_session(sessions: list[str]) -> None:
    located = find("livebg-u2")
    segmenter = U2NetSegmenter(located.path, located.card, provider="cpu", frame_size=(640, 480))
    for scale in (1.0, 0.75, 0.5, 0.75, 1.0):
        width, height = segmenter.scaled_size(640, 480, scale)
        assert segmenter.segment(np.zeros((height, width, 3), np.uint8)).shape == (height, width)
    assert segmenter.segment(np.zeros((144, 256, 3), np.uint8)).shape == (144, 256)
    assert len(sessions) == 2


def test_threads_that_need_second_session_open_it_once(sessions: list[str]) -> None:
    located = find("livebg-u2")
    segmenter = U2NetSegmenter(located.path, located.card, provider="cpu", frame_size=(640, 480))
    picture = np.zeros((144, 256, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        alphas = list(pool.map(segmenter.segment, [picture] * 4))
    assert all(np.array_equal(alpha, alphas[0]) for alpha in alphas)
    assert len(sessions) == 2


@pytest.mark.parametrize("fate", ["removed", "damaged", "replaced"])
def test_other_sizes_work_after_the_file_changed(
    write_toy: WriteToy, tmp_path: Path, fate: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The governor asks for smaller pictures under load, which may be weeks after the start."""
    toy = ToyNetwork()
    path = write_toy(toy)
    segmenter = U2NetSegmenter(path, CARD, provider="cpu", frame_size=(640, 480))
    other = ToyNetwork(gain=0.0, offset=1.0).write(tmp_path / "other.onnx").read_bytes()
    if fate == "removed":
        path.unlink()
    else:
        path.write_bytes(other if fate == "replaced" else b"damaged")
    width, height = segmenter.scaled_size(640, 480, 0.5)
    picture = np.full((height, width, 3), 200, np.uint8)
    for _ in range(2):
        alpha = segmenter.segment(picture)
        assert alpha.shape == (height, width)
        assert alpha.dtype == np.float32
        assert alpha == pytest.approx(toy.alpha(picture), abs=1e-4)
    assert sum("stays as it is" in record.message for record in caplog.records) == 1


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Sessions of the provider "AcmeExecutionProvider" work until this is set."""
    lost = threading.Event()

    class Acme(onnxruntime.InferenceSession):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self, source: object, options: object, providers: list[str], enable_fallback: int) -> None:
            super().__init__(source, options, providers=[CPU], enable_fallback=enable_fallback)
            self.provider = providers[0]

        def get_providers(self) -> list[str]:
            return [self.provider]

        def run(self, *arguments: object) -> object:
            if lost.is_set() and self.provider != CPU:
                raise RuntimeError("the device is lost")
            return super().run(*arguments)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Acme)
    return lost


@pytest.mark.parametrize("frame", [None, (64, 64)])
def test_cpu_takes_over_from_a_provider_that_fails_later(
    write_toy: WriteToy, lost: threading.Event, frame: tuple[int, int] | None, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a suspend, which not every graphics driver survives."""
    toy, selector = ToyNetwork(), ProviderSelector("auto", ["AcmeExecutionProvider"], ProviderCache(None))
    segmenter = U2NetSegmenter(write_toy(toy), CARD, provider=selector, frame_size=frame)
    picture = np.full((64, 64, 3), 200, np.uint8)
    for is_lost in (False, True, True):
        if is_lost:
            lost.set()
        assert segmenter.segment(picture) == pytest.approx(toy.alpha(picture), abs=1e-4)
    assert segmenter.provider == CPU
    assert sum("AcmeExecutionProvider has failed" in record.message for record in caplog.records) == 1


def test_provider_that_fails_later_is_reported_if_nothing_can_take_over(write_toy: WriteToy, lost: threading.Event) -> None:
    path, selector = write_toy(ToyNetwork()), ProviderSelector("auto", ["AcmeExecutionProvider"], ProviderCache(None))
    chosen = U2NetSegmenter(path, CARD, provider=ProviderSelector("AcmeExecutionProvider", ["AcmeExecutionProvider"]))
    automatic = U2NetSegmenter(path, CARD, provider=selector)
    lost.set()
    path.unlink()
    for segmenter in (chosen, automatic):
        with pytest.raises(ModelError, match="failed on a picture"):
            segmenter.segment(np.zeros((64, 64, 3), np.uint8))
        assert segmenter.provider == "AcmeExecutionProvider"


def test_name_and_provider_are_reported(write_toy: WriteToy) -> None:
    segmenter = U2NetSegmenter(write_toy(ToyNetwork()), CARD, provider="cpu")
    assert segmenter.name == "toy"
    assert segmenter.provider == CPU


def test_missing_provider_fails(write_toy: WriteToy) -> None:
    with pytest.raises(ModelError, match="The provider acme is not in this build of onnxruntime, which has"):
        U2NetSegmenter(write_toy(ToyNetwork()), CARD, provider="acme")


def test_fallback_to_cpu_fails(write_toy: WriteToy, tmp_path: Path) -> None:
    selector = ProviderSelector("cuda", ["CUDAExecutionProvider", CPU], ProviderCache(tmp_path / "providers.json"))
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime has CUDA")
    with pytest.warns(UserWarning, match="not in available provider names"), pytest.raises(ModelError, match="CUDA"):
        U2NetSegmenter(write_toy(ToyNetwork()), CARD, provider=selector)


def test_auto_skips_failing_provider(write_toy: WriteToy, tmp_path: Path) -> None:
    path = write_toy(ToyNetwork())
    selector = ProviderSelector("auto", ["AcmeExecutionProvider", CPU], ProviderCache(tmp_path / "providers.json"))
    with pytest.warns(UserWarning, match="not in available provider names"):
        segmenter = U2NetSegmenter(path, CARD, provider=selector)
    assert segmenter.provider == CPU
    # Cached: the broken provider is not tried again (a warning would fail this test).
    assert U2NetSegmenter(path, CARD, provider=selector).provider == CPU


def _rembg_mask(path: Path, picture: Image.Image) -> NDArray[np.uint8]:
    """The steps of rembg for U²-Net, according to its documentation: Lanczos to 320x320, divided by the maximum, ImageNet's mean
    and standard deviation, the first output stretched by its minimum and maximum, to 8 bits, Lanczos back."""
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
def test_minmax_matches_rembg_mask(u2netp: Path) -> None:
    data = pytest.importorskip("skimage.data")
    picture = Image.fromarray(data.astronaut())
    segmenter = U2NetSegmenter(u2netp, REGISTRY["u2netp"], input_size=(320, 320), normalization="minmax")
    small = np.asarray(picture.resize(segmenter.input_size(*picture.size), Image.Resampling.LANCZOS))
    alpha8 = (segmenter.segment(small) * 255).astype(np.uint8)
    mask = np.asarray(Image.fromarray(alpha8).resize(picture.size, Image.Resampling.LANCZOS))
    expected = _rembg_mask(u2netp, picture)
    assert expected.std() > 50
    assert np.abs(mask.astype(int) - expected).mean() < 0.1


@pytest.mark.shared
def test_u2netp_finds_astronaut_at_default_size(u2netp: Path) -> None:
    data = pytest.importorskip("skimage.data")
    segmenter = U2NetSegmenter(u2netp, REGISTRY["u2netp"])
    astronaut = Image.fromarray(data.astronaut())
    alpha = segmenter.segment(np.asarray(astronaut.resize(segmenter.input_size(512, 512), Image.Resampling.BOX)))
    assert alpha.shape == (192, 192)
    assert alpha[30:60, 75:95].min() > 0.9  # the face
    assert alpha[:20, :20].max() < 0.1


def test_onnxruntime_telemetry_is_disabled(tmp_path: Path) -> None:
    """Its telemetry stores an identifier of the machine in the cache folder unless it is disabled before the import."""
    network = ToyNetwork().write(tmp_path / "toy.onnx")
    code = (
        "from pathlib import Path; from livebg.models import find; from livebg.segmentation.u2net import U2NetSegmenter;"
        f"model = find({str(network)!r}); U2NetSegmenter(model.path, model.card, provider='cpu')"
    )
    # The library disables telemetry on build machines itself: test as on a user's machine.
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=home, cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path != network) in ([], ["cache"])
